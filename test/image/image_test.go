// Package image tests what the bot's image holds, without a container engine:
// the files are laid out as the Dockerfile does it, and run with them as root.
package image

import (
	"errors"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
)

const user = 65532

// The bot runs with nothing but these files, as somebody who is not root, and
// so does the git that it fetches with.
func TestTheImageHoldsWhatTheBotNeeds(t *testing.T) {
	if os.Getuid() != 0 {
		if os.Getenv("CI") != "" {
			t.Fatal("only root may change the root folder")
		}
		t.Skip("only root may change the root folder")
	}
	root := filepath.Join(t.TempDir(), "root")
	run(t, exec.Command("../../packaging/rootfs.sh", root))
	const null = 1<<8 | 3 // every container has it
	if err := errors.Join(os.Mkdir(filepath.Join(root, "dev"), 0o755), syscall.Mknod(filepath.Join(root, "dev/null"), syscall.S_IFCHR|0o666, null), os.Chmod(filepath.Join(root, "dev/null"), 0o666)); err != nil {
		t.Fatal(err)
	}
	build := exec.Command("go", "build", "-o", filepath.Join(root, "usr/local/bin/shipmate"), "../../cmd/shipmate")
	build.Env = append(os.Environ(), "CGO_ENABLED=0")
	run(t, build)
	for dir := root; filepath.Clean(dir) != filepath.Clean(os.TempDir()); dir = filepath.Dir(dir) { // others have to get there
		if err := os.Chmod(dir, 0o755); err != nil {
			t.Fatal(err)
		}
	}
	if out := inside(t, root, "/usr/local/bin/shipmate", "version"); !strings.Contains(out, "shipmate") {
		t.Error("the bot says", out)
	}
	repo := filepath.Join(t.TempDir(), "shop")
	for _, args := range [][]string{{"init", "-q", "-b", "main", repo}, {"-C", repo, "-c", "user.name=m", "-c", "user.email=m@x", "commit", "-q", "--allow-empty", "-m", "one"}, {"-C", repo, "update-server-info"}} {
		run(t, exec.Command("git", args...))
	}
	server := httptest.NewServer(http.FileServer(http.Dir(filepath.Join(repo, ".git"))))
	defer server.Close()
	out := inside(t, root, "/usr/bin/git", "clone", "-q", server.URL, "/data/shop")
	if _, err := os.Stat(filepath.Join(root, "data/shop/.git/HEAD")); err != nil {
		t.Error(err, out)
	}
	for _, program := range []string{"bin/sh", "usr/bin/sh", "bin/bash", "usr/bin/apt", "usr/bin/dpkg", "usr/bin/perl"} {
		if _, err := os.Stat(filepath.Join(root, program)); err == nil {
			t.Errorf("/%s is in the image", program)
		}
	}
}

// inside runs a program that sees root only.
func inside(t *testing.T, root, program string, args ...string) string {
	t.Helper()
	cmd := exec.Command(program, args...)
	cmd.Env = []string{"HOME=/data", "PATH=/usr/local/bin:/usr/bin"}
	cmd.Dir = "/data"
	cmd.SysProcAttr = &syscall.SysProcAttr{Chroot: root, Credential: &syscall.Credential{Uid: user, Gid: user}}
	return run(t, cmd)
}

func run(t *testing.T, cmd *exec.Cmd) string {
	t.Helper()
	out, err := cmd.CombinedOutput()
	if err != nil {
		t.Fatalf("%s: %v\n%s", cmd, err, out)
	}
	return string(out)
}
