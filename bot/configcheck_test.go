package bot_test

import (
	"context"
	"fmt"
	"testing"
	"time"

	"github.com/shipmate/shipmate/bot"
	"github.com/shipmate/shipmate/pipeline"
)

// configChecks keeps what was shown; ref is what stands on every commit.
type configChecks struct {
	ref   string
	err   error
	shown []string
}

func (c *configChecks) About(context.Context, pipeline.Repo, string) (string, error) {
	return c.ref, nil
}

func (c *configChecks) Show(_ context.Context, m bot.ConfigCheck, r bot.ConfigReport) error {
	c.shown = append(c.shown, fmt.Sprintf("%d %s again=%v: %s", m.PR, m.Ref(), m.Again, r.Conclusion))
	return c.err
}

// TestConfigIsJudged: which messages have the file judged, and as what.
func TestConfigIsJudged(t *testing.T) {
	const before = "2222222222222222222222222222222222222222"
	for name, c := range map[string]struct {
		kind    string
		message any
		ref     string // of the check that stands there
		want    []string
	}{
		"a pull request is opened":           {bot.KindPullRequest, opened("opened", "main"), "", []string{"1 config/1/ again=false: neutral"}},
		"it goes into another branch":        {bot.KindPullRequest, opened("edited", "next"), "", []string{"1 config/1/ again=false: neutral"}},
		"it is closed":                       {bot.KindPullRequest, opened("closed", "main"), "", nil},
		"a merge queue asks":                 {bot.KindPullRequest, bot.PullRequest{Repo: shop, Action: "checks_requested", Head: head, BaseSHA: before}, "", []string{"0 config/0/" + before + " again=false: neutral"}},
		"a good push to the default branch":  {bot.KindPush, bot.Push{Repo: shop, Branch: "main", Default: true, Before: before, After: head}, "", nil},
		"a push to another branch":           {bot.KindPush, bot.Push{Repo: shop, Branch: "topic", Before: before, After: head}, "", nil},
		"the check is to be run again":       {bot.KindRerun, bot.Rerun{Repo: shop, Actor: mona, SHA: head, Run: "config/1//0123"}, "", []string{"1 config/1/ again=true: neutral"}},
		"all checks are to be run again":     {bot.KindRerun, bot.Rerun{Repo: shop, Actor: mona, SHA: head}, "config/1//0123", []string{"1 config/1/ again=true: neutral"}},
		"all checks, and this is not there":  {bot.KindRerun, bot.Rerun{Repo: shop, Actor: mona, SHA: head}, "", nil},
		"the check of a run, not of a file":  {bot.KindRerun, bot.Rerun{Repo: shop, Actor: mona, SHA: head, Run: "r-1a2b3c4d"}, "config/1//0123", nil},
		"a repository that has no such file": {bot.KindPullRequest, bot.PullRequest{Repo: pipeline.Repo{ID: 9, Owner: "acme", Name: "none"}, Action: "opened", Number: 1, Head: head, Base: "main"}, "", nil},
	} {
		t.Run(name, func(t *testing.T) {
			s := newScene(t)
			checks := &configChecks{ref: c.ref}
			s.bot.ConfigChecks = checks
			s.handle(c.kind, c.message)
			for _, l := range s.store.Poll(pipeline.Control, 100, time.Minute) {
				if l.Kind == bot.KindConfigCheck {
					if err := s.bot.Handlers()[l.Kind](t.Context(), l); err != nil {
						t.Error(err)
					}
				}
			}
			if fmt.Sprint(checks.shown) != fmt.Sprint(c.want) {
				t.Errorf("shown %q, want %q", checks.shown, c.want)
			}
		})
	}
}

// TestConfigCheckHoldsNothingUp: GitHub refuses the check, the pipelines start.
func TestConfigCheckHoldsNothingUp(t *testing.T) {
	s := newScene(t)
	s.forge.files[shop.ID] = checksFile
	s.forge.changed = func() ([]string, error) { return []string{"src/a.go"}, nil }
	s.bot.ConfigChecks = &configChecks{err: pipeline.Temporary(pipeline.Refuse("github_down", "GitHub is down."))}
	s.handle(bot.KindPullRequest, opened("opened", "main"))
	s.isNow("opened", "checks running")
	for _, l := range s.store.Poll(pipeline.Control, 100, time.Minute) {
		if l.Kind != bot.KindConfigCheck {
			continue
		}
		if err := s.bot.Handlers()[l.Kind](t.Context(), l); !pipeline.IsTemporary(err) {
			t.Errorf("it is not tried again: %v", err)
		}
	}
}
