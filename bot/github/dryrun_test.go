package github

import (
	"strings"
	"testing"
	"unicode/utf8"

	"github.com/shipmate/shipmate/pipeline"
)

func dryAndReal(name, env string) (dry, deploy *pipeline.Run) {
	make := func(dry bool) *pipeline.Run {
		r := &pipeline.Run{Request: pipeline.Request{ID: "r-1", SHA: strings.Repeat("a", 40), DryRun: dry,
			Pipeline: pipeline.Pipeline{Name: name}, Environment: &pipeline.Environment{Name: env}}}
		r.State, r.Admitted = pipeline.Succeeded, true
		return r
	}
	return make(true), make(false)
}

// A check that is required for a merge must never be a dry run's, however long
// the names are.
func TestADryRunHasACheckOfItsOwn(t *testing.T) {
	for _, name := range []string{"deploy", strings.Repeat("long", 30)} {
		dry, deploy := dryAndReal(name, "prod")
		if checkName(dry) == checkName(deploy) || !strings.HasSuffix(checkName(dry), " (dry run)") || utf8.RuneCountInString(checkName(dry)) > maxContext {
			t.Errorf("the dry run is called %q, the deploy %q", checkName(dry), checkName(deploy))
		}
	}
}

func TestADryRunSaysNothingOfItsCommit(t *testing.T) {
	status, deployment := &statusSink{}, &deploymentSink{}
	for _, end := range []pipeline.State{pipeline.Succeeded, pipeline.Failed, pipeline.Cancelled} {
		dry, deploy := dryAndReal("deploy", "prod")
		dry.State, deploy.State = end, end
		if status.Subject(dry) != "" || deployment.Subject(dry) != "" {
			t.Errorf("%s: it has a status or a deployment", end)
		}
		if status.Subject(deploy) == "" || deployment.Subject(deploy) == "" {
			t.Errorf("%s: a deploy has none", end)
		}
		if how, conclusion := checkState(dry); how != "completed" || conclusion != "neutral" {
			t.Errorf("%s: its check is %s %s", end, how, conclusion)
		}
	}
}

// It has a place of its own in the comment, and takes none away.
func TestADryRunStandsBesideTheDeploy(t *testing.T) {
	dry, deploy := dryAndReal("deploy", "prod")
	dry.Created = deploy.Created.Add(1)
	if list := newestOfEach([]*pipeline.Run{dry, deploy}); len(list) != 2 {
		t.Errorf("%d sections, want one each", len(list))
	}
}
