package e2e

import (
	"fmt"
	"path/filepath"
	"strings"
	"testing"

	"github.com/shipmate/shipmate/test/sim/github"
	"github.com/shipmate/shipmate/test/world"
)

// rolledBack deploys the file sale.txt to dir, and goes back if that fails.
func rolledBack(dir string) string {
	return fmt.Sprintf(`
service: shop
environments:
  staging: {}
pipelines:
  deploy:
    on: {command: deploy}
    on_failure: rollback
    steps:
      - name: release
        run: cat sale.txt >> %s
`, filepath.Join(dir, "steps"))
}

// lateShop is a repository with one good deploy, and a commit since that git does not give away.
func lateShop(t *testing.T) (s *scene, dir string, give func()) {
	s = open(t, world.Config{})
	dir = t.TempDir()
	s.shop(rolledBack(dir))
	s.say("/deploy staging")
	s.settle()
	s.wantStatus("shipmate/deploy/staging", "success")
	s.pr.Head.SHA = s.must(s.w.GitHub.As("mona").Push(github.Push{Repo: s.repo, Branch: "sale", Files: map[string]string{"sale.txt": "y"}, Message: "More"}))
	s.settle()
	return s, dir, s.w.GitHub.Inject(github.Fault{Path: "/acme/shop.git/**", Status: 401})
}

func (s *scene) talk() string {
	var all []string
	for _, c := range s.w.GitHub.Comments(s.repo, s.pr.Number) {
		all = append(all, c.Body)
	}
	return strings.Join(all, "\n---\n")
}

// Git takes a fresh token only after a while.
func TestADeployWaitsForGit(t *testing.T) {
	s, dir, give := lateShop(t)
	s.say("/deploy staging")
	s.wait("the deploy says what it waits for", func() bool { return strings.Contains(s.talk(), "It may only be late") })
	give()
	s.wait("the deploy goes on", func() bool { return written(dir) == "xy" })
	s.settle()
	s.wantStatus("shipmate/deploy/staging", "success")
}

// A checkout that never works deploys nothing, so nothing is rolled back and nothing is locked.
func TestADeployThatGetsNoCheckoutChangesNothing(t *testing.T) {
	s, dir, give := lateShop(t)
	s.say("/deploy staging")
	s.wait("the deploy fails", func() bool { return strings.Contains(s.talk(), "Nothing was changed") })
	s.settle()
	s.wantStatus("shipmate/deploy/staging", "failure")
	if talk := s.talk(); strings.Contains(talk, "rolled back:") || strings.Contains(talk, "rollback_failed") || strings.Contains(strings.ToLower(talk), "locked") {
		t.Error(talk)
	}
	give()
	s.say("/deploy staging")
	s.settle()
	s.wantStatus("shipmate/deploy/staging", "success")
	if got := written(dir); got != "xy" {
		t.Errorf("deployed %q", got)
	}
}
