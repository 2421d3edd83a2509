//go:build small

package integrations

import "github.com/shipmate/shipmate/pipeline"

// Outside is nothing: a small build reaches no clusters.
type Outside struct{}

func (Outside) scripts() (pipeline.Integration, bool) { return pipeline.Integration{}, false }

func (Outside) systems(func(name string) (pipeline.Uses, bool)) []pipeline.Integration {
	var out pipeline.Integration
	for _, name := range leftOut {
		out.Runners = append(out.Runners, pipeline.Uses{Name: name, LeftOut: Remedy})
	}
	return []pipeline.Integration{out}
}

// Remedy says how people get what a small build leaves out.
const Remedy = "This shipmate is the playground's, which leaves out Kubernetes, Helm and S3 to be built quickly. " +
	"Start the playground with them: `go run ./cmd/playground --full`."
