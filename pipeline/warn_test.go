package pipeline_test

import (
	"context"
	"strings"
	"testing"

	"github.com/shipmate/shipmate/pipeline"
)

// once is a runner that undoes nothing, twice one that can.
type once struct{}

func (once) Run(context.Context, *pipeline.StepContext) (pipeline.Result, error) {
	return pipeline.Result{}, nil
}

type twice struct{ once }

func (twice) CanRevert(*pipeline.StepContext) bool { return true }
func (twice) Revert(context.Context, *pipeline.StepContext) (pipeline.Result, error) {
	return pipeline.Result{}, nil
}

const warned = `environments:
  prod:
    secrets: {TOKEN: "vault:kv/shop#token", GOOD: "env:GOOD"}
    deployers: ["user:mona"]
    approvals: {count: 1, by: ["user:Mona"]}
  open:
    deployers: ["user:mona", "user:octavia"]
    approvals: {count: 1, by: ["user:mona"]}
  fine:
    deployers: ["user:mona"]
    approvals: {count: 1, by: ["team:leads"]}
pipelines:
  checks:
    on: {pull_request: {branches: [mian], paths: ["src/**", "dosc/**", "!gone/**"]}}
    on_failure: rollback
    steps:
      - {name: build, run: make, image: "registry:5000/maven"}
      - {name: test, run: make, image: "maven:latest"}
      - {name: lint, run: make, image: "maven:3.9", if: 'changed("src/*.go") || changed("docs/*.md")'}
      - {name: scan, run: make, image: "maven@sha256:aaaa"}
  deploy:
    on: {command: deploy}
    on_failure: rollback
    steps:
      - {name: build, run: make}
      - {name: ask, uses: approval}
      - {name: roll, uses: two, with: {manifests: ["src/*.go", "k8s/*.yaml"], images: {shop: shop, other: "other:${{ short_sha }}"}}}
      - {name: tell, uses: one}
  release:
    on: {push: {branches: [main], environment: prod}}
    on_failure: rollback
    steps:
      - {name: roll, uses: two}
      - {name: tell, uses: one}
  alone:
    on: {push: {branches: [main], environment: prod}}
    on_failure: rollback
    steps: [{"name": "tell", uses: one}]
`

func TestWarnings(t *testing.T) {
	any := []pipeline.Param{{Name: "manifests", Type: "list"}, {Name: "images", Type: "map"}}
	uses := []pipeline.Uses{{Name: "one", Runner: once{}}, {Name: "two", Runner: twice{}, Params: any}}
	around := pipeline.Surroundings{Stores: []string{"env"}, Files: []string{"src/a.go", "README.md"}, Branches: []string{"main"}}
	_, got, err := pipeline.Warnings("f", []byte(warned), uses, around)
	if err != nil {
		t.Fatal(err)
	}
	want := []string{
		`f:3:22: shipmate has no secret store "vault", so no step will get TOKEN. Its stores: env. Write env:TOKEN,`,
		`f:5:16: Nobody can approve a deploy to prod: only mona may deploy`,
		`f:8:16: What mona asks for in open nobody can approve`,
		`f:14:36: The pattern "mian" matches no branch of this clone. Correct it, or take it out. Did you mean "main"?`,
		`f:14:61: The pattern "dosc/**" matches no file`,
		`f:14:72: The pattern "!gone/**" excludes no file`,
		`f:15:17: on_failure: rollback has no effect here`,
		`f:17:41: The image "registry:5000/maven" has no version`,
		`f:18:40: The image "maven:latest" may be another one`,
		`f:19:57: The pattern "docs/*.md" matches no file`,
		`f:25:16: on_failure: rollback cannot undo build. If the run fails once it has begun, the last good deployment is deployed again instead`,
		`f:27:64: The pattern "k8s/*.yaml" matches no file`,
		`f:27:94: The image "shop" has no version`,
		`f:28:16: on_failure: rollback cannot undo tell. If the run fails once it has begun, the last good deployment is deployed again instead`,
		`f:34:16: on_failure: rollback cannot undo tell. If the run fails once it has begun, what it has done by then stays, and only`,
		`f:38:22: on_failure: rollback cannot undo tell. If the run fails once it has begun, the last good deployment is deployed again instead, and where there is none what`,
	}
	for i, w := range want {
		if i >= len(got) || !strings.HasPrefix(got[i].String(), w) {
			t.Fatalf("warning %d is not %q; all:\n%s", i, w, got.Error())
		}
	}
	if len(got) != len(want) {
		t.Errorf("more than was expected:\n%s", got.Error())
	}
	if _, quiet, err := pipeline.Warnings("f", []byte(warned), uses, pipeline.Surroundings{}); err != nil || len(quiet) != len(want)-6 {
		t.Errorf("of what is not known something is said (%v):\n%s", err, quiet.Error())
	}
}

const doubtful = `checks: {secrets: {CHECK: "vault:kv/ci#token", OWN: "env:OWN"}}
environments:
  prod: {deployers: ["user:mona", "user:octavia"]}
  open: {}
pipelines:
  deploy:
    on: {command: deploy}
    on_failure: rollback
    steps:
      - {name: alone, uses: approval, with: {by: ["user:Mona"]}}
      - {name: both, uses: approval, with: {count: 2, by: ["user:mona", "user:octavia"]}}
      - {name: others, uses: approval, with: {by: ["user:hubot"]}}
      - {name: team, uses: approval, with: {by: ["team:leads"]}}
      - {name: maybe, uses: approval, if: 'env == "open"', with: {count: 2, by: ["user:mona", "user:octavia"]}}
      - {name: anybody, uses: approval}
      - {name: build, run: make, undo: ":", matrix: {go: ["1.25", "1.26"]}}
      - {name: build-docs, run: make}
      - {name: build-docs-x, run: make, matrix: {os: [linux, mac]}}
      - {name: build-2, run: make, undo: ":"}
  pushed:
    on: {push: {branches: [main], environment: prod}}
    steps: [{name: ask, uses: approval, with: {by: ["user:mona"]}}]
`

func TestWarningsOfChecksQuestionsAndMatrices(t *testing.T) {
	warnings := func(src string) []string {
		_, got, err := pipeline.Warnings("f", []byte(src), nil, pipeline.Surroundings{Stores: []string{"env"}})
		if err != nil {
			t.Fatal(err)
		}
		var all []string
		for _, p := range got {
			all = append(all, p.String())
		}
		return all
	}
	wants := func(src string, want ...string) {
		t.Helper()
		got := warnings(src)
		for i, w := range want {
			if i >= len(got) || !strings.HasPrefix(got[i], w) {
				t.Fatalf("warning %d is not %q; all:\n%s", i, w, strings.Join(got, "\n"))
			}
		}
		if len(got) != len(want) {
			t.Errorf("more than was expected:\n%s", strings.Join(got, "\n"))
		}
	}
	rollbacks := []string{
		`f:17:16: on_failure: rollback cannot undo build-docs.`,
		`f:18:16: on_failure: rollback cannot undo build-docs-x.`,
	}
	secret := `f:1:27: shipmate has no secret store "vault", so no step will get CHECK.`
	wants(doubtful, append([]string{secret,
		`f:10:45: Nobody can approve the step alone if the deploy is asked for by mona in prod:`,
		`f:11:44: Nobody can approve the step both if the deploy is asked for by mona in prod or octavia in prod:`,
	}, rollbacks...)...)
	// Under a condition, only where it is so in every environment.
	wants(strings.Replace(doubtful, "  open: {}\n", "\n", 1), append([]string{secret,
		`f:10:45: Nobody can approve the step alone if the deploy is asked for by mona in prod:`,
		`f:11:44: Nobody can approve the step both if the deploy is asked for by mona in prod or octavia in prod:`,
		`f:14:66: Nobody can approve the step maybe if the deploy is asked for by mona in prod or octavia in prod:`,
	}, rollbacks...)...)
}
