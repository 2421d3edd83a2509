package pipeline

import (
	"fmt"
	"regexp"
	"slices"
	"strings"
	"time"
)

// CheckReport is one attempt of a check or a commit status, as GitHub has it.
type CheckReport struct {
	Name  string
	By    string     // who reports it, and keeps being it: "app:15368", of a status "user:583231"
	App   string     // the slug of the App behind it; "" if there is none
	ID    int64      // of two by the same the one with the higher id is newer
	State CheckState //
}

// CheckState is how a report stands: one of these, or GitHub's word for what
// is neither.
type CheckState string

const (
	CheckGreen   CheckState = "success"
	CheckPending CheckState = "pending" // it has not ended
	checkMissing CheckState = "missing" // nobody has reported it
)

// CheckName splits a required check into its name and the slug of the App it
// is pinned to, "" if to none.
func CheckName(entry string) (name, app string) {
	if m := pinned.FindStringSubmatch(entry); m != nil {
		return m[1], m[2]
	}
	return entry, ""
}

var pinned = regexp.MustCompile(`^(.+)@([a-z0-9]+(?:-[a-z0-9]+)*)$`)

// checks: every required check is green on this very commit. What is skipped,
// neutral or stale has shown nothing, and what runs again has not yet.
func checks(q Question, f Facts, now time.Time) Gate {
	r := f.Policy.Requires
	if q.Trigger == ByRollback || len(r.Checks)+len(r.Pipelines) == 0 {
		return pass(GateChecks, "No checks are required.")
	}
	by := map[string][]string{} // code of a gate -> checks
	for _, entry := range r.Checks {
		state, note := required(entry, f.Live)
		by[checkCode(state)] = append(by[checkCode(state)], remark(entry, state, note))
	}
	for _, name := range r.Pipelines {
		state := ownCheck(f.Live.Pipelines[name])
		by[checkCode(state)] = append(by[checkCode(state)], remark(name, state, ""))
	}
	g := Gate{Name: GateChecks, State: Waits, Until: now.Add(looksAgain), Polls: true}
	for _, g.Code = range []string{"checks_failed", "checks_pending", "checks_missing"} {
		if by[g.Code] != nil {
			break
		}
	}
	switch list := by[g.Code]; {
	case list == nil:
		return pass(GateChecks, "All required checks are green.")
	case g.Code == "checks_failed":
		g.Refuses = true
		g.Sentence = fmt.Sprintf("Not green on `%s`: %s.", short(q.SHA), strings.Join(list, ", "))
		g.Fix = "Repair it, or run it again."
	default:
		open := slices.Concat(by["checks_pending"], by["checks_missing"])
		g.Sentence = fmt.Sprintf("Starts by itself when %s on `%s`.", green(open), short(q.SHA))
		g.Fix = "Wait; it starts by itself."
	}
	return g
}

func checkCode(s CheckState) string {
	switch s {
	case CheckGreen:
		return ""
	case CheckPending:
		return "checks_pending"
	case checkMissing:
		return "checks_missing"
	}
	return "checks_failed"
}

// remark is a check with what there is to say of it.
func remark(name string, state CheckState, note string) string {
	switch {
	case note == "" && (state == CheckPending || state == CheckGreen):
		return typed(name)
	case state == checkMissing:
		return typed(name) + " (" + joined("not reported yet", note) + ")"
	}
	return typed(name) + " (" + joined(strings.ReplaceAll(string(state), "_", " "), note) + ")"
}

func joined(a, b string) string {
	if b == "" {
		return a
	}
	return a + "; " + b
}

func green(list []string) string {
	if len(list) == 1 {
		return list[0] + " is green"
	}
	return strings.Join(list[:len(list)-1], ", ") + " and " + list[len(list)-1] + " are green"
}

// required is how one required check stands, and what was left out of account.
//
// Anybody with an App can report any name. So where it is known who reports
// this one, because the file says so or the default branch shows it, only
// theirs count, and all of them must be green; else everybody's.
func required(entry string, live *Live) (CheckState, string) {
	name, app := CheckName(entry)
	all := newest(name, live.Checks)
	var counts, strange []CheckReport
	known := newest(name, live.ChecksMain)
	for _, r := range all {
		trusted := len(known) == 0 || slices.ContainsFunc(known, func(k CheckReport) bool { return k.By == r.By })
		if app != "" {
			trusted = r.App == app
		}
		if trusted {
			counts = append(counts, r)
		} else {
			strange = append(strange, r)
		}
	}
	state := worst(counts)
	if app == "" && state == CheckGreen && len(counts) < len(known) {
		state = checkMissing // somebody who reports it on the default branch has not yet
	}
	return state, leftOut(strange)
}

// leftOut names those whose reports do not count.
func leftOut(strange []CheckReport) string {
	if len(strange) == 0 {
		return ""
	}
	var who []string
	for _, r := range strange {
		if r.App != "" && !slices.Contains(who, r.App) {
			who = append(who, r.App)
		}
	}
	if len(who) == 0 {
		return "somebody else's does not count"
	}
	return "that of " + strings.Join(who, " and ") + " does not count"
}

// newest keeps, of each who reports the name, the newest attempt.
func newest(name string, reports []CheckReport) []CheckReport {
	var out []CheckReport
	for _, r := range reports {
		if r.Name != name {
			continue
		}
		i := slices.IndexFunc(out, func(o CheckReport) bool { return o.By == r.By })
		switch {
		case i < 0:
			out = append(out, r)
		case out[i].ID < r.ID:
			out[i] = r
		}
	}
	return out
}

// worst is what is farthest from green: what failed, what runs, what is missing.
func worst(reports []CheckReport) CheckState {
	state := CheckGreen
	for _, r := range reports {
		switch r.State {
		case CheckGreen:
		case CheckPending:
			state = CheckPending
		default:
			return r.State
		}
	}
	if len(reports) == 0 {
		return checkMissing
	}
	return state
}

// ownCheck is how a pipeline of ours stands; "": it has not run for the commit.
func ownCheck(s State) CheckState {
	switch {
	case s == "":
		return checkMissing
	case s == Succeeded:
		return CheckGreen
	case !s.Terminal():
		return CheckPending
	}
	return CheckState(s)
}
