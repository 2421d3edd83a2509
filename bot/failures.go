package bot

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"slices"
	"time"

	"github.com/shipmate/shipmate/commands"
	"github.com/shipmate/shipmate/pipeline"
)

// Failure is what the person behind a run that went wrong is told.
type Failure struct {
	Run     *pipeline.Run
	Step    string // "": it was none
	Message string
	Tail    []string // the last lines of its log, masked
}

// Failures tells the people behind runs that went wrong, directly: what fails
// within a while comes as one message. It is a [pipeline.Sink] that shows
// nothing itself: it has the message sent when its time has come.
type Failures struct {
	Store   failureStore
	Records Records
	Queue   enqueuer
	GitHub  failureForge
	Linked  Linked
	Logs    commands.Tailer
	Mail    Mail
	After   time.Duration // how long failures are collected
	Now     func() time.Time
	Log     *slog.Logger
}

type failureStore interface {
	Load(ctx context.Context, id pipeline.RunID) (*pipeline.Run, error)
	History(ctx context.Context, id pipeline.RunID) ([]pipeline.Event, error) // oldest first
}

type failureForge interface {
	standings
	ReadOnce(ctx context.Context) context.Context
}

// Mail sends direct messages.
type Mail interface {
	// Failed tells a person of runs that went wrong, in one message; those it
	// told them of before are left out.
	Failed(ctx context.Context, to pipeline.Actor, fs []Failure) error
}

const (
	kindFailures = "failures"
	failureTail  = 5 // lines of the log
	keepFailures = 7 * 24 * time.Hour
)

// Handlers are the jobs about failures, for a Worker.
func (f *Failures) Handlers() map[string]pipeline.Handler {
	return map[string]pipeline.Handler{kindFailures: f.send}
}

// Name is stable: what was shown is stored under it.
func (*Failures) Name() string { return "failures" }

// Subject is the run, if it is somebody's and they do not see it anyway.
func (*Failures) Subject(r *pipeline.Run) string {
	if behind(r) == 0 || watched(r) {
		return ""
	}
	return string(r.ID)
}

// watched: who gave the command on Slack sees the run's thread.
func watched(r *pipeline.Run) bool { return r.CausedBy.ID == 0 && r.Origin.Surface == "slack" }

// Show notes a run that went wrong, once, for everybody behind it.
func (f *Failures) Show(ctx context.Context, r *pipeline.Run, before pipeline.Shown) (json.RawMessage, error) {
	if before.Data != nil || r.State != pipeline.Failed && r.State != pipeline.RolledBack {
		return before.Data, nil
	}
	people, err := f.Linked.Slack(ctx, pipeline.Actor{ID: behind(r)})
	if err != nil {
		return nil, err
	}
	for _, who := range people {
		if err := f.note(ctx, who, r); err != nil {
			return nil, pipeline.Temporary(err)
		}
	}
	return json.RawMessage(`"told"`), nil
}

func failuresOf(who pipeline.Actor) string { return "failures:" + who.SlackTeam + "/" + who.SlackUser }

func (f *Failures) note(ctx context.Context, who pipeline.Actor, r *pipeline.Run) error {
	if err := f.Records.Add(ctx, nowhere, failuresOf(who), string(r.ID), keepFailures); err != nil {
		return err
	}
	payload, err := json.Marshal(who)
	if err != nil {
		return err
	}
	return f.Queue.Enqueue(ctx, pipeline.Job{ID: failuresOf(who), Kind: kindFailures, Pool: pipeline.Control, Payload: payload, At: f.Now().Add(f.After), Again: true})
}

// send tells a person of what was noted. It is forgotten only when they were told.
func (f *Failures) send(ctx context.Context, l *pipeline.Lease) error {
	var who pipeline.Actor
	if err := json.Unmarshal(l.Payload, &who); err != nil {
		return fmt.Errorf("decode %s job: %w", l.Kind, err)
	}
	ids, err := f.Records.Members(ctx, nowhere, failuresOf(who))
	if err != nil || len(ids) == 0 {
		return pipeline.Temporary(err)
	}
	all, err := f.gather(f.GitHub.ReadOnce(ctx), who, ids)
	if err == nil && len(all) > 0 {
		err = f.Mail.Failed(ctx, who, all)
	}
	if err != nil && (pipeline.IsTemporary(err) || pipeline.Code(err) == "") {
		return err
	}
	if err != nil { // who left, for example, is not told later either
		f.Log.Warn("failures not told", "actor", who.Login, "err", err)
	}
	for _, id := range ids {
		if err := f.Records.Remove(ctx, nowhere, failuresOf(who), id); err != nil {
			return pipeline.Temporary(err)
		}
	}
	return nil
}

// gather leaves out what the person may not read any more.
func (f *Failures) gather(ctx context.Context, who pipeline.Actor, ids []string) ([]Failure, error) {
	var all []Failure
	for _, id := range ids {
		r, err := f.Store.Load(ctx, pipeline.RunID(id))
		if errors.Is(err, pipeline.ErrNotFound) {
			continue
		}
		if err != nil {
			return nil, pipeline.Temporary(err)
		}
		standing, err := f.GitHub.Standing(ctx, r.Repo, who, pipeline.Roster{})
		if pipeline.IsTemporary(err) {
			return nil, err
		}
		if err == nil && standing.Permission >= pipeline.Read {
			all = append(all, f.failure(ctx, r))
		}
	}
	slices.SortFunc(all, func(a, b Failure) int { return a.Run.Created.Compare(b.Run.Created) })
	return all, nil
}

// failure finds what went wrong. A log that cannot be read is left out.
func (f *Failures) failure(ctx context.Context, r *pipeline.Run) Failure {
	out := Failure{Run: r, Message: r.Message}
	history, err := f.Store.History(ctx, r.ID)
	if err != nil {
		f.Log.Warn("history of a failed run", "run", r.ID, "err", err)
	}
	var step *pipeline.StepRun
	if step, out.Message = culprit(r, history); step == nil {
		return out
	}
	out.Step = step.Name
	if f.Logs == nil {
		return out
	}
	out.Tail, err = f.Logs.Tail(ctx, r.ID, step.FailureLog(), step.Attempt, failureTail)
	if err != nil && !errors.Is(err, pipeline.ErrNotFound) {
		f.Log.Warn("log of a failed step", "run", r.ID, "step", step.Name, "err", err)
	}
	return out
}

// culprit is the step that ended the run, and what it said. A step that was
// undone after it failed says so no more: then the history knows.
func culprit(r *pipeline.Run, history []pipeline.Event) (step *pipeline.StepRun, message string) {
	ends := func(name string) bool {
		def, _ := r.Pipeline.Step(name)
		return !def.ContinueOnError
	}
	for i := range r.Steps {
		if s := &r.Steps[i]; s.State == pipeline.Failed && ends(s.Name) {
			return s, s.Message
		}
	}
	for _, e := range slices.Backward(history) {
		if s := r.Step(e.Step); e.Kind == "step" && e.State == pipeline.Failed && s != nil && ends(e.Step) {
			return s, e.Message
		}
	}
	return nil, r.Message
}
