// Package e2e plays whole stories with the real binary between simulated
// platforms, and looks at what people would see.
package e2e

import (
	"context"
	"fmt"
	"os"
	"testing"
	"time"

	"github.com/shipmate/shipmate/test/sim/github"
	"github.com/shipmate/shipmate/test/sim/slack"
	"github.com/shipmate/shipmate/test/world"
)

var binary string

func TestMain(m *testing.M) {
	dir, err := os.MkdirTemp("", "shipmate-e2e-")
	if err == nil {
		binary, err = world.Build(context.Background(), dir, "-race")
	}
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
	code := m.Run()
	_ = os.RemoveAll(dir)
	os.Exit(code)
}

const file = `
service: shop
environments:
  staging: {slack: "#deploys"}
  prod: {aliases: [production], slack: "#deploys", approvals: {count: 1, by: ["team:release-leads"]}}
pipelines:
  checks:
    on: {pull_request: {branches: [main]}}
    steps:
      - {name: build, run: "echo building $SHIPMATE_SHORT_SHA; test ! -e broken"}
  deploy:
    on: {command: deploy}
    steps:
      - {name: build, run: "echo building; test ! -e broken"}
      - {name: release, run: "echo releasing to $SHIPMATE_ENV", undo: "echo undone"}
`

func TestDeployFromAPullRequestAndFromSlack(t *testing.T) {
	ctx, cancel := context.WithTimeout(context.Background(), 60*time.Second)
	defer cancel()
	w, err := world.Start(ctx, world.Config{Binary: binary, Dir: t.TempDir()})
	if err != nil {
		t.Fatal(err)
	}
	defer func() {
		if err := w.Close(); err != nil {
			t.Error(err)
		}
		if t.Failed() {
			b, _ := os.ReadFile(w.LogFile())
			t.Logf("%s", b)
		}
	}()
	repo, err := w.AddRepo("shop", map[string]string{".shipmate.yaml": file, "README.md": "# shop\n"})
	if err != nil {
		t.Fatal(err)
	}
	mona := w.GitHub.As("mona")
	if _, err := mona.Push(github.Push{Repo: repo, Branch: "sale", Files: map[string]string{"sale.txt": "x"}, Message: "Add a sale"}); err != nil {
		t.Fatal(err)
	}
	pr, err := mona.OpenPR(github.NewPR{Repo: repo, Head: "sale", Title: "Add a sale"})
	if err != nil {
		t.Fatal(err)
	}
	if err := w.Settle(ctx); err != nil {
		t.Fatal(err)
	}
	if _, err := mona.Comment(repo, pr.Number, "/deploy staging"); err != nil {
		t.Fatal(err)
	}
	if err := w.Settle(ctx); err != nil {
		t.Fatal(err)
	}
	if _, err := w.Slack.SlashCommand(ctx, slack.Command{User: "mona", Channel: "deploys", Name: "/deploy", Text: "shop prod"}); err != nil {
		t.Fatal(err)
	}
	if err := w.Settle(ctx); err != nil {
		t.Fatal(err)
	}
	snap, err := w.GitHub.Snapshot(repo)
	if err != nil {
		t.Fatal(err)
	}
	for _, p := range snap.PullRequests {
		for _, c := range p.Comments {
			t.Logf("%s %v\n%s\n", c.Author, c.Reactions, c.Body)
		}
		for _, s := range p.Statuses {
			t.Logf("status %s %s %s", s.Context, s.State, s.Description)
		}
		for _, s := range p.CheckRuns {
			t.Logf("check %s %s %s %v", s.Name, s.Status, s.Conclusion, s.Buttons)
		}
	}
	t.Log(w.Slack.Snapshot().Transcript())
}
