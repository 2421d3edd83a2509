package gitsource

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"time"
)

// lockCache waits until nobody else changes the cache, in this process or
// another. One that was removed meanwhile, because it was long unused, is made anew.
func lockCache(cache string) (*os.File, error) {
	for {
		if err := makeBare(cache); err != nil && !errors.Is(err, fs.ErrExist) { // there a moment ago, and gone
			return nil, err
		}
		f, err := lockFile(filepath.Join(cache, "shipmate.lock"))
		if errors.Is(err, fs.ErrNotExist) {
			continue
		}
		if err != nil {
			return nil, err
		}
		held, err := f.Stat()
		if err != nil {
			f.Close()
			return nil, err
		}
		if there, err := os.Stat(f.Name()); err == nil && os.SameFile(held, there) {
			now := time.Now()
			return f, os.Chtimes(f.Name(), now, now) // Clean goes by it
		}
		f.Close()
	}
}

func lockFile(path string) (*os.File, error) {
	f, err := os.OpenFile(path, os.O_CREATE|os.O_RDWR, 0o600)
	if err != nil {
		return nil, err
	}
	for {
		err := syscall.Flock(int(f.Fd()), syscall.LOCK_EX)
		if err == nil {
			return f, nil
		}
		if !errors.Is(err, syscall.EINTR) {
			f.Close()
			return nil, fmt.Errorf("lock: %w", err)
		}
	}
}

// keepRefs is how many fetched commits git may name to the server as known, to
// be sent differences only. The commits themselves stay.
const keepRefs = 64

// tidy removes what a fetch that was killed left behind, and the oldest refs.
// The caller holds the lock.
func tidy(cache string) error {
	for _, pattern := range []string{"*.lock", "refs/shipmate/*.lock", "objects/pack/tmp_*"} {
		stale, _ := filepath.Glob(filepath.Join(cache, pattern)) // the patterns are well-formed
		for _, path := range stale {
			if filepath.Base(path) == "shipmate.lock" {
				continue
			}
			if err := os.Remove(path); err != nil {
				return err
			}
		}
	}
	refs, err := os.ReadDir(filepath.Join(cache, "refs", "shipmate"))
	if err != nil || len(refs) < keepRefs {
		return err
	}
	age := func(e fs.DirEntry) time.Time {
		info, err := e.Info()
		if err != nil {
			return time.Time{}
		}
		return info.ModTime()
	}
	slices.SortFunc(refs, func(a, b fs.DirEntry) int { return age(a).Compare(age(b)) })
	for _, e := range refs[:len(refs)-keepRefs+1] {
		if err := os.Remove(filepath.Join(cache, "refs", "shipmate", e.Name())); err != nil {
			return err
		}
	}
	return nil
}

// Clean removes caches that were not fetched into for longer than unused, and
// packs those together that have become many pieces. For now and then.
func (g *Git) Clean(ctx context.Context, unused time.Duration) error {
	caches, _ := filepath.Glob(filepath.Join(g.Cache, "*.git")) // the pattern is well-formed
	errs := []error{removeHalf(g.Cache, unused)}
	for _, cache := range caches {
		errs = append(errs, g.clean(ctx, cache, unused))
	}
	return errors.Join(errs...)
}

// removeHalf removes caches that were being made or removed when the bot was killed.
func removeHalf(dir string, unused time.Duration) error {
	var errs []error
	for _, pattern := range []string{"new-*", "old-*"} {
		half, _ := filepath.Glob(filepath.Join(dir, pattern)) // the pattern is well-formed
		for _, path := range half {
			if info, err := os.Stat(path); err == nil && time.Since(info.ModTime()) > unused {
				errs = append(errs, os.RemoveAll(path))
			}
		}
	}
	return errors.Join(errs...)
}

func (g *Git) clean(ctx context.Context, cache string, unused time.Duration) error {
	old, err := isUnused(cache, unused)
	if errors.Is(err, fs.ErrNotExist) {
		return nil // being made, or never fetched into
	}
	if err != nil {
		return err
	}
	if old {
		return removeUnused(cache, unused)
	}
	if err := cleanLarge(cache, unused); err != nil {
		return err
	}
	packs, _ := filepath.Glob(filepath.Join(cache, "objects", "pack", "*.pack")) // the pattern is well-formed
	if len(packs) < 50 {
		return nil
	}
	lock, err := lockCache(cache)
	if err != nil {
		return err
	}
	defer lock.Close()
	cmd := g.command(ctx, nil, "--git-dir="+cache, "repack", "-a", "-d", "--keep-unreachable", "--quiet")
	cmd.ExtraFiles = []*os.File{lock}
	if out, err := cmd.CombinedOutput(); err != nil {
		return fmt.Errorf("git repack: %w: %s", err, strings.TrimSpace(string(out)))
	}
	return nil
}

func isUnused(cache string, unused time.Duration) (bool, error) {
	info, err := os.Stat(filepath.Join(cache, "shipmate.lock"))
	return err == nil && time.Since(info.ModTime()) > unused, err
}

// removeUnused removes a cache under its lock, so that nobody fetches into it
// meanwhile. Whoever is in the middle of a checkout meets a missing object, and
// fetches again.
func removeUnused(cache string, unused time.Duration) error {
	lock, err := lockFile(filepath.Join(cache, "shipmate.lock"))
	if errors.Is(err, fs.ErrNotExist) {
		return nil // another bot was faster
	}
	if err != nil {
		return err
	}
	defer lock.Close()
	if old, err := isUnused(cache, unused); !old { // somebody came for it
		return err
	}
	gone, err := os.MkdirTemp(filepath.Dir(cache), "old-")
	if err != nil {
		return err
	}
	return errors.Join(os.Rename(cache, filepath.Join(gone, "cache")), os.RemoveAll(gone))
}

// makeBare makes the cache if it is not there, whole or not at all. "git init"
// would cost a process and bring a template.
func makeBare(dir string) error {
	if isCache(dir) {
		return nil
	}
	if err := os.MkdirAll(filepath.Dir(dir), 0o700); err != nil {
		return err
	}
	made, err := os.MkdirTemp(filepath.Dir(dir), "new-")
	if err != nil {
		return err
	}
	err = fillBare(made)
	if err == nil {
		err = os.Rename(made, dir)
	}
	if err != nil {
		err = errors.Join(err, os.RemoveAll(made))
	}
	if isCache(dir) { // somebody else may have been faster
		return nil
	}
	return err
}

func isCache(dir string) bool {
	_, err := os.Stat(filepath.Join(dir, "HEAD"))
	return err == nil
}

func fillBare(dir string) error {
	for _, sub := range []string{"objects/info", "objects/pack", "refs/heads", "refs/shipmate"} {
		if err := os.MkdirAll(filepath.Join(dir, sub), 0o700); err != nil {
			return err
		}
	}
	// Nothing is ever thrown away on git's own account: checkouts borrow the objects.
	config := "[core]\n\trepositoryformatversion = 0\n\tbare = true\n" +
		"[gc]\n\tauto = 0\n\tpruneExpire = never\n\tcruftPacks = false\n[maintenance]\n\tauto = false\n" +
		"[fetch]\n\tunpackLimit = 1\n" // one pack, whole or not at all
	if err := os.WriteFile(filepath.Join(dir, "config"), []byte(config), 0o600); err != nil {
		return err
	}
	return os.WriteFile(filepath.Join(dir, "HEAD"), []byte("ref: refs/heads/none\n"), 0o600)
}
