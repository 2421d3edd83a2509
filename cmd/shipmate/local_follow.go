package main

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/signal"
	"strings"
	"syscall"

	"golang.org/x/term"

	"github.com/shipmate/shipmate/bot"
	"github.com/shipmate/shipmate/pipeline"
)

// Who asks for a run does not approve it, and here both are the same person.
const (
	requesterID = 1
	approverID  = 2
)

// endAsked is told when somebody wants the run to end.
type endAsked struct {
	signals, broken chan os.Signal
}

// catchEnd takes Ctrl-C, SIGTERM and the closing of the terminal, unless that
// is ignored, as under nohup. A write that nobody reads is to be an error of
// the write and not the end of the program, which would leave scripts behind.
func catchEnd() *endAsked {
	a := &endAsked{signals: make(chan os.Signal, 4), broken: make(chan os.Signal, 1)}
	signal.Notify(a.signals, os.Interrupt, syscall.SIGTERM)
	if !signal.Ignored(syscall.SIGHUP) {
		signal.Notify(a.signals, syscall.SIGHUP)
	}
	signal.Notify(a.broken, syscall.SIGPIPE)
	return a
}

func (a *endAsked) release() {
	signal.Stop(a.signals)
	signal.Stop(a.broken)
}

// localRun follows one run to its end and answers what it asks.
type localRun struct {
	engine *pipeline.Engine
	term   *terminal
	asked  *endAsked
	yes    bool

	in   *bufio.Reader
	run  *pipeline.Run
	fail error // why the run was cancelled, if that says more than how it ended
}

// follow starts the run and waits for its end. The first Ctrl-C cancels the run
// properly, a second one ends the program.
func (l *localRun) follow(ctx context.Context, req pipeline.Request) error {
	r, err := l.engine.Start(ctx, req)
	if err != nil {
		return err
	}
	l.run, l.in = r, bufio.NewReader(os.Stdin)
	gone := l.term.gone
	var answers chan answer // of the question that is open
	for {
		asks := l.term.asks
		if answers != nil {
			asks = nil // one after the other
		}
		select {
		case r := <-l.term.ended:
			return l.verdict(r)
		case gate := <-asks:
			answers, err = l.ask(ctx, gate)
		case a := <-answers:
			answers, err = l.answered(ctx, a)
		case <-gone:
			gone, l.fail = nil, errors.New("nobody reads the output any more, so the run was cancelled")
			err = l.cancel(ctx, "Nobody reads the output any more.")
		case sig := <-l.asked.signals:
			if sig != syscall.SIGHUP { // of which several may come
				signal.Reset(os.Interrupt, syscall.SIGTERM) // the next one ends the program
			}
			err = l.cancel(ctx, "Interrupted.")
		}
		if err != nil {
			return err
		}
	}
}

func (l *localRun) cancel(ctx context.Context, why string) error {
	by := pipeline.Actor{ID: requesterID, Login: l.run.Actor.Login}
	_, err := l.engine.Cancel(ctx, l.run.ID, pipeline.Cancellation{By: by, Code: "cancelled", Reason: why})
	if pipeline.Code(err) != "" && !pipeline.IsTemporary(err) {
		return nil // it has ended, or is cancelled already
	}
	return err
}

// verdict is how the program ends.
func (l *localRun) verdict(r *pipeline.Run) error {
	switch {
	case l.fail != nil:
		return l.fail
	case r.State == pipeline.Unknown:
		return errors.New("nobody saw how a step ended; look at what it did before you run it again")
	case r.State != pipeline.Succeeded:
		return fmt.Errorf("%s %s", r.Pipeline.Name, bot.Words(r.State))
	}
	return nil
}

// answer is what somebody typed.
type answer struct {
	gate, line string
	err        error
}

// ask asks the person at the terminal; the answer comes by the channel.
func (l *localRun) ask(ctx context.Context, gate string) (chan answer, error) {
	switch {
	case l.yes:
		return nil, l.approve(ctx, gate, true, "answered beforehand with --yes")
	case !term.IsTerminal(int(os.Stdin.Fd())):
		l.fail = &exitError{exitNobodyToAsk, fmt.Errorf("%s asks for approval, and standard input is no terminal to answer on; "+
			"run it on a terminal, or add --yes to answer yes beforehand", gate)}
		return nil, l.cancel(ctx, "There is no terminal to answer on.")
	}
	l.term.prompt(fmt.Sprintf("%s asks for approval; here your answer alone counts. Go on? [y/N] ", gate))
	answers := make(chan answer, 1)
	go func() { // nothing can take a read of a terminal back; it ends with the program
		line, err := l.in.ReadString('\n')
		answers <- answer{gate, line, err}
	}()
	return answers, nil
}

// answered takes an answer, or asks again if it is none.
func (l *localRun) answered(ctx context.Context, a answer) (chan answer, error) {
	if a.err != nil && !errors.Is(a.err, io.EOF) {
		a.line = "" // the terminal is gone
	}
	switch strings.ToLower(strings.TrimSpace(a.line)) {
	case "y", "yes":
		return nil, l.approve(ctx, a.gate, true, "answered on the terminal")
	case "", "n", "no":
		return nil, l.approve(ctx, a.gate, false, "answered on the terminal")
	}
	l.term.prompt("Please answer yes or no.\n")
	return l.ask(ctx, a.gate)
}

func (l *localRun) approve(ctx context.Context, gate string, yes bool, how string) error {
	by := pipeline.Actor{ID: approverID, Login: l.run.Actor.Login}
	_, err := l.engine.Approve(ctx, l.run.ID, pipeline.Approval{Gate: gate, Yes: yes, By: by, Via: "cli", Reason: how})
	if pipeline.Code(err) != "" && !pipeline.IsTemporary(err) {
		return nil // the question is closed: the run has gone on or has ended
	}
	return err
}
