package pipeline_test

import (
	"context"
	"fmt"
	"log/slog"
	"testing"
	"time"

	"github.com/shipmate/shipmate/pipeline"
	"github.com/shipmate/shipmate/pipeline/pipelinetest"
)

// BenchmarkNext asks what a run of 300 steps, half of them done, does now.
func BenchmarkNext(b *testing.B) {
	r := &pipeline.Run{Request: pipeline.Request{ID: "r-1"}}
	r.State, r.Admitted, r.Deadline = pipeline.Running, true, noon.Add(time.Hour)
	for i := range 300 {
		def := pipeline.Step{Name: fmt.Sprintf("step-%d", i), Run: "true"}
		if i > 1 {
			def.Needs = []string{fmt.Sprintf("step-%d", i-1), fmt.Sprintf("step-%d", i/2)}
		}
		s := pipeline.StepRun{Name: def.Name, State: pipeline.Queued}
		if i < 150 {
			s.State, s.Attempt, s.Call = pipeline.Succeeded, 1, 1
		}
		r.Pipeline.Steps, r.Steps = append(r.Pipeline.Steps, def), append(r.Steps, s)
	}
	b.ReportAllocs()
	for b.Loop() {
		if ds := pipeline.Next(r, pipeline.Facts{}, noon); len(ds) != 1 {
			b.Fatal(say(ds))
		}
	}
}

// BenchmarkFiveSteps takes a run of five steps from its start to its end.
func BenchmarkFiveSteps(b *testing.B) {
	runner := &scripted{}
	p := pipeline.Pipeline{Name: "p", Steps: steps("one", "two", "three", "four", "five")}
	ctx := context.Background()
	b.ReportAllocs()
	for b.Loop() {
		runner.calls = runner.calls[:0]
		clock := pipelinetest.NewClock(noon)
		store := pipelinetest.NewStore(clock)
		e := &pipeline.Engine{Store: store, Queue: store, Logs: quiet{}, Now: clock.Now, Log: slog.New(slog.DiscardHandler),
			Runners: map[string]pipeline.Uses{"run": {Name: "run", Class: pipeline.Queryable, Runner: runner}}}
		r, err := e.Start(ctx, pipeline.Request{Repo: pipeline.Repo{ID: 7}, SHA: "5a5a5a5a", Pipeline: p})
		if err != nil {
			b.Fatal(err)
		}
		for range p.Steps {
			if err := e.Handlers()["step"](ctx, store.Poll(pipeline.Steps, 1, time.Minute)[0]); err != nil {
				b.Fatal(err)
			}
		}
		if r, err = store.Load(ctx, r.ID); err != nil || r.State != pipeline.Succeeded {
			b.Fatal(r.State, err)
		}
	}
}
