package e2e

import (
	"testing"
	"time"

	"github.com/shipmate/shipmate/test/sim/github"
	"github.com/shipmate/shipmate/test/world"
)

const laggingFile = `
service: shop
environments:
  staging: {}
  live: {}
pipelines:
  checks:
    on: {pull_request: {branches: [main]}}
    steps:
      - {name: build, run: "test ! -e broken"}
  deploy:
    on:
      command: deploy
      push: {branches: [main], environment: live}
    steps:
      - {name: release, run: "cat sale.txt"}
`

// TestWhileGitHubLags: for some seconds after every push, token and comment
// GitHub answers as before it. A fresh bot, with no token and no service known,
// checks a pull request and its next commit, deploys it as soon as it is there,
// and deploys its merge.
func TestWhileGitHubLags(t *testing.T) {
	for _, lag := range []time.Duration{0, time.Second, 5 * time.Second} {
		t.Run(lag.String(), func(t *testing.T) {
			s := open(t, world.Config{Lag: lag})
			s.shop(laggingFile)
			s.wantStatus("shipmate/checks", "success")

			mona := s.w.GitHub.As("mona")
			s.pr.Head.SHA = s.must(mona.Push(github.Push{Repo: s.repo, Branch: "sale", Files: map[string]string{"sale.txt": "half"}}))
			pushed := time.Now()
			s.wait("a second has passed; GitHub tells times no closer than that", func() bool { return time.Since(pushed) >= time.Second })
			s.say("/deploy staging")
			s.settle()
			s.wantStatus("shipmate/checks", "success")
			s.wantStatus("shipmate/deploy/staging", "success")

			if err := mona.MergePR(s.repo, s.pr.Number, "merge"); err != nil {
				t.Fatal(err)
			}
			s.settle()
			s.pr.Head.SHA = s.w.GitHub.Head(s.repo, "main")
			s.wantStatus("shipmate/deploy/live", "success")
			if dead, err := s.w.Metric("shipmate_queue_dead"); err != nil || dead > 0 {
				t.Errorf("%v jobs were given up: %v", dead, err)
			}
		})
	}
}
