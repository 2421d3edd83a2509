package auditlog

import (
	"context"
	"encoding/json"
	"fmt"
	"strings"

	"github.com/shipmate/shipmate/pipeline"
)

// Sink writes what is decided about runs into the log. It is a pipeline.Sink:
// it brings the log to the state of the run's history, so nothing is left out
// however often it is interrupted.
type Sink struct {
	Log     *Log
	History interface {
		History(ctx context.Context, id pipeline.RunID) ([]pipeline.Event, error)
	}
}

type written struct {
	Events int `json:"events"`
}

func (*Sink) Name() string                   { return "audit" }
func (*Sink) Subject(r *pipeline.Run) string { return string(r.ID) }

// Show appends the events that are new. Steps are left out: what they did is in
// the run's own record.
func (s *Sink) Show(ctx context.Context, r *pipeline.Run, shown pipeline.Shown) (json.RawMessage, error) {
	var was written
	if shown.Data != nil {
		if err := json.Unmarshal(shown.Data, &was); err != nil {
			return shown.Data, fmt.Errorf("audit of run %s: %w", r.ID, err)
		}
	}
	events, err := s.History.History(ctx, r.ID)
	if err != nil {
		return shown.Data, err
	}
	for i := was.Events; i < len(events); i++ {
		if events[i].Kind == "step" {
			continue
		}
		if err := s.Log.Add(ctx, fmt.Sprintf("%s:%d", r.ID, i), entry(r, events[i])); err != nil {
			return shown.Data, err
		}
	}
	return json.Marshal(written{Events: len(events)})
}

func entry(r *pipeline.Run, ev pipeline.Event) pipeline.AuditEntry {
	e := pipeline.AuditEntry{
		Kind: ev.Kind, Repo: r.Repo.String(), RepoID: r.Repo.ID, Environment: r.EnvironmentName(), Run: r.ID, SHA: r.SHA,
		Actor: ev.Actor, Via: r.Origin.Surface, Text: ev.Message, Code: ev.Code,
	}
	if e.Code == "" {
		e.Code = string(ev.State)
	}
	if ev.Kind == "approval" || ev.Kind == "plan" || ev.Kind == "later" {
		e.Text = ev.Step + ": " + ev.Message
	}
	if r.DryRun {
		e.Text = strings.TrimSuffix("dry run: "+e.Text, ": ")
	}
	return e
}
