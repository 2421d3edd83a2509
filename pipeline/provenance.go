package pipeline

import (
	"slices"
	"strings"
)

// Provenance is where the code of a check comes from and who answers for it, as
// GitHub says at this moment. A check is a run without an environment.
type Provenance struct {
	PullRequest *PullRequest       // nil: the run has none
	Pusher      Actor              // who brought the branch to the commit; zero: GitHub does not say
	OnDefault   bool               // the commit is on the default branch; asked for schedules only
	People      map[int64]Standing // what who pushed and who asked for the run may do
	Apps        []int64            // the accounts among them that GitHub calls bots
}

// queueBranches is how the branches of GitHub's merge queue begin.
const queueBranches = "gh-readonly-queue/"

// Withheld is why the steps of a check are given no secrets; nil if they may
// have them. Whoever decides what code runs could read them, so everybody who
// does must be trusted with the repository: who pushed the commit and who asked
// for the run. apps are the accounts of apps that the operator trusts as well.
func (p Provenance) Withheld(r *Run, apps []int64) error {
	if why := p.foreign(r); why != "" {
		return withheld(why)
	}
	if r.Trigger != BySchedule {
		if p.Pusher.ID == 0 {
			return withheld("GitHub does not say who pushed " + typed(short(r.SHA)) + " to " + typed(p.branch(r)) + ". Push a new commit.")
		}
		if why := p.distrusted(p.Pusher, "pushed "+typed(short(r.SHA)), apps); why != "" {
			return withheld(why + " Somebody with write access can push a commit of their own on top.")
		}
	}
	switch {
	case r.Actor.IsBot() && r.Trigger == ByPullRequest:
		return withheld("GitHub does not say who started this check. Somebody with write access can say " + typed("/retry "+string(r.ID)) + ".")
	case r.Actor.IsBot(): // a push or the clock: nobody asked
		return nil
	}
	if why := p.distrusted(r.Actor, "started this check", apps); why != "" {
		return withheld(why + " Somebody with write access can say " + typed("/retry "+string(r.ID)) + ".")
	}
	return nil
}

func withheld(why string) error { return Refuse("secrets_withheld", "%s", why) }

// branch is the one that the commit was pushed to.
func (p Provenance) branch(r *Run) string {
	if p.PullRequest != nil {
		return p.PullRequest.Branch
	}
	return r.Ref
}

// foreign is why the commit is not one of the repository's own branches; "" if it is.
func (p Provenance) foreign(r *Run) string {
	switch {
	case r.Environment != nil:
		return "This run has an environment, and the secrets of checks are for runs without one."
	case r.Trigger == ByMergeGroup, strings.HasPrefix(r.Ref, queueBranches):
		return "The commit of a merge queue may hold commits from forks, so its checks are given no secrets. " +
			"To leave the step out there, write `if: event != \"merge_group\"`."
	case r.Trigger == ByPullRequest:
		return p.foreignPull(r)
	case r.Trigger == ByPush, r.Trigger == BySchedule && p.OnDefault:
		return ""
	case r.Trigger == BySchedule:
		return "The commit is not on the default branch any more."
	}
	return "Secrets are for checks of pull requests, of pushes and of schedules only."
}

// foreignPull is foreign for a pull request. That somebody let a fork's code run
// says that it may run, not that it may have secrets.
func (p Provenance) foreignPull(r *Run) string {
	pr := p.PullRequest
	switch {
	case pr == nil:
		return "GitHub does not say where the pull request comes from."
	case pr.Fork:
		return "The pull request comes from a fork. The code of forks is never given secrets, also where it may run. " +
			"Somebody with write access who has read it can push it to a branch of this repository."
	}
	if g := head(QuestionOf(r), Facts{Live: &Live{PullRequest: pr}}); g.State != Passes {
		return g.Sentence + " " + g.Fix
	}
	return ""
}

// distrusted is why somebody's code is given no secrets; "" if it may have them.
func (p Provenance) distrusted(who Actor, did string, apps []int64) string {
	app := strings.HasSuffix(who.Login, "[bot]") || slices.Contains(p.Apps, who.ID)
	switch {
	case slices.Contains(apps, who.ID):
		return ""
	case app:
		return typed(who.Login) + " " + did + ". It is an app, and the operator has not allowed it to use this secret."
	case p.People[who.ID].Permission < Write:
		return typed(who.Login) + " " + did + ". That takes write access to the repository; " + typed(who.Login) + " has " + p.People[who.ID].Permission.String() + "."
	}
	return ""
}
