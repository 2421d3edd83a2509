package pipeline_test

import (
	"context"
	"sync"
	"testing"

	"github.com/shipmate/shipmate/pipeline"
)

// Of many who ask for the same at the same moment one starts a run, and all are
// answered with it.
func TestTheSameAskedAtOnceIsOneRun(t *testing.T) {
	for name, env := range map[string]*pipeline.Environment{"in an environment": {Name: "prod"}, "nowhere": nil} {
		t.Run(name, func(t *testing.T) {
			s := newStage(t)
			req := pipeline.Request{Repo: pipeline.Repo{ID: 7}, SHA: "a", Environment: env, Once: true, Actor: pipeline.Actor{ID: 1, Login: "mona"},
				Pipeline: pipeline.Pipeline{Name: "deploy", Steps: []pipeline.Step{{Name: "build", Run: "make"}}}}
			const many = 20
			ids := make([]pipeline.RunID, many)
			var all sync.WaitGroup
			for i := range many {
				all.Go(func() {
					r, err := s.engine.Start(context.Background(), req)
					if err != nil {
						t.Error(err)
						return
					}
					ids[i] = r.ID
				})
			}
			all.Wait()
			for _, id := range ids {
				if id != ids[0] {
					t.Fatalf("more than one run: %v", ids)
				}
			}
			req.Once = false
			if r, err := s.engine.Start(context.Background(), req); err != nil || r.ID == ids[0] {
				t.Errorf("who means it got %v, %v", r, err)
			}
		})
	}
}
