package needs

import (
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
)

// Where a program is not on the PATH it is named, with what installs it.
func TestWhatIsMissingIsNamed(t *testing.T) {
	t.Setenv("PATH", t.TempDir())
	for name, thing := range map[string]Thing{
		"redis-server": Redis(), "redis-sentinel": RedisSentinel(), "redis-cli": RedisCLI(), "node": Node(), "npm": Npm(), "chromium": Chromium(),
		"git": Git(), "mvn": Maven(), "javac": Maven(), "iptables": KubernetesNode(), "setsid": Shell(), "ldd": Debian(),
	} {
		err := Check(thing)
		if !errors.Is(err, ErrMissing) || !strings.Contains(err.Error(), "no "+name) || !strings.Contains(err.Error(), "To install it: apt-get install ") {
			t.Errorf("%s: %v", name, err)
		}
	}
	if flags := Race(); len(flags) > 0 {
		t.Errorf("without a compiler: %v", flags)
	}
}

// Each part of Maven is looked for by itself: Debian has its plugins in packages of their own.
func TestEveryPartOfMavenIsLookedFor(t *testing.T) {
	bin, repository := t.TempDir(), t.TempDir()
	t.Setenv("PATH", bin)
	for _, program := range []string{"mvn", "javac"} {
		write(t, filepath.Join(bin, program))
	}
	jar := func(folder string) string {
		if strings.HasSuffix(folder, ".x") {
			return filepath.Join(repository, folder, "a.jar")
		}
		return filepath.Join(repository, folder, "1.0", "a.jar")
	}
	for folder := range mavenParts {
		write(t, jar(folder))
	}
	maven := mavenAt(repository)
	if err := Check(maven); err != nil {
		t.Fatal("with everything there: ", err)
	}
	for folder, from := range mavenParts {
		if err := os.Remove(jar(folder)); err != nil {
			t.Fatal(err)
		}
		if err := Check(maven); err == nil || !strings.Contains(err.Error(), "("+from+")") {
			t.Errorf("without %s: %v", folder, err)
		}
		write(t, jar(folder))
	}
}

func write(t *testing.T, path string) {
	t.Helper()
	if err := errors.Join(os.MkdirAll(filepath.Dir(path), 0o755), os.WriteFile(path, nil, 0o755)); err != nil {
		t.Fatal(err)
	}
}

// outcome is a test that notes how it would end.
type outcome struct {
	testing.TB
	skipped, failed []any
}

func (o *outcome) Helper()           {}
func (o *outcome) Skip(args ...any)  { o.skipped = args }
func (o *outcome) Fatal(args ...any) { o.failed = args }

func TestSkippedHereAndFailedOnCI(t *testing.T) {
	there := Thing{Missing: func() []string { return nil }}
	gone := Thing{Name: "a thing", Install: "get it", Missing: func() []string { return []string{"thing", "other"} }}
	t.Setenv("CI", "")
	var here outcome
	On(&here, there)
	if here.skipped != nil || here.failed != nil {
		t.Errorf("with all there: %+v", here)
	}
	On(&here, there, gone)
	if here.skipped == nil || here.failed != nil {
		t.Errorf("here: %+v", here)
	}
	t.Setenv("CI", "true")
	var ci outcome
	On(&ci, there, gone)
	if err, is := ci.failed[0].(error); !is || err.Error() != "this test needs a thing, and here is no thing, no other. To install it: get it" || ci.skipped != nil {
		t.Errorf("on CI: %+v", ci)
	}
}

// lookers may look for programs or skip by themselves.
var lookers = []string{
	"integrations/shell/gitsource/gitsource_test.go", // puts a git of its own before the real one
	"test/sim/github/githttp.go",
	"test/kube/node.go", // packs busybox
	"test/crash/replicas_test.go",
	"pipeline/redisstore/redistest/redistest.go",
}

var looks = regexp.MustCompile(`exec\.LookPath\(|\b[tb]\.Skipf?\(`)

// What tests need is in this package, so that a machine without it is told so.
func TestNoTestLooksForItself(t *testing.T) {
	const root = "../.."
	err := filepath.WalkDir(root, func(path string, d fs.DirEntry, err error) error {
		name, _ := filepath.Rel(root, path)
		switch {
		case err != nil:
			return err
		case d.IsDir() && (strings.HasPrefix(d.Name(), ".") && name != "." || name == "test/needs" || name == "test/bench"):
			return filepath.SkipDir
		case !strings.HasSuffix(name, "_test.go") && !(strings.HasPrefix(name, "test/") && strings.HasSuffix(name, ".go")), slices.Contains(lookers, name):
			return nil
		}
		text, err := os.ReadFile(path)
		for i, line := range strings.Split(string(text), "\n") {
			if looks.MatchString(line) {
				t.Errorf("%s:%d looks for itself; say needs.On instead: %s", name, i+1, strings.TrimSpace(line))
			}
		}
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
}
