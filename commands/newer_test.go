package commands

import (
	"context"
	"testing"

	"github.com/shipmate/shipmate/pipeline"
)

// branches is a GitHub that has these names and no others.
type branches struct {
	GitHub
	heads map[string]string
}

func (b branches) Commit(_ context.Context, _ pipeline.Repo, ref string) (pipeline.Commit, error) {
	if sha, ok := b.heads[ref]; ok {
		return pipeline.Commit{SHA: sha, Title: "Mend it"}, nil
	}
	return pipeline.Commit{}, pipeline.Refuse("unknown_ref", "There is none.")
}

func TestChecksOfABranchAreRetriedOnItsHead(t *testing.T) {
	forge := branches{heads: map[string]string{"refs/heads/main": "fixed", "refs/heads/queue": "fixed", "v1": "moved"}}
	staging := &pipeline.Environment{Name: "staging"}
	for name, row := range map[string]struct {
		req  pipeline.Request
		want string
	}{
		"of a push":                  {pipeline.Request{Ref: "main", Trigger: pipeline.ByPush}, "fixed"},
		"of a schedule":              {pipeline.Request{Ref: "main", Trigger: pipeline.BySchedule}, "fixed"},
		"a dry run":                  {pipeline.Request{Ref: "main", Trigger: pipeline.ByCommand, Environment: staging, DryRun: true}, "fixed"},
		"of a branch that is gone":   {pipeline.Request{Ref: "topic", Trigger: pipeline.ByPush}, "old"},
		"a dry run of a tag":         {pipeline.Request{Ref: "v1", Trigger: pipeline.ByCommand, Environment: staging, DryRun: true}, "old"},
		"of a merge queue":           {pipeline.Request{Ref: "queue", Trigger: pipeline.ByMergeGroup}, "old"},
		"a dry run of a commit":      {pipeline.Request{Trigger: pipeline.ByCommand, Environment: staging, DryRun: true}, "old"},
		"a dry run of a rollback":    {pipeline.Request{Ref: "main", Trigger: pipeline.ByRollback, Environment: staging, DryRun: true}, "old"},
		"a deploy that a push began": {pipeline.Request{Ref: "main", Trigger: pipeline.ByPush, Environment: staging}, "old"},
	} {
		req := row.req
		req.SHA = "old"
		c := &Call{Config: &pipeline.Config{}}
		if now, err := (Retry{GitHub: forge}).newer(t.Context(), c, &req); err != nil || now.SHA != "" || req.SHA != row.want {
			t.Errorf("%s: runs on %s, want %s (%v, %v)", name, req.SHA, row.want, now, err)
		}
	}
}
