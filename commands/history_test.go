package commands

import (
	"strings"
	"testing"

	"github.com/shipmate/shipmate/pipeline"
)

func TestHistoryMarksRollbacks(t *testing.T) {
	for want, d := range map[string]pipeline.Deployment{
		"(r-9)": {Trigger: pipeline.ByCommand},
		"(r-9), **rollback** to what run r-1 deployed":                                   {Trigger: pipeline.ByRollback, Restores: "r-1"},
		"(r-9), **rollback**: run r-2 undone":                                            {Trigger: pipeline.ByRollback, Reverts: "r-2", Restores: "r-1"},
		"(r-9), **automatic rollback** to what run r-1 deployed, because run r-2 failed": {Trigger: pipeline.ByRollback, Parent: "r-2", Restores: "r-1"},
		"(r-9), the same as run r-1 deployed":                                            {Trigger: pipeline.ByPush, Restores: "r-1"},
	} {
		d.SHA, d.Run, d.State = "0123456789", "r-9", pipeline.Succeeded
		if got := deployment(d); !strings.HasSuffix(got, want) {
			t.Errorf("got %q, want it to end in %q", got, want)
		}
	}
}
