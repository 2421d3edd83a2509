package main

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"
	"sync"

	"golang.org/x/term"

	"github.com/shipmate/shipmate/bot"
	"github.com/shipmate/shipmate/pipeline"
)

// terminal shows a run as it goes. For a run of this machine it is the engine's
// sink and takes the logs; for one of the bot's see follow.go.
type terminal struct {
	ended chan *pipeline.Run
	asks  chan string

	gone chan struct{} // closed when nobody reads the output any more

	json   bool
	colour bool
	words  func(code, text string) string // puts a sentence into the form of this place
	root   string                         // of the repository, where paths begin

	mu    sync.Mutex
	out   io.Writer
	deaf  bool                      // gone is closed
	shown map[string]pipeline.State // by step
	asked map[string]bool
}

func newTerminal(out io.Writer, asJSON bool) *terminal {
	f, isFile := out.(*os.File)
	return &terminal{ended: make(chan *pipeline.Run, 1), asks: make(chan string, 16), gone: make(chan struct{}), json: asJSON, words: atPrompt,
		colour: isFile && term.IsTerminal(int(f.Fd())) && os.Getenv("NO_COLOR") == "",
		out:    out, shown: map[string]pipeline.State{}, asked: map[string]bool{}}
}

func (t *terminal) Name() string                   { return "terminal" }
func (t *terminal) Subject(r *pipeline.Run) string { return string(r.ID) }

// Show prints what changed since the last time.
func (t *terminal) Show(_ context.Context, r *pipeline.Run, _ pipeline.Shown) (json.RawMessage, error) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.steps(r)
	for _, gate := range r.OpenGates() {
		if !t.asked[gate] {
			t.asked[gate] = true
			t.asks <- gate
		}
	}
	// Where nobody saw how a step ended, a run of a bot waits for a person.
	if over := r.State.Terminal() || r.State == pipeline.Unknown; over && t.shown[""] == "" {
		t.shown[""] = r.State
		t.end(r)
		t.ended <- r
	}
	return nil, nil
}

// steps prints those that stand elsewhere than the last time.
func (t *terminal) steps(r *pipeline.Run) {
	for _, s := range r.Steps {
		if t.shown[s.Name] == s.State || s.State == pipeline.Queued {
			continue
		}
		t.shown[s.Name] = s.State
		t.step(r, s)
	}
}

func (t *terminal) step(r *pipeline.Run, s pipeline.StepRun) {
	message := t.words(s.Code, s.Message)
	if t.json {
		t.event(map[string]any{"run": r.ID, "step": s.Name, "state": s.State, "code": s.Code, "message": message, "outputs": s.Outputs,
			"summary": s.Summary, "annotations": s.Annotations})
		return
	}
	took := ""
	if !s.Ended.IsZero() && !s.Started.IsZero() {
		took = " (" + bot.Took(s.Started, s.Ended) + ")"
	}
	if s.State == pipeline.Running {
		message = ""
	}
	t.line(fmt.Sprintf("%s %s %s%s %s", t.mark(s.State), t.bold(s.Name), bot.Words(s.State), took, t.markdown(message)))
	if s.State.Terminal() {
		t.told(s)
	}
}

// told shows what the step wrote for people: remarks at lines of files, in the
// form that terminals and editors link, and its summary.
func (t *terminal) told(s pipeline.StepRun) {
	for _, a := range s.Annotations {
		level := a.Level
		if level == "failure" {
			level = "error"
		}
		t.line(fmt.Sprintf("  %s:%d: %s: %s", relative(filepath.Join(t.root, visible(a.Path))), a.Line, level, visible(a.Message)))
	}
	if s.Summary == "" {
		return
	}
	for line := range strings.SplitSeq(t.markdown(s.Summary), "\n") {
		t.line("  " + t.paint("2", s.Name+" ┃") + " " + line)
	}
}

func (t *terminal) end(r *pipeline.Run) {
	message := t.words(r.Code, r.Message)
	if t.json {
		t.event(map[string]any{"run": r.ID, "state": r.State, "code": r.Code, "message": message})
		return
	}
	took := ""
	if !r.Ended.IsZero() {
		took = " after " + bot.Took(r.Created, r.Ended)
	}
	t.line(fmt.Sprintf("%s %s %s%s. %s", t.mark(r.State), t.bold(r.Pipeline.Name), bot.Words(r.State), took, t.markdown(message)))
}

func (t *terminal) event(e map[string]any) {
	line, err := json.Marshal(e)
	if err == nil {
		t.line(string(line))
	}
}

// line prints a line. The first that cannot be printed says that nobody reads.
func (t *terminal) line(text string) {
	if t.deaf {
		return
	}
	if _, err := fmt.Fprintln(t.out, strings.TrimRight(text, " ")); err != nil {
		t.deaf = true
		close(t.gone)
	}
}

// mark is one character for a state, in its colour on a terminal.
func (t *terminal) mark(s pipeline.State) string {
	switch s {
	case pipeline.Succeeded:
		return t.paint("32", "✔")
	case pipeline.Failed, pipeline.Unknown:
		return t.paint("31", "✘")
	case pipeline.Running, pipeline.RollingBack:
		return t.paint("36", "▶")
	case pipeline.Queued, pipeline.Waiting, pipeline.Cancelled, pipeline.Skipped, pipeline.RolledBack:
	}
	return t.paint("33", "•")
}

func (t *terminal) bold(text string) string { return t.paint("1", text) }

func (t *terminal) paint(code, text string) string {
	if !t.colour {
		return text
	}
	return "\x1b[" + code + "m" + text + "\x1b[0m"
}

// prompt asks something. It goes to standard error: the output may be in a file.
func (t *terminal) prompt(text string) {
	t.mu.Lock()
	defer t.mu.Unlock()
	fmt.Fprint(os.Stderr, text)
}

// Open gives a step a log that goes to the terminal, masked and cleaned.
func (t *terminal) Open(_ context.Context, r *pipeline.Run, step string, attempt int, secrets map[string]pipeline.Secret) (pipeline.LogWriter, error) {
	var values []pipeline.Secret
	for _, v := range secrets {
		values = append(values, v)
	}
	m, err := pipeline.NewMasker(values...)
	if err != nil {
		return nil, err
	}
	return &terminalLog{t: t, run: r.ID, step: step, masker: m, filter: m.Filter()}, nil
}

// terminalLog prints whole lines under the step's name.
type terminalLog struct {
	t      *terminal
	run    pipeline.RunID
	step   string
	masker *pipeline.Masker
	filter *pipeline.LogFilter
	line   []byte
	bytes  int64
}

func (l *terminalLog) Write(p []byte) (int, error) {
	l.bytes += int64(len(p))
	l.line = l.filter.Append(l.line, p)
	l.lines()
	return len(p), nil
}

// lines prints those that are whole.
func (l *terminalLog) lines() {
	for {
		i := bytes.IndexByte(l.line, '\n')
		if i < 0 {
			return
		}
		l.print(string(l.line[:i]))
		l.line = l.line[i+1:]
	}
}

func (l *terminalLog) print(line string) {
	l.t.mu.Lock()
	defer l.t.mu.Unlock()
	if l.t.json {
		l.t.event(map[string]any{"run": l.run, "step": l.step, "log": line})
		return
	}
	l.t.line("  " + l.t.paint("2", l.step+" │") + " " + line)
}

func (l *terminalLog) Offset() int64           { return l.bytes }
func (l *terminalLog) Mask(text string) string { return l.masker.String(text) }

func (l *terminalLog) Close(context.Context, bool) error {
	l.line = l.filter.Finish(l.line)
	l.lines()
	if len(l.line) > 0 {
		l.print(string(l.line))
	}
	return nil
}
