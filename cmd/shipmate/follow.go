package main

import (
	"context"
	"errors"
	"fmt"
	"net/url"
	"strings"

	"github.com/shipmate/shipmate/bot"
	"github.com/shipmate/shipmate/bot/api"
	"github.com/shipmate/shipmate/pipeline"
)

// follower shows on a terminal what a run of the bot does.
type follower struct {
	client *client
	term   *terminal
	quiet  bool   // nothing is shown
	last   string // sentence that was shown
}

// follow follows the run if the command started it, until it ends or waits for
// a person. Whoever stops following stops nothing else.
func (f *follower) follow(ctx context.Context, id string, doc *document) error {
	path := "/api/v1/runs/" + url.PathEscape(id)
	var r api.Run
	err := f.client.get(ctx, path, &r)
	if err == nil && r.Command != doc.ID {
		return nil // it is about a run that was there
	}
	for err == nil {
		doc.Followed = &r
		f.show(r)
		if r.Ended || len(r.Asks) > 0 || r.State == string(pipeline.Unknown) {
			return f.end(r)
		}
		var next api.Run
		err = f.client.get(ctx, fmt.Sprintf("%s?since=%d&wait=25s", path, r.Version), &next)
		if err == nil {
			r = next
		}
	}
	return interrupted(ctx, err, fmt.Sprintf("Stopped following. Run %s goes on; to cancel it: shipmate cancel %s", id, id))
}

// show prints what is new, in the words of "shipmate run".
func (f *follower) show(r api.Run) {
	if f.quiet {
		return
	}
	run := asRun(r)
	f.term.steps(run)
	switch {
	case r.Ended:
		f.term.end(run)
	case run.Message != "" && run.Message != f.last && (run.State == pipeline.Waiting || run.State == pipeline.Queued || run.State == pipeline.Unknown):
		f.last = run.Message
		text := f.term.markdown(f.term.words(run.Code, run.Message))
		fmt.Fprintf(f.term.out, "%s %s %s: %s\n", f.term.mark(run.State), f.term.bold(run.Pipeline.Name), bot.Words(run.State), text)
	}
}

// end says how it came out, or what a person can do now.
func (f *follower) end(r api.Run) error {
	switch {
	case r.State == string(pipeline.Succeeded):
		return nil
	case r.Ended:
		return fmt.Errorf("run %s %s (%s)", r.ID, bot.Words(pipeline.State(r.State)), r.Code)
	}
	var next []string
	for _, line := range r.Next {
		next = append(next, "  "+typed(visible(line)))
	}
	text := "Run " + r.ID + " waits for a person:\n" + strings.Join(next, "\n")
	if r.State == string(pipeline.Unknown) {
		return errors.New(text)
	}
	if !f.quiet {
		fmt.Fprintln(f.term.out, text)
	}
	return nil
}

// asRun is as much of a run as the terminal shows.
func asRun(r api.Run) *pipeline.Run {
	run := &pipeline.Run{}
	run.ID, run.Pipeline.Name, run.Created, run.Ended = pipeline.RunID(r.ID), visible(r.Pipeline), r.CreatedAt, r.EndedAt
	run.State, run.Code, run.Message = pipeline.State(r.State), r.Code, visible(r.Message)
	for _, s := range r.Steps {
		run.Steps = append(run.Steps, pipeline.StepRun{Name: visible(s.Name), State: pipeline.State(s.State), Message: visible(s.Message), Started: s.StartedAt, Ended: s.EndedAt})
	}
	return run
}
