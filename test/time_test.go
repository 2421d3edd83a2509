package test

import (
	"context"
	"errors"
	"time"

	"github.com/shipmate/shipmate/pipeline"
	"github.com/shipmate/shipmate/pipeline/redisstore"
	"github.com/shipmate/shipmate/pipeline/redisstore/redistest"
)

var passing = form(`(?P<text>\d+[hm]) pass(es)?`)

// redis starts a Redis that the stage can reach too, where time is to pass;
// else the bot has its own.
func (s *stage) redis(tr transcript) string {
	for _, turn := range tr.turns {
		if passing.MatchString(turn.raw) {
			s.redisURL = redistest.Start(s.t).URL()
			break
		}
	}
	return s.redisURL
}

// timePasses moves everything that is due some day that much nearer: the bot's
// clock is the machine's, and a transcript does not wait for hours. What has
// been is not moved: what began began when it did.
func timePasses(s *stage, a action) error {
	d, err := time.ParseDuration(a.text)
	if err != nil {
		return err
	}
	store, err := redisstore.Open(s.ctx, redisstore.Config{URL: s.redisURL})
	if err != nil {
		return err
	}
	defer store.Close()
	runs, err := store.Runs(s.ctx, pipeline.RunQuery{})
	if err != nil {
		return err
	}
	type place struct {
		repo int64
		env  string
	}
	moved := map[place]bool{}
	for _, r := range runs {
		at := place{r.Repo.ID, r.EnvironmentName()}
		if at.env != "" && !moved[at] {
			moved[at] = true
			err = errors.Join(err, lockNearer(s.ctx, store, at.repo, at.env, d))
		}
		if !r.State.Terminal() {
			err = errors.Join(err, runNearer(s.ctx, store, r, d))
		}
	}
	return err
}

func lockNearer(ctx context.Context, store *redisstore.Store, repo int64, name string, d time.Duration) error {
	env, err := store.Environment(ctx, repo, name)
	if err != nil || env.Lock == nil {
		return err
	}
	nearer(d, &env.Lock.Expires)
	return store.Commit(ctx, pipeline.Change{Environment: env})
}

// runNearer also has the run looked at, as it is whenever something is due.
func runNearer(ctx context.Context, store *redisstore.Store, r *pipeline.Run, d time.Duration) error {
	nearer(d, &r.Deadline, &r.HeldUntil, &r.Wake, &r.HeldSince) // who waits has waited for so much longer
	for i := range r.Steps {
		nearer(d, &r.Steps[i].Due, &r.Steps[i].Deadline)
	}
	look := pipeline.Job{ID: "advance:" + string(r.ID), Kind: "advance", Pool: pipeline.Control, Run: r.ID, Again: true}
	return store.Commit(ctx, pipeline.Change{Run: r, Jobs: []pipeline.Job{look}})
}

func nearer(d time.Duration, times ...*time.Time) {
	for _, t := range times {
		if !t.IsZero() {
			*t = t.Add(-d)
		}
	}
}
