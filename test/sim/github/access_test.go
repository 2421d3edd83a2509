package github_test

import (
	"errors"
	"net/http"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	gh "github.com/google/go-github/v60/github"

	sim "github.com/shipmate/shipmate/test/sim/github"
)

func status(err error) int {
	var fail *gh.ErrorResponse
	var limited *gh.RateLimitError
	var abuse *gh.AbuseRateLimitError
	switch {
	case errors.As(err, &fail):
		return fail.Response.StatusCode
	case errors.As(err, &limited):
		return limited.Response.StatusCode
	case errors.As(err, &abuse):
		return abuse.Response.StatusCode
	}
	return 0
}

func TestTokensReachOnlyWhatTheyAreFor(t *testing.T) {
	s := newScene(t, sim.Config{})
	ctx := within(t)
	sim.Must(s.CreateRepo(sim.NewRepo{Owner: "acme", Name: "second"}))
	sim.Must(s.Install("acme/second"))
	repo := s.pr.Base.Repo.ID
	narrow := s.installation(nil, &gh.InstallationTokenOptions{
		RepositoryIDs: []int64{repo}, Permissions: &gh.InstallationPermissions{Statuses: gh.String("write")},
	})
	_, _, err := narrow.Repositories.CreateStatus(ctx, "acme", "shop", s.pr.Head.SHA, &gh.RepoStatus{State: gh.String("success")})
	if err != nil {
		t.Error(err)
	}
	_, _, err = narrow.Issues.CreateComment(ctx, "acme", "shop", s.pr.Number, &gh.IssueComment{Body: gh.String("x")})
	if status(err) != 403 {
		t.Errorf("a comment without the permission: %v", err)
	}
	if _, _, err = narrow.Repositories.Get(ctx, "acme", "second"); status(err) != 404 {
		t.Errorf("a repository outside the token: %v", err)
	}
	if _, _, err = s.client(http.DefaultTransport).Repositories.Get(ctx, "acme", "shop"); status(err) != 401 {
		t.Errorf("nobody: %v", err)
	}
	mints := s.Mints()
	if len(mints) != 1 || mints[0].RepositoryIDs[0] != repo || mints[0].Permissions["statuses"] != "write" {
		t.Errorf("mints: %+v", mints)
	}
	for _, req := range s.Requests() {
		if req.Header.Get("Authorization") != "" {
			t.Error("a secret was recorded")
		}
	}
}

func TestTokensEndAfterAnHour(t *testing.T) {
	clock := newClock()
	s := newScene(t, sim.Config{Now: clock.Now})
	ctx := within(t)
	token, _, err := s.app(nil).Apps.CreateInstallationToken(ctx, s.id, nil)
	if err != nil {
		t.Fatal(err)
	}
	bot := s.client(http.DefaultTransport).WithAuthToken(token.GetToken())
	if _, _, err := bot.Repositories.Get(ctx, "acme", "shop"); err != nil {
		t.Fatal(err)
	}
	clock.Add(time.Hour)
	if _, _, err := bot.Repositories.Get(ctx, "acme", "shop"); status(err) != 401 {
		t.Errorf("after an hour: %v", err)
	}
}

func TestARenamedRepositoryRedirects(t *testing.T) {
	s := newScene(t, sim.Config{})
	if err := s.RenameRepo(shop, "acme/store"); err != nil {
		t.Fatal(err)
	}
	repo, _, err := s.installation(nil, nil).Repositories.Get(within(t), "acme", "shop")
	if err != nil || repo.GetFullName() != "acme/store" {
		t.Errorf("got %v, %v", repo.GetFullName(), err)
	}
}

func TestCloneNeedsAToken(t *testing.T) {
	s := newScene(t, sim.Config{})
	ctx := within(t)
	token, _, err := s.app(nil).Apps.CreateInstallationToken(ctx, s.id, &gh.InstallationTokenOptions{Permissions: &gh.InstallationPermissions{Contents: gh.String("read")}})
	if err != nil {
		t.Fatal(err)
	}
	first := s.Head(shop, "feature/cart")
	sim.Must(s.mona.Push(sim.Push{Repo: shop, Branch: "feature/cart", Files: map[string]string{"z": "z"}, Parent: s.Head(shop, "main"), Force: true}))
	git := func(args ...string) error {
		cmd := exec.Command("git", args...)
		cmd.Env = append(cmd.Environ(), "GIT_TERMINAL_PROMPT=0", "GIT_CONFIG_GLOBAL=/dev/null")
		out, err := cmd.CombinedOutput()
		if err != nil {
			t.Logf("git %s: %s", args[0], out)
		}
		return err
	}
	dir := filepath.Join(t.TempDir(), "clone")
	url := strings.Replace(s.URL(), "http://", "http://x-access-token:"+token.GetToken()+"@", 1) + "/acme/shop.git"
	if err := git("clone", "--quiet", url, dir); err != nil {
		t.Fatal(err)
	}
	if err := git("-C", dir, "fetch", "--quiet", "origin", first); err != nil {
		t.Error("a commit that was forced away cannot be fetched by its id")
	}
	if err := git("-C", dir, "fetch", "--quiet", "origin", "refs/pull/1/head"); err != nil {
		t.Error("the head of the pull request cannot be fetched")
	}
	if git("clone", "--quiet", s.URL()+"/acme/shop.git", dir+"2") == nil {
		t.Error("a private repository was cloned by nobody")
	}
	blind, _, err := s.app(nil).Apps.CreateInstallationToken(ctx, s.id, &gh.InstallationTokenOptions{Permissions: &gh.InstallationPermissions{Checks: gh.String("read")}})
	if err != nil {
		t.Fatal(err)
	}
	if git("clone", "--quiet", strings.Replace(url, token.GetToken(), blind.GetToken(), 1), dir+"3") == nil {
		t.Error("a token without contents cloned")
	}
}

func TestPeopleMayWhatTheirRoleSays(t *testing.T) {
	s := newScene(t, sim.Config{})
	eve, stranger := s.As("eve"), s.As("shipmate-inc")
	if _, err := eve.Push(sim.Push{Repo: shop, Branch: "main", Files: map[string]string{"x": "x"}}); err == nil {
		t.Error("a reader pushed")
	}
	if _, err := eve.Comment(shop, s.pr.Number, "hello"); err != nil {
		t.Errorf("a reader may comment: %v", err)
	}
	if _, err := stranger.Comment(shop, s.pr.Number, "hello"); err == nil {
		t.Error("a stranger commented on a private repository")
	}
	if err := eve.MergePR(shop, s.pr.Number, "merge"); err == nil {
		t.Error("a reader merged")
	}
	if _, err := s.mona.Review(shop, s.pr.Number, sim.NewReview{State: "APPROVED"}); err == nil {
		t.Error("the author approved")
	}
	if err := s.mona.MergePR(shop, s.pr.Number, "squash"); err != nil {
		t.Error(err)
	}
	pr, _ := s.PullRequest(shop, s.pr.Number)
	if !pr.Merged || pr.State != "closed" || s.Head(shop, "main") != *pr.MergeCommitSHA {
		t.Errorf("merged: %+v", pr.Merged)
	}
}
