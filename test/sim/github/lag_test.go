package github_test

import (
	"os"
	"os/exec"
	"strings"
	"testing"
	"time"

	gh "github.com/google/go-github/v60/github"

	sim "github.com/shipmate/shipmate/test/sim/github"
)

const lag = 5 * time.Second

// lagging is a scene that lags, with a token that is old enough.
func lagging(t *testing.T) (*scene, *clock, *gh.Client) {
	clock := newClock()
	s := newScene(t, sim.Config{Now: clock.Now})
	bot := s.installation(nil, nil)
	if _, _, err := bot.Repositories.Get(within(t), "acme", "shop"); err != nil {
		t.Fatal(err)
	}
	clock.Add(time.Minute)
	s.SetLag(lag)
	return s, clock, bot
}

// TestAPushLags: the pull request, the branch, the commit and what names it are
// as before, and all at once as they are after the lag.
func TestAPushLags(t *testing.T) {
	s, clock, bot := lagging(t)
	ctx, before := within(t), s.pr.Head.SHA
	after := sim.Must(s.mona.Push(sim.Push{Repo: shop, Branch: "feature/cart", Files: map[string]string{"c": "c"}}))
	check := func(head string, commit, file int) {
		t.Helper()
		pr, _, err := bot.PullRequests.Get(ctx, "acme", "shop", 1)
		if err != nil || pr.GetHead().GetSHA() != head {
			t.Errorf("the pull request: %s, %v", pr.GetHead().GetSHA(), err)
		}
		b, _, err := bot.Repositories.GetBranch(ctx, "acme", "shop", "feature/cart", 0)
		if err != nil || b.GetCommit().GetSHA() != head {
			t.Errorf("the branch: %s, %v", b.GetCommit().GetSHA(), err)
		}
		_, _, err = bot.Repositories.GetCommit(ctx, "acme", "shop", after, nil)
		if status(err) != commit || err != nil && !strings.Contains(err.Error(), "No commit found for SHA: "+after) {
			t.Errorf("the commit: %v", err)
		}
		if _, _, _, err = bot.Repositories.GetContents(ctx, "acme", "shop", "c", &gh.RepositoryContentGetOptions{Ref: after}); status(err) != file {
			t.Errorf("a file: %v", err)
		}
		if _, _, err = bot.Repositories.CreateStatus(ctx, "acme", "shop", after, &gh.RepoStatus{State: gh.String("success")}); status(err) != commit {
			t.Errorf("a status: %v", err)
		}
	}
	check(before, 422, 404)
	clock.Add(lag - time.Millisecond)
	check(before, 422, 404)
	clock.Add(time.Millisecond)
	check(after, 0, 0)
}

// TestGitLags: a token that is old enough does not help git to a new commit or ref.
func TestGitLags(t *testing.T) {
	s, clock, _ := lagging(t)
	token, _, err := s.app(nil).Apps.CreateInstallationToken(within(t), s.id, nil)
	if err != nil {
		t.Fatal(err)
	}
	clock.Add(time.Minute)
	sha := sim.Must(s.mona.Push(sim.Push{Repo: shop, Branch: "fresh", Files: map[string]string{"c": "c"}}))
	for what, want := range map[string]string{sha: "not our ref " + sha, "refs/heads/fresh": "couldn't find remote ref refs/heads/fresh", s.pr.Head.SHA: ""} {
		if said := fetch(t, s.URL(), token.GetToken(), what); !strings.Contains(said, want) || want == "" && said != "" {
			t.Errorf("fetch %s: %q", what, said)
		}
	}
	clock.Add(lag)
	for _, what := range []string{sha, "refs/heads/fresh"} {
		if said := fetch(t, s.URL(), token.GetToken(), what); said != "" {
			t.Errorf("fetch %s after the lag: %q", what, said)
		}
	}
}

// fetch is what git says when it cannot fetch.
func fetch(t *testing.T, base, token, what string) string {
	t.Helper()
	dir := t.TempDir()
	for _, args := range [][]string{{"init", "-q", "."}, {"fetch", "-q", strings.Replace(base, "://", "://x-access-token:"+token+"@", 1) + "/" + shop + ".git", what}} {
		cmd := exec.CommandContext(within(t), "git", args...)
		cmd.Dir, cmd.Env = dir, []string{"PATH=" + os.Getenv("PATH"), "HOME=" + dir, "LC_ALL=C", "GIT_CONFIG_NOSYSTEM=1", "GIT_TERMINAL_PROMPT=0"}
		if out, err := cmd.CombinedOutput(); err != nil {
			if strings.Contains(string(out), "terminal prompts disabled") || strings.Contains(string(out), "Authentication failed") {
				return "401"
			}
			return string(out)
		}
	}
	return ""
}

func TestATokenLags(t *testing.T) {
	s, clock, _ := lagging(t)
	bot, ctx := s.installation(nil, nil), within(t)
	for range 2 {
		_, _, err := bot.PullRequests.Get(ctx, "acme", "shop", 1)
		if status(err) != 403 || !strings.Contains(err.Error(), "Resource not accessible by integration") {
			t.Errorf("a fresh token: %v", err)
		}
		clock.Add(lag / 2)
	}
	if _, _, err := bot.PullRequests.Get(ctx, "acme", "shop", 1); err != nil {
		t.Errorf("the token after the lag: %v", err)
	}
}

// TestACommentLags, whoever writes it. Its "updated_at" is later than its
// "created_at" though nobody has edited it; the webhook does not say so.
func TestACommentLags(t *testing.T) {
	s, clock, bot := lagging(t)
	ctx := within(t)
	hers := sim.Must(s.mona.Comment(shop, 1, "/deploy staging"))
	ours, _, err := bot.Issues.CreateComment(ctx, "acme", "shop", 1, &gh.IssueComment{Body: gh.String("Deploying")})
	if err != nil {
		t.Fatal(err)
	}
	for _, id := range []int64{hers.ID, ours.GetID()} {
		if _, _, err := bot.Issues.GetComment(ctx, "acme", "shop", id); status(err) != 404 {
			t.Errorf("comment %d: %v", id, err)
		}
	}
	if list, _, err := bot.Issues.ListComments(ctx, "acme", "shop", 1, nil); err != nil || len(list) != 0 {
		t.Errorf("%d comments, %v", len(list), err)
	}
	if _, _, err := bot.Issues.EditComment(ctx, "acme", "shop", ours.GetID(), &gh.IssueComment{Body: gh.String("Done")}); err != nil {
		t.Errorf("a write does not lag: %v", err)
	}
	clock.Add(lag)
	got, _, err := bot.Issues.GetComment(ctx, "acme", "shop", hers.ID)
	if err != nil || got.GetUpdatedAt().Sub(got.GetCreatedAt().Time) != time.Second {
		t.Errorf("created %v, updated %v: %v", got.GetCreatedAt(), got.GetUpdatedAt(), err)
	}
	if err := s.mona.EditComment(shop, hers.ID, "/deploy prod"); err != nil {
		t.Fatal(err)
	}
	if got, _, err = bot.Issues.GetComment(ctx, "acme", "shop", hers.ID); err != nil || got.GetBody() != "/deploy staging" {
		t.Errorf("an edit shows at once: %q, %v", got.GetBody(), err)
	}
}

// TestEverythingElseLags: what people and other Apps do to a pull request.
func TestEverythingElseLags(t *testing.T) {
	s, clock, bot := lagging(t)
	ctx := within(t)
	look := func() string {
		pr, _, err := bot.PullRequests.Get(ctx, "acme", "shop", 1)
		reviews, _, err2 := bot.PullRequests.ListReviews(ctx, "acme", "shop", 1, nil)
		checks, _, err3 := bot.Checks.ListCheckRunsForRef(ctx, "acme", "shop", s.pr.Head.SHA, nil)
		for _, err := range []error{err, err2, err3} {
			if err != nil {
				t.Fatal(err)
			}
		}
		out := pr.GetState()
		for _, re := range reviews {
			out += " " + re.GetState()
		}
		for _, run := range checks.CheckRuns {
			out += " " + run.GetStatus()
		}
		return out
	}
	ci := sim.Must(s.AddApp("ci", 0))
	run := sim.Must(ci.CreateCheckRun(shop, sim.CheckRunRequest{Name: gh.String("build"), HeadSHA: gh.String(s.pr.Head.SHA)}))
	clock.Add(lag)
	sim.Must(s.As("hubot").Review(shop, 1, sim.NewReview{State: "APPROVED"}))
	clock.Add(time.Second)
	sim.Must(ci.UpdateCheckRun(shop, run.ID, sim.CheckRunRequest{Conclusion: gh.String("success")}))
	clock.Add(time.Second)
	if err := s.mona.ClosePR(shop, 1); err != nil {
		t.Fatal(err)
	}
	for _, want := range []string{"open queued", "open APPROVED queued", "open APPROVED completed", "closed APPROVED completed"} {
		if got := look(); got != want {
			t.Errorf("%q, want %q", got, want)
		}
		clock.Add(time.Second)
		if want == "open queued" {
			clock.Add(2 * time.Second) // five since the review
		}
	}
}
