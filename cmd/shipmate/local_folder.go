package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"os/exec"
	"os/signal"
	"path/filepath"
	"strings"
	"syscall"
	"time"

	"github.com/shipmate/shipmate/integrations/shell"
)

const (
	folderPrefix = "shipmate-run-"
	keeperVerb   = "keep-watch" // hidden: shipmate keep-watch <folder>
)

// runFolder holds all files of one local run. A second process of ours, the
// keeper, waits for the end of this one, however it ends, and then ends the
// run's scripts and removes the folder. If both are killed, the next local run
// does the same.
type runFolder struct {
	path   string
	lock   *os.File // held for as long as we live: says that the folder is in use
	keeper *exec.Cmd
	alive  io.Closer // the keeper sees it close
}

func newRunFolder() (*runFolder, error) {
	removeLeftFolders(os.TempDir(), time.Now())
	path, err := os.MkdirTemp("", folderPrefix)
	if err != nil {
		return nil, fmt.Errorf("make a folder for the run: %w", err)
	}
	f := &runFolder{path: path}
	if f.lock, err = lockFile(path, os.O_CREATE); err == nil {
		err = f.startKeeper()
	}
	if err != nil {
		return nil, errors.Join(fmt.Errorf("prepare the folder of the run: %w", err), f.remove())
	}
	return f, nil
}

func (f *runFolder) startKeeper() error {
	self, err := os.Executable()
	if err != nil {
		return err
	}
	cmd := exec.Command(self, keeperVerb, f.path)
	cmd.Dir, cmd.Env = "/", []string{}
	cmd.SysProcAttr = &syscall.SysProcAttr{Setsid: true} // Ctrl-C and a closing terminal are for us
	alive, err := cmd.StdinPipe()
	if err != nil {
		return err
	}
	if err := cmd.Start(); err != nil {
		return errors.Join(err, alive.Close())
	}
	f.keeper, f.alive = cmd, alive
	return nil
}

// remove ends what still runs for the run, and leaves nothing of it.
func (f *runFolder) remove() error {
	err := emptyFolder(f.path)
	if f.keeper != nil {
		err = errors.Join(err, f.alive.Close(), f.keeper.Wait())
	}
	if f.lock != nil {
		err = errors.Join(err, f.lock.Close())
	}
	return err
}

// keepWatch is the keeper: it waits until whoever started it is gone.
func keepWatch(args []string) int {
	// Notify, not Ignore: nothing of ours is to inherit that.
	signal.Notify(make(chan os.Signal, 1), syscall.SIGHUP, syscall.SIGINT, syscall.SIGTERM, syscall.SIGPIPE)
	if len(args) != 1 || !strings.HasPrefix(filepath.Base(args[0]), folderPrefix) {
		return exitUsage // it removes no folder that is not a run's
	}
	_, _ = io.Copy(io.Discard, os.Stdin)
	if err := emptyFolder(args[0]); err != nil {
		return exitFailed // the next local run tries again
	}
	return 0
}

// emptyFolder ends the scripts of a local run and removes its folder.
func emptyFolder(path string) error {
	const patience = 30 * time.Second // scripts are given ten seconds to end by themselves
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	defer cancel()
	err := shell.End(ctx, path)
	return errors.Join(err, os.RemoveAll(path)) //nolint:gosec // keepWatch looks at the name
}

// removeLeftFolders ends and removes what local runs left that were killed
// together with their keepers. A new folder is not locked yet.
func removeLeftFolders(temporary string, now time.Time) {
	const newest = time.Minute
	paths, _ := filepath.Glob(filepath.Join(temporary, folderPrefix+"*")) // the pattern is well-formed
	for _, path := range paths {
		info, err := os.Lstat(path)
		if err != nil || !info.IsDir() || !isOurs(info) || now.Sub(info.ModTime()) < newest {
			continue
		}
		lock, err := lockFile(path, 0)
		if err != nil && !errors.Is(err, fs.ErrNotExist) {
			continue // somebody works in it
		}
		_ = emptyFolder(path) // what cannot be removed now is tried again by the next run
		if lock != nil {
			_ = lock.Close()
		}
	}
}

func isOurs(info fs.FileInfo) bool {
	stat, ok := info.Sys().(*syscall.Stat_t)
	return ok && int(stat.Uid) == os.Getuid()
}

func lockFile(folder string, flags int) (*os.File, error) {
	f, err := os.OpenFile(filepath.Join(folder, "lock"), os.O_RDWR|flags, 0o600)
	if err != nil {
		return nil, err
	}
	if err := syscall.Flock(int(f.Fd()), syscall.LOCK_EX|syscall.LOCK_NB); err != nil {
		return nil, errors.Join(err, f.Close())
	}
	return f, nil
}
