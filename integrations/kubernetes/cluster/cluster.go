// Package cluster reaches Kubernetes clusters by the names the operator gave
// them, and says who may deploy to which of their namespaces.
//
// [Clusters.For] leads from a run to its [Target]: a cluster and one namespace
// in it, if the operator allows it. Through the target everything is read
// ([Target.Watch]: one shared copy per kind), and every error is turned into a
// sentence for people ([Target.Explain]). What is written to a cluster is
// written by the packages that use this one.
package cluster

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"maps"
	"net/http"
	"os"
	"slices"
	"strings"
	"sync"
	"time"

	"k8s.io/apimachinery/pkg/api/meta"
	"k8s.io/client-go/discovery"
	"k8s.io/client-go/discovery/cached/memory"
	"k8s.io/client-go/dynamic"
	"k8s.io/client-go/kubernetes"
	"k8s.io/client-go/rest"
	"k8s.io/client-go/restmapper"
	"k8s.io/client-go/tools/clientcmd"

	"github.com/shipmate/shipmate/pipeline"
)

// Config is what the operator's file says of clusters.
type Config struct {
	Clusters map[string]Access `yaml:"clusters"`
	Allow    []Rule            `yaml:"allow"`
	// Repos says which repository a rule means.
	Repos pipeline.RuleRepos `yaml:"-"`
	// Wrap stands around every request to a cluster; nil: nothing does.
	Wrap func(http.RoundTripper) http.RoundTripper `yaml:"-"`
	// Patience is how long a cluster is waited for that does not answer; 0: 15 seconds.
	Patience time.Duration `yaml:"-"`
}

// Access says how a cluster is reached: InCluster, or a Kubeconfig (with its
// exec plugins), or a Server with a token in a file.
type Access struct {
	InCluster  bool    `yaml:"in_cluster"`
	Kubeconfig string  `yaml:"kubeconfig"` // a file
	Context    string  `yaml:"context"`    // of the kubeconfig; default its current one
	Server     string  `yaml:"server"`     // https://host:port
	CAFile     string  `yaml:"ca_file"`
	TokenFile  string  `yaml:"token_file"` // read again when it changes
	QPS        float32 `yaml:"qps"`        // requests a second, over all runs; default 50
}

// Rule allows a repository to deploy to namespaces of a cluster. All lists are
// globs that must match whole; no environments mean all.
type Rule struct {
	Repo         string   `yaml:"repo"` // see pipeline.RuleRepo
	Environments []string `yaml:"environments"`
	Cluster      string   `yaml:"cluster"`
	Namespaces   []string `yaml:"namespaces"`
	ClusterWide  bool     `yaml:"cluster_wide"` // also objects that belong to no namespace, such as CustomResourceDefinitions
}

// Clusters are all clusters the operator named. Connections are made when one
// is first used, so that a cluster that is away keeps nobody from the others.
type Clusters struct {
	config Config
	log    *slog.Logger

	mu   sync.Mutex
	open map[string]*Cluster
}

// New checks what can be checked without talking to any cluster. Errors name
// the setting.
func New(c Config, log *slog.Logger) (*Clusters, error) {
	var errs []error
	for _, name := range slices.Sorted(maps.Keys(c.Clusters)) {
		errs = append(errs, c.Clusters[name].check("kubernetes.clusters."+name))
	}
	for i, r := range c.Allow {
		errs = append(errs, r.check(fmt.Sprintf("kubernetes.allow[%d]", i), c.Clusters))
	}
	if err := errors.Join(errs...); err != nil {
		return nil, err
	}
	return &Clusters{config: c, log: log, open: map[string]*Cluster{}}, nil
}

func (a Access) check(setting string) error {
	ways := 0
	for _, there := range []bool{a.InCluster, a.Kubeconfig != "", a.Server != ""} {
		if there {
			ways++
		}
	}
	switch {
	case ways != 1:
		return fmt.Errorf("%s: say one of in_cluster: true, kubeconfig: FILE, or server: URL with token_file", setting)
	case a.Server != "" && a.TokenFile == "":
		return fmt.Errorf("%s.token_file: missing; a server needs a file with a service account's token", setting)
	case a.Server != "" && !strings.HasPrefix(a.Server, "https://"):
		return fmt.Errorf("%s.server: %s must begin with https://", setting, pipeline.QuoteSetting(a.Server))
	case a.Context != "" && a.Kubeconfig == "":
		return fmt.Errorf("%s.context: belongs to a kubeconfig, and there is none", setting)
	case a.QPS < 0:
		return fmt.Errorf("%s.qps: %g must be above zero", setting, a.QPS)
	}
	for key, file := range map[string]string{"kubeconfig": a.Kubeconfig, "ca_file": a.CAFile, "token_file": a.TokenFile} {
		if file == "" {
			continue
		}
		if _, err := os.Stat(file); err != nil {
			return fmt.Errorf("%s.%s: %w", setting, key, pipeline.FileError(err))
		}
	}
	return nil
}

func (r Rule) check(setting string, known map[string]Access) error {
	if _, ok := known[r.Cluster]; !ok {
		names := slices.Sorted(maps.Keys(known))
		if near, ok := pipeline.Nearest(r.Cluster, names); ok {
			return fmt.Errorf("%s.cluster: there is no cluster %q; did you mean %q?", setting, r.Cluster, near)
		}
		return fmt.Errorf("%s.cluster: there is no cluster %q under kubernetes.clusters", setting, r.Cluster)
	}
	if r.Repo == "" || len(r.Namespaces) == 0 {
		return fmt.Errorf("%s: say which repo may use which namespaces", setting)
	}
	for _, globs := range [][]string{{r.Repo}, r.Environments, r.Namespaces} {
		if err := pipeline.CheckGlobs(globs); err != nil {
			return fmt.Errorf("%s: %w", setting, err)
		}
	}
	return nil
}

// Names lists the clusters.
func (cs *Clusters) Names() []string { return slices.Sorted(maps.Keys(cs.config.Clusters)) }

// Target is a namespace of a cluster.
type Target struct {
	*Cluster
	Namespace string

	rules []Rule // that allow the run something in this cluster; nil: the operator's own
}

// Allows reports whether the run may touch objects of the namespace; "" stands
// for those that belong to none.
func (t Target) Allows(namespace string) bool {
	return namespace == t.Namespace || slices.ContainsFunc(t.rules, func(r Rule) bool {
		return namespace == "" && r.ClusterWide || namespace != "" && pipeline.MatchGlobs(r.Namespaces, namespace)
	})
}

func (t Target) String() string { return t.Namespace + " of " + t.Name }

// For is where the run's environment lives, if the operator allows the
// repository to deploy there. It does not talk to the cluster.
func (cs *Clusters) For(ctx context.Context, r *pipeline.Run) (Target, error) {
	if r.Environment == nil || r.Environment.Kubernetes == nil {
		return Target{}, pipeline.Refuse("no_cluster", "%s does not say where it lives. Give the environment in .shipmate.yaml a `kubernetes: {cluster: ..., namespace: ...}`.", environmentOf(r))
	}
	at := r.Environment.Kubernetes
	if cs == nil {
		return Target{}, refusal(r)
	}
	repo, err := cs.config.Repos.Of(ctx, r.Repo)
	if err != nil {
		return Target{}, err
	}
	var names []string // of repositories that may deploy to the namespace
	var rules []Rule
	for _, rule := range cs.config.Allow {
		if rule.Cluster != at.Cluster || len(rule.Environments) > 0 && !pipeline.MatchGlobs(rule.Environments, r.Environment.Name) {
			continue
		}
		if pipeline.MatchGlobs(rule.Namespaces, at.Namespace) {
			names = append(names, rule.Repo)
		}
		if repo.Fits(rule.Repo) {
			rules = append(rules, rule)
		}
	}
	if err := repo.Refusal(names, refusal(r)); err != nil {
		return Target{}, err
	}
	t, err := cs.Target(at.Cluster, at.Namespace)
	t.rules = rules
	return t, err
}

func refusal(r *pipeline.Run) error {
	at := r.Environment.Kubernetes
	return pipeline.Refuse("cluster_refused", "The operator has not allowed %s to deploy %s to the namespace %s of the cluster %s. Ask for a rule under `kubernetes: {allow: ...}`.",
		r.Repo, r.Environment.Name, at.Namespace, at.Cluster)
}

func environmentOf(r *pipeline.Run) string {
	if r.Environment == nil {
		return "A run without an environment"
	}
	return "The environment " + r.Environment.Name
}

// Target is a namespace of a cluster, whoever asks: for what the operator
// configured, not for what a repository's file says.
func (cs *Clusters) Target(cluster, namespace string) (Target, error) {
	cs.mu.Lock()
	defer cs.mu.Unlock()
	c, ok := cs.open[cluster]
	if !ok {
		access, known := cs.config.Clusters[cluster]
		if !known {
			return Target{}, pipeline.Refuse("no_cluster", "This shipmate knows no cluster %q. It knows: %s.", cluster, strings.Join(cs.Names(), ", "))
		}
		var err error
		if c, err = connect(cluster, access, cs.config, cs.log); err != nil {
			return Target{}, err
		}
		cs.open[cluster] = c
	}
	return Target{Cluster: c, Namespace: namespace}, nil
}

// Close ends all watches.
func (cs *Clusters) Close() {
	cs.mu.Lock()
	defer cs.mu.Unlock()
	for _, c := range cs.open {
		c.views.close()
	}
}

// Cluster is a connection to one cluster, shared by all that use it.
type Cluster struct {
	Name    string
	REST    *rest.Config
	Dynamic dynamic.Interface
	Typed   kubernetes.Interface
	Mapper  meta.ResettableRESTMapper // kinds to resources; Reset it when a kind is new
	Server  discovery.DiscoveryInterface

	views views
}

func connect(name string, a Access, of Config, log *slog.Logger) (*Cluster, error) {
	cfg, err := a.rest()
	if err != nil {
		return nil, &pipeline.Error{Code: "no_cluster", Err: err, Message: fmt.Sprintf("The operator's settings for the cluster %s do not work: %v.", name, err)}
	}
	cfg.QPS, cfg.Burst = a.QPS, int(2*a.QPS)
	if a.QPS == 0 {
		cfg.QPS, cfg.Burst = 50, 100
	}
	cfg.UserAgent = "shipmate"
	cfg.WarningHandler = rest.NoWarnings{}
	if of.Wrap != nil {
		cfg.Wrap(of.Wrap)
	}
	c := &Cluster{Name: name, REST: cfg, views: views{log: log.With("cluster", name), patience: cmp.Or(of.Patience, patience), open: map[viewKey]*shared{}}}
	if c.Dynamic, err = dynamic.NewForConfig(cfg); err != nil {
		return nil, err
	}
	if c.Typed, err = kubernetes.NewForConfig(cfg); err != nil {
		return nil, err
	}
	cached := memory.NewMemCacheClient(c.Typed.Discovery())
	c.Server, c.Mapper = cached, restmapper.NewDeferredDiscoveryRESTMapper(cached)
	return c, nil
}

func (a Access) rest() (*rest.Config, error) {
	switch {
	case a.InCluster:
		return rest.InClusterConfig()
	case a.Kubeconfig != "":
		return clientcmd.NewNonInteractiveDeferredLoadingClientConfig(
			&clientcmd.ClientConfigLoadingRules{ExplicitPath: a.Kubeconfig},
			&clientcmd.ConfigOverrides{CurrentContext: a.Context}).ClientConfig()
	}
	return &rest.Config{Host: a.Server, BearerTokenFile: a.TokenFile, TLSClientConfig: rest.TLSClientConfig{CAFile: a.CAFile}}, nil
}
