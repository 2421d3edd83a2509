package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"

	"github.com/shipmate/shipmate/integrations/shell/gitsource"
	"github.com/shipmate/shipmate/pipeline"
)

// worktree is the repository somebody stands in: the source of the run's files
// and, where the bot asks GitHub, the one who answers.
type worktree struct {
	root, sha, branch, user string
}

// snapshot takes the working tree as it is, files that are not committed
// included, as a commit that no branch knows. scratch is for an index of its own.
func snapshot(ctx context.Context, root, scratch string) (*worktree, error) {
	env := []string{"GIT_INDEX_FILE=" + filepath.Join(scratch, "index"), "GIT_AUTHOR_NAME=shipmate", "GIT_AUTHOR_EMAIL=shipmate@localhost",
		"GIT_COMMITTER_NAME=shipmate", "GIT_COMMITTER_EMAIL=shipmate@localhost"}
	if _, err := git(ctx, root, env, "add", "--all"); err != nil {
		return nil, err
	}
	tree, err := git(ctx, root, env, "write-tree")
	if err != nil {
		return nil, err
	}
	w := &worktree{root: root, user: "you"}
	commit := []string{"commit-tree", tree, "-m", "working tree"}
	if head, err := git(ctx, root, nil, "rev-parse", "--verify", "-q", "HEAD"); err == nil {
		commit = append(commit, "-p", head)
		same, err := git(ctx, root, nil, "rev-parse", "HEAD^{tree}")
		if err == nil && same == tree {
			w.sha = head
		}
	}
	if w.sha == "" {
		if w.sha, err = git(ctx, root, env, commit...); err != nil {
			return nil, err
		}
	}
	if branch, err := git(ctx, root, nil, "symbolic-ref", "--short", "-q", "HEAD"); err == nil {
		w.branch = branch
	}
	return w, nil
}

// Checkout writes the files of the commit into dir.
func (w *worktree) Checkout(ctx context.Context, _ pipeline.Repo, sha, dir string) error {
	env := []string{"GIT_INDEX_FILE=" + filepath.Join(filepath.Dir(dir), "index-"+filepath.Base(dir))}
	defer os.Remove(strings.TrimPrefix(env[0], "GIT_INDEX_FILE="))
	if _, err := git(ctx, w.root, env, "read-tree", sha); err != nil {
		return err
	}
	if _, err := git(ctx, w.root, env, "checkout-index", "--all", "--prefix="+dir+"/"); err != nil {
		return err
	}
	return gitsource.Incomplete(strings.TrimPrefix(env[0], "GIT_INDEX_FILE="), dir)
}

// Live: whoever runs a pipeline on their own machine may do so.
func (w *worktree) Live(context.Context, *pipeline.Run) (pipeline.Live, error) {
	you := pipeline.Standing{Login: w.user, Permission: pipeline.Admin}
	return pipeline.Live{OnDefault: true, People: map[int64]pipeline.Standing{requesterID: you, approverID: you}}, nil
}

// Changed lists what differs from the commit before.
func (w *worktree) Changed(ctx context.Context, r *pipeline.Run) ([]string, error) {
	out, err := git(ctx, w.root, nil, "diff", "--name-only", r.SHA+"^", r.SHA)
	return strings.Fields(out), err
}

// git runs git and returns what it prints. What it says when it fails is put
// into a sentence of ours, without the words it begins every error with.
func git(ctx context.Context, dir string, env []string, args ...string) (string, error) {
	cmd := exec.CommandContext(ctx, "git", append([]string{"-C", dir}, args...)...)
	cmd.Env = append(append(os.Environ(), "LC_ALL=C"), env...)
	out, err := cmd.Output()
	var exit *exec.ExitError
	switch {
	case errors.Is(err, exec.ErrNotFound):
		err = errors.New("git is not installed, and pipelines run on the files that it knows; install it (Debian, Ubuntu: apt-get install git)")
	case errors.As(err, &exit):
		err = fmt.Errorf("git could not %s in %s: %s", strings.Join(args[:min(2, len(args))], " "), dir, gitsWords(exit.Stderr))
	}
	return strings.TrimSpace(string(out)), err
}

// gitsWords are the errors of what git printed, in one line.
func gitsWords(stderr []byte) string {
	var out []string
	for line := range strings.SplitSeq(visible(strings.ReplaceAll(string(stderr), "\n", "\r\n")), "\r\n") {
		_, said, found := strings.Cut(line, ": ")
		if found && (strings.HasPrefix(line, "fatal: ") || strings.HasPrefix(line, "error: ")) {
			out = append(out, said)
		}
	}
	if len(out) == 0 {
		return "it does not say why"
	}
	return strings.Join(out, "; ")
}
