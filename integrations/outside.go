//go:build !small

package integrations

import (
	"context"
	"time"

	"github.com/shipmate/shipmate/integrations/helm"
	"github.com/shipmate/shipmate/integrations/kubernetes"
	"github.com/shipmate/shipmate/integrations/kubernetes/chart"
	"github.com/shipmate/shipmate/integrations/kubernetes/cluster"
	"github.com/shipmate/shipmate/integrations/kubernetes/job"
	"github.com/shipmate/shipmate/integrations/kubernetes/manifest"
	"github.com/shipmate/shipmate/pipeline"
)

// Outside is what the integrations of clusters are made from.
type Outside struct {
	Jobs     *job.Runner       // runs scripts instead of Shell, if there is one
	Clusters *cluster.Clusters // nil: none
	Source   kubernetes.Source // of manifests
}

// scripts runs "run:" somewhere else than on this machine, if it is to.
func (o Outside) scripts() (pipeline.Integration, bool) {
	if o.Jobs == nil {
		return pipeline.Integration{}, false
	}
	return o.Jobs.Integration(), true
}

// systems are the integrations that need a large library.
func (o Outside) systems(runner func(name string) (pipeline.Uses, bool)) []pipeline.Integration {
	return []pipeline.Integration{
		kubernetes.Integration(kubernetes.Config{Clusters: o.Clusters, Source: o.Source, Runner: runner, Now: time.Now}),
		helm.Integration(helm.Config{
			Places: places(o.Clusters), Source: o.Source,
			Load: chart.Load, Explain: chart.Explain, Images: manifest.Running, Now: time.Now,
		}),
	}
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
