package world

import (
	"context"
	"fmt"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strings"
)

// Release are the flags of a build as it is released, but for the version and
// for -trimpath, with which everything would be compiled once more. Makefile
// and Dockerfile have the same, and CGO_ENABLED=0.
var Release = []string{"-tags", "kustomize_disable_go_plugin_support", "-ldflags", "-s -w -buildid="}

// Build compiles shipmate into dir and returns the executable's path.
func Build(ctx context.Context, dir string, flags ...string) (string, error) {
	path := filepath.Join(dir, "shipmate")
	args := append([]string{"build", "-o", path}, flags...)
	cmd := exec.CommandContext(ctx, "go", append(args, "github.com/shipmate/shipmate/cmd/shipmate")...)
	if out, err := cmd.CombinedOutput(); err != nil {
		return "", fmt.Errorf("build shipmate: %w\n%s", err, out)
	}
	return path, nil
}

// lookAtSources looks at every file the executable is made of: so the go
// command knows that a test that passed with it has to be run again when one
// of them has changed.
func lookAtSources() error {
	_, here, _, ok := runtime.Caller(0)
	root := filepath.Join(filepath.Dir(here), "..", "..")
	if _, err := os.Stat(filepath.Join(root, "go.mod")); !ok || err != nil {
		return nil // compiled elsewhere: no test of this copy
	}
	return filepath.WalkDir(root, func(path string, d fs.DirEntry, err error) error {
		switch {
		case err != nil:
			return err
		case d.IsDir() && (strings.HasPrefix(d.Name(), ".") && path != root || d.Name() == "testdata" || d.Name() == "docs"):
			return filepath.SkipDir
		case d.IsDir():
			return nil
		}
		_, err = os.Stat(path)
		return err
	})
}
