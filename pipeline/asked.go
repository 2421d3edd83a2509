package pipeline

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"regexp"
	"time"
)

// AskedBefore returns the open run that does already what is asked for: the same
// pipeline with the same parameters, for the same commit and environment, at the
// same time. nil: there is none, or something else comes to the environment after
// it, so that in the end the commit would not be there. open is newest first, as
// Store.Runs lists it.
func AskedBefore(open []*Run, req *Request, now time.Time) *Run {
	for _, r := range open {
		switch {
		case !r.UnderWay():
		case sameAsked(&r.Request, req, now):
			return r
		case req.Environment != nil && r.EnvironmentName() == req.EnvironmentName() && !r.DryRun && r.startsAt(now).IsZero():
			return nil
		}
	}
	return nil
}

// UnderWay reports whether the run may still come to what it was asked for. A
// run that is being undone or cancelled, or in which a step has failed, will not.
func (r *Run) UnderWay() bool {
	undone := r.State == RollingBack && r.Reverts == ""
	return !r.State.Terminal() && !undone && r.Cancel == nil && firstFailure(r) == nil
}

// sameAsked reports whether both requests ask for the same. A dry run is never
// the same as a deploy, and a redeploy that serves a failed run is that run's.
func sameAsked(a, b *Request, now time.Time) bool {
	switch {
	case a.SHA != b.SHA, a.Service != b.Service, a.Pipeline.Name != b.Pipeline.Name:
		return false
	case a.Parent != "" || b.Parent != "", a.DryRun != b.DryRun, a.Reverts != b.Reverts:
		return false
	case a.Restores.run() != b.Restores.run(), a.Promotes.run() != b.Promotes.run():
		return false
	case !samePlace(a, b):
		return false
	case !a.startsAt(now).Equal(b.startsAt(now)):
		return false
	}
	return stored(a.Params) == stored(b.Params) && stored(a.Pipeline) == stored(b.Pipeline) && stored(a.Environment) == stored(b.Environment)
}

var (
	readsRef   = regexp.MustCompile(`\bref\b|SHIPMATE_REF`)
	readsEvent = regexp.MustCompile(`\bevent\b`)
)

// samePlace reports whether both ask from where it makes no difference to what
// is done. Checks belong to the place they are shown at. A deploy of one pull
// request ends with it, so it does not stand in for another's. Steps may look at
// the name of what is deployed, and at what started them.
func samePlace(a, b *Request) bool {
	byPeople := a.Trigger == ByCommand && b.Trigger == ByCommand
	switch steps := stored(a.Pipeline.Steps); {
	case a.Environment == nil || b.Environment == nil:
		return a.Environment == nil && b.Environment == nil && a.PR == b.PR && a.Ref == b.Ref && a.Trigger == b.Trigger
	case a.PR != b.PR && a.PR != 0 && b.PR != 0:
		return false
	case a.Ref != b.Ref && (!byPeople || readsRef.MatchString(steps)):
		return false
	default:
		return a.Trigger == b.Trigger || !readsEvent.MatchString(steps)
	}
}

// run is the run that made a deployment, "" for none.
func (d *Deployment) run() RunID {
	if d == nil {
		return ""
	}
	return d.Run
}

// startsAt is the time the run was put off to, zero if it may start now.
func (r *Request) startsAt(now time.Time) time.Time {
	if reached(r.NotBefore, now) {
		return time.Time{}
	}
	return r.NotBefore
}

// stored is how a value is kept, to compare what was loaded with what is new.
func stored(v any) string {
	b, err := json.Marshal(v)
	text := string(b)
	if text == "null" {
		text = "{}" // no parameters, whether there was a map or not
	}
	return fmt.Sprint(text, err)
}

// nowhere is the name under which a repository's runs that deploy nowhere share
// one record, so that two of them do not start past each other. No environment
// may be called so.
const nowhere = "-"

// askedBefore returns the run that stands in for the new one, nil for none.
// Then the commit of the new run depends on the environment's record as it was
// read before: of two that are asked for at the same moment one conflicts,
// looks again, and finds the other.
func (m *move) askedBefore(ctx context.Context) (*Run, error) {
	req := &m.run.Request
	if _, err := m.facts(ctx); err != nil { // loads the environment
		return nil, err
	}
	record := m.env
	if record == nil {
		var err error
		if record, err = m.e.Store.Environment(ctx, req.Repo.ID, nowhere); err != nil {
			return nil, err
		}
	}
	open, err := m.e.Store.Runs(ctx, RunQuery{Repo: req.Repo.ID, Environment: req.EnvironmentName(), Open: true, Limit: mostOpen})
	if err != nil {
		return nil, err
	}
	first := AskedBefore(open, req, m.now)
	if first == nil {
		m.change.Environment, m.envDone = record, m.env != nil
		return nil, nil
	}
	own, err := m.e.Store.Load(ctx, req.ID) // made by an earlier try of the same command
	if errors.Is(err, ErrNotFound) {
		return first, nil
	}
	return own, err
}
