// Package integrations lists every outside system shipmate knows. A new one is
// a folder beside this file and a line in All; one that needs a large library
// is a line in outside.go, and its runners are in leftOut.
package integrations

import (
	"os"

	"github.com/shipmate/shipmate/integrations/env"
	"github.com/shipmate/shipmate/integrations/shell"
	"github.com/shipmate/shipmate/pipeline"
)

// Needs is what the integrations are made from.
type Needs struct {
	Shell *shell.Runner
	Outside
}

// All is the list.
func All(n Needs) []pipeline.Integration {
	scripts, elsewhere := n.scripts()
	if !elsewhere {
		scripts = n.Shell.Integration()
	}
	all := []pipeline.Integration{scripts, env.Integration(os.LookupEnv)}
	all = append(all, n.systems(func(name string) (pipeline.Uses, bool) { return find(all, name) })...)
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

// leftOut are the runners that a small build (-tags small) does without. It is
// quick to build, because the libraries of these systems are most of the bot.
var leftOut = []string{"kubernetes.apply", "kubernetes.rollout", "helm.upgrade"}
