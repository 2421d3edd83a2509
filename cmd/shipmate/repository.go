package main

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"

	"github.com/shipmate/shipmate/pipeline"
)

// repositoryRoot is the top folder of the repository we stand in.
func repositoryRoot() (string, error) {
	here, err := os.Getwd()
	if err != nil {
		return "", fmt.Errorf("the folder we stand in: %w", err)
	}
	for dir := here; ; dir = filepath.Dir(dir) {
		if _, err := os.Stat(filepath.Join(dir, ".git")); err == nil { // a file, in a worktree and a submodule
			return dir, nil
		}
		if dir == filepath.Dir(dir) {
			return "", &usageError{errors.New("this is not a git repository; go to the one whose pipelines you mean")}
		}
	}
}

// ownFile is the repository's .shipmate.yaml: here, or at the repository's root.
func ownFile() string {
	if _, err := os.Stat(fileName); err == nil {
		return fileName
	}
	root, err := repositoryRoot()
	if err != nil {
		return fileName
	}
	return relative(filepath.Join(root, fileName))
}

// relative is the path as one types it where one stands.
func relative(path string) string {
	here, err := os.Getwd()
	if err != nil || !filepath.IsAbs(path) {
		return path
	}
	rel, err := filepath.Rel(here, path)
	if err != nil {
		return path
	}
	return rel
}

// readFile reads a .shipmate.yaml; its problems name the file as one types it.
func readFile(path string) (*pipeline.Config, error) {
	src, err := readSource(path)
	if err != nil {
		return nil, err
	}
	return pipeline.Parse(relative(path), src, knownRunners())
}

// readSource reads the file, and says what it is if it is not there.
func readSource(path string) ([]byte, error) {
	src, err := os.ReadFile(path)
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return nil, &usageError{fmt.Errorf("there is no file %s; it is where pipelines are described, see docs/configuration.md", relative(path))}
	case err != nil:
		var at *fs.PathError
		if errors.As(err, &at) {
			err = at.Err
		}
		return nil, &usageError{fmt.Errorf("%s cannot be read: %s", relative(path), strings.TrimSpace(err.Error()))}
	}
	return src, nil
}
