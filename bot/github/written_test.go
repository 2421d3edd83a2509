package github

import (
	"testing"
	"time"

	"github.com/shipmate/shipmate/pipeline"
	sim "github.com/shipmate/shipmate/test/sim/github"
)

// TestWhatWeWroteIsNotThereYet: a 404 for what GitHub took from us a moment ago
// says that it is behind. Later it says that somebody deleted it.
func TestWhatWeWroteIsNotThereYet(t *testing.T) {
	for name, c := range map[string]struct {
		sink, path string
		first      bool // the very first showing makes it and writes to it again
	}{
		"a comment":    {sink: "github-comment", path: "/repos/octo/shop/issues/comments/*"},
		"a deployment": {sink: "github-deployment", path: "/repos/octo/shop/deployments/*/statuses", first: true},
		"a check run":  {sink: "github-check", path: "/repos/octo/shop/check-runs/*"},
	} {
		t.Run(name, func(t *testing.T) {
			s := newLagScene(t)
			s.sim.SetLag(0)
			r := s.run()
			r.Admitted, r.Created = true, s.clock.Now().Add(-2*patience)
			start(r)
			k := s.sink(c.sink)
			if err := k.show(s.ctx(), r); !c.first && err != nil {
				t.Fatal(err)
			}
			if c.first {
				k = s.sink(c.sink)
				r.ID += "b"
			}
			before := len(s.sim.Comments("octo/shop", s.pr))
			remove := s.sim.Inject(sim.Fault{Path: c.path, Status: 404, Body: `{"message":"Not Found"}`})
			finish(r, pipeline.Failed, "exit_code", "exit code 2")
			s.early("the write", k.show(s.ctx(), r))
			if n := len(s.sim.Comments("octo/shop", s.pr)); n != before {
				t.Errorf("%d comments, want %d", n, before)
			}
			s.clock.add(patience + time.Second)
			if err := k.show(s.ctx(), r); err != nil {
				t.Errorf("after %s: %v", patience, err)
			}
			remove()
		})
	}
}
