package bot_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/shipmate/shipmate/bot"
	"github.com/shipmate/shipmate/pipeline"
)

// onBoth is who is linked, from GitHub's side.
type onBoth map[int64]string

func (l onBoth) Slack(_ context.Context, who pipeline.Actor) ([]pipeline.Actor, error) {
	for id, user := range l {
		login := map[int64]string{mona.ID: "mona", octavia.ID: "octavia", eve.ID: "eve"}[id]
		if who.ID == id || who.ID == 0 && strings.EqualFold(who.Login, login) {
			return []pipeline.Actor{{ID: id, Login: login, SlackTeam: "T0", SlackUser: user}}, nil
		}
	}
	return nil, nil
}

// mail keeps what was sent: "U0MONA: r-1 build, r-2 build".
type mail struct {
	sent []string
	err  error
}

func (m *mail) Failed(_ context.Context, to pipeline.Actor, fs []bot.Failure) error {
	if m.err != nil {
		return m.err
	}
	var all []string
	for _, f := range fs {
		all = append(all, fmt.Sprintf("%s %s %s", f.Run.Reason, f.Step, strings.Join(f.Tail, "/")))
	}
	m.sent = append(m.sent, to.SlackUser+": "+strings.Join(all, ", "))
	return nil
}

type tail struct{}

func (tail) Tail(context.Context, pipeline.RunID, string, int, int) ([]string, error) {
	return []string{"a", "b"}, nil
}

type failures struct {
	*scene
	*bot.Failures
	mail *mail
}

func newFailures(t *testing.T) *failures {
	f := &failures{scene: newScene(t), mail: &mail{}}
	f.Failures = &bot.Failures{Store: f.store, Records: f.store, Queue: f.store, GitHub: f.forge, Linked: onBoth{mona.ID: "U0MONA", octavia.ID: "U0OCTAVIA"},
		Logs: tail{}, Mail: f.mail, After: 10 * time.Minute, Now: f.clock.Now, Log: slog.New(slog.DiscardHandler)}
	return f
}

// failed is a run of mona's that failed, named by its reason.
func (f *failures) failed(name string, change func(r *pipeline.Run)) *pipeline.Run {
	r := pipeline.Run{
		Request: pipeline.Request{Repo: shop, Service: "shop", Reason: name, Actor: mona, Trigger: pipeline.ByCommand, Origin: pipeline.Origin{Surface: "github", PR: 1}},
		Progress: pipeline.Progress{State: pipeline.Failed, Ended: f.clock.Now(),
			Steps: []pipeline.StepRun{{Name: "build", State: pipeline.Failed, Attempt: 1}}},
	}
	if change != nil {
		change(&r)
	}
	return f.made(r)
}

// shows is one report of a run, as the engine makes it.
func (f *failures) shows(r *pipeline.Run, before json.RawMessage) json.RawMessage {
	f.t.Helper()
	if f.Subject(r) == "" {
		return nil
	}
	data, err := f.Show(f.t.Context(), r, pipeline.Shown{Data: before})
	if err != nil {
		f.t.Fatal(err)
	}
	return data
}

func (f *failures) later(d time.Duration) []string {
	f.t.Helper()
	f.clock.Advance(d)
	for _, l := range f.store.Poll(pipeline.Control, 100, time.Minute) {
		err := f.Handlers()[l.Kind](f.t.Context(), l)
		if err != nil {
			err = f.store.Retry(f.t.Context(), l, f.clock.Now())
		} else {
			err = f.store.Finish(f.t.Context(), l)
		}
		if err != nil {
			f.t.Fatal(err)
		}
	}
	sent := f.mail.sent
	f.mail.sent = nil
	return sent
}

func TestFailuresOfTenMinutesAreOneMessage(t *testing.T) {
	f := newFailures(t)
	f.shows(f.failed("one", nil), nil)
	f.clock.Advance(5 * time.Minute)
	f.shows(f.failed("two", func(r *pipeline.Run) { r.State = pipeline.RolledBack }), nil)
	if got := f.later(time.Minute); len(got) != 0 {
		t.Errorf("told too early: %q", got)
	}
	if got := f.later(4 * time.Minute); !slices.Equal(got, []string{"U0MONA: one build a/b, two build a/b"}) {
		t.Errorf("told %q", got)
	}
	f.shows(f.failed("three", nil), nil)
	if got := f.later(10 * time.Minute); !slices.Equal(got, []string{"U0MONA: three build a/b"}) {
		t.Errorf("the next time told %q", got)
	}
	if got := f.later(time.Hour); len(got) != 0 {
		t.Errorf("nothing happened, and told %q", got)
	}
}

func TestAFailureIsTakenUpOnce(t *testing.T) {
	f := newFailures(t)
	r := f.failed("one", nil)
	data := f.shows(r, nil)
	f.later(10 * time.Minute)
	f.shows(r, data)
	if got := f.later(10 * time.Minute); len(got) != 0 {
		t.Errorf("told again: %q", got)
	}
}

func TestWhoIsToldOfAFailure(t *testing.T) {
	for name, c := range map[string]struct {
		change func(r *pipeline.Run)
		want   string
	}{
		"who asked in a comment":                   {nil, "U0MONA"},
		"whose pull request it is, not who pushed": {func(r *pipeline.Run) { r.Trigger, r.CausedBy = pipeline.ByPullRequest, octavia }, "U0OCTAVIA"},
		"who pushed": {func(r *pipeline.Run) { r.Actor, r.Trigger, r.CausedBy = pipeline.Bot(), pipeline.ByPush, mona }, "U0MONA"},
		"not who saw it in the thread of a command": {func(r *pipeline.Run) { r.Origin.Surface = "slack" }, ""},
		"nobody, of a schedule":                     {func(r *pipeline.Run) { r.Actor, r.Trigger = pipeline.Bot(), pipeline.BySchedule }, ""},
		"nobody, who is not linked":                 {func(r *pipeline.Run) { r.Actor = eve }, ""},
		"nobody, of a success":                      {func(r *pipeline.Run) { r.State = pipeline.Succeeded }, ""},
		"nobody, of what was cancelled":             {func(r *pipeline.Run) { r.State = pipeline.Cancelled }, ""},
	} {
		t.Run(name, func(t *testing.T) {
			f := newFailures(t)
			f.shows(f.failed("x", c.change), nil)
			got := strings.Join(f.later(10*time.Minute), "; ")
			if to, _, _ := strings.Cut(got, ":"); to != c.want {
				t.Errorf("told %q, want %q", got, c.want)
			}
		})
	}
}

func TestWhichStepIsToldOf(t *testing.T) {
	steps := func(states ...pipeline.State) func(r *pipeline.Run) {
		return func(r *pipeline.Run) {
			r.Pipeline.Steps = []pipeline.Step{{Name: "lint", ContinueOnError: true}, {Name: "build"}, {Name: "smoke"}}
			r.Steps = nil
			for i, state := range states {
				r.Steps = append(r.Steps, pipeline.StepRun{Name: r.Pipeline.Steps[i].Name, State: state, Attempt: 1})
			}
		}
	}
	for name, c := range map[string]struct {
		change func(r *pipeline.Run)
		events []pipeline.Event
		want   string
	}{
		"the one that failed":                       {steps(pipeline.Succeeded, pipeline.Failed, pipeline.Skipped), nil, "build a/b"},
		"not one that may":                          {steps(pipeline.Failed, pipeline.Succeeded, pipeline.Failed), nil, "smoke a/b"},
		"the last that failed, if it was undone":    {steps(pipeline.RolledBack, pipeline.RolledBack, pipeline.RolledBack), []pipeline.Event{{Kind: "step", Step: "build", State: pipeline.Succeeded}, {Kind: "step", Step: "smoke", State: pipeline.Failed}}, "smoke a/b"},
		"none, where it was not a step that failed": {steps(pipeline.Skipped), nil, " "},
	} {
		t.Run(name, func(t *testing.T) {
			f := newFailures(t)
			r := f.failed("x", c.change)
			if err := f.store.Commit(t.Context(), pipeline.Change{Run: r, Events: c.events}); err != nil {
				t.Fatal(err)
			}
			f.shows(r, nil)
			if got := f.later(10 * time.Minute); len(got) != 1 || got[0] != "U0MONA: x "+c.want {
				t.Errorf("told %q, want %q", got, c.want)
			}
		})
	}
}

func TestNothingOfARepositoryIsToldToWhoMayNotReadItAnyMore(t *testing.T) {
	f := newFailures(t)
	f.shows(f.failed("one", nil), nil)
	f.forge.rights[mona.ID] = pipeline.NoAccess
	if got := f.later(10 * time.Minute); len(got) != 0 {
		t.Errorf("told %q", got)
	}
}

func TestAMessageThatDidNotGetThroughIsTriedAgain(t *testing.T) {
	f := newFailures(t)
	f.shows(f.failed("one", nil), nil)
	f.mail.err = pipeline.Temporary(errors.New("bad gateway"))
	f.later(10 * time.Minute)
	f.mail.err = nil
	if got := f.later(time.Minute); len(got) != 1 {
		t.Errorf("told %q", got)
	}
}

// team is who is in each team.
type team struct {
	*forge
	members map[string][]pipeline.Actor
}

func (t team) Named(_ context.Context, _ pipeline.Repo, asked pipeline.Roster, most int) (out []pipeline.Actor, _ error) {
	for _, entry := range asked.Entries {
		kind, name, _ := strings.Cut(entry, ":")
		if kind == "user" {
			for _, who := range []pipeline.Actor{mona, octavia, eve} {
				if strings.EqualFold(who.Login, name) {
					out = append(out, who)
				}
			}
		} else if all := t.members[name]; len(all) <= most {
			out = append(out, all...)
		}
	}
	return out, nil
}

func (t team) Standing(ctx context.Context, repo pipeline.Repo, who pipeline.Actor, asked pipeline.Roster) (pipeline.Standing, error) {
	s, err := t.forge.Standing(ctx, repo, who, asked)
	for _, entry := range asked.Entries {
		kind, slug, _ := strings.Cut(entry, ":")
		if kind == "user" && strings.EqualFold(slug, who.Login) {
			s.Users = append(s.Users, slug)
		}
		if slices.ContainsFunc(t.members[slug], func(m pipeline.Actor) bool { return m.ID == who.ID }) {
			s.Teams = append(s.Teams, slug)
		}
	}
	return s, err
}

func TestWhoIsCalledToApprove(t *testing.T) {
	six := []pipeline.Actor{octavia, {ID: 21}, {ID: 22}, {ID: 23}, {ID: 24}, {ID: 25}}
	for name, c := range map[string]struct {
		by     []string
		change func(r *pipeline.Run)
		want   string
	}{
		"people by name, in any case":              {[]string{"user:OCTAVIA", "user:eve"}, nil, "U0OCTAVIA U0EVE"},
		"the members of a small team":              {[]string{"team:five"}, nil, "U0OCTAVIA"},
		"not those of a larger one":                {[]string{"team:six"}, nil, ""},
		"but who is named besides":                 {[]string{"team:six", "user:eve"}, nil, "U0EVE"},
		"once, who is named twice":                 {[]string{"user:octavia", "team:five"}, nil, "U0OCTAVIA"},
		"not who asks":                             {[]string{"user:mona", "user:eve"}, nil, "U0EVE"},
		"not who wrote a part of it":               {[]string{"user:octavia", "user:eve"}, func(r *pipeline.Run) { r.Excluded = []int64{octavia.ID} }, "U0EVE"},
		"not who has answered":                     {[]string{"user:octavia", "user:eve"}, func(r *pipeline.Run) { r.Approvals = []pipeline.Approval{{Gate: pipeline.EnvironmentGate, By: eve}} }, "U0OCTAVIA"},
		"nobody, where all with a right are asked": {nil, nil, ""},
		"nobody on Slack":                          {[]string{"user:alice"}, nil, ""},
	} {
		t.Run(name, func(t *testing.T) {
			s := newScene(t)
			r := s.asking()
			r.Environment.Approvals.By = c.by
			if c.change != nil {
				c.change(r)
			}
			a := bot.Approvers{GitHub: team{s.forge, map[string][]pipeline.Actor{"five": six[:5], "six": six}}, Linked: onBoth{mona.ID: "U0MONA", octavia.ID: "U0OCTAVIA", eve.ID: "U0EVE"}}
			people, err := a.Of(t.Context(), r, pipeline.EnvironmentGate)
			if err != nil {
				t.Fatal(err)
			}
			var got []string
			for _, p := range people {
				got = append(got, p.SlackUser)
			}
			if strings.Join(got, " ") != c.want {
				t.Errorf("called %v, want %s", got, c.want)
			}
		})
	}
}
