package e2e

import (
	"context"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/shipmate/shipmate/test/needs"
	"github.com/shipmate/shipmate/test/sim/github"
	"github.com/shipmate/shipmate/test/sim/slack"
	"github.com/shipmate/shipmate/test/world"
)

// scene is a world with the repository acme/shop and a pull request in it.
type scene struct {
	t    *testing.T
	ctx  context.Context
	w    *world.World
	repo string
	pr   github.PullRequest
}

// open starts a world. Its end is checked, and the bot's log shown if the test failed.
func open(t *testing.T, cfg world.Config) *scene {
	t.Helper()
	needs.On(t, needs.Git())
	t.Parallel()
	ctx, cancel := context.WithTimeout(context.Background(), 100*time.Second)
	t.Cleanup(cancel)
	cfg.Binary, cfg.Dir = binary, t.TempDir()
	w, err := world.Start(ctx, cfg)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := w.Close(); err != nil {
			t.Error(err)
		}
		b, err := os.ReadFile(w.LogFile())
		if strings.Contains(string(b), "DATA RACE") {
			t.Error("the bot has a data race")
		}
		if t.Failed() {
			t.Logf("%s %v", b, err)
		}
	})
	return &scene{t: t, ctx: ctx, w: w}
}

// shop makes the repository with this file and a pull request by mona.
func (s *scene) shop(config string) {
	s.t.Helper()
	s.makeShop(config)
	s.settle()
}

// makeShop is shop where the bot may be away.
func (s *scene) makeShop(config string) {
	s.t.Helper()
	s.repo = s.must(s.w.AddRepo("shop", map[string]string{".shipmate.yaml": config, "README.md": "# shop\n"}))
	mona := s.w.GitHub.As("mona")
	s.must(mona.Push(github.Push{Repo: s.repo, Branch: "sale", Files: map[string]string{"sale.txt": "x"}, Message: "Add a sale"}))
	pr, err := mona.OpenPR(github.NewPR{Repo: s.repo, Head: "sale", Title: "Add a sale"})
	if err != nil {
		s.t.Fatal(err)
	}
	s.pr = pr
}

func (s *scene) must(text string, err error) string {
	s.t.Helper()
	if err != nil {
		s.t.Fatal(err)
	}
	return text
}

func (s *scene) settle() {
	s.t.Helper()
	if err := s.w.Settle(s.ctx); err != nil {
		s.t.Fatal(err)
	}
}

// say comments as mona.
func (s *scene) say(text string) {
	s.t.Helper()
	s.sayAs("mona", text)
}

func (s *scene) sayAs(who, text string) {
	s.t.Helper()
	if _, err := s.w.GitHub.As(who).Comment(s.repo, s.pr.Number, text); err != nil {
		s.t.Fatal(err)
	}
}

// command is a slash command of mona; it returns what only she sees afterwards.
func (s *scene) command(name, text string) string {
	s.t.Helper()
	if _, err := s.w.Slack.SlashCommand(s.ctx, slack.Command{User: "mona", Channel: world.Channel, Name: name, Text: text}); err != nil {
		s.t.Fatal(err)
	}
	s.settle()
	var all []string
	for _, m := range s.w.Slack.EphemeralsTo("mona") {
		all = append(all, m.Rendered)
	}
	return strings.Join(all, "\n")
}

// wantStatus checks the status of the pull request's head.
func (s *scene) wantStatus(name, want string) {
	s.t.Helper()
	for _, st := range s.w.GitHub.Statuses(s.repo, s.pr.Head.SHA) {
		if st.Context == name {
			if st.State != want {
				s.t.Errorf("status %s is %s, want %s", name, st.State, want)
			}
			return
		}
	}
	s.t.Errorf("there is no status %s", name)
}

// wait asks until the answer is yes.
func (s *scene) wait(what string, done func() bool) {
	s.t.Helper()
	tick := time.NewTicker(50 * time.Millisecond)
	defer tick.Stop()
	for !done() {
		select {
		case <-tick.C:
		case <-s.ctx.Done():
			s.t.Fatalf("never: %s", what)
		}
	}
}
