package shell

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"syscall"
	"time"

	"github.com/shipmate/shipmate/pipeline"
	"github.com/shipmate/shipmate/pipeline/script"
)

// start begins the script from nothing: folder, checkout, shim, checkpoint, go.
func (r *Runner) start(ctx context.Context, j job) (pipeline.Result, error) {
	dir, err := r.folder(j, j.Fence)
	if err != nil {
		return pipeline.Result{}, err
	}
	o, err := r.order(ctx, j, dir)
	if err != nil {
		return pipeline.Result{}, err
	}
	cp := checkpoint{
		Host: r.cfg.Host, Boot: r.boot, Fence: j.Fence, Undo: j.Undo,
		LogBase: j.Log.Offset(), Deadline: r.cfg.Now().Add(o.Timeout).UTC(),
	}
	shim, err := r.begin(ctx, j, o, &cp)
	switch {
	case err == nil:
	case pipeline.HandedOver(ctx) != nil:
		return pipeline.Result{}, pipeline.Temporary(pipeline.HandedOver(ctx))
	case ctx.Err() != nil:
		return r.result(ctx, j, dir, cp, script.Exit{Stopped: why(ctx)})
	default:
		return pipeline.Result{}, err
	}
	defer shim.leave()
	r.warmSoon()
	e, err := r.follow(ctx, j, dir, cp)
	if errors.Is(err, errGone) && r.neverBegan(dir, cp) {
		return pipeline.Result{}, noWorkspace(r.cfg.Host, err)
	}
	if errors.Is(err, errGone) {
		return r.lost(ctx, j, cp)
	}
	if err != nil {
		return pipeline.Result{}, err
	}
	return r.result(ctx, j, dir, cp, e)
}

// startTries is how often a script is brought to its start in one call.
const startTries = 3

// begin brings the script to its start. What this machine refused before
// anything was saved has left nothing, so it is tried again at once.
func (r *Runner) begin(ctx context.Context, j job, o order, cp *checkpoint) (*shimProcess, error) {
	for try := 1; ; try++ {
		shim, err := r.prepare(ctx, j, o, cp)
		if err == nil {
			return shim, r.release(ctx, j, shim, cp)
		}
		if rmErr := removeAll(string(o.Dir)); rmErr != nil {
			r.cfg.Logger.Warn("remove workspace", "run", j.Run.ID, "step", j.Step.Name, "err", rmErr)
		}
		if pipeline.Code(err) != "no_workspace" || try == startTries || ctx.Err() != nil {
			return nil, err
		}
		r.cfg.Logger.Warn("a script could not be started and is tried again at once", "run", j.Run.ID, "step", j.Step.Name, "err", err)
	}
}

// prepare does everything up to the checkpoint. If it fails nothing has run,
// and nothing leads to the folder.
func (r *Runner) prepare(ctx context.Context, j job, o order, cp *checkpoint) (_ *shimProcess, err error) {
	shim, err := r.shim() // it starts up while the source is checked out
	if err != nil {
		return nil, noWorkspace(r.cfg.Host, err)
	}
	defer func() {
		if err != nil {
			shim.abandon()
		}
	}()
	if err := o.Dir.make(); err != nil {
		return nil, noWorkspace(r.cfg.Host, err)
	}
	if err := os.WriteFile(o.Dir.script(), []byte(j.Text()), 0o600); err != nil {
		return nil, noWorkspace(r.cfg.Host, err)
	}
	if err := r.checkout(ctx, j, o.Dir.src()); err != nil {
		return nil, err
	}
	if r.cfg.Artifacts != nil {
		if err := r.cfg.Artifacts.Load(ctx, j.Run, j.Step.Name, o.Dir.src()); err != nil {
			return nil, err
		}
	}
	if cp.PID, cp.Started, err = shim.prepare(ctx, o); err != nil {
		return nil, noWorkspace(r.cfg.Host, err)
	}
	return shim, nil
}

// checkout fills the step's folder with its commit.
func (r *Runner) checkout(ctx context.Context, j job, src string) error {
	if r.ahead.take(ctx, j.Run.Repo, j.Run.SHA, src) {
		return nil
	}
	if err := r.cfg.Source.Checkout(ctx, j.Run.Repo, j.Run.SHA, src); err != nil {
		return fmt.Errorf("check out %s at %s: %w", j.Run.Repo, j.Run.ShortSHA(), err)
	}
	return nil
}

// release saves the checkpoint and lets the script go. If it fails nothing has
// run; the folder stays and says so, as the checkpoint may lead there.
func (r *Runner) release(ctx context.Context, j job, shim *shimProcess, cp *checkpoint) error {
	err := j.Save(ctx, cp.encode())
	switch {
	case err != nil: // it may have been done
		err = pipeline.Temporary(fmt.Errorf("save the checkpoint: %w", err))
	case ctx.Err() != nil:
		err = ctx.Err()
	default:
		if err = shim.release(); err != nil {
			err = noWorkspace(r.cfg.Host, err)
		}
	}
	if err != nil {
		shim.abandon()
	}
	return err
}

func noWorkspace(host string, err error) error {
	return pipeline.Temporary(&pipeline.Error{
		Code:    "no_workspace",
		Message: fmt.Sprintf("The script could not be started on %s. It is tried again; if that goes on, the operator finds the cause in the log (a full disk, too many processes).", host),
		Err:     err,
	})
}

// order says what the shim is to run, or why it cannot be run.
func (r *Runner) order(ctx context.Context, j job, dir folder) (order, error) {
	vars, err := script.Environment(j, dir.place(), r.cfg.BaseURL)
	if err != nil {
		return order{}, err
	}
	argv, err := j.Interpreter()
	if err != nil {
		return order{}, err
	}
	o := order{
		Dir:      dir,
		Argv:     append(argv, dir.script()),
		Patience: r.patience,
		Timeout:  r.timeout(j),
		Grace:    r.cfg.Grace,
		MaxLog:   r.cfg.MaxLog,
	}
	if _, own := vars["PATH"]; !own && j.Step.Image == "" { // an image has its own
		vars["PATH"] = r.cfg.Path
	}
	if j.Step.Image != "" {
		if err := r.contain(ctx, j, &o, vars); err != nil {
			return order{}, err
		}
	}
	o.Env = vars.Encode()
	return o, nil
}

func (r *Runner) timeout(j job) time.Duration {
	now := r.cfg.Now()
	if s := j.Run.Step(j.Step.Name); s != nil && s.Deadline.After(now) {
		return s.Deadline.Sub(now) + r.slack
	}
	return j.Step.Timeout.Or(time.Hour) + r.slack
}

// shimProcess is a shim we started. Until the go it ends when we do.
type shimProcess struct {
	cmd *exec.Cmd
	in  io.WriteCloser
	out *os.File
}

// shim is the one that waits, or a new one.
func (r *Runner) shim() (*shimProcess, error) {
	select {
	case s := <-r.spare:
		return s, nil
	default:
		return r.spawn()
	}
}

func (r *Runner) spawn() (*shimProcess, error) {
	cmd := exec.Command(r.cfg.Shim[0], r.cfg.Shim[1:]...)
	cmd.Env = []string{"GOGC=off"} // not ours: it would be the script's to read. Until it is up it collects no garbage
	cmd.Dir = "/"
	cmd.SysProcAttr = &syscall.SysProcAttr{Setsid: true}
	in, err := cmd.StdinPipe()
	if err != nil {
		return nil, err
	}
	out, w, err := os.Pipe()
	if err != nil {
		in.Close()
		return nil, err
	}
	defer w.Close()
	cmd.Stdout = w
	if err := cmd.Start(); err != nil {
		in.Close()
		out.Close()
		return nil, fmt.Errorf("start the shim: %w", err)
	}
	return &shimProcess{cmd: cmd, in: in, out: out}, nil
}

// prepare hands over the order and waits until only the go is missing.
func (s *shimProcess) prepare(ctx context.Context, o order) (pid int, started string, err error) {
	ctx, cancel := context.WithTimeout(ctx, 30*time.Second)
	defer cancel()
	defer context.AfterFunc(ctx, func() { _ = s.cmd.Process.Kill() })() // ends the reads and writes below
	if err := writeMessage(s.in, o); err != nil {
		return 0, "", fmt.Errorf("order to the shim: %w", err)
	}
	var a ready
	if err := readMessage(s.out, &a); err != nil {
		return 0, "", fmt.Errorf("answer of the shim: %w", err)
	}
	if a.Error != "" {
		return 0, "", fmt.Errorf("shim: %s", a.Error)
	}
	return a.PID, a.Started, nil
}

// release lets the script begin. From here on the shim lives by itself.
func (s *shimProcess) release() error {
	if _, err := s.in.Write([]byte{goByte}); err != nil {
		return fmt.Errorf("go to the shim: %w", err)
	}
	return nil
}

// abandon ends a shim that got no go.
func (s *shimProcess) abandon() {
	_ = s.cmd.Process.Kill()
	s.leave()
}

// leave forgets the shim without ending it.
func (s *shimProcess) leave() {
	s.in.Close()
	s.out.Close()
	// Collects the process when it ends; it may outlive the call, and us.
	go func() { _ = s.cmd.Wait() }()
}
