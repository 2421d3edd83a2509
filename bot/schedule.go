package bot

import (
	"context"
	"encoding/json"
	"fmt"
	"time"

	"github.com/shipmate/shipmate/pipeline"
)

// Tick is the next time of a schedule: a job that is due then. When it has
// come its handler starts the run and enqueues the tick after it, so there is
// one job for each schedule, and all replicas together take it once.
type Tick struct {
	Repo     pipeline.Repo            `json:"repo"`
	Pipeline string                   `json:"pipeline"`
	Schedule pipeline.ScheduleTrigger `json:"schedule"`
	At       time.Time                `json:"at"`
}

// KindTick is not a message from outside, but of the clock.
const KindTick = "tick"

// lateTick is how late a run by schedule may start. What was missed for
// longer, because no bot was there, is left out.
const lateTick = time.Hour

// job: the id has all that makes the schedule what it is. One that is changed
// in the file is another, and the old one finds that out at its next tick.
func (t Tick) job() (pipeline.Job, error) {
	payload, err := json.Marshal(t)
	s := t.Schedule
	return pipeline.Job{
		ID:   fmt.Sprintf("cron:%d:%s:%s:%s:%s", t.Repo.ID, t.Pipeline, s.Environment, s.Timezone, s.Cron),
		Kind: KindTick, Pool: pipeline.Control, Repo: t.Repo.ID, Payload: payload, At: t.At, Again: true,
	}, err
}

// enqueueTick waits for the schedule's time after the given one. If the job is
// there already, nothing happens.
func (b *Bot) enqueueTick(ctx context.Context, t Tick, after time.Time) error {
	if t.At = t.Schedule.Next(after); t.At.IsZero() {
		return nil
	}
	job, err := t.job()
	if err != nil {
		return err
	}
	return b.Queue.Enqueue(ctx, job)
}

// schedule sees to it that all schedules of a file tick.
func (b *Bot) schedule(ctx context.Context, repo pipeline.Repo, cfg *pipeline.Config) error {
	for _, p := range cfg.Pipelines {
		for _, s := range p.On.Schedule {
			if err := b.enqueueTick(ctx, Tick{Repo: repo, Pipeline: p.Name, Schedule: s}, b.Now()); err != nil {
				return err
			}
		}
	}
	return nil
}

// tick starts what is due and waits for the next time, for as long as the file
// on the default branch says so.
func (b *Bot) tick(ctx context.Context, key string, t Tick) error {
	now, err := b.GitHub.Locate(ctx, t.Repo)
	switch {
	case pipeline.Code(err) == "not_installed":
		return b.lost(ctx, key, t, err)
	case pipeline.AsRefused(err) != nil:
		return b.skipTick(ctx, t, err)
	case err != nil:
		return err
	}
	t.Repo = now
	cfg, err := b.GitHub.Config(ctx, t.Repo)
	switch code := pipeline.Code(err); {
	case code == "no_config":
		return nil
	case code == "not_installed":
		return b.lost(ctx, key, t, err)
	case code == "bad_config": // it will be good again
		return b.enqueueTick(ctx, t, later(t.At, b.Now()))
	case pipeline.AsRefused(err) != nil:
		return b.skipTick(ctx, t, err)
	case err != nil:
		return err
	}
	p, there := scheduled(cfg, t)
	if !there {
		return nil
	}
	if late := b.Now().Sub(t.At); late > lateTick {
		b.Log.Warn("schedule missed", "repo", t.Repo.String(), "pipeline", t.Pipeline, "cron", t.Schedule.Cron, "due", t.At)
	} else if err := b.startScheduled(ctx, fmt.Sprintf("%s:%d", key, t.At.Unix()), t, p, cfg); pipeline.AsRefused(err) != nil {
		return b.skipTick(ctx, t, err)
	} else if err != nil {
		return err
	}
	return b.enqueueTick(ctx, t, later(t.At, b.Now()))
}

// skipTick leaves out a time at which GitHub refuses to be read. The next one
// comes all the same.
func (b *Bot) skipTick(ctx context.Context, t Tick, err error) error {
	b.Log.Warn("schedule missed", "repo", t.Repo.String(), "pipeline", t.Pipeline, "cron", t.Schedule.Cron, "due", t.At, "err", err)
	return b.enqueueTick(ctx, t, later(t.At, b.Now()))
}

// lost ends a schedule of a repository that cannot be reached any more, and
// says so. It ticks again as soon as the App is installed there.
func (b *Bot) lost(ctx context.Context, key string, t Tick, why error) error {
	b.Log.Warn("schedule ended", "repo", t.Repo.String(), "pipeline", t.Pipeline, "cron", t.Schedule.Cron, "err", pipeline.Message(why))
	if b.Announce == nil {
		return nil
	}
	return b.Queue.Enqueue(ctx, b.toOperator(t.Repo, key, fmt.Sprintf("the schedule of %s has ended. %s", t.Pipeline, pipeline.Message(why))))
}

// later: a clock that is behind Redis' must not find the same tick again.
func later(a, b time.Time) time.Time {
	if a.After(b) {
		return a
	}
	return b
}

func scheduled(cfg *pipeline.Config, t Tick) (*pipeline.Pipeline, bool) {
	for _, p := range cfg.Pipelines {
		for _, s := range p.On.Schedule {
			if p.Name == t.Pipeline && s == t.Schedule {
				return p, true
			}
		}
	}
	return nil, false
}

func (b *Bot) startScheduled(ctx context.Context, key string, t Tick, p *pipeline.Pipeline, cfg *pipeline.Config) error {
	head, err := b.GitHub.Commit(ctx, t.Repo, "")
	if err != nil {
		return err
	}
	req := pipeline.Request{Repo: t.Repo, Service: cfg.Service, Pipeline: *p, ConfigSHA: cfg.SHA, SHA: head.SHA, Ref: head.Branch, Title: head.Title,
		Trigger: pipeline.BySchedule, Actor: pipeline.Bot(), Reason: "schedule " + t.Schedule.Cron}
	if t.Schedule.Environment != "" {
		req.Environment, _ = cfg.Environment(t.Schedule.Environment)
	}
	return b.startUnasked(ctx, key, req, nil)
}
