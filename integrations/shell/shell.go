// Package shell runs a step's "run:" script on this machine.
//
// A script must survive the bot: a bot that is restarted, updated or killed
// takes up where it was. So the bot never runs the script itself. It starts a
// shim, our own binary in a session of its own, and the two talk through the
// step's folder:
//
//	bot: checkout, folder, shim ──order (pipe)──▶ shim: ready
//	bot: saves its checkpoint   ──go (pipe)─────▶ shim: runs the script
//	bot: follows "output"       ◀──"wake" (fifo)─ shim: a byte per piece of output, closed at its death
//	bot: asks for a stop        ──"control" (fifo)▶ shim: ends the script and all it started
//	bot: reads "exit"           ◀──────────────── shim: exit code, written last, in one piece
//
// Start reading at [Runner.Run]; the other side is [ShimMain]. A script begins
// only after the checkpoint that leads to it is safe, so it never runs twice
// unnoticed: a bot that finds the checkpoint either finds the shim, or its
// "exit", or knows that nothing began, or says that the outcome is unknown.
//
// The script runs as the bot's own user. It cannot be kept from what that user
// may read: run the code of strangers with the Kubernetes runner.
package shell

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"sync/atomic"
	"time"

	"github.com/shipmate/shipmate/pipeline"
	"github.com/shipmate/shipmate/pipeline/artifact"
	"github.com/shipmate/shipmate/pipeline/script"
)

// Source writes the tree of a commit into a folder.
type Source interface {
	// Checkout fills dir, an empty folder, with the tree of the commit; sha is
	// 40 hexadecimal digits, never a branch.
	Checkout(ctx context.Context, repo pipeline.Repo, sha, dir string) error
}

// Config is what a Runner needs. Dir, Source and Shim must be given.
type Config struct {
	Dir     string   // data folder; steps live in Dir/work
	Source  Source   //
	Shim    []string // argv that leads to ShimMain, for example {"/usr/bin/shipmate", "shim"}
	Host    string   // name of this machine, stable over restarts of the bot; default the host name
	BaseURL string   // of the bot, for SHIPMATE_URL; may be empty
	Path    string   // PATH of scripts; default the usual system folders
	Engine  string   // container engine for "image:", a name on Path or an absolute path; default "docker"
	// EngineEnv is for the engine's command alone, for example DOCKER_HOST=...;
	// scripts do not see it.
	EngineEnv []string
	// Artifacts keeps what steps hand on; nil: nothing is.
	Artifacts *artifact.Store
	Grace     time.Duration // between SIGTERM and SIGKILL; default 10s
	MaxLog    int64         // bytes of output kept; default 50 MiB
	Logger    *slog.Logger  //
	Now       func() time.Time
}

const defaultPath = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"

// Runner is the runner behind "run:". It implements pipeline.Runner, Reverter
// and Canceller.
type Runner struct {
	cfg  Config
	boot string // id of this boot of the machine; "" where there is none

	// The shim's own timeout is for when the bot is gone. It is this much
	// later, so that otherwise the engine's word is the first.
	slack time.Duration

	// How long a shim waits for its go: as long as a lease lasts, for then the
	// step may be another's.
	patience time.Duration

	spare  chan *shimProcess // a shim that waits for its order, if there is one
	ahead  *aheads           // checkouts that wait for their step
	closed atomic.Bool       // nothing is kept ready any more
}

// New checks the configuration and makes the folder for steps.
func New(cfg Config) (*Runner, error) {
	if cfg.Source == nil || len(cfg.Shim) == 0 || cfg.Dir == "" {
		return nil, errors.New("shell: Dir, Source and Shim must be set")
	}
	dir, err := filepath.Abs(cfg.Dir)
	if err != nil {
		return nil, fmt.Errorf("shell: %w", err)
	}
	cfg.Dir = dir
	if cfg.Host == "" {
		if cfg.Host, err = os.Hostname(); err != nil {
			return nil, fmt.Errorf("shell: host name: %w", err)
		}
	}
	if cfg.Path == "" {
		cfg.Path = defaultPath
	}
	if cfg.Engine == "" {
		cfg.Engine = "docker"
	}
	if cfg.Grace == 0 {
		cfg.Grace = 10 * time.Second
	}
	if cfg.MaxLog == 0 {
		cfg.MaxLog = 50 << 20
	}
	if cfg.Logger == nil {
		cfg.Logger = slog.New(slog.DiscardHandler)
	}
	if cfg.Now == nil {
		cfg.Now = time.Now
	}
	if err := os.MkdirAll(filepath.Join(cfg.Dir, "work"), 0o700); err != nil {
		return nil, fmt.Errorf("shell: %w", err)
	}
	return &Runner{cfg: cfg, boot: bootID(), slack: 5 * time.Second, patience: 15 * time.Second,
		spare: make(chan *shimProcess, 1), ahead: newAheads(cfg)}, nil
}

// Warm starts a shim ahead of the first script, which then begins that much
// sooner. After each script one is started for the next.
func (r *Runner) Warm() error {
	if len(r.spare) > 0 || r.closed.Load() {
		return nil
	}
	s, err := r.spawn()
	if err != nil {
		return err
	}
	select {
	case r.spare <- s:
	default:
		s.abandon()
	}
	if r.closed.Load() { // meanwhile
		r.dropSpare()
	}
	return nil
}

// warmAfter is when the shim for the next script is started: a large program,
// which would take the processor from a script that just begins.
const warmAfter = 50 * time.Millisecond

func (r *Runner) warmSoon() {
	time.AfterFunc(warmAfter, func() {
		if err := r.Warm(); err != nil {
			r.cfg.Logger.Warn("start a shim for the next script", "err", err)
		}
	})
}

// Close ends the shim that waits, and removes what was checked out ahead;
// scripts go on.
func (r *Runner) Close() {
	r.closed.Store(true)
	r.ahead.close()
	r.dropSpare()
}

func (r *Runner) dropSpare() {
	select {
	case s := <-r.spare:
		s.abandon()
	default:
	}
}

// Integration is the runner under its name, "run".
func (r *Runner) Integration() pipeline.Integration {
	return pipeline.Integration{
		Name:    "shell",
		Runners: []pipeline.Uses{{Name: "run", Class: pipeline.Queryable, SavesFirst: true, UndoSavesFirst: true, Runner: r}},
	}
}

// Run starts the step's script, or takes up the one an earlier call started,
// and returns when it has ended. When ctx ends the script is stopped, unless
// the cause says that another call takes it up: then it goes on.
func (r *Runner) Run(ctx context.Context, c *pipeline.StepContext) (pipeline.Result, error) {
	return r.call(ctx, job{StepContext: c})
}

// CanRevert reports whether the step has an "undo:".
func (r *Runner) CanRevert(c *pipeline.StepContext) bool { return c.Step.Undo != "" }

// Revert runs the step's "undo:" as Run runs "run:": same commit, a folder of
// its own, with the step's own outputs beside those of the steps it needs.
func (r *Runner) Revert(ctx context.Context, c *pipeline.StepContext) (pipeline.Result, error) {
	if c.Step.Undo == "" {
		return pipeline.Result{}, pipeline.Refuse("cannot_revert", "`%s` has no `undo:`, so it cannot be reverted.", c.Step.Name)
	}
	return r.call(ctx, job{StepContext: c, Undo: true})
}

// Cancel stops the script of a step no call is in flight for, and returns nil
// when it is gone.
func (r *Runner) Cancel(ctx context.Context, c *pipeline.StepContext) error {
	var cp checkpoint
	if err := c.Restore(&cp); err != nil || !cp.leads() {
		return err
	}
	j := job{StepContext: c, Undo: cp.Undo}
	if cp.Host != r.cfg.Host {
		if r.cfg.Now().After(cp.Deadline.Add(r.cfg.Grace)) {
			return nil // its own shim ended it, if it was still alive
		}
		return pipeline.Temporary(pipeline.Refuse("other_host",
			"`%s` runs on the machine %s, which does not answer. It ends there by %s at the latest.",
			c.Step.Name, cp.Host, cp.Deadline.UTC().Format(time.TimeOnly+" MST")))
	}
	dir, err := r.folder(j, cp.Fence)
	if err != nil {
		return err
	}
	return r.stop(ctx, dir, script.StopCancelled)
}

// job is one script to bring to its end.
type job = script.Call

func (r *Runner) call(ctx context.Context, j job) (pipeline.Result, error) {
	var cp checkpoint
	if err := j.Restore(&cp); err != nil {
		return pipeline.Result{}, err
	}
	switch {
	case !cp.leads() || cp.Undo != j.Undo:
		return r.start(ctx, j)
	case cp.Host != r.cfg.Host:
		return r.away(ctx, j, cp)
	}
	return r.adopt(ctx, j, cp)
}

// checkpoint is what leads a later call to the script of an earlier one.
type checkpoint struct {
	Host     string    `json:"host"`
	Boot     string    `json:"boot"`
	PID      int       `json:"pid"`     // of the shim
	Started  string    `json:"started"` // of the shim, in the kernel's own clock: tells it from a later process with its PID
	Fence    int64     `json:"fence"`   // of the call that started it; names the folder
	Undo     bool      `json:"undo,omitempty"`
	LogBase  int64     `json:"log_base,omitempty"` // Log.Offset when the script's output began
	Deadline time.Time `json:"deadline"`           // when the shim stops the script by itself
	Away     time.Time `json:"away,omitzero"`      // since when another machine waits for Host to come back
	Ended    bool      `json:"ended,omitempty"`    // the result was returned
}

// leads reports whether there is a script to come back to.
func (cp checkpoint) leads() bool { return cp.Host != "" && !cp.Ended }

// result says how the script of a checkpoint ended, and keeps what it hands on.
func (r *Runner) result(ctx context.Context, j job, dir folder, cp checkpoint, e script.Exit) (pipeline.Result, error) {
	cp.Ended = true
	words := script.Runner{Where: "on this machine", Memory: "the machine ran out of memory."}
	res := words.Result(j, e, script.Read(dir.place()))
	if res.State == pipeline.Succeeded && !j.Undo && len(j.Step.Artifacts) > 0 && r.cfg.Artifacts != nil {
		err := r.cfg.Artifacts.Save(context.WithoutCancel(ctx), artifact.Set{Run: j.Run.ID, Step: j.Step.Name}, dir.src(), j.Step.Artifacts)
		switch {
		case err != nil && (pipeline.Code(err) == "" || pipeline.IsTemporary(err)):
			return pipeline.Result{}, pipeline.Temporary(err) // the next call finds the script at its end
		case err != nil:
			res.State, res.Outputs, res.Code, res.Message = pipeline.Failed, nil, pipeline.Code(err), pipeline.Message(err)
		}
	}
	res.Checkpoint = cp.encode()
	return res, nil
}

func (cp checkpoint) encode() json.RawMessage { return pipeline.EncodeCheckpoint(cp) }
