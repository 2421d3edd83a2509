package e2e

import (
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"

	"github.com/shipmate/shipmate/test/sim/github"
	"github.com/shipmate/shipmate/test/sim/github/openapi"
	"github.com/shipmate/shipmate/test/world"
)

// Real webhooks of other people's repositories, signed for us: each is taken,
// and none starts anything.
func TestWebhooksOfStrangers(t *testing.T) {
	payloads, err := filepath.Glob("../../bot/github/testdata/payloads/*.json")
	if err != nil || len(payloads) < 100 {
		t.Fatalf("%d payloads, %v", len(payloads), err)
	}
	s := open(t, world.Config{})
	for _, path := range payloads {
		body, err := os.ReadFile(path)
		if err != nil {
			t.Fatal(err)
		}
		event, _, _ := strings.Cut(filepath.Base(path), ".")
		status, err := s.w.GitHub.SendWebhook(s.ctx, github.Webhook{Event: event, Body: body})
		if err != nil || status/100 != 2 {
			t.Errorf("%s is answered %d, %v", filepath.Base(path), status, err)
		}
	}
	s.wait("all have been looked at", func() bool {
		depth, err := s.w.Metric("shipmate_queue_depth")
		return err == nil && depth == 0
	})
	for _, metric := range []string{"shipmate_runs_open", "shipmate_run_seconds_count"} {
		if n, err := s.w.Metric(metric); err == nil && n != 0 {
			t.Errorf("%s is %v", metric, n)
		}
	}
}

// Everything the bot sends to GitHub is what GitHub's own description allows.
func TestGitHubTrafficFollowsTheDescription(t *testing.T) {
	spec, _ := openapi.ForTest(t)
	var mu sync.Mutex
	var wrong []error
	wrap := func(next http.Handler) http.Handler {
		return spec.Handler(next, func(err error) {
			mu.Lock()
			defer mu.Unlock()
			wrong = append(wrong, err)
		})
	}
	s := open(t, world.Config{Wrap: wrap})
	s.shop(file)
	s.say("/deploy staging")
	s.settle()
	s.say("/deploy prod " + s.pr.Head.SHA)
	s.settle()
	s.say("/reject --reason \"not now\"\n/status")
	s.settle()
	if _, err := s.w.GitHub.As("octavia").Comment(s.repo, s.pr.Number, "/approve"); err != nil {
		t.Fatal(err)
	}
	s.settle()
	s.say("/rollback staging\n/lock staging --reason x\n/logs\n/nonsense")
	s.settle()
	if _, err := s.w.GitHub.As("mona").Push(github.Push{Repo: s.repo, Branch: "sale", Files: map[string]string{"broken": "x"}, Message: "Break it"}); err != nil {
		t.Fatal(err)
	}
	s.settle()
	s.say("/deploy staging no-such-branch")
	s.say("/unlock staging\n/deploy staging")
	s.settle()
	mu.Lock()
	defer mu.Unlock()
	for _, err := range wrong {
		t.Error(err)
	}
	if n := len(s.w.GitHub.Requests()); n < 50 {
		t.Errorf("only %d requests", n)
	}
}
