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
