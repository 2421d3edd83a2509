package github_test

import (
	"errors"
	"net/http"
	"testing"
	"time"

	gh "github.com/google/go-github/v60/github"

	sim "github.com/shipmate/shipmate/test/sim/github"
)

func TestThePrimaryLimit(t *testing.T) {
	clock := newClock()
	s := newScene(t, sim.Config{Now: clock.Now, Limits: sim.Limits{PerHour: 3}})
	ctx := within(t)
	token, _, err := s.app(nil).Apps.CreateInstallationToken(ctx, s.id, nil)
	if err != nil {
		t.Fatal(err)
	}
	get := func() error { // a new client each time, as one remembers that it is limited
		_, _, err := s.client(nil).WithAuthToken(token.GetToken()).Repositories.Get(ctx, "acme", "shop")
		return err
	}
	for range 3 {
		if err := get(); err != nil {
			t.Fatal(err)
		}
	}
	err = get()
	var limited *gh.RateLimitError
	if !errors.As(err, &limited) || limited.Rate.Remaining != 0 {
		t.Fatalf("got %v", err)
	}
	if v := s.Violations(); v.Primary != 1 || v.Impatient != 0 {
		t.Errorf("violations: %v", v)
	}
	clock.Add(time.Hour)
	if err := get(); status(err) != 401 {
		t.Errorf("the token outlived the limit: %v", err)
	}
}

func TestTheContentLimit(t *testing.T) {
	clock := newClock()
	s := newScene(t, sim.Config{Now: clock.Now, Limits: sim.Limits{ContentMinute: 2}})
	ctx := within(t)
	comment := func() error {
		_, _, err := s.installation(nil, nil).Issues.CreateComment(ctx, "acme", "shop", s.pr.Number, &gh.IssueComment{Body: gh.String("x")})
		return err
	}
	for range 2 {
		if err := comment(); err != nil {
			t.Fatal(err)
		}
	}
	var abuse *gh.AbuseRateLimitError
	if err := comment(); !errors.As(err, &abuse) || abuse.GetRetryAfter() != time.Minute {
		t.Fatalf("got %v", err)
	}
	_ = comment()
	if v := s.Violations(); v.Content != 2 || v.Impatient != 1 {
		t.Errorf("violations: %v", v)
	}
	clock.Add(time.Minute)
	if err := comment(); err != nil {
		t.Errorf("after a minute: %v", err)
	}
	s.SetLimits(sim.Unlimited())
	for range 5 {
		if err := comment(); err != nil {
			t.Error(err)
		}
	}
}

func TestAnUnchangedAnswerCostsNothing(t *testing.T) {
	s := newScene(t, sim.Config{})
	bot, ctx := s.installation(nil, nil), within(t)
	_, resp, err := bot.Repositories.Get(ctx, "acme", "shop")
	if err != nil {
		t.Fatal(err)
	}
	req, err := bot.NewRequest(http.MethodGet, "repos/acme/shop", nil)
	if err != nil {
		t.Fatal(err)
	}
	req.Header.Set("If-None-Match", resp.Header.Get("ETag"))
	again, _ := bot.Do(ctx, req, nil)
	if again.StatusCode != http.StatusNotModified || again.Rate.Remaining != resp.Rate.Remaining {
		t.Errorf("status %d, %d left after %d", again.StatusCode, again.Rate.Remaining, resp.Rate.Remaining)
	}
}

func TestListsComeInPages(t *testing.T) {
	s := newScene(t, sim.Config{})
	for range 5 {
		sim.Must(s.mona.Comment(shop, s.pr.Number, "hi"))
	}
	bot, ctx := s.installation(nil, nil), within(t)
	opts := &gh.IssueListCommentsOptions{ListOptions: gh.ListOptions{PerPage: 2}}
	var seen, pages int
	for {
		list, resp, err := bot.Issues.ListComments(ctx, "acme", "shop", s.pr.Number, opts)
		if err != nil {
			t.Fatal(err)
		}
		seen, pages = seen+len(list), pages+1
		if resp.NextPage == 0 {
			break
		}
		opts.Page = resp.NextPage
	}
	if seen != 5 || pages != 3 {
		t.Errorf("%d comments on %d pages", seen, pages)
	}
}

func TestFaults(t *testing.T) {
	s := newScene(t, sim.Config{})
	bot, ctx := s.installation(nil, nil), within(t)
	comment := func() error {
		_, _, err := bot.Issues.CreateComment(ctx, "acme", "shop", s.pr.Number, &gh.IssueComment{Body: gh.String("x")})
		return err
	}
	const path = "/repos/*/*/issues/*/comments"

	s.Inject(sim.Fault{Method: "POST", Path: path, Status: 502, Times: 1})
	if err := comment(); status(err) != 502 || len(s.Comments(shop, s.pr.Number)) != 0 {
		t.Errorf("a 502: %v", err)
	}
	limited := sim.SecondaryLimit("60")
	limited.Path, limited.Times = path, 1
	s.Inject(limited)
	var abuse *gh.AbuseRateLimitError
	if err := comment(); !errors.As(err, &abuse) {
		t.Errorf("a secondary limit: %v", err)
	}
	bot = s.installation(nil, nil) // the client remembers the limit
	s.Inject(sim.Fault{Path: path, Drop: true, TakesEffect: true, Times: 1})
	if err := comment(); err == nil || len(s.Comments(shop, s.pr.Number)) != 1 {
		t.Errorf("a lost answer: %v", err)
	}
	remove := s.Inject(sim.Fault{Path: "**", Drop: true})
	if err := comment(); err == nil {
		t.Error("a dropped connection answered")
	}
	remove()
	if err := comment(); err != nil {
		t.Error(err)
	}
}
