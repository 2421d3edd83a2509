package shell

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/shipmate/shipmate/pipeline"
)

// fakeEngine is a docker that writes down how it was called, and runs what it
// is told to on this machine.
func fakeEngine(t *testing.T) (path, record string) {
	t.Helper()
	dir := t.TempDir()
	record = filepath.Join(dir, "record")
	script := fmt.Sprintf(`#!/bin/sh
[ "$1" = version ] && exit 0
for arg; do printf '%%s\n' "$arg"; done >> %s
[ "$1" = run ] || exit 0
while [ "$1" != --entrypoint ]; do shift; done
entry=$2; shift 3
exec "$entry" "$@"
`, record)
	if err := os.WriteFile(filepath.Join(dir, "docker"), []byte(script), 0o755); err != nil {
		t.Fatal(err)
	}
	return dir + ":/usr/bin:/bin", record
}

func TestAnImageRunsInAContainer(t *testing.T) {
	path, record := fakeEngine(t)
	b := newBench(t, "echo $TOKEN $DOCKER_HOST", func(c *Config) { c.Path, c.EngineEnv = path, []string{"DOCKER_HOST=unix:///x"} })
	b.step.Step.Image = "maven:3-eclipse-temurin-17"
	b.step.Step.Secrets = []string{"TOKEN"}
	b.step.Secrets = map[string]pipeline.Secret{"TOKEN": pipeline.NewSecret("canary-4711")}
	b.want(b.run(), pipeline.Succeeded, "")
	args := content(t, record)
	if strings.Contains(args, "canary") {
		t.Errorf("the secret is in argv:\n%s", args)
	}
	for _, want := range []string{
		"run\n--rm\n--init\n--name\nshipmate-r-1-build-1-1\n",
		"--workdir\n" + b.dir().src() + "\n",
		"--volume\n" + b.dir().script() + ":" + b.dir().script() + ":ro\n",
		"--env\nTOKEN\n", "--env\nSHIPMATE_OUTPUT\n",
		"--entrypoint\n/bin/sh\nmaven:3-eclipse-temurin-17\n-e\n" + b.dir().script() + "\n",
	} {
		if !strings.Contains(args, want) {
			t.Errorf("no %q in\n%s", want, args)
		}
	}
	if strings.Contains(args, "--env\nPATH\n") || strings.Contains(args, "--env\nDOCKER_HOST\n") {
		t.Errorf("variables of this machine in\n%s", args)
	}
	if got := b.log.String(); got != "canary-4711 unix:///x\n" {
		t.Errorf("output %q", got)
	}
}

func TestAStoppedContainerIsRemoved(t *testing.T) {
	path, record := fakeEngine(t)
	b := newBench(t, "sleep 1000", func(c *Config) { c.Path = path })
	b.step.Step.Image = "busybox:1"
	b.step.Step.Timeout = pipeline.Duration(200e6)
	b.want(b.run(), pipeline.Failed, "timeout")
	if got := content(t, record); !strings.HasSuffix(got, "rm\n--force\nshipmate-r-1-build-1-1\n") {
		t.Errorf("called with:\n%s", got)
	}
}

func TestAnImageWithoutAnEngineIsRefusedBeforeAnythingRuns(t *testing.T) {
	for name, path := range map[string]string{"not installed": "/nowhere", "not running": brokenEngine(t)} {
		t.Run(name, func(t *testing.T) {
			b := newBench(t, "true", func(c *Config) { c.Path = path })
			b.step.Step.Image = "busybox:1"
			_, err := b.Runner.Run(t.Context(), b.step)
			if pipeline.Code(err) != "no_container_engine" || !strings.Contains(pipeline.Message(err), "on here there is no container engine") {
				t.Error(err)
			}
			if left, _ := os.ReadDir(filepath.Join(b.cfg.Dir, "work")); len(left) != 0 {
				t.Error("made a workspace")
			}
		})
	}
	b := newBench(t, "true")
	b.step.Step.Image = "--privileged"
	if _, err := b.Runner.Run(t.Context(), b.step); pipeline.Code(err) != "invalid_image" {
		t.Error(err)
	}
}

func brokenEngine(t *testing.T) string {
	t.Helper()
	dir := t.TempDir()
	if err := os.WriteFile(filepath.Join(dir, "docker"), []byte("#!/bin/sh\nexit 1\n"), 0o755); err != nil {
		t.Fatal(err)
	}
	return dir
}
