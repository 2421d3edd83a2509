package github

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/shipmate/shipmate/integrations/shell/gitsource"
	"github.com/shipmate/shipmate/pipeline"
	sim "github.com/shipmate/shipmate/test/sim/github"
)

// squat has a stranger's public repository take the name that octo/shop left.
func (s *scene) squat() {
	s.t.Helper()
	sim.Must(s.sim.CreateRepo(sim.NewRepo{Owner: "octo", Name: "shop", Public: true, Files: map[string]string{ConfigFile: "broken"}}))
}

// ask reads and writes the repository as a stored run names it.
func (s *scene) ask() {
	s.t.Helper()
	pr, err := s.client.PullRequest(s.ctx(), s.repo, s.pr)
	if err != nil || pr.Head != s.sha {
		s.t.Errorf("pull request: %q, %v", pr.Head, err)
	}
	if head, err := s.client.Commit(s.ctx(), s.repo, ""); err != nil || head.SHA == "" {
		s.t.Errorf("head of the default branch: %v", err)
	}
	if cfg, err := s.client.Config(s.ctx(), s.repo); err != nil || cfg.Environments == nil {
		s.t.Errorf("file: %v", err)
	}
	if err := s.sink("github-status").show(s.ctx(), s.run()); err != nil {
		s.t.Errorf("status: %v", err)
	}
	if _, err := s.client.Token(s.ctx(), s.repo); err != nil {
		s.t.Errorf("token for git: %v", err)
	}
}

// untouched reports what was asked of the old name since it is another's.
func (s *scene) untouched() {
	s.t.Helper()
	s.sim.View(func(st *sim.State) {
		for _, r := range st.Requests() {
			if strings.Contains(r.Path, "/octo/shop/") || strings.HasSuffix(r.Path, "/octo/shop") {
				s.t.Errorf("%s %s was sent to whoever has the name now", r.Method, r.Path)
			}
		}
	})
}

func TestARenamedRepository(t *testing.T) {
	for _, row := range []struct {
		name  string
		known bool // the client has asked before, so it knows a name
		told  bool // GitHub's message of the renaming came
		squat bool
		later time.Duration
	}{
		{name: "after a restart"},
		{name: "after a restart, and another has the name", squat: true},
		{name: "while the bot runs", known: true},
		{name: "while the bot runs, and another has the name", known: true, told: true, squat: true},
		{name: "its message is lost, and another has the name", known: true, squat: true, later: keepPlace},
	} {
		t.Run(row.name, func(t *testing.T) {
			s := newScene(t)
			if row.known {
				s.ask()
			}
			if err := s.sim.RenameRepo("octo/shop", "octo/store"); err != nil {
				t.Fatal(err)
			}
			if row.squat {
				s.squat()
			}
			if row.told {
				s.client.Moved(s.repo.ID)
			}
			s.clock.add(row.later)
			s.sim.ForgetRequests()
			s.ask()
			if row.squat {
				s.untouched()
			}
			now, err := s.client.LocateForGit(s.ctx(), s.repo)
			if err != nil || s.client.CloneURL(now) != s.sim.URL()+"/octo/store.git" {
				t.Errorf("git is sent to %s, %v", s.client.CloneURL(now), err)
			}
		})
	}
}

// Writes follow too: GitHub answers 301 or 307 for the old name.
func TestAWriteFollowsARename(t *testing.T) {
	s := newScene(t)
	s.ask()
	if err := s.sim.RenameRepo("octo/shop", "octo/store"); err != nil {
		t.Fatal(err)
	}
	r := s.run()
	r.State = pipeline.Failed
	if err := s.sink("github-status").show(s.ctx(), r); err != nil {
		t.Error(err)
	}
	if all := s.sim.Statuses("octo/store", s.sha); len(all) == 0 || all[0].State != "failure" {
		t.Errorf("%+v", all)
	}
}

func TestATransferredRepository(t *testing.T) {
	for _, known := range []bool{false, true} {
		s := newScene(t)
		sim.Must(s.sim.AddOrg(sim.NewOrg{Login: "umbrella"}))
		if known {
			s.ask()
		}
		if err := s.sim.RenameRepo("octo/shop", "umbrella/shop"); err != nil {
			t.Fatal(err)
		}
		s.squat()
		sim.Must(s.sim.Install("octo/shop")) // the App is on the stranger's too
		s.client.Moved(s.repo.ID)
		s.sim.ForgetRequests()
		_, err := s.client.PullRequest(s.ctx(), s.repo, s.pr)
		if pipeline.Code(err) != "not_installed" || !strings.Contains(pipeline.Message(err), "octo/shop") {
			t.Errorf("where the App is not installed: %v", err)
		}
		sim.Must(s.sim.Install("umbrella/shop"))
		s.ask()
		s.sim.View(func(st *sim.State) {
			for _, r := range st.Requests() {
				if strings.Contains(r.Path, "/repos/octo/shop") && !strings.HasSuffix(r.Path, "/installation") {
					t.Errorf("%s %s was sent to whoever has the name now", r.Method, r.Path)
				}
			}
		})
	}
}

func TestADeletedRepository(t *testing.T) {
	s := newScene(t)
	s.ask()
	if err := s.sim.DeleteRepo("octo/shop"); err != nil {
		t.Fatal(err)
	}
	s.squat()
	sim.Must(s.sim.Install("octo/shop"))
	s.client.Moved(s.repo.ID)
	s.sim.ForgetRequests()
	if _, err := s.client.Locate(s.ctx(), s.repo); pipeline.Code(err) != "not_installed" {
		t.Errorf("another repository of the name: %v", err)
	}
}

// git is sent to the repository's name of this moment, as GitHub's redirects
// are not followed: the token is for one address.
func TestGitAfterARename(t *testing.T) {
	s := newScene(t)
	g := &gitsource.Git{Cache: t.TempDir(), CloneURL: s.client.CloneURL, Token: s.client.Token}
	if err := s.sim.RenameRepo("octo/shop", "octo/store"); err != nil {
		t.Fatal(err)
	}
	if err := g.Checkout(s.ctx(), s.repo, s.sha, t.TempDir()); pipeline.Code(err) != "repository_moved" {
		t.Errorf("GitHub does not redirect: %v", err)
	}
	s.squat()
	g.Locate = s.client.LocateForGit
	dir := t.TempDir()
	if err := g.Checkout(s.ctx(), s.repo, s.sha, dir); err != nil {
		t.Fatal(err)
	}
	if b, err := os.ReadFile(filepath.Join(dir, "src", "a.go")); string(b) != "package a" {
		t.Errorf("%q, %v", b, err)
	}
}
