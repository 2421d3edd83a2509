package main

import (
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

func TestBranchesOfAClone(t *testing.T) {
	root := t.TempDir()
	for _, name := range []string{"GIT_CONFIG_GLOBAL", "GIT_CONFIG_SYSTEM"} {
		t.Setenv(name, "/dev/null")
	}
	run := func(args ...string) {
		t.Helper()
		cmd := exec.CommandContext(t.Context(), "git", args...)
		cmd.Dir = root
		if out, err := cmd.CombinedOutput(); err != nil {
			t.Fatalf("git %s: %v\n%s", strings.Join(args, " "), err, out)
		}
	}
	run("init", "-q", "-b", "main", "origin")
	run("-C", "origin", "-c", "user.name=mona", "-c", "user.email=mona@example.com", "commit", "-q", "--allow-empty", "-m", "One")
	run("-C", "origin", "branch", "topic")
	run("clone", "-q", "origin", "whole")
	run("clone", "-q", "--single-branch", "--branch", "topic", "origin", "single")
	run("clone", "-q", "origin", "without")
	run("-C", "without", "config", "--add", "remote.origin.fetch", "^refs/heads/old/*")
	run("clone", "-q", "origin", "added")
	run("-C", "added", "remote", "add", "fork", "../origin")
	run("clone", "-q", "origin", "nowhere")
	run("-C", "nowhere", "config", "--unset-all", "remote.origin.fetch")
	for dir, want := range map[string]string{"origin": "main topic", "whole": "main topic", "single": "", "without": "", "added": "", "nowhere": ""} {
		got := branches(t.Context(), filepath.Join(root, dir))
		for i, name := range got {
			if name == "HEAD" {
				got = slices.Delete(slices.Clone(got), i, i+1)
				break
			}
		}
		slices.Sort(got)
		if names := strings.Join(slices.Compact(got), " "); names != want {
			t.Errorf("%s: the clone knows %q, want %q", dir, names, want)
		}
	}
}
