package helm

import (
	"context"
	"io"
	"net/http"
	"net/url"
	"strings"

	"k8s.io/client-go/rest"

	"github.com/shipmate/shipmate/pipeline"
)

// line is the only way from a call to the API server. It is cut when ctx ends:
// Helm's library does not stop by itself, and what has lost its lease must not
// write any more. It also keeps a chart, which may look up any object, inside
// what its repository may touch.
type line struct {
	ctx    context.Context //nolint:containedctx // the life of the call, which Helm's library does not pass on
	place  Place
	prefix string // of all paths: that of the server's address
	next   http.RoundTripper
}

// restricted is the place's configuration, over a line of its own.
func restricted(ctx context.Context, place Place) *rest.Config {
	cfg := rest.CopyConfig(place.REST)
	prefix := ""
	if u, err := url.Parse(cfg.Host); err == nil {
		prefix = strings.TrimSuffix(u.Path, "/")
	}
	cfg.Wrap(func(next http.RoundTripper) http.RoundTripper { return &line{ctx, place, prefix, next} })
	return cfg
}

func (l *line) RoundTrip(req *http.Request) (*http.Response, error) {
	if l.ctx.Err() != nil {
		return nil, context.Cause(l.ctx)
	}
	namespace, inside := scope(strings.TrimPrefix(req.URL.Path, l.prefix))
	if inside && !l.place.Allows(namespace) {
		return nil, l.place.refused(namespace)
	}
	ctx, cancel := context.WithCancel(req.Context())
	stop := context.AfterFunc(l.ctx, cancel)
	end := func() { stop(); cancel() }
	resp, err := l.next.RoundTrip(req.WithContext(ctx))
	if err != nil {
		end()
		return nil, err
	}
	resp.Body = &body{resp.Body, end}
	return resp, nil
}

// refused says that the chart has objects where its repository may not deploy.
func (p Place) refused(namespace string) error {
	if namespace == "" {
		return pipeline.Refuse("namespace_refused", "The chart has or looks up objects that belong to no namespace, such as a ClusterRole, and the operator has not allowed that here (`cluster_wide`). Leave them out of the chart, or ask the operator.")
	}
	return pipeline.Refuse("namespace_refused", "The chart has or looks up objects in the namespace %s, and only %s is allowed here. Leave them out of the chart, or ask the operator for a rule.", namespace, p.Namespace)
}

// scope reads from the path of a request which namespace it is about; "" is
// none. What is not about objects at all is not inside anything.
func scope(path string) (namespace string, inside bool) {
	parts := strings.Split(strings.Trim(path, "/"), "/")
	switch {
	case parts[0] == "api" && len(parts) > 2:
		parts = parts[2:]
	case parts[0] == "apis" && len(parts) > 3:
		parts = parts[3:]
	default:
		return "", false
	}
	if parts[0] == "namespaces" && len(parts) > 2 {
		return parts[1], true
	}
	return "", true
}

// body ends the request's context when it is closed.
type body struct {
	io.ReadCloser
	end func()
}

func (b *body) Close() error {
	defer b.end()
	return b.ReadCloser.Close()
}
