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
	"regexp"
	"strings"
	"syscall"
	"testing"

	"github.com/shipmate/shipmate/test/needs"
	"github.com/shipmate/shipmate/test/world"
)

const user = 65532

// The bot runs with nothing but these files, as somebody who is not root, and
// so does the git that it fetches with.
func TestTheImageHoldsWhatTheBotNeeds(t *testing.T) {
	needs.On(t, needs.Root(), needs.Debian())
	root := filepath.Join(t.TempDir(), "root")
	run(t, exec.Command("../../packaging/rootfs.sh", root))
	const null = 1<<8 | 3 // every container has it
	if err := errors.Join(os.Mkdir(filepath.Join(root, "dev"), 0o755), syscall.Mknod(filepath.Join(root, "dev/null"), syscall.S_IFCHR|0o666, null), os.Chmod(filepath.Join(root, "dev/null"), 0o666)); err != nil {
		t.Fatal(err)
	}
	isSmall(t, release(t, filepath.Join(root, "usr/local/bin")))
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

// release builds the bot as it is released.
func release(t *testing.T, dir string) string {
	t.Helper()
	if err := os.MkdirAll(dir, 0o755); err != nil {
		t.Fatal(err)
	}
	t.Setenv("CGO_ENABLED", "0")
	binary, err := world.Build(t.Context(), dir, world.Release...)
	if err != nil {
		t.Fatal(err)
	}
	return binary
}

// isSmall holds the size of the released bot: it may shrink, and not grow unseen.
func isSmall(t *testing.T, binary string) {
	t.Helper()
	const most = 96 << 20
	info, err := os.Stat(binary)
	if err != nil {
		t.Fatal(err)
	}
	if info.Size() > most {
		t.Errorf("the released bot has %d MiB, want at most %d", info.Size()>>20, most>>20)
	}
}

// The bot is released with the flags that are tested here.
func TestReleasesAreBuiltAlike(t *testing.T) {
	for _, file := range []string{"../../Makefile", "../../Dockerfile"} {
		text, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		line := regexp.MustCompile(`(?m)^.*CGO_ENABLED=0 go build .*$`).FindString(string(text))
		for _, flag := range append([]string{"-trimpath"}, world.Release...) {
			if !strings.Contains(line, flag) {
				t.Errorf("%s builds without %s: %s", file, flag, line)
			}
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
