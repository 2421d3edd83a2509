package pipeline

import (
	"fmt"
	"slices"
	"strings"
	"time"
)

// OverrideLasts is how long somebody's override of a gate counts.
const OverrideLasts = 30 * time.Minute

const overridePrefix = "override:"

// OverrideOf is the Gate of an Approval that is an override of the named gate.
func OverrideOf(gate string) string { return overridePrefix + gate }

// Overridable are the gates that people may pass in an emergency: those that
// hold a run up. Who may, whose code it is, that it has not moved and that one
// deploys at a time always hold.
func Overridable() []string {
	return []string{GateChecks, GateReviews, GateOrder, GateApproval, GateFreeze, GateLock}
}

// overrides lists the overrides of a run's gates, also those that are over.
func (r *Run) overrides() []Approval {
	return slices.DeleteFunc(slices.Clone(r.Approvals), func(a Approval) bool { return !strings.HasPrefix(a.Gate, overridePrefix) || a.SHA != r.SHA })
}

// Overriders are the people whose override of a gate counts now.
func Overriders(gate string, overrides []Approval, people map[int64]Standing, now time.Time) []Approval {
	var valid []Approval
	for _, a := range overrides {
		twice := slices.ContainsFunc(valid, func(o Approval) bool { return o.By.ID == a.By.ID })
		if a.Gate == OverrideOf(gate) && !twice && now.Before(a.At.Add(OverrideLasts)) && people[a.By.ID].Permission >= Maintain {
			valid = append(valid, a)
		}
	}
	return valid
}

// OverridersNeeded: what is protected takes two different people.
func OverridersNeeded(policy *Environment) int {
	if policy.Protected {
		return 2
	}
	return 1
}

// override lets a gate pass that enough people have overridden, and says so.
func override(g Gate, q Question, f Facts, now time.Time) Gate {
	if g.State == Passes || !slices.Contains(Overridable(), g.Name) {
		return g
	}
	by := Overriders(g.Name, q.Overrides, f.Live.People, now)
	need := OverridersNeeded(f.Policy)
	switch {
	case len(by) == 0:
	case len(by) < need:
		g.Sentence += fmt.Sprintf(" %s would override it; one more maintainer has to say so, before %s.", people(by), by[0].At.Add(OverrideLasts).UTC().Format("2006-01-02 15:04 MST"))
	default:
		return pass(g.Name, fmt.Sprintf("Overridden by %s: %s", people(by), typed(by[len(by)-1].Reason)))
	}
	return g
}

// hurries: who has been helped past a gate in an emergency does not wait behind
// those whom that gate still holds up.
func hurries(q Question, f Facts, now time.Time) bool {
	return slices.ContainsFunc(Overridable(), func(gate string) bool {
		return len(Overriders(gate, q.Overrides, f.Live.People, now)) >= OverridersNeeded(f.Policy)
	})
}

// mayOverride reports whether the run could still be helped by an override.
func (r *Run) mayOverride(gate string) bool {
	name, is := strings.CutPrefix(gate, overridePrefix)
	return is && slices.Contains(Overridable(), name) && r.State == Waiting && !r.Admitted && r.Cancel == nil && r.Environment != nil
}
