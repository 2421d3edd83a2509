package bot_test

import (
	"strings"
	"testing"
	"time"

	"github.com/shipmate/shipmate/bot"
	"github.com/shipmate/shipmate/pipeline"
)

const checksFile = `
pipelines:
  checks:
    on: {pull_request: {paths: ["src/**"]}, push: {branches: ["**"], paths: ["src/**"]}}
    steps:
      - {name: build, run: make}
  later:
    on: {pull_request: {branches: [next]}}
    steps:
      - {name: build, run: make}
`

func opened(action, base string) bot.PullRequest {
	return bot.PullRequest{Repo: shop, Actor: mona, Author: mona, Action: action, Number: 1, Head: head, Branch: "sale", Base: base}
}

// stand is how the runs stand, the newest first: "later succeeded nothing_to_do: ...".
func (s *scene) stand() string {
	s.t.Helper()
	runs, err := s.store.Runs(s.t.Context(), pipeline.RunQuery{Repo: shop.ID})
	if err != nil {
		s.t.Fatal(err)
	}
	var lines []string
	for _, r := range runs {
		lines = append(lines, strings.TrimSpace(r.Pipeline.Name+" "+string(r.State)+" "+r.Code+" "+r.Message))
	}
	return strings.Join(lines, "\n")
}

func (s *scene) isNow(when, want string) {
	s.t.Helper()
	if got := s.stand(); got != want {
		s.t.Errorf("%s the runs are\n%s\nwant\n%s", when, got, want)
	}
}

func TestTooManyFilesIsAFailureNotSilence(t *testing.T) {
	const sentence = "The change touches 3000 files or more."
	for kind, m := range map[string]any{
		bot.KindPullRequest: opened("opened", "main"),
		bot.KindPush:        bot.Push{Repo: shop, Actor: mona, Branch: "topic", After: head},
	} {
		s := newScene(t)
		s.forge.files[shop.ID] = checksFile
		s.forge.changed = func() ([]string, error) { return nil, pipeline.Refuse("too_many_files", sentence) }
		s.handle(kind, m)
		s.isNow(kind, "checks failed cannot_start "+sentence)
	}
}

func TestFaultsOfGitHubAreTriedAgain(t *testing.T) {
	s := newScene(t)
	s.forge.files[shop.ID] = checksFile
	s.forge.changed = func() ([]string, error) { return nil, pipeline.Temporary(pipeline.Refuse("rate_limited", "later")) }
	if err := s.try(bot.KindPullRequest, opened("opened", "main")); !pipeline.IsTemporary(err) {
		t.Error(err)
	}
	s.isNow("after a fault", "")
}

func TestAnotherBaseStartsWhatMatchesItNow(t *testing.T) {
	s := newScene(t)
	s.forge.files[shop.ID] = checksFile
	s.forge.changed = func() ([]string, error) { return []string{"src/a.go"}, nil }
	s.forge.into = "main"
	s.handle(bot.KindPullRequest, opened("opened", "main"))
	s.isNow("opened", "checks running")
	s.clock.Advance(time.Second)
	s.forge.into = "next"
	s.handle(bot.KindPullRequest, opened("edited", "next"))
	s.isNow("retargeted", "later running\nchecks running")
}

func TestWhatCameWhileTheFileWasBrokenComesAgain(t *testing.T) {
	s := newScene(t)
	s.forge.into = "main"
	s.forge.files[shop.ID] = "nonsense"
	s.handle(bot.KindPullRequest, opened("opened", "main"))
	s.isNow("broken", "")
	s.forge.files[shop.ID] = "pipelines: {checks: {on: {pull_request: {}}, steps: [{name: build, run: make}]}}"
	mended := bot.Push{Repo: shop, Actor: mona, Branch: "main", Default: true, After: head}
	s.handle(bot.KindPush, mended)
	s.handle(bot.KindPush, mended)
	n := 0
	for _, l := range s.store.Poll(pipeline.Control, 100, time.Minute) {
		if l.Kind == bot.KindPullRequest {
			n++
			s.clock.Advance(time.Second)
			if err := s.bot.Handlers()[l.Kind](t.Context(), l); err != nil {
				t.Error(err)
			}
		}
	}
	s.isNow("mended", "checks running")
	if left, err := s.store.Members(t.Context(), shop.ID, "missed"); err != nil || len(left) > 0 {
		t.Errorf("still remembered: %q, %v", left, err)
	}
	if n != 1 {
		t.Errorf("it comes again %d times", n)
	}
}
