package kube

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"strings"
)

// moduleVersion is the version of a module that the go.mod in a folder asks for.
func moduleVersion(folder, module string) (string, error) {
	out, err := goCommand(folder, "list", "-m", "-f", "{{.Version}}", module).Output()
	if err != nil {
		return "", fmt.Errorf("go list -m %s: %w", module, err)
	}
	return strings.TrimSpace(string(out)), nil
}

// moduleFolder is where the files of a module lie. It downloads the module:
// "go list -m" names no folder for one that this machine never needed before.
func moduleFolder(folder, module string) (string, error) {
	out, failed := goCommand(folder, "mod", "download", "-json", module).Output()
	var got struct{ Dir, Error string }
	if err := json.Unmarshal(out, &got); err != nil {
		return "", fmt.Errorf("go mod download %s: %w", module, errors.Join(failed, err))
	}
	if got.Dir == "" {
		return "", fmt.Errorf("the module %s could not be downloaded, and the tests need its files: %s. Check that `go env GOPROXY` can be reached", module, got.Error)
	}
	return got.Dir, nil
}

func goCommand(folder string, args ...string) *exec.Cmd {
	cmd := exec.CommandContext(context.Background(), "go", args...)
	cmd.Dir = folder
	cmd.Env = append(os.Environ(), "GOFLAGS=-mod=mod")
	return cmd
}
