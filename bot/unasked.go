package bot

import (
	"context"

	"github.com/shipmate/shipmate/commands"
	"github.com/shipmate/shipmate/pipeline"
)

// startOnce starts a run that nobody asked for by word, once per key. Where an
// open run deploys the same already, or does it by schedule, that one is enough,
// and the log says so.
func (b *Bot) startOnce(ctx context.Context, key string, req pipeline.Request) (err error) {
	if req.ID, err = commands.ChooseRunID(ctx, b.Records, b.Store, req.Repo.ID, key); err != nil {
		return err
	}
	if req.Refused == "" {
		if err := b.exclude(ctx, &req); err != nil {
			return err
		}
	}
	works := req.Nothing == "" && req.Refused == ""
	req.Once = works && (req.Environment != nil || req.Trigger == pipeline.BySchedule)
	r, err := b.Runs.Start(ctx, req)
	if err != nil || r.ID == req.ID {
		return err
	}
	told := commands.AskedAlready(r)
	b.Log.Info("run not started", "repo", req.Repo.String(), "pipeline", req.Pipeline.Name, "env", req.EnvironmentName(),
		"run", string(r.ID), "code", pipeline.Code(told))
	return pipeline.Temporary(b.auditRefusal(ctx, key, req.Repo, req.Origin, req.Actor, told))
}
