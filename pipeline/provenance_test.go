package pipeline

import (
	"fmt"
	"os"
	"slices"
	"strings"
	"testing"
)

// The table in testdata/checksecrets.golden says who gets the secrets of checks:
// where the code comes from, down, by who pushed it or asked for the check, across.

const (
	checked = "1111111111111111111111111111111111111111"
	other   = "2222222222222222222222222222222222222222"
)

// situations are where a check's code comes from.
var situations = []struct {
	name string
	run  func(*Run)
	pull func(*PullRequest)
	rest func(*Provenance)
}{
	{name: "a branch's pull request"},
	{name: "the same, a draft", pull: func(p *PullRequest) { p.Draft = true }},
	{name: "the same, merged", pull: func(p *PullRequest) { p.Open, p.Merged = false, true }},
	{name: "the same, closed", pull: func(p *PullRequest) { p.Open = false }},
	{name: "the same, its head moved since", pull: func(p *PullRequest) { p.Head = other }},
	{name: "the same, retargeted since", pull: func(p *PullRequest) { p.Into = "release" }},
	{name: "a fork's pull request", pull: func(p *PullRequest) { p.Fork = true }},
	{name: "the same, with /ok-to-test", pull: func(p *PullRequest) { p.Fork = true }, run: func(r *Run) {
		r.Approvals = []Approval{{Gate: GateFork, By: Actor{ID: 5, Login: "admin"}, Yes: true, SHA: checked}}
	}},
	{name: "a fork's, merged", pull: func(p *PullRequest) { p.Fork, p.Open, p.Merged = true, false, true }},
	{name: "a pull request GitHub does not show", rest: func(p *Provenance) { p.PullRequest = nil }},
	{name: "a push", run: byPush},
	{name: "a push of a merge queue's branch", run: func(r *Run) { byPush(r); r.Ref = "gh-readonly-queue/main/pr-1-abc" }},
	{name: "a merge queue", run: func(r *Run) {
		byPush(r)
		r.Trigger, r.Ref = ByMergeGroup, "gh-readonly-queue/main/pr-1-abc"
	}},
	{name: "a schedule", run: byClock, rest: func(p *Provenance) { p.OnDefault = true }},
	{name: "a schedule, no more on the default branch", run: byClock},
	{name: "a command", run: func(r *Run) { byPush(r); r.Trigger = ByCommand }},
	{name: "a rollback", run: func(r *Run) { r.Trigger = ByRollback }},
	{name: "a deploy to an environment", run: func(r *Run) { r.Environment = &Environment{Name: "prod"} }},
}

func byPush(r *Run) {
	r.PR, r.Base, r.Trigger, r.Ref = 0, "", ByPush, "main"
}

func byClock(r *Run) {
	byPush(r)
	r.Trigger = BySchedule
}

// persons are who pushes and who asks. The bot asks for what nobody asks for.
var persons = []struct {
	name  string
	actor Actor
	may   Permission
	app   bool // GitHub says so, whatever its login is
}{
	{"admin", Actor{ID: 5, Login: "admin"}, Admin, false},
	{"maintain", Actor{ID: 4, Login: "maintain"}, Maintain, false},
	{"write", Actor{ID: 3, Login: "write"}, Write, false},
	{"triage", Actor{ID: 2, Login: "triage"}, Triage, false},
	{"read", Actor{ID: 1, Login: "read"}, Read, false},
	{"left", Actor{ID: 6, Login: "left"}, NoAccess, false},
	{"app", Actor{ID: 7, Login: "dependabot[bot]"}, Write, false},
	{"Copilot", Actor{ID: 8, Login: "Copilot"}, Write, true},
	{"named app", Actor{ID: 9, Login: "renovate[bot]"}, NoAccess, false},
	{"unknown", Actor{}, NoAccess, false},
}

func TestWhoGetsTheSecretsOfChecks(t *testing.T) {
	var out strings.Builder
	var why []string
	for _, asks := range []string{"", "asks"} {
		fmt.Fprintf(&out, "%-44s", map[string]string{"": "who pushed, where mona asks or nobody does", "asks": "who asks, where mona pushed"}[asks])
		for _, who := range persons {
			fmt.Fprintf(&out, " %-9s", who.name)
		}
		out.WriteString("\n")
		for i, s := range situations {
			fmt.Fprintf(&out, "%-44s", s.name)
			for j := range persons {
				err := withheldCell(i, j, asks != "")
				cell := "+"
				if err != nil {
					if Code(err) != "secrets_withheld" {
						t.Errorf("%s, %s: %v", s.name, persons[j].name, err)
					}
					if !slices.Contains(why, Message(err)) {
						why = append(why, Message(err))
					}
					cell = fmt.Sprint(slices.Index(why, Message(err)) + 1)
				}
				fmt.Fprintf(&out, " %-9s", cell)
			}
			out.WriteString("\n")
		}
		out.WriteString("\n")
	}
	for i, text := range why {
		fmt.Fprintf(&out, "%d: %s\n", i+1, text)
	}
	text := trimLines(out.String())
	const golden = "testdata/checksecrets.golden"
	if *update {
		if err := os.WriteFile(golden, []byte(text), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	if want, err := os.ReadFile(golden); err != nil || string(want) != text {
		t.Errorf("%v, got\n%s", err, text)
	}
}

// withheldCell is what becomes of one cell.
func withheldCell(situation, person int, asks bool) error {
	s, mona := situations[situation], Actor{ID: 100, Login: "mona"}
	r := &Run{Request: Request{ID: "r-1", SHA: checked, PR: 1, Ref: "sale", Base: "main", Trigger: ByPullRequest, Actor: mona}}
	if s.run != nil {
		s.run(r)
	}
	from := Provenance{People: map[int64]Standing{mona.ID: {Permission: Write}}, Pusher: mona,
		PullRequest: &PullRequest{Number: 1, Branch: "sale", Head: checked, Into: "main", Open: true}}
	if s.pull != nil {
		s.pull(from.PullRequest)
	}
	if r.PR == 0 {
		from.PullRequest, r.Actor = nil, Bot()
	}
	if s.rest != nil {
		s.rest(&from)
	}
	who := persons[person]
	from.People[who.actor.ID] = Standing{Permission: who.may}
	if who.app {
		from.Apps = []int64{who.actor.ID}
	}
	if asks {
		r.Actor = who.actor
	} else {
		from.Pusher = who.actor
	}
	return from.Withheld(r, []int64{9})
}

func trimLines(text string) string {
	lines := strings.Split(text, "\n")
	for i, l := range lines {
		lines[i] = strings.TrimRight(l, " ")
	}
	return strings.Join(lines, "\n")
}
