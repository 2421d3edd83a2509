package bot_test

import (
	"context"
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"maps"
	"os"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/shipmate/shipmate/bot"
	"github.com/shipmate/shipmate/commands"
	"github.com/shipmate/shipmate/pipeline"
)

var update = flag.Bool("update", false, "rewrite golden files")

// The table in testdata/matrix.golden says who may say what, where. Every cell
// is played: a new bot with the real engine and gates, one message, and a look
// at what changed.

const matrixFile = `
service: shop
environments:
  staging: {slack: "#shop"}
  prod:
    slack: "#shop"
    deployers: ["team:deployers"]
    approvals: {count: 1, by: ["team:leads"]}
pipelines:
  checks:
    on: {pull_request: {}}
    steps:
      - {name: lint, run: make lint}
  deploy:
    on: {command: deploy}
    steps:
      - {name: build, run: make}
`

// role is a kind of person.
type role struct {
	name   string
	about  string
	right  pipeline.Permission
	teams  []string
	nobody bool // GitHub does not know them: on Slack they are not linked, and the API's token stands for nobody
	guest  bool // on Slack, linked to an account that may do everything
}

var roles = []role{
	{name: "nobody", about: "has no access to the repository"},
	{name: "read", right: pipeline.Read},
	{name: "triage", right: pipeline.Triage},
	{name: "write", right: pipeline.Write},
	{name: "maintain", right: pipeline.Maintain},
	{name: "admin", right: pipeline.Admin},
	{name: "deployer", about: "has read access, and is one of prod's `deployers`", right: pipeline.Read, teams: []string{"deployers"}},
	{name: "approver", about: "has read access, and is one of those who approve for prod", right: pipeline.Read, teams: []string{"leads"}},
	{name: "requester", about: "has write access, is deployer and approver of prod, and asked for the run in question", right: pipeline.Write, teams: []string{"deployers", "leads"}},
	{name: "author", about: "has write access, is deployer and approver of prod, and wrote the change", right: pipeline.Write, teams: []string{"deployers", "leads"}},
	{name: "unlinked", about: "is known on Slack only; over the API, a token that stands for nobody", nobody: true},
	{name: "guest", about: "is a guest on Slack, linked to an account with admin access", right: pipeline.Admin, guest: true},
}

func (r role) actor() pipeline.Actor {
	i := slices.IndexFunc(roles, func(o role) bool { return o.name == r.name })
	return pipeline.Actor{ID: int64(20 + i), Login: r.name}
}

func roleNamed(name string) role {
	return roles[slices.IndexFunc(roles, func(r role) bool { return r.name == name })]
}

// column is a place where something can be said or pressed.
type column struct {
	name  string
	about string
	slack bool // people are known by Slack's ids there
}

const (
	onComment, onSlash, onThread, onAPI, onCLI, onSlackButton, onCheckButton = 0, 1, 2, 3, 4, 5, 6
)

var columns = []column{
	{name: "comment", about: "a comment on the pull request"},
	{name: "slash", about: "a slash command on Slack that names the service", slack: true},
	{name: "thread", about: "a mention in the Slack thread of the run", slack: true},
	{name: "api", about: "the API, as if on the pull request"},
	{name: "cli", about: "the command line, in a clone of the repository"},
	{name: "button", about: "a button on Slack", slack: true},
	{name: "check", about: "a button of a check run on GitHub, or its \"Re-run\""},
}

// letters is how an outcome stands in the table.
var letters = map[string]string{
	"done": "+", "asked": "?", "": ".", "silent": "-",
	"not_allowed": "N", "may_not_approve": "A", "not_yours": "Y", "not_linked": "L", "not_a_member": "G", "no_actor": "T",
	"own_work": "O", "force_needed": "F", "confirm_sha": "C", "locked": "K", "no_pull_request": "P", "say_on_slack": "S", "linked_by_file": "B", "cannot_verify": "V",
}

var meanings = map[string]string{
	"done": "it is done", "asked": "nothing is done before the person has confirmed the commit that is shown", "": "it cannot be said there",
	"silent": "nothing happens, and nothing is answered",
}

// line is one row of the matrix: what is said or pressed, and in what situation.
type line struct {
	name  string
	ready func(w *matrix) // makes the situation
	says  func(w *matrix) string
	press func(w *matrix, who role) any // what a button or "Re-run" sends; nil: there is nothing to press
	on    []int                         // the columns where it can be said; nil: all but the buttons
}

// matrix is the world of one cell.
type matrix struct {
	*scene
	github *matrixForge
	engine *pipeline.Engine
	run    *pipeline.Run // the one it is about
}

// matrixForge is a GitHub that knows the roles, and can break.
type matrixForge struct {
	*forge
	fork   bool
	broken func(what string) error // nil: nothing is
	blind  bool                    // it does not answer what a run needs

	amnesia bool // it knows nobody
}

func (f *matrixForge) breaks(what string) error {
	if f.broken == nil {
		return nil
	}
	return f.broken(what)
}

func (f *matrixForge) who(id int64, entries []string) pipeline.Standing {
	for _, r := range roles {
		if r.actor().ID != id || r.nobody || f.amnesia {
			continue
		}
		s := pipeline.Standing{Login: r.name, Permission: r.right}
		for _, t := range r.teams {
			if slices.Contains(entries, "team:"+t) {
				s.Teams = append(s.Teams, t)
			}
		}
		return s
	}
	return pipeline.Standing{}
}

func (f *matrixForge) Standing(_ context.Context, _ pipeline.Repo, who pipeline.Actor, asked pipeline.Roster) (pipeline.Standing, error) {
	return f.who(who.ID, asked.Entries), f.breaks("standing")
}

func (f *matrixForge) Live(_ context.Context, r *pipeline.Run) (pipeline.Live, error) {
	if f.blind {
		return pipeline.Live{Unverified: "it did not answer"}, nil
	}
	live := pipeline.Live{People: map[int64]pipeline.Standing{}, Checks: nil, OnDefault: r.PR == 0}
	if r.PR != 0 {
		live.PullRequest = f.pull()
	}
	var entries []string
	if r.Environment != nil {
		entries = append(entries, r.Environment.Deployers...)
		if r.Environment.Approvals != nil {
			entries = append(entries, r.Environment.Approvals.By...)
		}
	}
	live.People[r.Actor.ID] = f.who(r.Actor.ID, entries)
	for _, a := range r.Approvals {
		live.People[a.By.ID] = f.who(a.By.ID, entries)
	}
	return live, f.breaks("live")
}

func (f *matrixForge) pull() *pipeline.PullRequest {
	return &pipeline.PullRequest{Number: 1, Head: head, Branch: "sale", Into: "main", Merge: pipeline.MergeClean, Open: true, Fork: f.fork, Author: roleNamed("author").actor().ID}
}

func (f *matrixForge) PullRequest(context.Context, pipeline.Repo, int) (pipeline.PullRequest, error) {
	return *f.pull(), f.breaks("pull request")
}

func (f *matrixForge) Contributors(context.Context, pipeline.Repo, string, string, int, string) ([]int64, error) {
	return []int64{roleNamed("author").actor().ID}, f.breaks("contributors")
}

func (f *matrixForge) Config(context.Context, pipeline.Repo) (*pipeline.Config, error) {
	if err := f.breaks("config"); err != nil {
		return nil, err
	}
	return matrixConfig(), nil
}

// matrixConfig is read once, which would take most of the time.
var matrixConfig = sync.OnceValue(func() *pipeline.Config {
	cfg, err := pipeline.Parse(".shipmate.yaml", []byte(matrixFile), []pipeline.Uses{{Name: "run"}})
	if err != nil {
		panic(err)
	}
	return cfg
})

func (f *matrixForge) Commit(ctx context.Context, repo pipeline.Repo, ref string) (pipeline.Commit, error) {
	c, err := f.forge.Commit(ctx, repo, ref)
	return c, errors.Join(err, f.breaks("commit"))
}

func (f *matrixForge) CommentUnchanged(ctx context.Context, repo pipeline.Repo, at pipeline.Origin, body string) (bool, error) {
	same, err := f.forge.CommentUnchanged(ctx, repo, at, body)
	return same, errors.Join(err, f.breaks("comment"))
}

func (f *matrixForge) WasHead(ctx context.Context, repo pipeline.Repo, pr int, sha string, before time.Time) (bool, error) {
	was, err := f.forge.WasHead(ctx, repo, pr, sha, before)
	return was, errors.Join(err, f.breaks("was head"))
}

func (f *matrixForge) Compare(ctx context.Context, repo pipeline.Repo, base, head string) (pipeline.Comparison, error) {
	c, err := f.forge.Compare(ctx, repo, base, head)
	return c, errors.Join(err, f.breaks("compare"))
}

// members knows the roles by their Slack ids.
type members struct{}

func (members) GitHub(_ context.Context, who pipeline.Actor) (pipeline.Actor, error) {
	for _, r := range roles {
		switch {
		case "U0"+r.name != who.SlackUser:
		case r.guest:
			return who, pipeline.Refuse("not_a_member", "Guests cannot give commands.")
		case !r.nobody:
			known := r.actor()
			known.SlackTeam, known.SlackUser = who.SlackTeam, who.SlackUser
			return known, nil
		}
	}
	return who, pipeline.Refuse("not_linked", "Your Slack account is not linked.")
}

// noLogs: no step has written anything.
type noLogs struct{}

func (noLogs) Tail(context.Context, pipeline.RunID, string, int, int) ([]string, error) {
	return nil, nil
}

// invites lets everybody link whom the operator has not.
type invites struct{}

func (invites) Invite(ctx context.Context, _ string, who pipeline.Actor) (string, error) {
	if _, err := (members{}).GitHub(ctx, who); pipeline.Code(err) == "not_a_member" {
		return "", err
	}
	return "https://shipmate.example/link?code=1", nil
}

func (invites) Linked(_ context.Context, who pipeline.Actor) (pipeline.Actor, time.Time, error) {
	return who, time.Time{}, pipeline.Refuse("linked_by_file", "The operator linked you.")
}

func (invites) Unlink(context.Context, string, pipeline.Actor, time.Time) error { return nil }

func newMatrix(t *testing.T) *matrix {
	s := newScene(t)
	w := &matrix{scene: s, github: &matrixForge{forge: s.forge}}
	w.engine = &pipeline.Engine{Store: s.store, Queue: s.store, GitHub: w.github, Now: s.clock.Now, Log: s.bot.Log}
	s.bot.Runs, s.bot.GitHub, s.bot.Identities = w.engine, w.github, members{}
	s.bot.Commands = commands.All(commands.Desk{Runs: w.engine, Store: s.store, GitHub: w.github, Logs: noLogs{}, Records: s.store, Links: invites{}})
	s.bot.Threads = threads{}
	s.bot.Surfaces = map[string]bot.Surface{"github": s.talk, "slack": s.talk, bot.SurfaceAPI: s.talk, bot.SurfaceCLI: s.talk}
	if err := s.bot.Services.Put(t.Context(), bot.Service{Name: "shop", Repo: shop, Environments: []string{"staging", "prod"}, Channels: []string{"#shop"}}); err != nil {
		t.Fatal(err)
	}
	return w
}

// request is what requester asks for; in no environment it is a check.
func (w *matrix) request(env string) pipeline.Request {
	cfg, name := matrixConfig(), "deploy"
	if env == "" {
		name = "checks"
	}
	p, _ := cfg.Pipeline(name)
	req := pipeline.Request{Repo: shop, Service: "shop", Pipeline: *p, SHA: head, Ref: "sale", PR: 1, Trigger: pipeline.ByCommand, Actor: roleNamed("requester").actor(),
		Excluded: []int64{roleNamed("author").actor().ID}, Origin: pipeline.Origin{Surface: "github", PR: 1}, Created: w.clock.Now()}
	req.Environment, _ = cfg.Environment(env)
	return req
}

// starts is a run that requester has asked for.
func (w *matrix) starts(env string) {
	w.t.Helper()
	w.startsAs(w.request(env))
}

func (w *matrix) startsAs(req pipeline.Request) {
	w.t.Helper()
	r, err := w.engine.Start(w.t.Context(), req)
	if err != nil {
		w.t.Fatal(err)
	}
	w.run = r
}

// ended is a run of requester's that came to this end, or to a halt.
func (w *matrix) ended(env, sha string, state pipeline.State) *pipeline.Run {
	w.t.Helper()
	r := &pipeline.Run{Request: w.request(env)}
	r.ID, r.SHA, r.State, r.Admitted = w.store.NewRunID(shop.ID), sha, state, true
	for _, s := range r.Pipeline.Steps {
		r.Steps = append(r.Steps, pipeline.StepRun{Name: s.Name, State: state, Attempt: 1})
	}
	c := pipeline.Change{Run: r}
	if env != "" {
		c.Environment = w.environment(env)
		d := pipeline.Deployment{Run: r.ID, SHA: sha, PR: 1, Pipeline: "deploy", By: r.Actor.Login, State: state, At: w.clock.Now().Add(-time.Hour)}
		switch state {
		case pipeline.Succeeded:
			c.Environment.Current, c.Deployment = &d, &d
		case pipeline.Unknown:
			c.Environment.Active = r.ID
		default:
			c.Deployment = &d
		}
	}
	if err := w.store.Commit(w.t.Context(), c); err != nil {
		w.t.Fatal(err)
	}
	w.run = r
	return r
}

func (w *matrix) environment(name string) *pipeline.EnvironmentState {
	w.t.Helper()
	e, err := w.store.Environment(w.t.Context(), shop.ID, name)
	if err != nil {
		w.t.Fatal(err)
	}
	return e
}

func (w *matrix) lock(name string, by role, run pipeline.RunID) {
	w.t.Helper()
	e := w.environment(name)
	e.Lock = &pipeline.Lock{By: by.actor(), Reason: "audit", Run: run, At: w.clock.Now()}
	if err := w.store.Commit(w.t.Context(), pipeline.Change{Environment: e}); err != nil {
		w.t.Fatal(err)
	}
}

// stands is everything that people can change.
func (w *matrix) stands() string {
	w.t.Helper()
	runs, err := w.store.Runs(w.t.Context(), pipeline.RunQuery{Repo: shop.ID})
	if err != nil {
		w.t.Fatal(err)
	}
	all := []any{runs}
	for _, name := range []string{"staging", "prod", pipeline.Everywhere} {
		e := w.environment(name)
		all = append(all, e, e.Version)
	}
	text, err := json.Marshal(all)
	if err != nil {
		w.t.Fatal(err)
	}
	return string(text)
}

// says is a message with the words, as the edge of the column makes it.
func (w *matrix) says(at int, who role, text string) bot.Said {
	m := bot.Said{Actor: who.actor(), Text: text, At: w.clock.Now(), Came: w.clock.Now()}
	switch at {
	case onComment:
		m.Repo, m.Origin = shop, pipeline.Origin{Surface: "github", PR: 1, Comment: 7}
	case onSlash:
		verb, rest, _ := strings.Cut(text, " ")
		m.Text = strings.TrimSpace(verb + " shop " + rest)
		m.Origin = pipeline.Origin{Surface: "slack", Channel: "C0SHOP", ChannelName: "shop"}
	case onThread:
		m.Origin = pipeline.Origin{Surface: "slack", Channel: "C0SHOP", ChannelName: "shop", Thread: "17.4"}
		if w.run != nil {
			w.bot.Threads.(threads)["17.4"] = w.run.ID
		}
	case onAPI:
		m.Repo, m.Origin = shop, pipeline.Origin{Surface: bot.SurfaceAPI, PR: 1, Command: "c-1"}
	case onCLI:
		m.Near, m.Origin = shop, pipeline.Origin{Surface: bot.SurfaceCLI, Command: "c-1"}
	}
	switch {
	case columns[at].slack:
		m.Actor = pipeline.Actor{SlackTeam: "T0", SlackUser: "U0" + who.name}
	case who.nobody:
		m.Actor = pipeline.Actor{Login: "api"}
	}
	w.forge.write(m.Text)
	return m
}

// possible: some people are not to be met everywhere.
func (r role) possible(at int) bool {
	byToken := at == onAPI || at == onCLI
	return columns[at].slack || !r.guest && (!r.nobody || byToken)
}

// play does one cell and returns its outcome: "done", "asked", the code of a
// refusal, "" where it cannot be said, "again" if it will be tried again. What was refused has changed nothing.
func (w *matrix) play(l line, at int, who role) string {
	w.t.Helper()
	buttons := at == onSlackButton || at == onCheckButton
	there := l.on == nil && !buttons || slices.Contains(l.on, at)
	if !there || !who.possible(at) {
		return ""
	}
	var job any
	kind := bot.KindSaid
	if l.press != nil && buttons {
		if job = l.press(w, who); job == nil {
			return ""
		}
	}
	switch m := job.(type) {
	case nil:
		job = w.says(at, who, l.says(w))
	case bot.Pressed:
		m.Repo, m.At, m.Actor = pipeline.Repo{ID: shop.ID}, w.clock.Now(), who.actor()
		m.Origin = pipeline.Origin{Surface: "github", PR: 1}
		if columns[at].slack {
			m.Actor = pipeline.Actor{SlackTeam: "T0", SlackUser: "U0" + who.name}
			m.Origin = pipeline.Origin{Surface: "slack", Channel: "C0SHOP", ChannelName: "shop", Thread: "17.4"}
		}
		job, kind = m, bot.KindPressed
	case bot.Rerun:
		m.Actor = who.actor()
		job, kind = m, bot.KindRerun
	}
	before, answers := w.stands(), len(w.talk.answers())
	err := w.try(kind, job)
	outcome := w.outcome(err, w.talk.answers()[answers:])
	if after := w.stands(); outcome != "done" && after != before {
		w.t.Errorf("%s as %s by %s was not done (%s), and yet it changed\n%s\nto\n%s", l.name, who.name, columns[at].name, outcome, before, after)
	}
	return outcome
}

func (w *matrix) outcome(err error, all []answered) string {
	w.t.Helper()
	switch {
	case pipeline.IsTemporary(err):
		return "again"
	case err != nil:
		w.t.Fatal(err)
	case len(all) == 0:
		return "silent"
	case len(all) > 1:
		w.t.Fatalf("%d answers: %+v", len(all), all)
	}
	a := all[0]
	switch {
	case len(a.Confirm) > 0:
		return "asked"
	case a.Outcome == bot.Refused:
		return a.Code
	}
	return string(a.Outcome)
}

// button presses a button of the run in question.
func button(kind bot.ButtonKind, gate string) func(*matrix, role) any {
	return func(w *matrix, _ role) any {
		id, err := w.bot.Buttons.ID(w.t.Context(), w.run, kind, gate)
		if err != nil {
			w.t.Fatal(err)
		}
		return bot.Pressed{Button: id}
	}
}

// confirming presses the button of a question on Slack, if that is asked.
func confirming(w *matrix, asked role) any {
	if err := w.try(bot.KindSaid, w.says(onSlash, asked, "/deploy prod")); err != nil && !pipeline.IsTemporary(err) {
		w.t.Fatal(err)
	}
	all := w.talk.answers()
	if len(all) == 0 || len(all[0].Confirm) == 0 {
		return nil
	}
	return bot.Pressed{Button: all[0].Confirm[0].Button}
}

var buttonsToo = []int{onComment, onSlash, onThread, onAPI, onCLI, onSlackButton, onCheckButton}

// saying is words that do not depend on the situation.
func saying(text string) func(*matrix) string { return func(*matrix) string { return text } }

// about is words with the run in question in them.
func about(format string) func(*matrix) string {
	return func(w *matrix) string { return fmt.Sprintf(format, w.run.ID) }
}

// lines are the rows.
func lines() []line {
	const good, better = "2222222222222222222222222222222222222222", "3333333333333333333333333333333333333333"
	deployed := func(env string) func(*matrix) {
		return func(w *matrix) {
			w.ended(env, good, pipeline.Succeeded)
			w.ended(env, better, pipeline.Succeeded)
		}
	}
	nothing := func(*matrix) {}
	waits := func(w *matrix) { w.starts("prod") }
	deployers := func(w *matrix) {
		req := w.request("prod")
		req.Actor = roleNamed("deployer").actor()
		w.startsAs(req)
	}
	failed := func(env string) func(*matrix) { return func(w *matrix) { w.ended(env, head, pipeline.Failed) } }
	unknown := func(env string) func(*matrix) { return func(w *matrix) { w.ended(env, head, pipeline.Unknown) } }
	lockedBy := func(env, who string) func(*matrix) { return func(w *matrix) { w.lock(env, roleNamed(who), "") } }
	held := func(w *matrix) {
		w.lock("staging", roleNamed("admin"), "")
		w.starts("staging")
	}
	ofFork := func(w *matrix) {
		w.github.fork = true
		w.starts("")
	}
	return []line{
		{name: "/deploy staging", ready: nothing, says: saying("/deploy staging")},
		{name: "/deploy prod", ready: nothing, says: saying("/deploy prod")},
		{name: "/deploy prod, the whole commit id said", ready: nothing, says: saying("/deploy prod " + head)},
		{name: "/deploy prod --dry-run", ready: nothing, says: saying("/deploy prod --dry-run")},
		{name: "/deploy prod, the question of one's own confirmed", ready: nothing, press: confirming, on: []int{onSlackButton}},
		{name: "/deploy prod, requester's question confirmed", ready: nothing, press: func(w *matrix, _ role) any { return confirming(w, roleNamed("requester")) }, on: []int{onSlackButton}},
		{name: "/rollback staging", ready: deployed("staging"), says: saying("/rollback staging"), press: button(bot.ButtonRollback, ""), on: buttonsToo},
		{name: "/rollback prod", ready: deployed("prod"), says: saying("/rollback prod"), press: button(bot.ButtonRollback, ""), on: buttonsToo},
		{name: "/promote staging prod", ready: deployed("staging"), says: saying("/promote staging prod")},
		{name: "/promote prod staging", ready: deployed("prod"), says: saying("/promote prod staging")},
		{name: "/approve, requester's run to prod", ready: waits, says: about("/approve %s"), press: button(bot.ButtonApprove, pipeline.EnvironmentGate), on: buttonsToo},
		{name: "/reject, requester's run to prod", ready: waits, says: about("/reject %s --reason no"), press: button(bot.ButtonReject, pipeline.EnvironmentGate), on: buttonsToo},
		{name: "/cancel, requester's run to prod", ready: waits, says: about("/cancel %s"), press: button(bot.ButtonCancel, ""), on: buttonsToo},
		{name: "/cancel prod, requester's run", ready: waits, says: saying("/cancel prod")},
		{name: "/cancel prod, deployer's run", ready: deployers, says: saying("/cancel prod")},
		{name: "/cancel, deployer's run to prod", ready: deployers, says: about("/cancel %s"), press: button(bot.ButtonCancel, ""), on: buttonsToo},
		{name: "/cancel, a run nobody asked for", ready: func(w *matrix) {
			r := w.ended("staging", head, pipeline.Unknown)
			r.State, r.Actor, r.ID, r.Version, r.Admitted = pipeline.Waiting, pipeline.Bot(), w.store.NewRunID(shop.ID), 0, false
			w.run = r
			if err := w.store.Commit(w.t.Context(), pipeline.Change{Run: r}); err != nil {
				w.t.Fatal(err)
			}
		}, says: about("/cancel %s"), press: button(bot.ButtonCancel, ""), on: buttonsToo},
		{name: "/retry, a run to staging", ready: failed("staging"), says: about("/retry %s"), press: button(bot.ButtonRetry, ""), on: buttonsToo},
		{name: "/retry, a run to prod", ready: failed("prod"), says: about("/retry %s"), press: button(bot.ButtonRetry, ""), on: buttonsToo},
		{name: "/retry, a check", ready: failed(""), says: about("/retry %s"), press: button(bot.ButtonRetry, ""), on: buttonsToo},
		{name: "\"Re-run\" of a check", ready: failed(""), press: func(w *matrix, _ role) any { return bot.Rerun{Repo: shop, Run: w.run.ID, SHA: w.run.SHA} }, on: []int{onCheckButton}},
		{name: "\"Re-run\" of a run to prod", ready: failed("prod"), press: func(w *matrix, _ role) any { return bot.Rerun{Repo: shop, Run: w.run.ID, SHA: w.run.SHA} }, on: []int{onCheckButton}},
		{name: "\"Re-run all\" of a commit", ready: failed(""), press: func(w *matrix, _ role) any { return bot.Rerun{Repo: shop, SHA: w.run.SHA} }, on: []int{onCheckButton}},
		{name: "\"Re-run all\" of a commit whose run to prod failed", ready: failed("prod"), press: func(w *matrix, _ role) any { return bot.Rerun{Repo: shop, SHA: w.run.SHA} }, on: []int{onCheckButton}},
		{name: "/lock staging", ready: nothing, says: saying("/lock staging --reason audit")},
		{name: "/lock prod", ready: nothing, says: saying("/lock prod --reason audit")},
		{name: "/lock all", ready: nothing, says: saying("/lock all --reason audit")},
		{name: "/lock staging, which requester has locked", ready: lockedBy("staging", "requester"), says: saying("/lock staging --reason mine")},
		{name: "/lock staging --force, which requester has locked", ready: lockedBy("staging", "requester"), says: saying("/lock staging --force --reason mine")},
		{name: "/lock prod --force, which admin has locked", ready: lockedBy("prod", "admin"), says: saying("/lock prod --force --reason mine")},
		{name: "/unlock staging, which requester has locked", ready: lockedBy("staging", "requester"), says: saying("/unlock staging")},
		{name: "/unlock staging --force, which requester has locked", ready: lockedBy("staging", "requester"), says: saying("/unlock staging --force --reason away")},
		{name: "/unlock prod --force, which admin has locked", ready: lockedBy("prod", "admin"), says: saying("/unlock prod --force --reason away")},
		{name: "/unlock prod, which a rollback has locked", ready: func(w *matrix) { w.lock("prod", roleNamed("requester"), "r-1") }, says: saying("/unlock prod")},
		{name: "/unlock all, which admin has locked", ready: lockedBy(pipeline.Everywhere, "admin"), says: saying("/unlock all --force --reason away")},
		{name: "/status", ready: waits, says: saying("/status")},
		{name: "/history prod", ready: deployed("prod"), says: saying("/history prod")},
		{name: "/diff prod", ready: deployed("prod"), says: saying("/diff prod")},
		{name: "/why prod", ready: waits, says: saying("/why prod")},
		{name: "/why prod, of another commit", ready: waits, says: saying("/why prod main")},
		{name: "/logs", ready: failed("prod"), says: about("/logs %s")},
		{name: "/resolve, a run to staging", ready: unknown("staging"), says: about("/resolve %s build succeeded --reason looked")},
		{name: "/resolve, a run to prod", ready: unknown("prod"), says: about("/resolve %s build succeeded --reason looked")},
		{name: "/override approval, requester's run to prod", ready: waits, says: about(`/override %s approval --reason "the site is down"`)},
		{name: "/override lock, requester's run to staging", ready: held, says: about(`/override %s lock --reason "the site is down"`)},
		{name: "/ok-to-test, author's fork", ready: ofFork, says: saying("/ok-to-test " + head)},
		{name: "/whoami", ready: nothing, says: saying("/whoami")},
		{name: "/link", ready: nothing, says: saying("/link")},
		{name: "/link --remove", ready: nothing, says: saying("/link --remove")},
		{name: "/help", ready: nothing, says: saying("/help")},
	}
}

func TestWhoMaySayWhatWhere(t *testing.T) {
	var b strings.Builder
	all := lines()
	if missing := unspoken(all); len(missing) > 0 {
		t.Errorf("no row says %v", missing)
	}
	b.WriteString(legend())
	fmt.Fprintf(&b, "\n%-12s", "")
	for _, c := range columns {
		fmt.Fprintf(&b, " %-8s", c.name)
	}
	b.WriteString("\n")
	for _, l := range all {
		fmt.Fprintf(&b, "\n%s\n", l.name)
		for _, who := range roles {
			fmt.Fprintf(&b, "  %-10s", who.name)
			for at := range columns {
				outcome := l.cell(t, at, who)
				letter, ok := letters[outcome]
				if !ok {
					t.Errorf("%s as %s by %s: %s has no letter", l.name, who.name, columns[at].name, outcome)
				}
				fmt.Fprintf(&b, " %-8s", letter)
			}
			b.WriteString("\n")
		}
	}
	golden(t, "testdata/matrix.golden", trimmed(b.String()))
}

// cell plays one cell of the row in a world of its own.
func (l line) cell(t *testing.T, at int, who role, change ...func(*matrix)) string {
	t.Helper()
	w := newMatrix(t)
	l.ready(w)
	for _, f := range change {
		f(w)
	}
	return w.play(l, at, who)
}

// unspoken lists the commands that no row is about.
func unspoken(all []line) []string {
	return slices.DeleteFunc(commands.All(commands.Desk{}).Names(), func(name string) bool {
		return slices.ContainsFunc(all, func(l line) bool {
			return strings.HasPrefix(l.name+" ", "/"+name+" ") || strings.HasPrefix(l.name, "/"+name+",")
		})
	})
}

func legend() string {
	var b strings.Builder
	b.WriteString("Who may say what, where. Every cell was played; `go test ./bot -run WhoMay -update` plays them again.\n")
	b.WriteString("staging has no policy; prod names deployers and approvers, so it is protected.\n\nRows:\n")
	for _, r := range roles {
		about := r.about
		if about == "" {
			about = "has " + r.right.String() + " access to the repository"
		}
		fmt.Fprintf(&b, "  %-10s %s\n", r.name, about)
	}
	b.WriteString("Columns:\n")
	for _, c := range columns {
		fmt.Fprintf(&b, "  %-10s %s\n", c.name, c.about)
	}
	b.WriteString("Cells:\n")
	for _, outcome := range slices.SortedFunc(maps.Keys(letters), func(x, y string) int { return strings.Compare(letters[x], letters[y]) }) {
		meaning := meanings[outcome]
		if meaning == "" {
			meaning = "refused: " + outcome
		}
		fmt.Fprintf(&b, "  %s          %s\n", letters[outcome], meaning)
	}
	return b.String()
}

func trimmed(text string) string {
	var out []string
	for _, l := range strings.Split(text, "\n") {
		out = append(out, strings.TrimRight(l, " "))
	}
	return strings.Join(out, "\n")
}

func golden(t *testing.T, path, got string) {
	t.Helper()
	if *update {
		if err := os.WriteFile(path, []byte(got), 0o644); err != nil {
			t.Fatal(err)
		}
		return
	}
	want, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	if got == string(want) {
		return
	}
	row := ""
	old := strings.Split(string(want), "\n")
	for i, l := range strings.Split(got, "\n") {
		if l != "" && l[0] != ' ' {
			row = l
		}
		if i >= len(old) || l != old[i] {
			t.Fatalf("%s, line %d (%s):\n%s\nit was\n%s\n-update writes what is played now", path, i+1, row, l, old[min(i, len(old)-1)])
		}
	}
	t.Fatalf("%s has more rows than are played", path)
}
