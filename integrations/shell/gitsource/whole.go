package gitsource

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"strings"

	"github.com/shipmate/shipmate/pipeline"
)

// Whole is a source of checkouts that are taken to another machine: the objects
// of the one commit lie in the checkout itself, none are borrowed.
type Whole struct{ *Git }

// Checkout is that of Git.
func (w Whole) Checkout(ctx context.Context, repo pipeline.Repo, sha, dir string) error {
	var t tree
	if err := t.whole(ctx, w.Git, repo, sha, dir, 0); err != nil {
		return err
	}
	for _, dir := range t.dirs {
		if err := w.own(ctx, dir); err != nil {
			return err
		}
	}
	return nil
}

// own copies the borrowed objects into the checkout.
func (w Whole) own(ctx context.Context, dir string) error {
	cmd := w.command(ctx, [][2]string{{"pack.threads", "1"}}, "repack", "-a", "-d", "--quiet")
	cmd.Dir = dir
	cmd.Env = append(cmd.Env, "GIT_DIR="+filepath.Join(dir, ".git"), "GIT_WORK_TREE="+dir)
	if out, err := cmd.CombinedOutput(); err != nil {
		if ctx.Err() != nil {
			return context.Cause(ctx)
		}
		return fmt.Errorf("git repack: %w: %s", err, strings.TrimSpace(string(out)))
	}
	return os.Remove(filepath.Join(dir, ".git", "objects", "info", "alternates"))
}
