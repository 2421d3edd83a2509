package bot

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"

	"github.com/shipmate/shipmate/pipeline"
)

// unchanged finds out whether the very files of the commit run in the
// environment already, as after the merge of a pull request that was deployed.
func (b *Bot) unchanged(ctx context.Context, req *pipeline.Request) error {
	state, err := b.Store.Environment(ctx, req.Repo.ID, req.Environment.Name)
	if err != nil {
		return err
	}
	now := state.Stands()
	if now == nil || now.SHA == req.SHA {
		return nil
	}
	last, err := b.Store.Load(ctx, now.Run)
	if errors.Is(err, pipeline.ErrNotFound) {
		return nil
	}
	if err != nil || !sameWork(last, req) {
		return err
	}
	same, err := b.GitHub.SameFiles(ctx, req.Repo, now.SHA, req.SHA)
	if err == nil && same {
		req.Same = now.Run
		req.Nothing = fmt.Sprintf("%s runs these very files already: run %s deployed them as `%s`.", req.Environment.Name, now.Run, now.SHA[:min(7, len(now.SHA))])
	}
	return err
}

// overtakenPush: messages come late and in any order. A branch that has moved on
// is deployed by the push that moved it, and an older commit must not follow it.
func (b *Bot) overtakenPush(ctx context.Context, m Push) (bool, error) {
	now, err := b.GitHub.Commit(ctx, m.Repo, "refs/heads/"+m.Branch)
	if pipeline.Code(err) == "unknown_ref" {
		return true, nil // the branch is gone
	}
	if err == nil && now.SHA != m.After {
		b.Log.Info("push not deployed: the branch has moved on", "repo", m.Repo.String(), "branch", m.Branch, "sha", m.After, "head", now.SHA)
	}
	return err == nil && now.SHA != m.After, err
}

// sameWork reports whether the pipeline would do with the same files what the
// run did.
func sameWork(last *pipeline.Run, req *pipeline.Request) bool {
	params, err := req.Pipeline.ParseParams(nil)
	same := len(last.Params) == 0 && len(params) == 0 || written(last.Params) == written(params)
	return err == nil && same && written(last.Pipeline) == written(req.Pipeline)
}

// written is how a value is stored, to compare what was loaded with what is new.
func written(v any) string {
	b, err := json.Marshal(v)
	return fmt.Sprint(string(b), err)
}
