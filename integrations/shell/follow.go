package shell

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"syscall"
	"time"

	"github.com/shipmate/shipmate/pipeline"
	"github.com/shipmate/shipmate/pipeline/script"
)

// errGone: there is neither a shim nor an exit file.
var errGone = errors.New("the shim is gone and left no result")

// adopt takes up the script of an earlier call.
func (r *Runner) adopt(ctx context.Context, j job, cp checkpoint) (pipeline.Result, error) {
	dir, err := r.folder(j, cp.Fence)
	if err != nil {
		return pipeline.Result{}, err
	}
	if !cp.Away.IsZero() {
		cp.Away = time.Time{}
		if err := j.Save(ctx, cp.encode()); err != nil {
			return pipeline.Result{}, pipeline.Temporary(fmt.Errorf("save the checkpoint: %w", err))
		}
	}
	e, err := r.follow(ctx, j, dir, cp)
	if errors.Is(err, errGone) && r.neverBegan(dir, cp) && ctx.Err() == nil {
		return r.start(ctx, j)
	}
	if errors.Is(err, errGone) {
		return r.lost(ctx, j, cp)
	}
	if err != nil {
		return pipeline.Result{}, err
	}
	return r.result(ctx, j, dir, cp, e)
}

// awayFor is how long another machine is waited for.
const awayFor = 2 * time.Minute

// away is what is done about a script on another machine: its bot may be back soon.
func (r *Runner) away(ctx context.Context, j job, cp checkpoint) (pipeline.Result, error) {
	now := r.cfg.Now()
	if cp.Away.IsZero() {
		cp.Away = now.UTC()
	}
	if now.Sub(cp.Away) < awayFor {
		return pipeline.Result{RetryAfter: 5 * time.Second, Checkpoint: cp.encode()}, nil
	}
	return r.lost(ctx, j, cp)
}

// neverBegan reports whether a script whose shim is gone had not begun. The
// file "started" comes before the script, but after a power cut it may be missing.
func (r *Runner) neverBegan(dir folder, cp checkpoint) bool {
	_, there := os.Lstat(dir.script())
	_, began := os.Lstat(dir.started())
	return there == nil && errors.Is(began, fs.ErrNotExist) && cp.Boot == r.boot && r.boot != ""
}

// lost is what is done about a script whose outcome nobody saw.
func (r *Runner) lost(ctx context.Context, j job, cp checkpoint) (pipeline.Result, error) {
	r.cfg.Logger.Warn("script lost", "run", j.Run.ID, "step", j.Step.Name, "host", cp.Host)
	if j.Step.AfterCrash == pipeline.Rerun && ctx.Err() == nil && cp.Fence != j.Fence {
		return r.start(ctx, j)
	}
	cp.Ended = true
	return pipeline.Result{
		Done: true, State: pipeline.Unknown, Code: "outcome_unknown", Checkpoint: cp.encode(),
		Message: fmt.Sprintf("Nobody saw how `%[1]s` ended: the machine %[2]s, or shipmate's helper on it, was gone in the middle. "+
			"Look at what it did, then say `/resolve %[3]s %[1]s succeeded --reason \"...\"` or `/resolve %[3]s %[1]s failed --reason \"...\"`.",
			j.Step.Name, cp.Host, j.Run.ID),
	}, nil
}

// follow passes the script's output on until the script has ended, and returns
// how. When ctx ends it stops the script first, or leaves it alone if another
// call takes it up.
func (r *Runner) follow(ctx context.Context, j job, dir folder, cp checkpoint) (script.Exit, error) {
	wake, err := openFIFO(dir.wake(), os.O_RDONLY)
	if errors.Is(err, fs.ErrNotExist) {
		return script.Exit{}, errGone
	}
	if err != nil {
		return script.Exit{}, pipeline.Temporary(fmt.Errorf("follow the script: %w", err))
	}
	defer wake.Close()
	defer context.AfterFunc(ctx, func() { _ = wake.SetReadDeadline(time.Unix(1, 0)) })()

	out := output{log: j.Log, path: dir.output(), at: max(0, j.Log.Offset()-cp.LogBase)}
	defer out.close()
	stopped := ""
	buf := make([]byte, 4096)
	for {
		// A failure to log does not end the script: it is tried again with
		// the next output, and in the end reported.
		if err := out.copy(); err != nil {
			r.cfg.Logger.Warn("log of a script", "run", j.Run.ID, "step", j.Step.Name, "err", err)
		}
		_, err := wake.Read(buf)
		switch {
		case err == nil:
		case errors.Is(err, os.ErrDeadlineExceeded) && pipeline.HandedOver(ctx) != nil:
			return script.Exit{}, pipeline.Temporary(pipeline.HandedOver(ctx))
		case errors.Is(err, os.ErrDeadlineExceeded) && stopped == "":
			stopped = why(ctx)
			_ = wake.SetReadDeadline(time.Now().Add(r.cfg.Grace + 15*time.Second))
			if err := ask(dir, stopped); err != nil { // then killed after the grace
				r.cfg.Logger.Warn("stop a script", "run", j.Run.ID, "step", j.Step.Name, "err", err)
			}
		case errors.Is(err, os.ErrDeadlineExceeded):
			killShim(cp.PID, cp.Started)
			killRemains(dir)
			return script.Exit{Stopped: stopped}, nil
		default: // the end of the fifo: the shim is gone
			if err := out.copy(); err != nil {
				return script.Exit{}, pipeline.Temporary(fmt.Errorf("log of the script: %w", err))
			}
			e, err := readExit(dir)
			if errors.Is(err, errGone) {
				killRemains(dir)
			}
			if errors.Is(err, errGone) && stopped != "" {
				return script.Exit{Stopped: stopped}, nil
			}
			return e, err
		}
	}
}

// why is the reason a script is stopped for when its ctx ended.
func why(ctx context.Context) string {
	cause := context.Cause(ctx) // the engine's is the plain word
	if errors.Is(cause, context.DeadlineExceeded) || cause.Error() == script.StopTimeout {
		return script.StopTimeout
	}
	return script.StopCancelled
}

// ask tells a shim to stop its script. A shim that is gone is fine.
func ask(dir folder, why string) error {
	f, err := openFIFO(dir.control(), os.O_WRONLY)
	if errors.Is(err, fs.ErrNotExist) || errors.Is(err, syscall.ENXIO) {
		return nil
	}
	if err != nil {
		return fmt.Errorf("stop the script: %w", err)
	}
	defer f.Close()
	if _, err := f.WriteString(why + "\n"); err != nil && !errors.Is(err, syscall.EPIPE) {
		return fmt.Errorf("stop the script: %w", err)
	}
	return nil
}

// stop ends a script nobody follows and returns when its shim is gone.
func (r *Runner) stop(ctx context.Context, dir folder, why string) error {
	if err := ask(dir, why); err != nil {
		return err
	}
	wake, err := openFIFO(dir.wake(), os.O_RDONLY)
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	if err != nil {
		return fmt.Errorf("stop the script: %w", err)
	}
	defer wake.Close()
	defer context.AfterFunc(ctx, func() { _ = wake.SetReadDeadline(time.Unix(1, 0)) })()
	_, err = io.Copy(io.Discard, wake)
	killRemains(dir)
	if errors.Is(err, os.ErrDeadlineExceeded) {
		return pipeline.Temporary(fmt.Errorf("stop the script: %w", context.Cause(ctx)))
	}
	return err
}

// openFIFO opens a fifo without waiting for its other side.
func openFIFO(path string, flag int) (*os.File, error) {
	f, err := os.OpenFile(path, flag|syscall.O_NONBLOCK|syscall.O_NOFOLLOW, 0)
	if err != nil {
		return nil, err
	}
	if info, err := f.Stat(); err != nil || info.Mode().Type() != fs.ModeNamedPipe {
		f.Close()
		return nil, fmt.Errorf("%s is not a fifo", path)
	}
	return f, nil
}

// output copies a growing file to the log.
type output struct {
	log  io.Writer
	path string
	file *os.File
	at   int64
}

// copy passes on what is there.
func (o *output) copy() (err error) {
	if o.file == nil {
		if o.file, err = script.OpenRegular(o.path); err != nil {
			o.file = nil
			return err
		}
	}
	buf := make([]byte, 64<<10)
	for {
		n, err := o.file.ReadAt(buf, o.at)
		if n > 0 {
			written, werr := o.log.Write(buf[:n])
			o.at += int64(written)
			if werr != nil {
				return werr
			}
		}
		if err == io.EOF {
			return nil
		}
		if err != nil {
			return err
		}
	}
}

func (o *output) close() {
	if o.file != nil {
		o.file.Close()
	}
}

func readExit(dir folder) (script.Exit, error) {
	b, _, err := script.ReadRegular(dir.exit(), 64<<10)
	if errors.Is(err, fs.ErrNotExist) {
		return script.Exit{}, errGone
	}
	if err != nil {
		return script.Exit{}, pipeline.Temporary(fmt.Errorf("result of the script: %w", err))
	}
	var e script.Exit
	if err := json.Unmarshal(b, &e); err != nil {
		return script.Exit{}, errGone // torn: as good as none
	}
	return e, nil
}
