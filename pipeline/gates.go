package pipeline

import (
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/robfig/cron/v3"
)

// Gate is a condition that must hold before a run may start or go on, and how
// it stands now.
type Gate struct {
	Name     string
	State    GateState
	Code     string    // stable reason code, if it does not pass
	Sentence string    // how it stands, for people
	Fix      string    // what to do about it, "" if it passes
	Until    time.Time // when a waiting gate may open by itself
}

// GateState is how a gate stands.
type GateState string

const (
	Passes GateState = "pass"
	Waits  GateState = "wait"
	Fails  GateState = "fail"
)

// The gates, in the order in which they are asked.
const (
	GateVerify      = "verify"
	GateRole        = "role"
	GateFork        = "fork"
	GateDraft       = "draft"
	GateHead        = "head"
	GateSource      = "source"
	GateOrder       = "order"
	GateFreeze      = "freeze"
	GateApproval    = "approval"
	GateLock        = "lock"
	GateConcurrency = "concurrency"
)

// EnvironmentGate is the name of the approval an environment's policy asks for.
const EnvironmentGate = "environment"

// Permission is what GitHub lets somebody do in a repository.
type Permission int

const (
	NoAccess Permission = iota
	Read
	Triage
	Write
	Maintain
	Admin
)

func (p Permission) String() string {
	return [...]string{"no access", "read", "triage", "write", "maintain", "admin"}[p]
}

// Standing is what one person is in a repository.
type Standing struct {
	Login      string
	Permission Permission
	Teams      []string // slugs of the teams that were asked about and that the person is in
}

// In reports whether the person is in a list of "team:slug" and "user:login".
func (s Standing) In(list []string) bool {
	return slices.ContainsFunc(list, func(entry string) bool {
		kind, name, _ := strings.Cut(entry, ":")
		return kind == "user" && strings.EqualFold(name, s.Login) ||
			kind == "team" && slices.ContainsFunc(s.Teams, func(t string) bool { return strings.EqualFold(t, name) })
	})
}

// Live is what GitHub says at this moment.
type Live struct {
	Unverified  string             // why it could not be asked; everything is then refused
	People      map[int64]Standing // the requester and everybody who approved
	PullRequest *PullRequest       // nil: the run has none
	OnDefault   bool               // the commit is on the default branch
	AfterOK     map[string]bool    // environment -> this very commit runs there
}

// Commit is a revision as people name it.
type Commit struct {
	SHA       string // full
	Title     string // first line of its message
	Branch    string // the name it was found by, if that is a branch
	OnDefault bool   // it is on the default branch
}

// PullRequest is what gates need to know of one.
type PullRequest struct {
	Number int
	Title  string
	Branch string // of the head
	Head   string // full commit id
	Base   string // full commit id
	Author int64
	Open   bool
	Merged bool
	Draft  bool
	Fork   bool
}

// Question is what the gates are asked about: a run, or one that is only thought of.
type Question struct {
	Run       RunID // "" if there is none yet
	SHA       string
	PR        int
	Trigger   Trigger
	Actor     Actor
	Approvals []Approval // given to GateApproval so far
	Excluded  []int64
	Parent    RunID
}

// QuestionOf asks about an existing run.
func QuestionOf(r *Run) Question {
	return Question{Run: r.ID, SHA: r.SHA, PR: r.PR, Trigger: r.Trigger, Actor: r.Actor,
		Approvals: r.Approved(EnvironmentGate), Excluded: r.Excluded, Parent: r.Parent}
}

// Gates answers every gate, pure. The same list refuses a command, makes a run
// wait and answers /why. It wants f.Live, and f.Policy and f.Environment
// where the run deploys somewhere.
func Gates(q Question, f Facts, now time.Time) []Gate {
	if f.Live.Unverified != "" {
		return []Gate{{Name: GateVerify, State: Fails, Code: "cannot_verify",
			Sentence: "GitHub could not be asked who may do this: " + f.Live.Unverified + ".", Fix: "Try again in a minute."}}
	}
	gates := []Gate{role(q, f), fork(q, f), head(q, f)}
	if f.Policy == nil {
		return gates
	}
	return append(gates, draft(f), source(q, f), order(q, f), freeze(q, f, now), approval(q, f), locked(q, f, now), concurrency(q, f))
}

func pass(name, sentence string) Gate { return Gate{Name: name, State: Passes, Sentence: sentence} }

// role: who asked must still be allowed to. What nobody asked for was decided
// by the file on the default branch.
func role(q Question, f Facts) Gate {
	if q.Actor.IsBot() || f.Policy == nil {
		return pass(GateRole, "Nobody's right is needed.")
	}
	who := f.Live.People[q.Actor.ID]
	if MayDeploy(f.Policy, who) {
		return pass(GateRole, fmt.Sprintf("%s may deploy to %s.", q.Actor.Login, f.Policy.Name))
	}
	need := "write access to the repository"
	if len(f.Policy.Deployers) > 0 {
		need = "to be one of " + strings.Join(f.Policy.Deployers, ", ")
	}
	return Gate{Name: GateRole, State: Fails, Code: "not_allowed",
		Sentence: fmt.Sprintf("%s may not deploy to %s: it needs %s; you have %s.", q.Actor.Login, f.Policy.Name, need, who.Permission),
		Fix:      "Ask somebody who may."}
}

// MayDeploy: the environment's deployers, or everybody with write access where it names none.
func MayDeploy(policy *Environment, who Standing) bool {
	if policy != nil && len(policy.Deployers) > 0 {
		return who.In(policy.Deployers)
	}
	return who.Permission >= Write
}

// MayApprove says whether a person's yes counts under the policy, "" if it
// does, else the reason why not.
func MayApprove(p ApprovalPolicy, who Standing, id int64, requester Actor, excluded []int64) string {
	switch {
	case id == requester.ID && !p.Requester:
		return "who asks does not approve"
	case id != requester.ID && slices.Contains(excluded, id):
		return "who wrote or pushed a part of it does not approve"
	case len(p.By) > 0 && !who.In(p.By):
		return fmt.Sprintf("it needs %s, you have %s", strings.Join(p.By, " or "), who.Permission)
	case len(p.By) == 0 && who.Permission < Write:
		return fmt.Sprintf("it needs write access, you have %s", who.Permission)
	}
	return ""
}

func fork(q Question, f Facts) Gate {
	if pr := f.Live.PullRequest; pr != nil && pr.Fork {
		return Gate{Name: GateFork, State: Fails, Code: "fork",
			Sentence: "The pull request comes from a fork, and code from forks is not run.", Fix: "Push the branch to this repository."}
	}
	return pass(GateFork, "The code is from this repository.")
}

// head: what was asked for must still be what the pull request is about.
func head(q Question, f Facts) Gate {
	pr := f.Live.PullRequest
	if pr == nil || q.Trigger == ByRollback || pr.Merged || pr.Head == q.SHA {
		return pass(GateHead, "The commit has not moved.")
	}
	return Gate{Name: GateHead, State: Fails, Code: "head_moved",
		Sentence: fmt.Sprintf("The pull request moved from `%s` to `%s` after this was asked.", short(q.SHA), short(pr.Head)),
		Fix:      "Look at the new commits, then ask again."}
}

func draft(f Facts) Gate {
	if pr := f.Live.PullRequest; pr != nil && pr.Draft && f.Policy.Protected {
		return Gate{Name: GateDraft, State: Fails, Code: "draft",
			Sentence: fmt.Sprintf("The pull request is a draft, and %s is protected.", f.Policy.Name), Fix: "Mark it ready for review."}
	}
	return pass(GateDraft, "The pull request is no draft.")
}

// source: deploy_from of the environment. Rollbacks always may.
func source(q Question, f Facts) Gate {
	if q.Trigger == ByRollback || len(f.Policy.DeployFrom) == 0 {
		return pass(GateSource, "It may come from anywhere.")
	}
	from := "default_branch"
	if q.PR != 0 && !f.Live.OnDefault {
		from = "pull_request"
	}
	if slices.Contains(f.Policy.DeployFrom, from) {
		return pass(GateSource, fmt.Sprintf("%s takes deploys from here.", f.Policy.Name))
	}
	return Gate{Name: GateSource, State: Fails, Code: "wrong_source",
		Sentence: fmt.Sprintf("%s takes deploys from %s only.", f.Policy.Name, strings.Join(f.Policy.DeployFrom, " and ")),
		Fix:      "Merge first, then deploy."}
}

func order(q Question, f Facts) Gate {
	for _, env := range f.Policy.After {
		if q.Trigger != ByRollback && !f.Live.AfterOK[env] {
			return Gate{Name: GateOrder, State: Fails, Code: "order",
				Sentence: fmt.Sprintf("`%s` does not run on %s, and %s comes after it.", short(q.SHA), env, f.Policy.Name),
				Fix:      fmt.Sprintf("First: /deploy %s", env)}
		}
	}
	return pass(GateOrder, "Nothing has to come first.")
}

// freeze: a window that began at most its length ago is open. Rollbacks pass.
func freeze(q Question, f Facts, now time.Time) Gate {
	for _, w := range f.Policy.Freeze {
		if end, frozen := w.At(now); frozen && q.Trigger != ByRollback {
			return Gate{Name: GateFreeze, State: Waits, Code: "frozen", Until: end,
				Sentence: fmt.Sprintf("%s is frozen until %s (%s).", f.Policy.Name, end.Format("Mon 2006-01-02 15:04 MST"), w.Reason),
				Fix:      "Wait; it starts by itself."}
		}
	}
	return pass(GateFreeze, "No freeze.")
}

// At reports whether the window is open at now, and when it ends. The cron
// expression and the time zone were checked at load.
func (w Freeze) At(now time.Time) (end time.Time, open bool) {
	zone, err := time.LoadLocation(w.Timezone)
	if err != nil {
		return now, true // a window that cannot be read is closed to deploys
	}
	schedule, err := cron.ParseStandard(w.Cron)
	if err != nil {
		return now, true
	}
	length := time.Duration(w.For)
	begin := schedule.Next(now.In(zone).Add(-length))
	for next := begin; !next.IsZero() && !next.After(now); next = schedule.Next(next) {
		begin = next
	}
	return begin.Add(length), !begin.IsZero() && !begin.After(now)
}

func approval(q Question, f Facts) Gate {
	p := f.Policy.Approvals
	if p == nil || p.Count == 0 || q.Trigger == ByRollback {
		return pass(GateApproval, "No approval is needed.")
	}
	var got []Approval
	for _, a := range q.Approvals {
		if MayApprove(*p, f.Live.People[a.By.ID], a.By.ID, q.Actor, q.Excluded) == "" {
			got = append(got, a)
		}
	}
	if len(got) >= p.Count {
		return pass(GateApproval, "Approved by "+people(got)+".")
	}
	by := ""
	if len(p.By) > 0 {
		by = " (" + strings.Join(names(p.By), ", ") + ")"
	}
	have := ""
	if len(got) > 0 {
		have = fmt.Sprintf(" %s said yes.", people(got))
	}
	return Gate{Name: GateApproval, State: Waits, Code: "approval",
		Sentence: fmt.Sprintf("Waiting for %s%s.%s", count(p.Count-len(got), "approval"), by, have),
		Fix:      fmt.Sprintf("/approve %s", q.Run)}
}

// locked: a person's lock keeps everything away but a rollback.
func locked(q Question, f Facts, now time.Time) Gate {
	l := f.Environment.Lock
	if l == nil || reached(l.Expires, now) || q.Trigger == ByRollback {
		return pass(GateLock, "Nobody has locked it.")
	}
	return Gate{Name: GateLock, State: Waits, Code: "locked", Until: l.Expires,
		Sentence: fmt.Sprintf("%s is locked by %s: %s.", f.Policy.Name, l.By.Login, l.Reason),
		Fix:      fmt.Sprintf("/unlock %s", f.Policy.Name)}
}

// concurrency: one run at a time, the others in order. A redeploy that serves
// a failed run works on the environment that run holds.
func concurrency(q Question, f Facts) Gate {
	e := f.Environment
	place := slices.Index(e.Queue, q.Run)
	switch {
	case e.Active == q.Run && q.Run != "", q.Parent != "" && e.Active == q.Parent:
		return pass(GateConcurrency, "It has its turn.")
	case e.Active == "" && (len(e.Queue) == 0 || place == 0):
		return pass(GateConcurrency, "Nobody else deploys.")
	case f.Policy.Concurrency == RefuseNew && q.Run == "":
		return Gate{Name: GateConcurrency, State: Fails, Code: "busy",
			Sentence: fmt.Sprintf("Run %s is deploying to %s, and others are refused meanwhile.", e.Active, f.Policy.Name), Fix: "Try again when it is done."}
	}
	if place < 0 {
		place = len(e.Queue)
	}
	ahead := "It goes ahead of this one when its turn comes."
	if e.Active != "" {
		ahead = fmt.Sprintf("Run %s is deploying.", e.Active)
	}
	return Gate{Name: GateConcurrency, State: Waits, Code: "queued",
		Sentence: fmt.Sprintf("Number %d in the queue of %s. %s", place+1, f.Policy.Name, ahead), Fix: "Wait; it starts by itself."}
}

func names(list []string) []string {
	out := make([]string, len(list))
	for i, entry := range list {
		_, out[i], _ = strings.Cut(entry, ":")
	}
	return out
}

func count(n int, noun string) string {
	if n == 1 {
		return "1 " + noun
	}
	return fmt.Sprintf("%d %ss", n, noun)
}
