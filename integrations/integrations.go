// Package integrations lists every outside system shipmate knows. A new one is
// a folder beside this file and a line in All.
package integrations

import (
	"os"
	"time"

	"github.com/shipmate/shipmate/integrations/env"
	"github.com/shipmate/shipmate/integrations/kubernetes"
	"github.com/shipmate/shipmate/integrations/kubernetes/cluster"
	"github.com/shipmate/shipmate/integrations/shell"
	"github.com/shipmate/shipmate/pipeline"
)

// Needs is what the integrations are made from.
type Needs struct {
	Shell    *shell.Runner
	Clusters *cluster.Clusters // nil: none
	Source   kubernetes.Source // of manifests
}

// All is the list.
func All(n Needs) []pipeline.Integration {
	return []pipeline.Integration{
		n.Shell.Integration(),
		kubernetes.Integration(kubernetes.Config{Clusters: n.Clusters, Source: n.Source, Now: time.Now}),
		env.Integration(os.LookupEnv),
	}
}
