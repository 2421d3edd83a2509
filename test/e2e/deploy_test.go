package e2e

import (
	"context"
	"strings"
	"testing"
	"time"

	"github.com/shipmate/shipmate/test/sim/github"
	"github.com/shipmate/shipmate/test/sim/slack"
	"github.com/shipmate/shipmate/test/world"
)

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
      - {name: release, run: "echo releasing to $SHIPMATE_ENV; test $SHIPMATE_URL", undo: "echo undone"}
`

func TestDeployFromAPullRequestAndFromSlack(t *testing.T) {
	ctx, cancel := context.WithTimeout(context.Background(), 2*time.Minute)
	defer cancel()
	w := start(ctx, t, world.Config{})
	repo, err := w.AddRepo("shop", map[string]string{".shipmate.yaml": file, "README.md": "# shop\n"})
	if err != nil {
		t.Fatal(err)
	}
	mona := w.GitHub.As("mona")
	sha, err := mona.Push(github.Push{Repo: repo, Branch: "sale", Files: map[string]string{"sale.txt": "x"}, Message: "Add a sale"})
	if err != nil {
		t.Fatal(err)
	}
	pr, err := mona.OpenPR(github.NewPR{Repo: repo, Head: "sale", Title: "Add a sale"})
	if err != nil {
		t.Fatal(err)
	}
	settle(ctx, t, w)
	if _, err := mona.Comment(repo, pr.Number, "/deploy staging"); err != nil {
		t.Fatal(err)
	}
	settle(ctx, t, w)
	w.GitHub.View(func(st *github.State) {
		for _, name := range []string{"shipmate/checks", "shipmate/deploy/staging"} {
			if status, _ := st.Status(repo, sha, name); status.State != "success" {
				t.Errorf("status %s is %q, want success", name, status.State)
			}
			if run, _ := st.CheckRun(repo, sha, name); deref(run.Conclusion) != "success" {
				t.Errorf("check %s concluded %q, want success", name, deref(run.Conclusion))
			}
		}
		if all := st.Deployments(repo); len(all) != 1 || all[0].Environment != "staging" || all[0].SHA != sha {
			t.Errorf("deployments: %+v", all)
		}
	})

	if _, err := w.Slack.SlashCommand(ctx, slack.Command{User: "mona", Channel: world.Channel, Name: "/deploy", Text: "shop prod"}); err != nil {
		t.Fatal(err)
	}
	settle(ctx, t, w)
	asked := w.Slack.EphemeralsTo("mona")
	question := asked[len(asked)-1]
	if len(question.Buttons) != 1 {
		t.Fatalf("mona is not asked which commit she means:\n%s", w.Slack.Snapshot().Transcript())
	}
	if _, err := w.Slack.Click(ctx, slack.Click{User: "mona", Channel: world.Channel, Message: question.TS, Button: question.Buttons[0].Text}); err != nil {
		t.Fatal(err)
	}
	settle(ctx, t, w)
	message := lastMessage(t, w, "to prod")
	if !strings.Contains(message.Rendered, "Waiting for 1 approval (release-leads).") {
		t.Errorf("the message does not say what it waits for:\n%s", message.Rendered)
	}
	if _, err := w.Slack.Click(ctx, slack.Click{User: "octavia", Channel: world.Channel, Message: message.TS, Button: "Approve"}); err != nil {
		t.Fatal(err)
	}
	settle(ctx, t, w)
	if message = lastMessage(t, w, "to prod"); !strings.Contains(message.Rendered, "succeeded") {
		t.Errorf("the message does not say how it ended:\n%s", message.Rendered)
	}
}

// lastMessage is the newest message of the channel that holds the text.
func lastMessage(t *testing.T, w *world.World, text string) slack.Message {
	t.Helper()
	all := w.Slack.Messages(world.Channel)
	for i := len(all) - 1; i >= 0; i-- {
		if strings.Contains(all[i].Rendered, text) && !all[i].Ephemeral() {
			return all[i]
		}
	}
	t.Fatalf("no message with %q in:\n%s", text, w.Slack.Snapshot().Transcript())
	return slack.Message{}
}
