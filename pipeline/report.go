package pipeline

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"time"
)

// Sink is a place that shows runs to people: a PR status, a check run, a
// comment, a deployment, a Slack thread. It is level-triggered: it is never
// told of an event, it is brought to the state of the run.
type Sink interface {
	// Name is unique and stable: what was shown is stored under it.
	Name() string
	// Subject is what the sink keeps one record and one job for: the run's id,
	// or something several runs share such as "pr/12". "" means that the run
	// is none of its business.
	Subject(r *Run) string
	// Show brings the outside to the state of the run and returns what is to be
	// kept as Shown.Data. A Temporary error is tried again until it works, a
	// *Refused one ever more slowly; a method Shows, if there is one, then says
	// what cannot be written ("check").
	Show(ctx context.Context, r *Run, shown Shown) (json.RawMessage, error)
}

// Shown is what a sink keeps about a subject.
type Shown struct {
	Repo          int64
	Subject, Sink string
	// Data is what Show returned last: external ids, a digest of what stands
	// there. Nil: nothing yet.
	Data json.RawMessage
	// Doubt, if not "", says that a worker may have written over it after its
	// lease had lapsed: what seems to stand there must be written again.
	Doubt string
	// Save keeps data before Show ends. A sink that cannot ask the outside whether
	// it posted something saves first what it is about to post: found again, that
	// says that a crash came in between. With a Doubt, data must hold what the doubt
	// asks for, which is over with it.
	Save func(ctx context.Context, data json.RawMessage) error `json:"-"`
}

// Unhurried is a Sink that leaves out what is over soon.
type Unhurried interface {
	Sink
	// Settles is how long it waits for what comes next while the run goes on by itself.
	Settles(r *Run) time.Duration
}

// passing reports whether the run goes on by itself: people are not asked,
// nothing is waited for, and it is not being undone, which everybody should see.
func (r *Run) passing() bool {
	return (r.State == Queued || r.State == Running) && len(r.OpenGates()) == 0
}

// reports are the jobs that show the run as it is now. A state that will pass is
// shown when it has lasted; one that stays is shown at once.
func (e *Engine) reports(r *Run, now time.Time) (jobs []Job) {
	for _, sink := range e.Sinks {
		subject := sink.Subject(r)
		if subject == "" {
			continue
		}
		job := r.reportJob(sink.Name(), subject)
		if s, ok := sink.(Unhurried); ok && r.passing() {
			job.At = now.Add(s.Settles(r))
		}
		jobs = append(jobs, job)
	}
	return jobs
}

type reportJob struct {
	Sink string `json:"sink"`
}

// report is the job that brings one subject of one sink to the state of the run.
func (r *Run) reportJob(sink, subject string) Job {
	id := "report:" + sink + ":" + subject
	if subject != string(r.ID) { // the name of something in a repository
		id = fmt.Sprintf("report:%s:%d:%s", sink, r.Repo.ID, subject)
	}
	return Job{ID: id, Kind: "report", Pool: Control, Run: r.ID, Payload: payload(reportJob{sink}), Again: true}
}

// report brings one sink to the state of the run.
func (e *Engine) report(ctx context.Context, l *Lease) error {
	var job reportJob
	if err := json.Unmarshal(l.Payload, &job); err != nil {
		return fmt.Errorf("report payload: %w", err)
	}
	for _, sink := range e.Sinks {
		if sink.Name() == job.Sink {
			return e.show(ctx, sink, l)
		}
	}
	return fmt.Errorf("no sink %q", job.Sink)
}

func (e *Engine) show(ctx context.Context, sink Sink, l *Lease) error {
	r, err := e.Store.Load(ctx, l.Run)
	if err != nil {
		return ignoreGone(err)
	}
	shown, err := e.Store.Shown(ctx, r.Repo.ID, sink.Subject(r), sink.Name())
	if err != nil {
		return err
	}
	shown.Save = func(ctx context.Context, data json.RawMessage) error {
		kept := shown
		kept.Data = data
		err := e.Store.Commit(context.WithoutCancel(ctx), Change{Hold: l, Shown: &kept})
		if err == nil {
			shown.Data, shown.Doubt = data, ""
		}
		return err
	}
	data, err := sink.Show(ctx, r, shown)
	if err == nil && l.Blocked == nil && shown.Doubt == "" && string(data) == string(shown.Data) {
		return nil
	}
	var tell []Job
	if (l.Blocked == nil) == (AsRefused(err) != nil) {
		tell = e.reportsBut(sink, r) // it is blocked now, or was until now: others say so
	}
	return e.showed(context.WithoutCancel(ctx), l, showing{shown, data, err, shows(sink), tell})
}

// showing is what came of showing a subject.
type showing struct {
	shown  Shown // as it was
	data   json.RawMessage
	failed error
	what   string // is shown
	tell   []Job
}

// shows is what people call what a sink writes, "" if they do not see it.
func shows(s Sink) string {
	if named, is := s.(interface{ Shows() string }); is {
		return named.Shows()
	}
	return ""
}

// reportsBut are the jobs of the run's other sinks.
func (e *Engine) reportsBut(self Sink, r *Run) []Job {
	var jobs []Job
	for _, s := range e.Sinks {
		if subject := s.Subject(r); subject != "" && s.Name() != self.Name() {
			jobs = append(jobs, r.reportJob(s.Name(), subject))
		}
	}
	return jobs
}

// showed saves what a sink did, even half-way: an id it got must not be lost.
//
// A worker that was paused past its lease may have written over what its
// successor had shown, and nothing out there refuses that. So whoever finds the
// lease lost casts a doubt, and the subject is written once more.
func (e *Engine) showed(ctx context.Context, l *Lease, s showing) error {
	shown := s.shown
	c := Change{Finish: l, Jobs: s.tell}
	if s.failed != nil {
		c = Change{Hold: l}
	}
	if s.data != nil {
		shown.Data = s.data
		c.Shown = &shown
	}
	err := e.Store.Commit(ctx, c)
	if err == nil && AsRefused(s.failed) != nil {
		return stopped{s.failed, s.what, s.tell}
	}
	if !errors.Is(err, ErrLeaseLost) {
		return errors.Join(s.failed, err)
	}
	shown.Data, shown.Doubt = nil, fmt.Sprintf("%s.%d", l.Token, l.Fence)
	again := l.Job
	again.Again, again.Tries = true, 0
	return errors.Join(err, e.Store.Commit(ctx, Change{Shown: &shown, Jobs: []Job{again}}))
}
