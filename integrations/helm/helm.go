// Package helm upgrades releases of Helm charts that are in the repository:
// "helm.upgrade". It uses Helm's own library, and no helm program.
//
// Start at [Runner.Run]. What to do with a release is decided in history.go from
// the revisions that are there, each of which carries the [mark] of the call
// that made it; what is done is in session.go, over a connection that ends when
// the call does (line.go), so that a call that has lost its lease cannot write
// any more.
package helm

import (
	"context"
	"time"

	v2 "helm.sh/helm/v4/pkg/chart/v2"
	corev1 "k8s.io/api/core/v1"
	"k8s.io/client-go/rest"

	"github.com/shipmate/shipmate/pipeline"
)

// Source writes the tree of a commit into a folder.
type Source interface {
	Checkout(ctx context.Context, repo pipeline.Repo, sha, dir string) error
}

// Place is a namespace of a cluster.
type Place struct {
	Cluster   string
	Namespace string
	REST      *rest.Config
	Allows    func(namespace string) bool         // whether the run may touch objects there; "": those that belong to no namespace
	Explain   func(doing string, err error) error // turns an error of the API server into a sentence
}

// Config is what the runner is made from.
type Config struct {
	Places func(ctx context.Context, r *pipeline.Run) (Place, error) // where the run's environment lives
	Source Source
	// Load reads a chart of a checkout with the values for it.
	Load func(root, folder string, values []string, set map[string]any) (*v2.Chart, map[string]any, error)
	// Explain turns an error of a chart's templates or values into a sentence; others stay as they are.
	Explain func(folder string, err error) error
	// Images lists what the containers of a manifest run, with the digests that the pods tell.
	Images  func(manifest string, pods []corev1.Pod) []string
	Now     func() time.Time
	Restore time.Duration // how long bringing back what was there may take; default 5 minutes
}

// Integration is the runner.
func Integration(c Config) pipeline.Integration {
	return pipeline.Integration{Name: "helm", Runners: []pipeline.Uses{{
		Name:       "helm.upgrade",
		Class:      pipeline.Queryable,
		SavesFirst: true,
		Params: []pipeline.Param{
			{Name: "chart", Type: "string", Required: true, Help: "The chart's folder in the repository. Its dependencies must be in its folder charts."},
			{Name: "release", Type: "string", Help: "The release's name. Default: the service's name."},
			{Name: "values", Type: "list", Help: "Files of values in the repository; a later one wins."},
			{Name: "set", Type: "map", Help: "Single values, which win over files: `image.tag: v1`. They stay what they are."},
			{Name: "timeout", Type: "duration", Default: "10m", Help: "How long until everything is ready. Default: 10m."},
		},
		Runner: &Runner{withDefaults(c)},
	}}}
}

func withDefaults(c Config) Config {
	if c.Restore == 0 {
		c.Restore = 5 * time.Minute
	}
	return c
}

// Runner is "helm.upgrade".
type Runner struct{ config Config }
