// Package integrations lists every outside system shipmate knows. A new one is
// a folder beside this file and a line in All.
package integrations

import (
	"context"
	"os"
	"time"

	"github.com/shipmate/shipmate/integrations/env"
	"github.com/shipmate/shipmate/integrations/helm"
	"github.com/shipmate/shipmate/integrations/kubernetes"
	"github.com/shipmate/shipmate/integrations/kubernetes/chart"
	"github.com/shipmate/shipmate/integrations/kubernetes/cluster"
	"github.com/shipmate/shipmate/integrations/kubernetes/job"
	"github.com/shipmate/shipmate/integrations/kubernetes/manifest"
	"github.com/shipmate/shipmate/integrations/shell"
	"github.com/shipmate/shipmate/pipeline"
)

// Needs is what the integrations are made from.
type Needs struct {
	Shell    *shell.Runner
	Jobs     *job.Runner       // runs scripts instead of Shell, if there is one
	Clusters *cluster.Clusters // nil: none
	Source   kubernetes.Source // of manifests
}

// All is the list.
func All(n Needs) []pipeline.Integration {
	scripts := n.Shell.Integration()
	if n.Jobs != nil {
		scripts = n.Jobs.Integration()
	}
	var all []pipeline.Integration
	runner := func(name string) (pipeline.Uses, bool) { return find(all, name) }
	all = []pipeline.Integration{
		scripts,
		kubernetes.Integration(kubernetes.Config{Clusters: n.Clusters, Source: n.Source, Runner: runner, Now: time.Now}),
		helm.Integration(helm.Config{Places: places(n.Clusters), Source: n.Source, Load: chart.Load, Explain: chart.Explain, Images: manifest.Running, Now: time.Now}),
		env.Integration(os.LookupEnv),
	}
	return all
}

// find is for steps within steps.
func find(all []pipeline.Integration, name string) (pipeline.Uses, bool) {
	for _, i := range all {
		for _, u := range i.Runners {
			if u.Name == name {
				return u, true
			}
		}
	}
	return pipeline.Uses{}, false
}

// places is how Helm knows of clusters.
func places(cs *cluster.Clusters) func(context.Context, *pipeline.Run) (helm.Place, error) {
	return func(ctx context.Context, r *pipeline.Run) (helm.Place, error) {
		t, err := cs.For(ctx, r)
		if err != nil {
			return helm.Place{}, err
		}
		return helm.Place{Cluster: t.Name, Namespace: t.Namespace, REST: t.REST, Allows: t.Allows, Explain: t.Explain}, nil
	}
}
