package cluster

import (
	"context"
	"errors"
	"fmt"
	"regexp"
	"strings"
	"time"

	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/api/meta"

	"github.com/shipmate/shipmate/pipeline"
)

// Explain turns an error of the API server into one for people: what was being
// done, why it was refused, and what to do. What may pass by itself (the server
// is away, busy, or somebody was faster) is Temporary. Errors that are for
// people already, and those of a ctx that ended, stay as they are.
func (t Target) Explain(doing string, err error) error {
	var status apierrors.APIStatus
	switch {
	case err == nil, pipeline.Code(err) != "", pipeline.IsTemporary(err), errors.Is(err, context.Canceled):
		return err
	case unreachable(err):
		return t.away(doing, err)
	case meta.IsNoMatchError(err):
		return &pipeline.Error{Code: "unknown_kind", Err: err, Message: fmt.Sprintf("The cluster %s does not know a kind of object (%s): %v. Install its CustomResourceDefinition first, or correct apiVersion and kind.", t.Name, doing, err)}
	case !errors.As(err, &status):
		return fmt.Errorf("%s: %w", doing, err)
	}
	said := large.ReplaceAllString(strings.TrimSuffix(strings.Join(strings.Fields(status.Status().Message), " "), "."), "Invalid value: ...: ")
	explain := func(code, format string, args ...any) error {
		return &pipeline.Error{Code: code, Err: err, Message: fmt.Sprintf(format, args...)}
	}
	switch {
	case apierrors.IsForbidden(err) && strings.Contains(said, "exceeded quota"):
		return explain("quota_exceeded", "The namespace %s has no room for this (%s): %s. Ask for less, or for a larger ResourceQuota.", t, doing, said)
	case apierrors.IsForbidden(err) && t.starting():
		return pipeline.Temporary(explain("cluster_busy", "The cluster %s has just started and does not know yet who may do what (%s). It is tried again.", t.Name, doing))
	case apierrors.HasStatusCause(err, corev1.NamespaceTerminatingCause):
		return explain("namespace_terminating", "The namespace %s is being deleted, so nothing can be made in it (%s). Deploy to another one, or wait until it is gone and made anew.", t, doing)
	case apierrors.IsForbidden(err) && grants.MatchString(said):
		return explain("forbidden", "shipmate may not give rights that it does not have itself (%s): %s. Let the operator apply this object, or give these rights to shipmate as well.", doing, said)
	case apierrors.IsForbidden(err) && !rights.MatchString(said), policy.MatchString(said) && !apierrors.IsInternalError(err):
		return explain("refused_by_policy", "A policy of the cluster %s refuses it (%s): %s. Change what the policy names, or ask the operator.", t.Name, doing, said)
	case apierrors.IsForbidden(err):
		return explain("forbidden", "%s", t.forbidden(doing, said))
	case apierrors.IsUnauthorized(err):
		return explain("unauthorized", "The cluster %s does not accept shipmate's credentials (%s). The operator has to renew them.", t.Name, doing)
	case apierrors.IsInvalid(err) && fixed.MatchString(said):
		return explain("invalid_manifest", "The cluster %s refuses it (%s): %s. It can only be set when the object is made: give it another name, or delete the old one first.", t.Name, doing, said)
	case apierrors.IsInvalid(err), apierrors.IsBadRequest(err), strings.Contains(said, untyped):
		return explain("invalid_manifest", "The cluster %s refuses it (%s): %s.", t.Name, doing, said)
	case apierrors.IsServerTimeout(err), apierrors.IsTimeout(err), apierrors.IsTooManyRequests(err), apierrors.IsInternalError(err), apierrors.IsServiceUnavailable(err):
		return pipeline.Temporary(explain("cluster_busy", "The cluster %s could not do it right now (%s): %s. It is tried again.", t.Name, doing, said))
	}
	return explain("cluster_refused_it", "The cluster %s answered (%s): %s.", t.Name, doing, said)
}

// policy is what API servers say of admission, by webhooks and by their own: its
// status may be any.
var policy = regexp.MustCompile(`^admission webhook ".*" denied the request|ValidatingAdmissionPolicy '.*' denied request|violates PodSecurity "`)

// untyped begins what API servers say of an apply with a field that is unknown
// or of another type; for one reason or another it is a 500.
const untyped = "failed to create typed patch object"

// large is a value that is shown whole, such as a pod template.
var large = regexp.MustCompile(`Invalid value: \{.{200,}\}: `)

// starting reports whether the API server has not read its rules yet: until then
// it forbids everything. It is asked for its readiness, which anybody may see;
// a cluster that forbids even that is given a few seconds.
func (t Target) starting() bool {
	if t.Typed == nil {
		return false
	}
	const patience = 5 * time.Second
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	defer cancel()
	for first := true; ; first = false {
		err := t.Typed.Discovery().RESTClient().Get().AbsPath("/readyz").Do(ctx).Error()
		if err == nil {
			return !first
		}
		select {
		case <-time.After(200 * time.Millisecond):
		case <-ctx.Done():
			return !apierrors.IsForbidden(err)
		}
	}
}

// fixed is what API servers say of fields that cannot be changed.
var fixed = regexp.MustCompile(`field is immutable|may not change once set|may not be changed|updates to \S+ spec for fields other than`)
