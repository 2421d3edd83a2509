package main

import (
	"bytes"
	"context"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/shipmate/shipmate/test/sim/github"
)

const bot = "github.com/shipmate/shipmate/cmd/shipmate"

// What the playground makes Go compile is not much: the time from empty caches
// to the page goes by it.
func TestThePlaygroundIsQuickToBuild(t *testing.T) {
	list := func(what ...string) []string {
		out, err := exec.Command("go", append([]string{"list", "-deps"}, what...)...).Output()
		if err != nil {
			t.Fatal(err)
		}
		return strings.Fields(string(out))
	}
	packages := list(append(slices.Clone(small), ".", bot)...)
	const most = 600
	if len(packages) > most {
		t.Errorf("%d packages are compiled, want at most %d", len(packages), most)
	}
	for _, p := range packages {
		for _, large := range []string{"k8s.io/", "helm.sh/", "github.com/aws/", "sigs.k8s.io/kustomize"} {
			if strings.HasPrefix(p, large) {
				t.Errorf("%s is compiled for the playground", p)
			}
		}
	}
}

// A file that needs what is left out is refused with the way to get it.
func TestLeftOut(t *testing.T) {
	p := start(t)
	const remedy = "go run ./cmd/playground --full"
	for uses, with := range map[string]string{
		"kubernetes.apply":   "{path: deploy}",
		"kubernetes.rollout": "{path: deploy, deployment: shop}",
		"helm.upgrade":       "{chart: chart}",
	} {
		t.Run(uses, func(t *testing.T) {
			text := "service: shop\nenvironments: {prod: {kubernetes: {cluster: eu, namespace: shop}}}\n" +
				"pipelines:\n  deploy:\n    on: {command: deploy}\n" +
				"    steps:\n      - {name: release, uses: " + uses + ", with: " + with + "}\n"
			file := filepath.Join(t.TempDir(), ".shipmate.yaml")
			if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
				t.Fatal(err)
			}
			out, err := exec.Command(filepath.Join(p.bin, "shipmate"), "validate", file).CombinedOutput()
			said := strings.Contains(string(out), uses+" is left out here.") && bytes.Contains(out, []byte(remedy))
			if err == nil || !said || bytes.Count(out, []byte("\n")) > 1 {
				t.Errorf("validate: %v\n%s", err, out)
			}
			change := github.Push{Repo: p.repo, Branch: saleBranch, Message: uses, Files: map[string]string{".shipmate.yaml": text}}
			if _, err := p.World.GitHub.As("mona").Push(change); err != nil {
				t.Fatal(err)
			}
			ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
			defer cancel()
			if err := p.waitFor(ctx, func(s State) bool {
				return slices.ContainsFunc(s.GitHub.PullRequests[0].CheckRuns, func(c github.CheckView) bool {
					says := strings.Contains(c.Summary, uses) && strings.Contains(c.Summary, remedy)
					return c.Name == "shipmate/config" && c.Conclusion == "failure" && says
				})
			}); err != nil {
				t.Errorf("the pull request's check does not say it: %v", err)
			}
		})
	}
	for variable, value := range map[string]string{"SHIPMATE_RUNNER": "kubernetes", "SHIPMATE_STORE_URL": "s3://ship?region=x"} {
		cmd := exec.Command(filepath.Join(p.bin, "shipmate"), "serve")
		cmd.Env = []string{variable + "=" + value, "HOME=" + t.TempDir()}
		if out, err := cmd.CombinedOutput(); cmd.ProcessState.ExitCode() != 2 || !bytes.Contains(out, []byte(remedy)) {
			t.Errorf("serve with %s=%s: %v\n%s", variable, value, err, out)
		}
	}
}

func TestWordsOfAShell(t *testing.T) {
	for _, word := range []string{"/tmp/x-1_y.z", "/tmp/a b", "/tmp/it's", "/tmp/$HOME;`id`"} {
		if out, err := exec.Command("sh", "-c", "printf %s "+quoted(word)).Output(); err != nil || string(out) != word {
			t.Errorf("%q becomes %q: %v", word, out, err)
		}
	}
}
