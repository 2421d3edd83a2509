package pipeline

import (
	"fmt"
	"slices"
	"strings"
	"time"
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
	Polls    bool      // Until is only when it is looked at again; nobody knows when it opens
	Refuses  bool      // waiting, it refuses a person who asks now and does not say that it may take long
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
	GateChecks      = "checks"
	GateReviews     = "reviews"
	GateUpToDate    = "up_to_date"
	GateConflict    = "conflict"
	GateOrder       = "order"
	GateApproval    = "approval"
	GateFreeze      = "freeze"
	GateLock        = "lock"
	GateConcurrency = "concurrency"
)

// EnvironmentGate is the name of the approval an environment's policy asks for.
const EnvironmentGate = "environment"

// Live is what GitHub says at this moment.
type Live struct {
	Unverified  string             // why it could not be asked; everything is then refused
	Again       bool               // with Unverified: asked in a moment there may be an answer
	People      map[int64]Standing // the requester and everybody who approved
	PullRequest *PullRequest       // nil: the run has none
	OnDefault   bool               // the commit is on the default branch
	AfterOK     map[string]bool    // environment -> this very commit runs there
	Checks      []CheckReport      // of the required names, on this very commit
	ChecksMain  []CheckReport      // of the required names, on the head of the default branch
	CheckApps   CheckApps          // whom pinned checks mean
	Pipelines   map[string]State   // of the required pipelines: how the newest run for this very commit stands
	Reviewed    []ReviewedPull     // where the reviews of the commit are
	Behind      int                // commits of the base branch that this one does not hold
}

// Commit is a revision as people name it.
type Commit struct {
	SHA       string // full
	Title     string // first line of its message
	Branch    string // the name it was found by, if that is a branch
	OnDefault bool   // it is on the default branch
}

// Comparison is what one revision has that another one has not.
type Comparison struct {
	Ahead, Behind int      // commits that only the new, or only the old one has
	Commits       []Commit // of Ahead, the newest first; the last few
	Files         int      // that Ahead changes
	MoreFiles     bool     // there may be more: GitHub lists so many at most
}

// PullRequest is what gates need to know of one.
type PullRequest struct {
	Number int
	Title  string
	Branch string // of the head
	Head   string // full commit id
	Base   string // full commit id
	Into   string // the base branch
	Merge  Mergeable
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
	Base      string // branch the pull request was to go into when this was asked; "": not known
	Trigger   Trigger
	Actor     Actor
	Approvals []Approval // given to GateApproval so far
	Allowed   []Approval // of a fork's code
	Overrides []Approval // of other gates, by people who take that on themselves
	Promoted  bool       // it is what runs in another environment, whatever its pull request is about by now
	Excluded  []int64
	Parent    RunID
	DryRun    bool
}

// QuestionOf asks about an existing run.
func QuestionOf(r *Run) Question {
	return Question{Run: r.ID, SHA: r.SHA, PR: r.PR, Base: r.Base, Trigger: r.Trigger, Actor: r.Actor,
		Approvals: r.Approved(EnvironmentGate), Allowed: r.Approved(GateFork), Overrides: r.overrides(), Promoted: r.Promotes != nil,
		Excluded: r.Excluded, Parent: r.Parent, DryRun: r.DryRun}
}

// Gates answers every gate, pure. The same list refuses a command, makes a run
// wait and answers /why. It wants f.Live, and f.Policy and f.Environment
// where the run deploys somewhere.
func Gates(q Question, f Facts, now time.Time) []Gate {
	if f.Live.Unverified != "" {
		return []Gate{verify(f, now)}
	}
	gates := []Gate{role(q, f), fork(q, f), head(q, f)}
	if f.Policy == nil || q.DryRun { // a dry run touches nothing that could be locked or taken
		return gates
	}
	gates = append(gates, draft(q, f), source(q, f),
		checks(q, f, now), reviews(q, f, now), upToDate(q, f), conflict(q, f, now), order(q, f, now),
		approval(q, f), freeze(q, f, now), locked(q, f, now), concurrency(q, f, now))
	for i, g := range gates {
		gates[i] = override(g, q, f, now)
	}
	return gates
}

func pass(name, sentence string) Gate { return Gate{Name: name, State: Passes, Sentence: sentence} }

// looksAgain is how soon a gate is asked again that opens by something GitHub
// tells us of, in case it does not.
const looksAgain = 5 * time.Minute

// verify: without facts nothing is decided. Where they will be there in a
// moment, who waits already goes on waiting.
func verify(f Facts, now time.Time) Gate {
	g := Gate{Name: GateVerify, State: Fails, Code: "cannot_verify",
		Sentence: "GitHub could not be asked who may do this: " + f.Live.Unverified + ".", Fix: "Try again in a minute."}
	if f.Live.Again {
		const soon = 30 * time.Second
		g.State, g.Until, g.Polls, g.Refuses = Waits, now.Add(soon), true, true
		g.Sentence = "GitHub could not be asked what this needs: " + f.Live.Unverified + "."
	}
	return g
}

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
	if taken := who.NameTaken(f.Policy.Deployers); taken != "" {
		return Gate{Name: GateRole, State: Fails, Code: "name_reused", Sentence: fmt.Sprintf("%s may not deploy to %s: %s", q.Actor.Login, f.Policy.Name, taken), Fix: "Ask somebody who may."}
	}
	need := "write access to the repository"
	if len(f.Policy.Deployers) > 0 {
		need = "to be one of " + strings.Join(f.Policy.Deployers, ", ")
	}
	return Gate{Name: GateRole, State: Fails, Code: "not_allowed",
		Sentence: fmt.Sprintf("%s may not deploy to %s: it needs %s; you have %s.", q.Actor.Login, f.Policy.Name, need, who.Permission),
		Fix:      "Ask somebody who may."}
}

// fork: strangers' code is never deployed, and checked only after somebody of
// the repository has read this very commit. What a rollback brings back ran before.
func fork(q Question, f Facts) Gate {
	pr := f.Live.PullRequest
	switch {
	case pr == nil || !pr.Fork || q.Trigger == ByRollback:
		return pass(GateFork, "The code is from this repository.")
	case f.Policy != nil:
		return Gate{Name: GateFork, State: Fails, Code: "fork",
			Sentence: "The pull request comes from a fork, and code from forks is not deployed.", Fix: "Push the branch to this repository."}
	}
	for _, a := range q.Allowed {
		if f.Live.People[a.By.ID].Permission >= Write && a.By.ID != pr.Author {
			return pass(GateFork, a.By.Login+" allowed it.")
		}
	}
	line := "/ok-to-test " + q.SHA
	return Gate{Name: GateFork, State: Waits, Code: "fork",
		Sentence: fmt.Sprintf("The code comes from a fork, so it is not run unasked. Somebody with write access reads it, then says `%s`.", line), Fix: line}
}

// head: what was asked for must still be what the pull request is about.
func head(q Question, f Facts) Gate {
	pr := f.Live.PullRequest
	switch {
	case pr == nil, q.Trigger == ByRollback, q.Promoted:
	case !pr.Merged && !pr.Open:
		return Gate{Name: GateHead, State: Fails, Code: "closed",
			Sentence: "The pull request was closed.", Fix: "Reopen it, then ask again."}
	case pr.Head != q.SHA:
		return Gate{Name: GateHead, State: Fails, Code: "head_moved",
			Sentence: fmt.Sprintf("The pull request moved from `%s` to `%s` after this was asked.", short(q.SHA), short(pr.Head)),
			Fix:      "Look at the new commits, then ask again."}
	case q.Base != "" && pr.Into != q.Base:
		return Gate{Name: GateHead, State: Fails, Code: "base_changed",
			Sentence: fmt.Sprintf("The pull request was to go into %s when this was asked, and goes into %s now.", typed(q.Base), typed(pr.Into)),
			Fix:      "Look at what it changes there, then ask again."}
	}
	return pass(GateHead, "The commit has not moved.")
}

// draft: what is not ready for review is not ready for a protected environment.
func draft(q Question, f Facts) Gate {
	if pr := f.Live.PullRequest; pr != nil && pr.Draft && f.Policy.Protected && q.Trigger != ByRollback {
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
	from := "pull_request" // and every other commit that is not on the default branch
	if f.Live.OnDefault {
		from = "default_branch"
	}
	if slices.Contains(f.Policy.DeployFrom, from) {
		return pass(GateSource, fmt.Sprintf("%s takes deploys from here.", f.Policy.Name))
	}
	return Gate{Name: GateSource, State: Fails, Code: "wrong_source",
		Sentence: fmt.Sprintf("%s takes deploys from %s only.", f.Policy.Name, strings.Join(f.Policy.DeployFrom, " and ")),
		Fix:      "Merge first, then deploy."}
}

// order: the commit must run somewhere else first.
func order(q Question, f Facts, now time.Time) Gate {
	for _, env := range f.Policy.After {
		if q.Trigger != ByRollback && !f.Live.AfterOK[env] {
			return Gate{Name: GateOrder, State: Waits, Code: "order", Until: now.Add(looksAgain), Polls: true, Refuses: true,
				Sentence: fmt.Sprintf("`%s` does not run on %s, and %s comes after it.", short(q.SHA), env, f.Policy.Name),
				Fix:      fmt.Sprintf("First: `/deploy %s`.", env)}
		}
	}
	return pass(GateOrder, "Nothing has to come first.")
}

// locked: a person's lock keeps everything away but a rollback.
func locked(q Question, f Facts, now time.Time) Gate {
	l, what := f.Environment.Lock, f.Policy.Name
	if !l.Holds(now) {
		l, what = f.Everywhere, Everywhere
	}
	if !l.Holds(now) || q.Trigger == ByRollback {
		return pass(GateLock, "Nobody has locked it.")
	}
	sentence := fmt.Sprintf("%s is locked by %s: %s.", what, l.By.Login, typed(l.Reason))
	if what == Everywhere {
		sentence = fmt.Sprintf("All environments are locked by %s: %s.", l.By.Login, typed(l.Reason))
	}
	return Gate{Name: GateLock, State: Waits, Code: "locked", Until: l.Expires, Refuses: true, Sentence: sentence, Fix: "/unlock " + what}
}

// typed puts what somebody typed into a code span that it cannot leave.
func typed(s string) string { return "`" + strings.ReplaceAll(s, "`", "'") + "`" }

// concurrency: one run at a time, the others in order; a rollback goes ahead of
// all that wait. A redeploy that serves a failed run works on the environment
// that run holds.
func concurrency(q Question, f Facts, now time.Time) Gate {
	e := f.Environment
	place := slices.Index(e.Queue, q.Run)
	rollback := q.Trigger == ByRollback || hurries(q, f, now)
	busy := fmt.Sprintf("Run %s has it", e.Active)
	switch {
	case q.Parent != "" && e.Active != q.Parent:
		return Gate{Name: GateConcurrency, State: Fails, Code: "rollback_over", Sentence: fmt.Sprintf("Run %s, which this one was to help, has ended.", q.Parent),
			Fix: fmt.Sprintf("To go back to what ran before: `/rollback %s`.", f.Policy.Name)}
	case q.Parent != "", e.Active == q.Run && q.Run != "":
		return pass(GateConcurrency, "It has its turn.")
	case e.Active == "" && (len(e.Queue) == 0 || place == 0 || rollback):
		return pass(GateConcurrency, "Nobody else deploys.")
	case e.Active != "" && f.Policy.Concurrency == RefuseNew && !rollback:
		return Gate{Name: GateConcurrency, State: Fails, Code: "busy",
			Sentence: fmt.Sprintf("Run %s has %s, and others are refused meanwhile.", e.Active, f.Policy.Name), Fix: "Try again when it is done."}
	case e.Active == "":
		busy = "The one ahead of it goes first"
	}
	if place < 0 {
		place = len(e.Queue)
		if rollback {
			place = 0
		}
	}
	return Gate{Name: GateConcurrency, State: Waits, Code: "queued",
		Sentence: fmt.Sprintf("Number %d in the queue of %s. %s.", place+1, f.Policy.Name, busy), Fix: "Wait; it starts by itself."}
}
