package main

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"sync"
	"time"

	"github.com/shipmate/shipmate/pipeline"
	"github.com/shipmate/shipmate/pipeline/redisstore"
)

// machine is an engine with its store and a worker, as the bot wires them, but
// without GitHub, Slack and logs.
type machine struct {
	engine *pipeline.Engine
	close  func()

	mu    sync.Mutex
	ended map[pipeline.RunID]chan struct{}
}

func startMachine(ctx context.Context, b *bench) (*machine, error) {
	if err := b.redis.flush(ctx); err != nil {
		return nil, err
	}
	store, err := redisstore.Open(ctx, redisstore.Config{URL: b.redis.url(), Logger: complaints})
	if err != nil {
		return nil, err
	}
	m := &machine{ended: map[pipeline.RunID]chan struct{}{}}
	m.engine = &pipeline.Engine{
		Store:   watchedStore{store, m},
		Queue:   store,
		Runners: map[string]pipeline.Uses{"noop": {Name: "noop", Class: pipeline.Idempotent, Runner: noop{}}},
		Logs:    noLogs{},
		Now:     time.Now,
		Log:     complaints,
	}
	stop := startWorker(ctx, &pipeline.Worker{
		Queue: store, Handlers: m.engine.Handlers(),
		Pools: map[pipeline.Pool]int{pipeline.Control: hands, pipeline.Steps: hands},
	})
	m.close = func() { stop(); _ = store.Close() }
	return m, nil
}

// start makes a run of the pipeline; ended is closed when its end is durable.
func (m *machine) start(ctx context.Context, repo int64, p pipeline.Pipeline) (ended chan struct{}, err error) {
	id := m.engine.Store.NewRunID(repo)
	ended = make(chan struct{})
	m.mu.Lock()
	m.ended[id] = ended
	m.mu.Unlock()
	_, err = m.engine.Start(ctx, pipeline.Request{
		ID: id, Repo: pipeline.Repo{ID: repo, Owner: "acme", Name: fmt.Sprintf("shop-%d", repo)}, Service: "shop", Pipeline: p,
		SHA: strings.Repeat("0123456789", 4), Ref: "main", Trigger: pipeline.ByCommand, Actor: pipeline.Actor{ID: 11, Login: "mona"},
		Origin: pipeline.Origin{Surface: "cli"},
	})
	return ended, err
}

// through makes a run and waits for its end.
func (m *machine) through(ctx context.Context, repo int64, p pipeline.Pipeline) error {
	ended, err := m.start(ctx, repo, p)
	if err != nil {
		return err
	}
	select {
	case <-ended:
		return nil
	case <-time.After(30 * time.Second):
		return errors.New("a run did not end within 30 s")
	case <-ctx.Done():
		return ctx.Err()
	}
}

// watchedStore tells the machine of ends, once they are in Redis.
type watchedStore struct {
	pipeline.Store
	m *machine
}

func (s watchedStore) Commit(ctx context.Context, c pipeline.Change) error {
	err := s.Store.Commit(ctx, c)
	if err != nil || c.Run == nil || !c.Run.State.Terminal() {
		return err
	}
	s.m.mu.Lock()
	defer s.m.mu.Unlock()
	if ended := s.m.ended[c.Run.ID]; ended != nil {
		close(ended)
		delete(s.m.ended, c.Run.ID)
	}
	return nil
}

// noop is a step that has nothing to do.
type noop struct{}

func (noop) Run(context.Context, *pipeline.StepContext) (pipeline.Result, error) {
	return pipeline.Result{Done: true}, nil
}

// noLogs throws the output of steps away.
type noLogs struct{}

func (noLogs) Open(context.Context, *pipeline.Run, string, int, map[string]pipeline.Secret) (pipeline.LogWriter, error) {
	return noLog{}, nil
}

type noLog struct{}

func (noLog) Write(p []byte) (int, error)       { return len(p), nil }
func (noLog) Offset() int64                     { return 0 }
func (noLog) Mask(text string) string           { return text }
func (noLog) Close(context.Context, bool) error { return nil }

// fiveSteps is a pipeline of five steps, one after the other, that do nothing.
func fiveSteps() pipeline.Pipeline {
	p := pipeline.Pipeline{Name: "deploy"}
	for i, name := range []string{"build", "test", "migrate", "rollout", "verify"} {
		step := pipeline.Step{Name: name, Uses: "noop"}
		if i > 0 {
			step.Needs = []string{p.Steps[i-1].Name}
		}
		p.Steps = append(p.Steps, step)
	}
	return p
}
