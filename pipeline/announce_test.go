package pipeline_test

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/shipmate/shipmate/pipeline"
)

// A rollback that locks its environment tells the channel so, whoever made it,
// and whether it went well or not. One that meets a person's lock does not.
func TestTheLockOfARollbackIsTold(t *testing.T) {
	env := &pipeline.Environment{Name: "staging", Slack: "#shop"}
	one := pipeline.Pipeline{Name: "deploy", Steps: steps("one")}
	fails := func(c *pipeline.StepContext) pipeline.Result {
		if c.Run.SHA[0] == '1' {
			return pipeline.Result{Done: true}
		}
		return pipeline.Result{Done: true, State: pipeline.Failed}
	}
	asked := func(s *stage) *pipeline.Run {
		return s.start(pipeline.Request{Pipeline: one, Service: "shop", Environment: env, Trigger: pipeline.ByRollback, SHA: strings.Repeat("1", 40)})
	}
	for _, row := range []struct {
		name string
		do   func(s *stage) *pipeline.Run
		want string // after "locked: "; "": nothing
	}{
		{"one that was asked for", asked, "rolled back by mona with run %s"},
		{"one that was asked for and fails", func(s *stage) *pipeline.Run {
			s.runner.do["one"] = func(*pipeline.StepContext) pipeline.Result {
				return pipeline.Result{Done: true, State: pipeline.Failed}
			}
			return asked(s)
		}, "the rollback with run %s failed"},
		{"one that came by itself", func(s *stage) *pipeline.Run {
			s.runner.do["one"] = fails
			p := one
			p.OnFailure = pipeline.Rollback
			s.start(pipeline.Request{Pipeline: p, Service: "shop", Environment: env, SHA: strings.Repeat("1", 40)})
			return s.start(pipeline.Request{Pipeline: p, Service: "shop", Environment: env, SHA: strings.Repeat("2", 40)})
		}, "run %s was rolled back"},
		{"where somebody has locked it", func(s *stage) *pipeline.Run {
			state, _ := s.store.Environment(context.Background(), 7, "staging")
			state.Lock = &pipeline.Lock{By: pipeline.Actor{Login: "eve"}, Reason: "audit"}
			if err := s.store.Commit(context.Background(), pipeline.Change{Environment: state}); err != nil {
				t.Fatal(err)
			}
			return asked(s)
		}, ""},
		{"a deploy", func(s *stage) *pipeline.Run {
			return s.start(pipeline.Request{Pipeline: one, Service: "shop", Environment: env})
		}, ""},
	} {
		t.Run(row.name, func(t *testing.T) {
			s := newStage(t)
			r := row.do(s)
			var want []string
			if row.want != "" {
				want = []string{"#shop: 🔒 **staging** of shop is locked: " + fmt.Sprintf(row.want, r.ID) + ". To let new deploys in again: `/unlock staging`."}
			}
			if !slices.Equal(s.told, want) {
				t.Errorf("told %q\nwant %q", s.told, want)
			}
			if locked := row.name != "a deploy"; r.Locked != locked {
				t.Errorf("the run says that it locked: %v", r.Locked)
			}
		})
	}
}
