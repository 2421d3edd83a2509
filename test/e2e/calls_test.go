package e2e

import (
	"fmt"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/shipmate/shipmate/test/sim/github"
	"github.com/shipmate/shipmate/test/world"
)

const plain = `service: shop
environments:
  staging: {}
pipelines:
  deploy:
    on: {command: deploy}
    steps:
      - {name: release, run: echo released}
`

// calls are the calls to GitHub since they were last forgotten, by kind; those of
// the App itself, which mint tokens, are not among them.
func (s *scene) calls() (kinds []string, points int) {
	for _, r := range s.w.GitHub.Requests() {
		if r.App || strings.Contains(r.Path, ".git/") { // git has limits of its own
			continue
		}
		kinds = append(kinds, r.Method+" "+kindOf.ReplaceAllString(r.Path, "/x"))
		if points += 5; r.Method == "GET" {
			points -= 4
		}
	}
	slices.Sort(kinds)
	return kinds, points
}

var kindOf = regexp.MustCompile(`/([0-9]+|[0-9a-f]{40})\b`)

// A plain deploy costs what it must: five reads that decide, one look for the
// comment, and everything that tells of it once.
func TestAPlainDeployIsCheap(t *testing.T) {
	s := open(t, world.Config{})
	s.shop(plain)
	s.say("/help") // whatever is read once and kept is read now
	s.settle()
	s.w.GitHub.ForgetRequests()
	s.say("/deploy staging")
	s.settle()
	s.wantStatus("shipmate/deploy/staging", "success")
	kinds, points := s.calls()
	t.Logf("%d calls, %d points:\n%s", len(kinds), points, strings.Join(kinds, "\n"))
	if len(kinds) > 12 {
		t.Errorf("%d calls, 12 are enough", len(kinds))
	}
	if points > 35 {
		t.Errorf("%d points of GitHub's budget of a minute, 35 are enough", points)
	}
	if n := len(s.comments()); n != 2 { // the answer to /help, and the living comment
		t.Errorf("%d comments", n)
	}
}

func (s *scene) comments() (list []github.IssueComment) {
	for _, c := range s.w.GitHub.Comments(s.repo, s.pr.Number) {
		if strings.HasSuffix(c.User.Login, "[bot]") {
			list = append(list, c)
		}
	}
	return list
}

// Sixty deploys in a minute are all done; what tells of them takes the time that
// GitHub's limits want.
func TestSixtyDeploysBreakNoLimit(t *testing.T) {
	s := open(t, world.Config{})
	s.shop(strings.Replace(plain, "staging: {}", "staging: {}, two: {}, three: {}, four: {}, five: {}, six: {}", 1))
	for i := range 60 {
		s.say(fmt.Sprintf("/deploy %s", []string{"staging", "two", "three", "four", "five", "six"}[i%6]))
	}
	s.wait("all are done", func() bool {
		n, err := s.w.Metric("shipmate_run_seconds_count")
		return err == nil && n == 60
	})
	if v := s.w.GitHub.Violations(); v != (github.Violations{}) {
		t.Errorf("limits: %s", v)
	}
}
