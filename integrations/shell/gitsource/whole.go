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

// Checkout fills dir, an empty folder, with the tree of the commit.
func (w Whole) Checkout(ctx context.Context, repo pipeline.Repo, sha, dir string) error {
	if err := w.Git.Checkout(ctx, repo, sha, dir); err != nil {
		return err
	}
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
