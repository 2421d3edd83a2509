package github_test

import (
	"net/http"
	"sync"
	"testing"

	gh "github.com/google/go-github/v60/github"

	sim "github.com/shipmate/shipmate/test/sim/github"
	"github.com/shipmate/shipmate/test/sim/github/openapi"
)

func TestTheTrafficOfAnotherProcessIsWatched(t *testing.T) {
	spec, _ := openapi.ForTest(t)
	problems := make(chan error, 10)
	s := newScene(t, sim.Config{Wrap: func(next http.Handler) http.Handler {
		return spec.Handler(next, func(err error) { problems <- err })
	}})
	bot, ctx := s.installation(nil, nil), within(t)
	if _, _, err := bot.Issues.CreateComment(ctx, "acme", "shop", s.pr.Number, &gh.IssueComment{Body: gh.String("fine")}); err != nil {
		t.Fatal(err)
	}
	if len(problems) > 0 {
		t.Errorf("a proper comment: %v", <-problems)
	}
	req, err := bot.NewRequest(http.MethodGet, "repos/acme/shop/deployments?env=prod", nil)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := bot.Do(ctx, req, nil); err != nil {
		t.Fatal(err)
	}
	select {
	case <-problems:
	case <-ctx.Done():
		t.Error("a wrong parameter was not reported")
	}
}

func TestManyAtOnce(t *testing.T) {
	s := newScene(t, sim.Config{Limits: sim.Unlimited()})
	bot, ctx := s.installation(nil, nil), within(t)
	var group sync.WaitGroup
	for range 20 {
		group.Go(func() {
			if _, _, err := bot.Issues.CreateComment(ctx, "acme", "shop", s.pr.Number, &gh.IssueComment{Body: gh.String("x")}); err != nil {
				t.Error(err)
			}
			if _, _, err := bot.PullRequests.Get(ctx, "acme", "shop", s.pr.Number); err != nil {
				t.Error(err)
			}
			if _, err := s.mona.Comment(shop, s.pr.Number, "y"); err != nil {
				t.Error(err)
			}
			_, _ = s.Snapshot(shop) // only to be in the way
		})
	}
	group.Wait()
	if n := len(s.Comments(shop, s.pr.Number)); n != 40 {
		t.Errorf("%d comments", n)
	}
}

func TestDeletingTheHeadClosesThePullRequest(t *testing.T) {
	s := newScene(t, sim.Config{})
	if _, err := s.mona.Push(sim.Push{Repo: shop, Branch: "feature/cart", Delete: true}); err != nil {
		t.Fatal(err)
	}
	if pr, _ := s.PullRequest(shop, s.pr.Number); pr.State != "closed" || pr.Merged {
		t.Errorf("state %s", pr.State)
	}
}
