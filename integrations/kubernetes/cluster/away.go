package cluster

import (
	"cmp"
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"io/fs"
	"net"
	"net/url"
	"regexp"
	"strings"
	"time"

	"github.com/shipmate/shipmate/pipeline"
)

// unreachable: nothing came back that an API server would say.
func unreachable(err error) bool {
	var dial net.Error
	var at *url.Error
	return errors.Is(err, context.DeadlineExceeded) || errors.As(err, &dial) || errors.As(err, &at)
}

// away explains why nothing came back. What only the operator can set right is
// final; an address that is wrong cannot be told from a server that is away.
func (t Target) away(doing string, err error) error {
	if wrong := misconfigured(err); wrong != "" {
		return &pipeline.Error{Code: "no_cluster", Err: err, Message: fmt.Sprintf("The operator's settings for the cluster %s do not work (%s): %s.", t.Name, doing, wrong)}
	}
	return pipeline.Temporary(&pipeline.Error{Code: "cluster_away", Err: err, Message: fmt.Sprintf("The cluster %s does not answer (%s: %s). It is tried again.", t.Name, doing, innermost(err))})
}

// misconfigured says what to correct in how the cluster is reached, or "".
func misconfigured(err error) string {
	var authority x509.UnknownAuthorityError
	var host x509.HostnameError
	var invalid x509.CertificateInvalidError
	var plain tls.RecordHeaderError
	switch {
	case errors.As(err, &authority):
		return "they do not name the authority that signed its certificate. Correct `ca_file`, or the kubeconfig's certificate-authority"
	case errors.As(err, &host):
		return fmt.Sprintf("its certificate is not for the address by which it is reached (%s). Correct `server`, or the kubeconfig", strings.TrimPrefix(host.Error(), "x509: "))
	case errors.As(err, &invalid):
		return fmt.Sprintf("its certificate is not valid (%s). It has to be renewed", strings.TrimPrefix(invalid.Error(), "x509: "))
	case errors.As(err, &plain):
		return "what answers at its address does not speak TLS. Correct `server`, or the kubeconfig"
	}
	return brokenPlugin(err)
}

// What client-go says of exec plugins of a kubeconfig; it makes strings of
// their errors.
var (
	credentials   = regexp.MustCompile(`getting credentials: (?:exec: )?([^\n]*)`)
	missingPlugin = regexp.MustCompile(`^(?:executable|fork/exec) (\S+?)(?: not found|: no such file)`)
	failedPlugin  = regexp.MustCompile(`^executable \S+ failed with exit code`)
)

// brokenPlugin says what to correct about an exec plugin, or "". One that ran
// and failed may have met a service that is away.
func brokenPlugin(err error) string {
	said := pluginError(err)
	switch name := missingPlugin.FindStringSubmatch(said); {
	case said == "", failedPlugin.MatchString(said):
		return ""
	case name != nil:
		return fmt.Sprintf("the kubeconfig's exec plugin %s is not installed where shipmate runs. Install it there, or use `server` with `token_file`", name[1])
	}
	return fmt.Sprintf("the kubeconfig's exec plugin gives no credentials (%s). Correct it, or use `server` with `token_file`", strings.TrimSuffix(said, "."))
}

func pluginError(err error) string {
	var at *url.Error
	if !errors.As(err, &at) {
		return ""
	}
	if said := credentials.FindStringSubmatch(at.Err.Error()); said != nil {
		return said[1]
	}
	return ""
}

// innermost is the cause of an error in few words, without addresses: people
// who may not know them read it.
func innermost(err error) string {
	if said := pluginError(err); said != "" {
		return said
	}
	for {
		var lookup *net.DNSError
		var file *fs.PathError
		next := errors.Unwrap(err)
		switch {
		case errors.Is(err, context.DeadlineExceeded):
			return "no answer in time"
		case errors.As(err, &lookup):
			return cmp.Or(lookup.Err, "its address cannot be looked up")
		case errors.As(err, &file):
			return file.Error()
		case next == nil:
			return strings.TrimSuffix(strings.Join(strings.Fields(err.Error()), " "), ".")
		}
		err = next
	}
}

// ask makes one request that anybody may make, for what stands in its way.
func (t Target) ask(ctx context.Context) error {
	const patience = 5 * time.Second
	ctx, cancel := context.WithTimeout(ctx, patience)
	defer cancel()
	if err := t.Typed.Discovery().RESTClient().Get().AbsPath("/version").Do(ctx).Error(); unreachable(err) {
		return err
	}
	return context.DeadlineExceeded
}
