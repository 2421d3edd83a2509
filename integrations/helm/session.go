package helm

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"slices"
	"sync"
	"text/template"
	"time"

	"helm.sh/helm/v4/pkg/action"
	v2 "helm.sh/helm/v4/pkg/chart/v2"
	"helm.sh/helm/v4/pkg/kube"
	"helm.sh/helm/v4/pkg/release/common"
	v1 "helm.sh/helm/v4/pkg/release/v1"
	"helm.sh/helm/v4/pkg/storage/driver"
	"k8s.io/apimachinery/pkg/api/meta"
	"k8s.io/client-go/discovery"
	"k8s.io/client-go/discovery/cached/memory"
	"k8s.io/client-go/rest"
	"k8s.io/client-go/restmapper"
	"k8s.io/client-go/tools/clientcmd"
	"k8s.io/client-go/tools/clientcmd/api"

	"github.com/shipmate/shipmate/pipeline"
)

const maxHistory = 10 // revisions that Helm keeps, which is its default

// session is a connection to the releases of a place; it ends with its ctx.
type session struct {
	ctx     context.Context //nolint:containedctx // Helm's library takes it in options of its waits
	place   Place
	release string
	mark    mark
	config  *action.Configuration
	client  *client
}

// asHelm makes this program known to the API server under Helm's own name: only
// then can a release that was installed with the helm program be upgraded, and
// the other way round, without a conflict over who owns its fields.
var asHelm = sync.OnceFunc(func() { kube.ManagedFieldsManager = "helm" })

func open(ctx context.Context, place Place, release string, m mark, log slog.Handler) (*session, error) {
	asHelm()
	getter, err := newGetter(restricted(ctx, place), place.Namespace)
	if err != nil {
		return nil, err
	}
	cfg := action.NewConfiguration(action.ConfigurationSetLogger(log))
	if err := cfg.Init(getter, place.Namespace, "secrets"); err != nil {
		return nil, err
	}
	real, ok := cfg.KubeClient.(*kube.Client)
	if !ok {
		return nil, fmt.Errorf("helm's client is a %T", cfg.KubeClient)
	}
	real.Namespace = place.Namespace
	c := &client{Client: real}
	cfg.KubeClient = c
	return &session{ctx: ctx, place: place, release: release, mark: m, config: cfg, client: c}, nil
}

func (s *session) waits() []kube.WaitOption { return []kube.WaitOption{kube.WithWaitContext(s.ctx)} }

func (s *session) history() (history, error) {
	all, err := s.config.Releases.History(s.release)
	if errors.Is(err, driver.ErrReleaseNotFound) {
		return nil, nil
	}
	if err != nil {
		return nil, s.place.Explain("read the release "+s.release, err)
	}
	var h history
	for _, r := range all {
		if r, ok := r.(*v1.Release); ok && r.Info != nil {
			h = append(h, r)
		}
	}
	slices.SortFunc(h, func(a, b *v1.Release) int { return a.Version - b.Version })
	return h, nil
}

// take ends what a call that is gone has left unfinished, so that Helm lets us
// go on. A first install is forgotten: installing again adopts its objects.
func (s *session) take(h history) (history, error) {
	last := h.last()
	if last == nil || !unfinished(last) {
		return h, nil
	}
	if last.Info.Status == common.StatusPendingInstall {
		_, err := s.config.Releases.Delete(s.release, last.Version)
		return h[:len(h)-1], s.place.Explain("take up the release "+s.release, err)
	}
	last.SetStatus(common.StatusFailed, fmt.Sprintf("shipmate was stopped in the middle (%s)", last.Info.Status))
	return h, s.place.Explain("take up the release "+s.release, s.config.Releases.Update(last))
}

// upgrade installs or upgrades. In a dry run nothing is changed, and what the
// API server can say of it is said.
func (s *session) upgrade(h history, c *v2.Chart, values map[string]any, timeout time.Duration, strategy action.DryRunStrategy) (*v1.Release, error) {
	var out any
	var err error
	next := 1
	if last := h.last(); last != nil {
		next = last.Version + 1
	}
	if h.gone() {
		in := action.NewInstall(s.config)
		in.ReleaseName, in.Namespace, in.Replace, in.Labels = s.release, s.place.Namespace, len(h) > 0, s.mark.labels(next)
		in.WaitStrategy, in.WaitOptions, in.WaitForJobs, in.Timeout, in.DryRunStrategy = kube.StatusWatcherStrategy, s.waits(), true, timeout, strategy
		out, err = in.RunWithContext(context.WithoutCancel(s.ctx), c, values) // the line ends it; Helm would go on in the background
	} else {
		up := action.NewUpgrade(s.config)
		up.Namespace, up.Labels, up.MaxHistory, up.ResetValues, up.CleanupOnFail = s.place.Namespace, s.mark.labels(next), maxHistory, true, true
		up.WaitStrategy, up.WaitOptions, up.WaitForJobs, up.Timeout, up.DryRunStrategy = kube.StatusWatcherStrategy, s.waits(), true, timeout, strategy
		out, err = up.RunWithContext(context.WithoutCancel(s.ctx), s.release, c, values)
	}
	r, _ := out.(*v1.Release)
	return r, err
}

// preview renders what upgrade would deploy, as far as that can be said without
// looking anything up: what a template finds in the cluster, the values of
// Secrets among it, is not in it.
func (s *session) preview(h history, c *v2.Chart, values map[string]any, timeout time.Duration) (*v1.Release, error) {
	s.config.CustomTemplateFuncs = template.FuncMap{"lookup": func(_, _, _, _ string) map[string]any { return map[string]any{} }}
	defer func() { s.config.CustomTemplateFuncs = nil }()
	return s.upgrade(h, c, values, timeout, action.DryRunServer)
}

// restore brings back what was there before the step: a revision, or no release
// at all. It does nothing if that is what there is.
func (s *session) restore(before int, timeout time.Duration) error {
	h, err := s.history()
	if err == nil {
		err = h.check(s.mark, s.place)
	}
	if err != nil || before == 0 && h.gone() {
		return err
	}
	last := h.last()
	switch back := last.Info.RollbackRevision == before && s.mark.same(made(last)); {
	case last.Info.Status == common.StatusDeployed && before != 0 && (last.Version == before || back):
		return nil
	case before == 0:
		return s.uninstall(h, timeout)
	}
	if _, err = s.take(h); err != nil {
		return err
	}
	return s.rollback(h, before, timeout)
}

func (s *session) rollback(h history, to int, timeout time.Duration) error {
	i := slices.IndexFunc(h, func(r *v1.Release) bool { return r.Version == to })
	if i < 0 {
		return pipeline.Refuse("no_revision", "Revision %d of the release %s is not kept any more, so it cannot be brought back.", to, s.release)
	}
	back := action.NewRollback(s.config)
	back.Version, back.Description, back.MaxHistory, back.CleanupOnFail = to, s.mark.rollback(to), maxHistory, true
	back.WaitStrategy, back.WaitOptions, back.WaitForJobs, back.Timeout = kube.StatusWatcherStrategy, s.waits(), true, timeout
	back.ForceConflicts = h[i].ApplyMethod == string(v1.ApplyMethodServerSideApply) // what was there wins
	return back.Run(s.release)
}

func (s *session) uninstall(h history, timeout time.Duration) error {
	un := action.NewUninstall(s.config)
	un.KeepHistory = h[0].Info.Status == common.StatusUninstalled // it was kept before
	un.WaitStrategy, un.WaitOptions, un.Timeout = kube.StatusWatcherStrategy, s.waits(), timeout
	_, err := un.Run(s.release)
	return err
}

// getter is how Helm's library asks for connections.
type getter struct {
	cfg       *rest.Config
	discovery discovery.CachedDiscoveryInterface
	mapper    meta.RESTMapper
	namespace string
}

func newGetter(cfg *rest.Config, namespace string) (*getter, error) {
	server, err := discovery.NewDiscoveryClientForConfig(cfg)
	if err != nil {
		return nil, err
	}
	cached := memory.NewMemCacheClient(server)
	return &getter{cfg, cached, restmapper.NewDeferredDiscoveryRESTMapper(cached), namespace}, nil
}

func (g *getter) ToRESTConfig() (*rest.Config, error) { return rest.CopyConfig(g.cfg), nil }

func (g *getter) ToDiscoveryClient() (discovery.CachedDiscoveryInterface, error) {
	return g.discovery, nil
}

func (g *getter) ToRESTMapper() (meta.RESTMapper, error) { return g.mapper, nil }

func (g *getter) ToRawKubeConfigLoader() clientcmd.ClientConfig {
	return clientcmd.NewDefaultClientConfig(api.Config{}, &clientcmd.ConfigOverrides{Context: api.Context{Namespace: g.namespace}})
}
