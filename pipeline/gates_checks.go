package pipeline

import (
	"fmt"
	"regexp"
	"slices"
	"strconv"
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

// CheckApps says whom a check means that is pinned to an App: who reports, as in
// CheckReport.By, by the App's slug. A slug may be given up and taken over by
// another App, so it means the App that had it first. One that is not in here
// means whoever has it.
type CheckApps map[string][]string

// mean reports whether a report is of the App that a check is pinned to.
func (known CheckApps) mean(app string, r CheckReport) bool {
	if writtenByID(app) {
		return r.By == "app:"+app
	}
	if by, ok := known[app]; ok {
		return slices.Contains(by, r.By)
	}
	return r.App == app
}

func writtenByID(app string) bool {
	id, err := strconv.ParseInt(app, 10, 64)
	return err == nil && id > 0
}

// CheckState is how a report stands: one of these, or GitHub's word for what
// is neither.
type CheckState string

const (
	CheckGreen   CheckState = "success"
	CheckPending CheckState = "pending" // it has not ended
	checkMissing CheckState = "missing" // nobody has reported it
)

// CheckName splits a required check into its name and the slug or the id of the
// App it is pinned to, "" if to none.
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
			trusted = live.CheckApps.mean(app, r)
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
	if i := slices.IndexFunc(strange, func(r CheckReport) bool { return app != "" && r.App == app }); i >= 0 {
		return state, replacedApp(name, strange[i])
	}
	return state, leftOut(strange)
}

// replacedApp says that a pinned check means another App than the one that has
// the name now.
func replacedApp(check string, r CheckReport) string {
	note := fmt.Sprintf("%s is another App now than when it was first seen, and does not count", r.App)
	if id, ok := strings.CutPrefix(r.By, "app:"); ok {
		note += "; if it is meant, write " + typed(check+"@"+id)
	}
	return note
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
