package github

import (
	"encoding/json"
	"errors"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	gh "github.com/google/go-github/v60/github"
	"github.com/shipmate/shipmate/commands"
	"github.com/shipmate/shipmate/pipeline"
	"github.com/shipmate/shipmate/pipeline/pipelinetest"
	sim "github.com/shipmate/shipmate/test/sim/github"
)

const lag = 5 * time.Second

// lagScene is a GitHub that lags, with a token that it knows by now.
type lagScene struct {
	*scene
	hook  http.Handler
	heard int
}

func newLagScene(t *testing.T) *lagScene {
	t.Helper()
	s := &lagScene{scene: newScene(t)}
	records := pipelinetest.NewStore(pipelinetest.NewClock(time.Now()))
	s.client = s.newClient(func(cfg *Config) { cfg.Told = records })
	s.hook = NewWebhook(WebhookConfig{Secrets: []string{s.sim.WebhookSecret()}, Queue: &inbox{}, Told: records, AppID: s.sim.AppID(), Slug: "shipmate", Now: s.clock.Now, Log: slog.New(slog.DiscardHandler)})
	s.sim.HoldWebhooks()
	s.heard = len(s.sim.Deliveries())
	if _, err := s.client.Config(s.ctx(), s.repo); err != nil {
		t.Fatal(err)
	}
	s.clock.add(time.Minute) // what was read by now is old
	s.sim.SetLag(lag)
	return s
}

// hear delivers the webhooks since.
func (s *lagScene) hear() {
	s.t.Helper()
	all := s.sim.Deliveries()
	for _, d := range all[s.heard:] {
		r := httptest.NewRequestWithContext(s.ctx(), http.MethodPost, "/", strings.NewReader(string(d.Body)))
		for k, v := range d.Header {
			r.Header.Set(k, v)
		}
		w := httptest.NewRecorder()
		s.hook.ServeHTTP(w, r)
		if w.Code/100 != 2 {
			s.t.Fatalf("%s: %d %s", d.Event, w.Code, w.Body)
		}
	}
	s.heard = len(all)
}

// early checks that something has to be asked for again, soon.
func (s *lagScene) early(what string, err error) {
	s.t.Helper()
	var wait *Patience
	if !pipeline.IsTemporary(err) || !errors.As(err, &wait) || wait.Wait > 5*time.Second || wait.Wait < time.Second {
		s.t.Errorf("%s: %v, want to be asked again in seconds", what, err)
	}
}

// TestAnOlderAnswerIsNotNews: what people do is told by a webhook at once, and
// shows later.
func TestAnOlderAnswerIsNotNews(t *testing.T) {
	const repo = "octo/shop"
	asked := &pipeline.Environment{Name: "prod", Requires: pipeline.Requirements{Reviews: 1, Checks: []string{"build@ci", "lint@ci"}}}
	live := func(s *lagScene) (pipeline.Live, error) {
		r := s.run()
		r.Environment, r.SHA = asked, s.sha
		return s.client.Live(s.ctx(), r)
	}
	for name, c := range map[string]struct {
		before, now func(s *lagScene) error
		sees        func(l pipeline.Live, s *lagScene) bool
	}{
		"pushed": {now: func(s *lagScene) error {
			_, err := s.sim.As("mona").Push(sim.Push{Repo: repo, Branch: "topic", Files: map[string]string{"b": "b"}})
			return err
		}, sees: func(l pipeline.Live, s *lagScene) bool {
			return l.PullRequest.Head == s.sim.Head(repo, "topic") && l.PullRequest.Head != s.sha
		}},
		"forced back to what it was": {before: func(s *lagScene) error {
			_, err := s.sim.As("mona").Push(sim.Push{Repo: repo, Branch: "topic", Files: map[string]string{"b": "b"}})
			return err
		}, now: func(s *lagScene) error {
			_, err := s.sim.As("mona").Push(sim.Push{Repo: repo, Branch: "topic", To: s.sha, Force: true})
			return err
		}, sees: func(l pipeline.Live, s *lagScene) bool { return l.PullRequest.Head == s.sha }},
		"closed": {now: func(s *lagScene) error { return s.sim.As("mona").ClosePR(repo, s.pr) },
			sees: func(l pipeline.Live, _ *lagScene) bool { return !l.PullRequest.Open }},
		"reopened": {before: func(s *lagScene) error { return s.sim.As("mona").ClosePR(repo, s.pr) },
			now:  func(s *lagScene) error { return s.sim.As("mona").ReopenPR(repo, s.pr) },
			sees: func(l pipeline.Live, _ *lagScene) bool { return l.PullRequest.Open }},
		"made a draft": {now: func(s *lagScene) error { return s.sim.As("mona").ConvertToDraft(repo, s.pr) },
			sees: func(l pipeline.Live, _ *lagScene) bool { return l.PullRequest.Draft }},
		"retargeted": {before: func(s *lagScene) error {
			_, err := s.sim.As("mona").Push(sim.Push{Repo: repo, Branch: "next", Files: map[string]string{"n": "n"}})
			return err
		}, now: func(s *lagScene) error { return s.sim.As("mona").Retarget(repo, s.pr, "next") },
			sees: func(l pipeline.Live, _ *lagScene) bool { return l.PullRequest.Into == "next" }},
		"approved": {now: func(s *lagScene) error {
			_, err := s.sim.As("hubot").Review(repo, s.pr, sim.NewReview{State: "APPROVED"})
			return err
		}, sees: func(l pipeline.Live, _ *lagScene) bool { return len(l.Reviewed[0].Reviews) == 1 }},
		"dismissed": {before: func(s *lagScene) error {
			_, err := s.sim.As("hubot").Review(repo, s.pr, sim.NewReview{State: "APPROVED"})
			return err
		}, now: func(s *lagScene) error {
			list, _, err := s.client.as(s.repo, forReading).PullRequests.ListReviews(s.ctx(), "octo", "shop", s.pr, nil)
			if err != nil {
				return err
			}
			return s.sim.As("hubot").DismissReview(repo, s.pr, list[0].GetID())
		}, sees: func(l pipeline.Live, _ *lagScene) bool { return l.Reviewed[0].Reviews[0].State == "DISMISSED" }},
		"a check ended": {now: func(s *lagScene) error {
			ci, err := s.sim.AddApp("ci", 0)
			if err != nil {
				return err
			}
			_, err = ci.CreateCheckRun(repo, sim.CheckRunRequest{Name: gh.String("build"), HeadSHA: gh.String(s.sha), Conclusion: gh.String("failure")})
			return err
		}, sees: func(l pipeline.Live, _ *lagScene) bool { return len(l.Checks) == 1 && l.Checks[0].State == "failure" }},
		"a status was reported": {now: func(s *lagScene) error {
			ci, err := s.sim.AddApp("ci", 0)
			if err != nil {
				return err
			}
			_, err = ci.CreateStatus(repo, s.sha, sim.StatusRequest{State: "failure", Context: gh.String("lint")})
			return err
		}, sees: func(l pipeline.Live, _ *lagScene) bool { return len(l.Checks) == 1 && l.Checks[0].State == "failure" }},
	} {
		t.Run(name, func(t *testing.T) {
			s := newLagScene(t)
			if c.before != nil {
				if err := c.before(s); err != nil {
					t.Fatal(err)
				}
				s.hear()
				s.clock.add(lag)
			}
			if _, err := live(s); err != nil { // the tokens it takes
				s.early("a token", err)
			}
			s.clock.add(lag)
			for { // several kinds of tokens
				_, err := live(s)
				if err == nil {
					break
				}
				s.early("another token", err)
				s.clock.add(time.Second)
			}
			if err := c.now(s); err != nil {
				t.Fatal(err)
			}
			s.hear()
			_, err := live(s)
			s.early("at once", err)
			s.clock.add(lag - time.Second)
			_, err = live(s)
			s.early("a second before", err)
			s.clock.add(time.Second)
			if l, err := live(s); err != nil || !c.sees(l, s) {
				t.Errorf("after the lag: %+v, %v", l, err)
			}
		})
	}
}

// TestItIsSaidWhenTheAnswerStaysOld: half a minute is enough.
func TestItIsSaidWhenTheAnswerStaysOld(t *testing.T) {
	s := newLagScene(t)
	s.sim.SetLag(0)
	if _, err := s.client.PullRequest(s.ctx(), s.repo, s.pr); err != nil {
		t.Fatal(err)
	}
	s.clock.add(time.Second)
	sim.Must(s.sim.As("mona").Push(sim.Push{Repo: "octo/shop", Branch: "topic", Files: map[string]string{"b": "b"}}))
	s.hear()
	s.clock.add(patience - time.Second)
	s.freeze(func() { _, err := s.client.PullRequest(s.ctx(), s.repo, s.pr); s.early("just before", err) })
	s.clock.add(2 * time.Second)
	s.freeze(func() {
		_, err := s.client.PullRequest(s.ctx(), s.repo, s.pr)
		if pipeline.Code(err) != "cannot_verify" || !errors.Is(err, errBehind) || pipeline.IsTemporary(err) {
			t.Errorf("after %s: %v", patience, err)
		}
		r := s.run()
		r.Environment = nil
		if l, err := s.client.Live(s.ctx(), r); err != nil || l.Unverified == "" || !l.Again {
			t.Errorf("the gates: %+v, %v", l, err)
		}
	})
}

// freeze has GitHub show the pull request as it was when its head was s.sha.
func (s *lagScene) freeze(look func()) {
	s.t.Helper()
	s.sim.SetLag(0)
	got, _, err := s.client.as(s.repo, forReading).PullRequests.Get(s.ctx(), "octo", "shop", s.pr)
	if err != nil {
		s.t.Fatal(err)
	}
	got.Head.SHA = gh.String(s.sha)
	got.UpdatedAt = &gh.Timestamp{Time: s.clock.Now().Add(-2 * time.Minute)}
	body, err := json.Marshal(got)
	if err != nil {
		s.t.Fatal(err)
	}
	remove := s.sim.Inject(sim.Fault{Path: "/repos/octo/shop/pulls/1", Status: 200, Body: string(body)})
	defer remove()
	look()
}

// TestWhatWasToldOfIsNotThereYet: a commit, a branch, a pull request.
func TestWhatWasToldOfIsNotThereYet(t *testing.T) {
	s := newLagScene(t)
	main := s.sim.Head("octo/shop", "main")
	sha := sim.Must(s.sim.As("mona").Push(sim.Push{Repo: "octo/shop", Branch: "fresh", Files: map[string]string{"b": "b"}}))
	pr := sim.Must(s.sim.As("mona").OpenPR(sim.NewPR{Repo: "octo/shop", Head: "fresh"})).Number
	asks := map[string]func() error{
		"the branch":       func() error { _, err := s.client.Commit(s.ctx(), s.repo, "fresh"); return err },
		"the commit":       func() error { _, err := s.client.Commit(s.ctx(), s.repo, sha); return err },
		"the pull request": func() error { _, err := s.client.PullRequest(s.ctx(), s.repo, pr); return err },
		"a comparison":     func() error { _, err := s.client.Compare(s.ctx(), s.repo, main, sha); return err },
		"what is changed":  func() error { _, err := s.client.changedBy(s.ctx(), s.repo, sha, ""); return err },
		"its files":        func() error { _, err := s.client.ConfigFile(s.ctx(), s.repo, sha); return err },
		"who wrote it":     func() error { _, err := s.client.Contributors(s.ctx(), s.repo, main, sha, 0, ""); return err },
		"the very files":   func() error { _, err := s.client.SameFiles(s.ctx(), s.repo, sha, main); return err },
		"where it left":    func() error { _, err := s.client.MergeBase(s.ctx(), s.repo, "main", sha); return err },
	}
	if err := asks["the branch"](); pipeline.Code(err) != "unknown_ref" {
		t.Errorf("before the webhook nobody knows of it: %v", err)
	}
	s.hear()
	for what, ask := range asks {
		s.early(what, ask())
	}
	if _, err := s.client.Commit(s.ctx(), s.repo, "nope"); pipeline.Code(err) != "unknown_ref" {
		t.Errorf("what nobody told of: %v", err)
	}
	s.clock.add(lag)
	for what, ask := range asks {
		if err := ask(); err != nil {
			t.Errorf("%s after the lag: %v", what, err)
		}
	}
}

// TestWhatWasDeletedIsNotThereAnyMore, though it still shows.
func TestWhatWasDeletedIsNotThereAnyMore(t *testing.T) {
	s := newLagScene(t)
	sim.Must(s.sim.As("mona").Push(sim.Push{Repo: "octo/shop", Branch: "topic", Delete: true}))
	s.hear()
	_, err := s.client.Commit(s.ctx(), s.repo, "topic")
	s.early("the branch", err)
	s.clock.add(lag)
	if _, err := s.client.Commit(s.ctx(), s.repo, "topic"); pipeline.Code(err) != "unknown_ref" {
		t.Errorf("after the lag: %v", err)
	}
}

func TestAFreshTokenMayDoNothingYet(t *testing.T) {
	s := newLagScene(t)
	old := len(s.sim.Mints())
	s.client = s.newClient()
	_, err := s.client.Commit(s.ctx(), s.repo, "main")
	s.early("a read", err)
	_, _, err = s.client.as(s.repo, forStatuses).Repositories.CreateStatus(s.ctx(), "octo", "shop", s.sha, &gh.RepoStatus{State: gh.String("success")})
	s.early("a write", fail("", err))
	s.clock.add(lag)
	if _, err := s.client.Commit(s.ctx(), s.repo, "main"); err != nil {
		t.Errorf("after the lag: %v", err)
	}
	if n := len(s.sim.Mints()) - old; n != 2 {
		t.Errorf("%d new tokens, want two", n)
	}
}

// TestATokenThatIsNotKnownYet: 401, as of a revoked one. It is not replaced for ever.
func TestATokenThatIsNotKnownYet(t *testing.T) {
	s := newLagScene(t)
	s.sim.SetLag(0)
	old := len(s.sim.Mints())
	s.client = s.newClient()
	remove := s.sim.Inject(sim.Fault{Path: "/repos/**", Status: 401, Body: `{"message":"Bad credentials"}`})
	for range 5 {
		_, err := s.client.Commit(s.ctx(), s.repo, "main")
		s.early("a read", err)
		s.clock.add(time.Second)
	}
	remove()
	if _, err := s.client.Commit(s.ctx(), s.repo, "main"); err != nil {
		t.Error(err)
	}
	if n := len(s.sim.Mints()) - old; n != 2 {
		t.Errorf("%d new tokens, want two", n)
	}
}

// TestOneEarly404 of the file is no reason to believe that there is none.
func TestOneEarly404(t *testing.T) {
	s := newLagScene(t)
	s.sim.SetLag(0)
	sim.Must(s.sim.As("hubot").Push(sim.Push{Repo: "octo/shop", Branch: "main", Files: map[string]string{"x": "x"}}))
	remove := s.sim.Inject(sim.Fault{Path: "/repos/octo/shop/contents/" + ConfigFile, Status: 404})
	for range 3 {
		_, err := s.client.Config(s.ctx(), s.repo)
		s.early("the file", err)
		s.clock.add(time.Second)
	}
	remove()
	if cfg, err := s.client.Config(s.ctx(), s.repo); err != nil || cfg.Service != "shop" {
		t.Errorf("%+v, %v", cfg, err)
	}
}

// TestThe404IsBelievedInTheEnd: asking goes on for patience, not for ever.
func TestThe404IsBelievedInTheEnd(t *testing.T) {
	s := newLagScene(t)
	s.sim.SetLag(0)
	sim.Must(s.sim.As("hubot").Push(sim.Push{Repo: "octo/shop", Branch: "main", Files: map[string]string{"x": "x"}}))
	s.sim.Inject(sim.Fault{Path: "/repos/octo/shop/contents/" + ConfigFile, Status: 404})
	_, err := s.client.Config(s.ctx(), s.repo)
	s.early("the file", err)
	s.clock.add(patience)
	if _, err := s.client.Config(s.ctx(), s.repo); pipeline.Code(err) != "no_config" || pipeline.IsTemporary(err) {
		t.Errorf("after %s: %v", patience, err)
	}
}

// TestNoFileCostsTwoReads, and is believed for seconds only.
func TestNoFileCostsTwoReads(t *testing.T) {
	s := newLagScene(t)
	s.sim.SetLag(0)
	sim.Must(s.sim.As("hubot").Push(sim.Push{Repo: "octo/shop", Branch: "main", Remove: []string{ConfigFile}}))
	s.hear()
	s.sim.ForgetRequests()
	reads := func() (n int) {
		for range 3 {
			if _, err := s.client.Config(s.ctx(), s.repo); pipeline.Code(err) != "no_config" || pipeline.IsTemporary(err) {
				t.Errorf("no file: %v", err)
			}
		}
		for _, r := range s.sim.Requests() {
			if strings.Contains(r.Path, "/contents") {
				n++
			}
		}
		return n
	}
	if n := reads(); n != 2 {
		t.Errorf("%d reads of files, want 2", n)
	}
	s.clock.add(keepMissing)
	if n := reads(); n != 4 {
		t.Errorf("%d reads of files after a while, want 4", n)
	}
}

// TestTheFileOfANewCommit is waited for: the webhook told of the commit.
func TestTheFileOfANewCommit(t *testing.T) {
	s := newLagScene(t)
	sha := sim.Must(s.sim.As("hubot").Push(sim.Push{Repo: "octo/shop", Branch: "main", Files: map[string]string{ConfigFile: "service: bakery\n" + testConfig}}))
	s.hear()
	for what, ask := range map[string]func() error{
		"the one in force":    func() error { _, err := s.client.Config(s.ctx(), s.repo); return err },
		"the one of a commit": func() error { _, err := s.client.ConfigAt(s.ctx(), s.repo, sha); return err },
		"to be judged":        func() error { _, err := s.client.ConfigFile(s.ctx(), s.repo, ""); return err },
	} {
		s.early(what, ask())
	}
	s.clock.add(lag)
	if cfg, err := s.client.Config(s.ctx(), s.repo); err != nil || cfg.Service != "bakery" || cfg.SHA != sha {
		t.Errorf("after the lag: %+v, %v", cfg, err)
	}
}

// TestACommentThatLags: what was told of it counts, whatever shows.
func TestACommentThatLags(t *testing.T) {
	const text = "/deploy prod"
	s := newLagScene(t)
	write := func() int64 {
		id := sim.Must(s.sim.As("mona").Comment("octo/shop", s.pr, text)).ID
		s.hear()
		return id
	}
	unchanged := func(id int64) (bool, error) {
		return s.client.CommentUnchanged(s.ctx(), s.repo, pipeline.Origin{Comment: id}, text)
	}
	id := write()
	_, err := unchanged(id)
	s.early("a new one", err)
	deleted := write()
	if err := s.sim.As("mona").DeleteComment("octo/shop", deleted); err != nil {
		t.Fatal(err)
	}
	s.hear()
	if same, err := unchanged(deleted); same || err != nil {
		t.Errorf("deleted at once: %v, %v", same, err)
	}
	s.clock.add(lag)
	if same, err := unchanged(id); !same || err != nil {
		t.Errorf("after the lag, updated a second after it was made: %v, %v", same, err)
	}
	if err := s.sim.As("hubot").EditComment("octo/shop", id, "/deploy staging"); err != nil {
		t.Fatal(err)
	}
	if same, err := unchanged(id); !same || err != nil {
		t.Errorf("edited, and nobody knows: %v, %v", same, err)
	}
	s.hear()
	if same, err := unchanged(id); same || err != nil {
		t.Errorf("edited, and told: %v, %v", same, err)
	}
}

// TestAReviewThatLags: a command in a review, or on a line of it, is not there
// yet, though nothing else of the pull request is new.
func TestAReviewThatLags(t *testing.T) {
	s := newLagScene(t)
	sim.Must(s.sim.As("mona").Push(sim.Push{Repo: "octo/shop", Branch: "topic", Files: map[string]string{"line.txt": "x"}}))
	s.hear()
	s.clock.add(time.Minute)
	review := sim.Must(s.sim.As("hubot").Review("octo/shop", s.pr, sim.NewReview{State: "COMMENTED", Body: "/deploy prod", Comments: []sim.NewLineComment{{Path: "line.txt", Body: "/deploy prod"}}}))
	lines := s.sim.LineComments("octo/shop", s.pr)
	s.hear()
	for what, at := range map[string]pipeline.Origin{
		"the review":         {PR: s.pr, Comment: review.ID, CommentKind: pipeline.ReviewBody},
		"the comment of one": {PR: s.pr, Comment: lines[len(lines)-1].ID, CommentKind: pipeline.ReviewComment},
	} {
		_, err := s.client.CommentUnchanged(s.ctx(), s.repo, at, "/deploy prod")
		s.early(what, err)
		defer func() {
			if same, err := s.client.CommentUnchanged(s.ctx(), s.repo, at, "/deploy prod"); !same || err != nil {
				t.Errorf("%s after the lag: %v, %v", what, same, err)
			}
		}()
	}
	s.clock.add(lag)
}

// TestCameAfter: the comment is written at second 10; one webhook may be lost.
func TestCameAfter(t *testing.T) {
	const repo = "octo/shop"
	for name, c := range map[string]struct {
		push time.Duration // after the comment
		lost bool
		want bool
	}{
		"pushed before":                      {-5 * time.Second, false, false},
		"pushed before, told by nobody":      {-5 * time.Second, true, false},
		"in the same second":                 {0, false, false},
		"in the same second, told by nobody": {0, true, false},
		"pushed after":                       {5 * time.Second, false, true},
		"pushed after, told by nobody":       {5 * time.Second, true, true},
	} {
		t.Run(name, func(t *testing.T) {
			s := newLagScene(t)
			s.sim.SetLag(0)
			said := s.clock.Now().Add(10 * time.Second)
			s.clock.add(10*time.Second + c.push)
			sha := sim.Must(s.sim.As("mona").Push(sim.Push{Repo: repo, Branch: "topic", Files: map[string]string{"b": "b"}}))
			s.clock.add(10 * time.Second)
			if !c.lost {
				s.hear()
			}
			s.sim.ForgetRequests()
			got, err := s.client.CameAfter(s.ctx(), s.repo, commands.Head{PR: s.pr, Branch: "topic", SHA: sha}, said)
			if err != nil || got != c.want {
				t.Errorf("%v, %v", got, err)
			}
			if asked := len(s.sim.Requests()) > 0; !asked != (!c.lost && c.push != 0) {
				t.Errorf("GitHub was asked: %v", asked)
			}
		})
	}
}

// TestWhoPushedIsKnown before anybody approves: an older list of movements lacks
// who pushed last, and the commit may be somebody else's.
func TestWhoPushedIsKnown(t *testing.T) {
	s := newLagScene(t)
	s.sim.SetLag(0)
	list := func() []byte {
		var moves []map[string]any
		gh := s.client.as(s.repo, forReading)
		r, err := gh.NewRequest(http.MethodGet, "repos/octo/shop/activity?ref=refs/heads/topic", nil)
		if err == nil {
			_, err = gh.Do(s.ctx(), r, &moves)
		}
		body, bad := json.Marshal(moves)
		if err != nil || bad != nil {
			t.Fatal(err, bad)
		}
		return body
	}
	before := list()
	sha := sim.Must(s.sim.As("hubot").Push(sim.Push{Repo: "octo/shop", Branch: "topic", Files: map[string]string{"b": "b"}, AuthorEmail: "somebody@example.com"}))
	s.hear()
	remove := s.sim.Inject(sim.Fault{Path: "/repos/octo/shop/activity", Status: 200, Body: string(before)})
	_, err := s.client.Contributors(s.ctx(), s.repo, s.sha, sha, s.pr, "")
	s.early("the list", err)
	_, err = s.client.WasHead(s.ctx(), s.repo, s.pr, sha, s.clock.Now().Add(time.Minute))
	s.early("when it came", err)
	remove()
	if _, err := s.client.Contributors(s.ctx(), s.repo, s.sha, sha, s.pr, ""); err != nil {
		t.Error(err)
	}
}

// TestATokenAfterATransfer is as young as any other new one.
func TestATokenAfterATransfer(t *testing.T) {
	s := newLagScene(t)
	s.sim.SetLag(0)
	s.client = s.newClient()
	sim.Must(s.sim.AddOrg(sim.NewOrg{Login: "umbrella"}))
	if err := s.sim.RenameRepo("octo/shop", "umbrella/shop"); err != nil {
		t.Fatal(err)
	}
	sim.Must(s.sim.Install("umbrella/shop"))
	for _, what := range []string{"made now", "made before"} {
		got, err := s.client.token(s.ctx(), s.repo, forStatuses)
		if err != nil || got.installation == s.repo.Installation {
			t.Fatalf("%s: %+v, %v", what, got, err)
		}
		refused := &http.Response{StatusCode: http.StatusForbidden, Body: io.NopCloser(strings.NewReader(`{"message":"Resource not accessible by integration"}`))}
		s.early(what, s.client.fresh(got, refused))
	}
}
