package main

import (
	"context"
	"embed"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"time"
)

// nodePackages are the baselines in JavaScript, as npm names them.
var nodePackages = []string{"probot@14.3.2", "bullmq@6.7.0", "ioredis@5.11.1"}

//go:embed node/*.mjs
var nodeScripts embed.FS

// node is a directory with our scripts and the packages they need; empty if
// there is none, and the baselines are left out.
type node struct{ dir string }

// findNode installs the packages once for all runs, and notes why if it cannot.
func findNode(ctx context.Context, b *bench) *node {
	dir, err := installNode(ctx, b.quick)
	if err != nil {
		b.table.note("Probot and BullMQ are left out: %v", err)
		return &node{}
	}
	b.table.note("node baselines: %s", strings.Join(nodePackages, ", "))
	return &node{dir}
}

func installNode(ctx context.Context, quick bool) (string, error) {
	for _, program := range []string{"node", "npm"} {
		if _, err := exec.LookPath(program); err != nil {
			return "", fmt.Errorf("%s is not installed", program)
		}
	}
	cache, err := os.UserCacheDir()
	if err != nil {
		return "", err
	}
	dir := filepath.Join(cache, "shipmate-bench", strings.NewReplacer("@", "-").Replace(strings.Join(nodePackages, "_")))
	done := filepath.Join(dir, "installed")
	if _, err := os.Stat(done); err == nil {
		return dir, writeScripts(dir)
	}
	if quick {
		return "", errors.New("a quick run does not install npm packages; a full one does")
	}
	if err := os.MkdirAll(dir, 0o755); err != nil {
		return "", err
	}
	ctx, cancel := context.WithTimeout(ctx, 3*time.Minute)
	defer cancel()
	install := exec.CommandContext(ctx, "npm", append([]string{"install", "--prefix", dir, "--no-audit", "--no-fund", "--ignore-scripts"}, nodePackages...)...)
	if _, err := output(install); err != nil {
		return "", fmt.Errorf("npm install: %w", err)
	}
	return dir, errors.Join(writeScripts(dir), os.WriteFile(done, nil, 0o644))
}

// writeScripts puts our scripts where they find their packages.
func writeScripts(dir string) error {
	return fs.WalkDir(nodeScripts, "node", func(path string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() {
			return err
		}
		text, err := nodeScripts.ReadFile(path)
		if err != nil {
			return err
		}
		return os.WriteFile(filepath.Join(dir, d.Name()), text, 0o644)
	})
}

func (n *node) command(ctx context.Context, script string, args ...string) *exec.Cmd {
	cmd := exec.CommandContext(ctx, "node", append([]string{filepath.Join(n.dir, script)}, args...)...)
	cmd.Env = append(os.Environ(), "NODE_ENV=production", "LOG_LEVEL=error")
	return cmd
}
