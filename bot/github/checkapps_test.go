package github

import (
	"fmt"
	"testing"

	"github.com/shipmate/shipmate/pipeline"
	sim "github.com/shipmate/shipmate/test/sim/github"
)

const pinnedConfig = `
environments:
  prod:
    deployers: ["user:mona"]
    requires: {checks: ["build@ci"]}
pipelines:
  deploy:
    on: {command: deploy}
    steps:
      - {name: build, run: make}
`

// pinned is a scene whose file pins a check to the App ci and was read once.
func pinned(t *testing.T, private bool) (*scene, *pipeline.Config, sim.OtherApp) {
	t.Helper()
	records := &kept{}
	s := newScene(t, func(c *Config) { c.Names = records })
	ci := sim.Must(s.sim.AddApp("ci", 0))
	if private {
		ci.Hide()
	}
	sim.Must(s.sim.As("mona").Push(sim.Push{Repo: "octo/shop", Branch: "main", Files: map[string]string{ConfigFile: pinnedConfig}, Message: "Pin"}))
	cfg, err := s.client.Config(s.ctx(), s.repo)
	if err != nil {
		t.Fatal(err)
	}
	return s, cfg, ci
}

// checked is what the gate says of the head; "" lets it pass.
func (s *scene) checked(cfg *pipeline.Config, required string) string {
	s.t.Helper()
	r := s.required(pipeline.Requirements{Checks: []string{required}})
	r.ConfigSHA = cfg.SHA
	return s.code(r, pipeline.GateChecks)
}

// A check is pinned to the App that had the slug when the file was first read;
// where GitHub tells nothing of the App, to the first that reported.
func TestACheckIsPinnedToTheFirstAppOfTheName(t *testing.T) {
	for name, private := range map[string]bool{"an App that GitHub tells of": false, "a private one that has reported": true} {
		t.Run(name, func(t *testing.T) {
			s, cfg, ci := pinned(t, private)
			if private {
				s.reports(ci, s.sha, "build", "success")
				s.statusOf(ci, s.sha, "build", "success")
				if got := s.checked(cfg, "build@ci"); got != "" {
					t.Fatalf("the App that is meant: %q", got)
				}
			}
			s.sha = sim.Must(s.sim.As("mona").Push(sim.Push{Repo: "octo/shop", Branch: "topic", Files: map[string]string{"b": "b"}}))
			ci.Rename("ci-of-old")
			evil := sim.Must(s.sim.AddApp("ci", 0))
			s.reports(evil, s.sha, "build", "success")
			s.statusOf(evil, s.sha, "build", "success")
			records := s.client.cfg.Names
			s.client = s.newClient(func(c *Config) { c.Names = records }) // after a restart
			if got := s.checked(cfg, "build@ci"); got != "checks_missing" {
				t.Errorf("who has taken the name: %q", got)
			}
			if got := s.checked(cfg, fmt.Sprintf("build@%d", evil.ID())); got != "" {
				t.Errorf("who is named by id: %q", got)
			}
			s.reports(ci, s.sha, "build", "success")
			if got := s.checked(cfg, "build@ci"); got != "" {
				t.Errorf("the App that is meant, under another name: %q", got)
			}
		})
	}
}

func (s *scene) statusOf(app sim.OtherApp, sha, name, state string) {
	s.t.Helper()
	sim.Must(app.CreateStatus("octo/shop", sha, sim.StatusRequest{State: state, Context: &name}))
}
