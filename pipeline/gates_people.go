package pipeline

import (
	"fmt"
	"slices"
	"strings"
)

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
	Users      []string // as rules that were asked about write them and mean this person: logins, ids
	Teams      []string // as such rules write them, the person being in what they mean: slugs, ids
	Mistaken   []Mistaken
}

// In reports whether the person is in a list of "team:slug" and "user:login".
// The names were looked up by whoever made the Standing, see Roster.
func (s Standing) In(list []string) bool {
	return slices.ContainsFunc(list, func(entry string) bool {
		kind, name, _ := strings.Cut(entry, ":")
		return kind == "user" && slices.ContainsFunc(s.Users, func(u string) bool { return strings.EqualFold(u, name) }) ||
			kind == "team" && slices.ContainsFunc(s.Teams, func(t string) bool { return strings.EqualFold(t, name) })
	})
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
	case len(p.By) > 0 && !who.In(p.By) && who.NameTaken(p.By) != "":
		return strings.TrimSuffix(who.NameTaken(p.By), ".")
	case len(p.By) > 0 && !who.In(p.By):
		return fmt.Sprintf("it needs %s, you have %s", strings.Join(p.By, " or "), who.Permission)
	case len(p.By) == 0 && who.Permission < Write:
		return fmt.Sprintf("it needs write access, you have %s", who.Permission)
	}
	return ""
}

// mayStill leaves the approvals of those who may approve at this moment: a
// right that was taken away takes the approval with it.
func mayStill(p ApprovalPolicy, given []Approval, live *Live, requester Actor, excluded []int64) []Approval {
	var valid []Approval
	for _, a := range given {
		if MayApprove(p, live.People[a.By.ID], a.By.ID, requester, excluded) == "" {
			valid = append(valid, a)
		}
	}
	return valid
}

func asksApproval(policy *Environment) bool {
	return policy.Approvals != nil && policy.Approvals.Count > 0
}

// AsksPeople reports whether others than those who wrote it must say yes to the
// run, before it or in one of its steps: only then is it of use who wrote it.
func (r *Request) AsksPeople() bool {
	asks := slices.ContainsFunc(r.Pipeline.Steps, func(s Step) bool { return s.Uses == "approval" })
	return asks || r.Environment != nil && (asksApproval(r.Environment) || r.Environment.Requires.Reviews > 0)
}

func people(as []Approval) string {
	var names []string
	for _, a := range as {
		names = append(names, a.By.Login)
	}
	return strings.Join(names, ", ")
}

func approval(q Question, f Facts) Gate {
	if !asksApproval(f.Policy) || q.Trigger == ByRollback {
		return pass(GateApproval, "No approval is needed.")
	}
	p := f.Policy.Approvals
	got := mayStill(*p, q.Approvals, f.Live, q.Actor, q.Excluded)
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
	fix := fmt.Sprintf("/approve %s", q.Run)
	if q.Run == "" {
		fix = "They are asked as soon as you deploy."
	}
	return Gate{Name: GateApproval, State: Waits, Code: "approval",
		Sentence: fmt.Sprintf("Waiting for %s%s.%s", count(p.Count-len(got), "approval"), by, have), Fix: fix}
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
