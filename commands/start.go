package commands

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"strings"

	"github.com/shipmate/shipmate/pipeline"
)

// start makes a run out of a request that everything is known of.
type start struct {
	Runs    Runs
	GitHub  GitHub
	Store   Store
	Records Records
}

// again answers a command that started its run when it was tried before: it is
// not to be refused now, whatever has changed since. false: it has started none.
func (s start) again(ctx context.Context, c *Call) (Reply, bool, error) {
	id, err := s.Records.Get(ctx, c.Repo.ID, RunKey(c.Key))
	if errors.Is(err, pipeline.ErrNotFound) || err == nil && id == nil {
		return Reply{}, false, nil
	}
	if err != nil {
		return Reply{}, false, err
	}
	r, err := s.Store.Load(ctx, pipeline.RunID(id))
	if errors.Is(err, pipeline.ErrNotFound) {
		return Reply{}, false, nil
	}
	if err != nil {
		return Reply{}, false, err
	}
	return aboutRun(c, r, started(r)), true, nil
}

func (s start) now(ctx context.Context, c *Call, req pipeline.Request) (Reply, error) {
	id, err := ChooseRunID(ctx, s.Records, s.Store, c.Repo.ID, c.Key)
	if err != nil {
		return Reply{}, err
	}
	req.ID, req.Once = id, once(c, &req)
	if !req.AsksPeople() { // who has to be asked takes longer than a checkout waits
		s.Runs.Prepare(req)
	}
	gates, err := s.gates(ctx, &req, c)
	if err != nil {
		return Reply{}, err
	}
	if reply, is, err := s.before(ctx, c, &req, gates); is || err != nil {
		return reply, err
	}
	if err := refuse(gates, c.Line, req); err != nil {
		return Reply{}, err
	}
	if reply, asks := confirmFirst(c, &req); asks {
		return reply, nil
	}
	r, err := s.Runs.Start(ctx, req)
	if err != nil {
		return Reply{}, err
	}
	return outcome(c, id, r), nil
}

// doubted is the refusal of what would be deployed if nobody doubted it: what
// the gates say comes first, so that nobody is sent on in vain. What is under
// way already needs no proof.
func (s start) doubted(ctx context.Context, c *Call, req pipeline.Request, doubt error) (Reply, error) {
	gates, err := s.gates(ctx, &req, c)
	if err != nil {
		return Reply{}, err
	}
	if reply, is, err := s.before(ctx, c, &req, gates); is || err != nil {
		return reply, err
	}
	if err := refuse(gates, c.Line, req); err != nil {
		return Reply{}, err
	}
	return Reply{}, doubt
}

// gates asks them about a run that is only thought of, and completes the
// request with what can be known only now.
func (s start) gates(ctx context.Context, req *pipeline.Request, c *Call) ([]pipeline.Gate, error) {
	state, err := s.Store.Environment(ctx, req.Repo.ID, req.Environment.Name)
	if err != nil {
		return nil, err
	}
	all, err := s.Store.Environment(ctx, req.Repo.ID, pipeline.Everywhere)
	if err != nil {
		return nil, err
	}
	base := ""
	if state.Current != nil {
		base = state.Current.SHA
	}
	if req.AsksPeople() {
		if req.Excluded, err = s.GitHub.Contributors(ctx, req.Repo, base, req.SHA, req.PR, req.Ref); err != nil {
			return nil, err
		}
	}
	r := &pipeline.Run{Request: *req}
	live, err := s.GitHub.Live(ctx, r)
	if err != nil {
		return nil, err
	}
	return pipeline.Gates(pipeline.QuestionOf(r), pipeline.Facts{Environment: state, Everywhere: all.Lock, Live: &live, Policy: req.Environment}, c.Now), nil
}

// refuse turns the first gate that says no into a refusal. One that may open
// some day refuses what is asked for now, unless the asker would wait.
func refuse(gates []pipeline.Gate, l Line, req pipeline.Request) error {
	for _, g := range gates {
		if g.State == pipeline.Fails {
			return pipeline.Refuse(g.Code, "%s %s", g.Sentence, g.Fix)
		}
	}
	for _, g := range gates {
		if g.State != pipeline.Waits || !g.Refuses || l.Has("wait") || !req.NotBefore.IsZero() {
			continue
		}
		waiting := Code(l.Text + " --wait")
		if g.Name == pipeline.GateLock {
			return pipeline.Refuse(g.Code, "%s To unlock it: `%s`. To start by itself as soon as it is unlocked: %s.", g.Sentence, g.Fix, waiting)
		}
		return pipeline.Refuse(g.Code, "%s %s To start by itself as soon as that is done: %s.", g.Sentence, g.Fix, waiting)
	}
	return nil
}

// exactly is the line that asks once more for the very same: it names the full
// commit id, or the run, and the moment that was meant.
func exactly(l Line, req pipeline.Request) string {
	l.Args, l.Flags = maps.Clone(l.Args), maps.Clone(l.Flags)
	for _, a := range l.Command.Help().Args {
		switch {
		case a.Name == "ref":
			l.Args[a.Name] = req.SHA
		case a.Name == "run|commit" && req.Restores != nil:
			l.Args[a.Name] = string(req.Restores.Run)
		}
	}
	if !req.NotBefore.IsZero() {
		l.Flags["at"] = []string{moment(req.NotBefore)}
	}
	return l.again()
}

// at is the line with another start.
func (l Line) at(start string) string {
	l.Flags = maps.Clone(l.Flags)
	l.Flags["at"] = []string{start}
	return l.again()
}

// again is a line that Parse reads as this one.
func (l Line) again() string {
	h := l.Command.Help()
	line := h.Name
	for _, a := range h.Args {
		if value := l.Arg(a.Name); value != "" {
			line = Paste(strings.TrimSpace(line+" "+a.Word), value)
		}
	}
	for _, f := range h.Flags {
		for _, value := range l.Flags[f.Name] {
			if line += " --" + f.Name; f.Value != "" {
				line += " " + quote(value)
			}
		}
	}
	return line
}

// locksAfter says that a rollback leaves its environment locked.
func locksAfter(r *pipeline.Run) string {
	if !r.Locks() {
		return ""
	}
	return fmt.Sprintf(" Afterwards %s stays locked, until somebody says `/unlock %s`.", r.Environment.Name, r.Environment.Name)
}

func started(r *pipeline.Run) string {
	if r.Environment == nil {
		return fmt.Sprintf("Running %s again on `%s` as run %s.", r.Pipeline.Name, r.ShortSHA(), r.ID)
	}
	env := r.Environment
	text := fmt.Sprintf("Deploying `%s` to **%s** as run %s.", r.ShortSHA(), env.Name, r.ID)
	switch {
	case r.DryRun:
		text = fmt.Sprintf("Dry run of `%s` for **%s** as run %s. Nothing is changed.", r.ShortSHA(), env.Name, r.ID)
	case r.Reverts != "":
		sha, _ := r.Brings()
		text = fmt.Sprintf("Undoing run %s on **%s** as run %s: %s. Then `%s` runs there again.", r.Reverts, env.Name, r.ID, strings.Join(r.Undoes(), ", "), short(sha))
		if r.State == pipeline.RollingBack {
			return text + locksAfter(r) // its message says the same
		}
	case r.Trigger == pipeline.ByRollback:
		text = fmt.Sprintf("Rolling **%s** back to `%s` as run %s.", env.Name, r.ShortSHA(), r.ID)
	}
	text += locksAfter(r)
	if !r.State.Terminal() && r.State != pipeline.Running && r.Message != "" {
		text += " " + r.Message
	}
	return text
}
