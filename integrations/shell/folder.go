package shell

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"syscall"

	"github.com/shipmate/shipmate/pipeline"
	"github.com/shipmate/shipmate/pipeline/script"
)

// folder is what one script has on disk, in the folder for steps:
//
//	<run>/<step>-<attempt>/<fence>/       ("undo-<fence>" for an undo)
//	    src/      the checkout, the script's working directory
//	    home/     its HOME
//	    io/       outputs, summary, annotations: what the script tells us
//	    script    what is run
//	    output    what it printed
//	    wake, control, started, exit: see package shell
//
// Each call that starts a script has its own, named by its fence, so that a
// call that lost its lease never touches what its successor works with.
type folder string

func (f folder) src() string         { return filepath.Join(string(f), "src") }
func (f folder) home() string        { return filepath.Join(string(f), "home") }
func (f folder) io() string          { return filepath.Join(string(f), "io") }
func (f folder) outputs() string     { return filepath.Join(string(f), "io", "outputs") }
func (f folder) summary() string     { return filepath.Join(string(f), "io", "summary") }
func (f folder) annotations() string { return filepath.Join(string(f), "io", "annotations") }
func (f folder) script() string      { return filepath.Join(string(f), "script") }
func (f folder) output() string      { return filepath.Join(string(f), "output") }
func (f folder) wake() string        { return filepath.Join(string(f), "wake") }
func (f folder) control() string     { return filepath.Join(string(f), "control") }
func (f folder) started() string     { return filepath.Join(string(f), "started") }
func (f folder) exit() string        { return filepath.Join(string(f), "exit") }

// place is what the script is told of it.
func (f folder) place() script.Place {
	return script.Place{Src: f.src(), Home: f.home(), Outputs: f.outputs(), Summary: f.summary(), Annotations: f.annotations()}
}

// pathName is what may become the name of a folder.
var pathName = regexp.MustCompile(`^[A-Za-z0-9][A-Za-z0-9._-]{0,99}$`)

func (r *Runner) stepFolder(run pipeline.RunID, step string, attempt int) (string, error) {
	for _, name := range []string{string(run), step} {
		if !pathName.MatchString(name) {
			return "", pipeline.Refuse("invalid_name", "%q cannot be the name of a folder: use letters, digits, dots, dashes and underscores.", name)
		}
	}
	return filepath.Join(r.cfg.Dir, "work", string(run), step+"-"+strconv.Itoa(attempt)), nil
}

func (r *Runner) folder(j job, fence int64) (folder, error) {
	dir, err := r.stepFolder(j.Run.ID, j.Step.Name, j.Attempt)
	name := strconv.FormatInt(fence, 10)
	if j.Undo {
		name = undoPrefix + name
	}
	return folder(filepath.Join(dir, name)), err
}

// make makes the folder anew. What is there was never released to start.
func (f folder) make() error {
	if err := removeAll(string(f)); err != nil {
		return err
	}
	if err := makeShared(string(f)); err != nil {
		return err
	}
	for _, dir := range []string{f.src(), f.home(), f.io()} {
		if err := os.Mkdir(dir, 0o700); err != nil {
			return err
		}
	}
	for _, file := range []string{f.outputs(), f.summary(), f.annotations()} {
		if err := os.WriteFile(file, nil, 0o600); err != nil {
			return err
		}
	}
	return nil
}

// makeShared makes a folder with those above it. They are the run's and the
// step's: when another call ends, Forget removes them if they are empty, and so
// they may go while this one is on its way down. Once there is a folder in
// them they stay.
func makeShared(dir string) error {
	const tries = 1000 // each is one folder that was removed in this very moment
	var err error
	for range tries {
		if err = os.MkdirAll(dir, 0o700); !errors.Is(err, fs.ErrNotExist) {
			return err
		}
	}
	return err
}

// Forget removes what the calls of an attempt up to a fence left on disk, and
// leaves what a later call works with. It is called after a call's result is
// safe, and implements pipeline.Forgetter.
func (r *Runner) Forget(run pipeline.RunID, step string, attempt int, fence int64) error {
	dir, err := r.stepFolder(run, step, attempt)
	if err != nil {
		return err
	}
	calls, err := os.ReadDir(dir)
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return fmt.Errorf("forget %s of %s: %w", step, run, err)
	}
	for _, e := range calls {
		of, err := strconv.ParseInt(strings.TrimPrefix(e.Name(), undoPrefix), 10, 64)
		if err == nil && of > fence {
			continue
		}
		if err := removeAll(filepath.Join(dir, e.Name())); err != nil {
			return fmt.Errorf("forget %s of %s: %w", step, run, err)
		}
	}
	for _, empty := range []string{dir, filepath.Dir(dir)} {
		if err := os.Remove(empty); err != nil && !errors.Is(err, fs.ErrNotExist) && !errors.Is(err, syscall.ENOTEMPTY) {
			return fmt.Errorf("forget %s of %s: %w", step, run, err)
		}
	}
	return nil
}

const undoPrefix = "undo-"

// Clean removes what runs left on disk for which keep answers no, and stops
// what still runs for them. It is called at start, when no step is running yet
// in this process, and may be called at any time after.
func (r *Runner) Clean(ctx context.Context, keep func(pipeline.RunID) bool) error {
	work := filepath.Join(r.cfg.Dir, "work")
	runs, err := os.ReadDir(work)
	if err != nil {
		return fmt.Errorf("clean: %w", err)
	}
	var errs []error
	for _, e := range runs {
		if keep(pipeline.RunID(e.Name())) {
			continue
		}
		dir := filepath.Join(work, e.Name())
		controls, _ := filepath.Glob(filepath.Join(dir, "*", "*", "control")) // the pattern is well-formed
		for _, control := range controls {
			errs = append(errs, r.stop(ctx, folder(filepath.Dir(control)), script.StopCancelled))
		}
		errs = append(errs, removeAll(dir))
	}
	return errors.Join(errs...)
}

// removeAll also removes folders nobody may write to, as Go's module cache is.
func removeAll(dir string) error {
	err := os.RemoveAll(dir)
	if err == nil {
		return nil
	}
	_ = filepath.WalkDir(dir, func(path string, d fs.DirEntry, err error) error {
		if d != nil && d.IsDir() {
			_ = os.Chmod(path, 0o700) // what stays locked is reported by the second try
		}
		if err != nil {
			return fs.SkipDir
		}
		return nil
	})
	return os.RemoveAll(dir)
}
