package pipeline

import (
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"os"
	"path/filepath"
	"reflect"
	"time"

	"strings"
	"testing"
)

var update = flag.Bool("update", false, "rewrite the expected texts in testdata")

// testUses are runners as integrations declare them.
func testUses() []Uses {
	zero := int64(0)
	return []Uses{
		{Name: "docker.build", Params: []Param{{Name: "image", Type: "string", Required: true}, {Name: "push", Type: "bool", Default: true}, {Name: "args", Type: "map"}}},
		{Name: "sonarqube.gate", Params: []Param{{Name: "project", Type: "string", Required: true}}},
		{Name: "flyway.migrate", Params: []Param{{Name: "locations", Type: "list", Required: true}, {Name: "target", Type: "string"}}},
		{Name: "kubernetes.rollout", Params: []Param{
			{Name: "manifests", Type: "list", Required: true},
			{Name: "strategy", Type: "string", Default: "rolling", Enum: []string{"rolling", "blue-green", "canary"}},
			{Name: "keep_old", Type: "duration"}, {Name: "replicas", Type: "int", Min: &zero}, {Name: "values", Type: "any"},
		}},
		{Name: "prometheus.check", Params: []Param{
			{Name: "query", Type: "string", Required: true}, {Name: "fail_if", Type: "string"}, {Name: "for", Type: "duration"},
			{Name: "no_data", Type: "string", Enum: []string{"fail", "inconclusive"}}, {Name: "threshold", Type: "number"},
		}},
		{Name: "http.request", Params: []Param{{Name: "url", Type: "string", Required: true}, {Name: "headers", Type: "map"}}},
	}
}

func readFile(t testing.TB, path string) []byte {
	t.Helper()
	src, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	return src
}

// Every file in testdata/broken is refused with the sentences beside it.
func TestBrokenFiles(t *testing.T) {
	files, err := filepath.Glob("testdata/broken/*.yaml")
	if err != nil || len(files) < 60 {
		t.Fatalf("found %d broken files: %v", len(files), err)
	}
	for _, file := range files {
		name := strings.TrimSuffix(filepath.Base(file), ".yaml")
		t.Run(name, func(t *testing.T) {
			c, err := Parse(".shipmate.yaml", readFile(t, file), testUses())
			var problems Problems
			if c != nil || !errors.As(err, &problems) || len(problems) == 0 {
				t.Fatalf("Parse accepts it: %v", err)
			}
			golden, got := strings.TrimSuffix(file, ".yaml")+".txt", problems.Error()+"\n"
			if *update {
				if err := os.WriteFile(golden, []byte(got), 0o644); err != nil {
					t.Fatal(err)
				}
			}
			if want := string(readFile(t, golden)); got != want {
				t.Errorf("got\n%s\nwant\n%s", got, want)
			}
		})
	}
}

func parse(t testing.TB, src string) (*Config, error) {
	t.Helper()
	return Parse(".shipmate.yaml", []byte(src), testUses())
}

func mustParse(t testing.TB, src string) *Config {
	t.Helper()
	c, err := parse(t, src)
	if err != nil {
		t.Fatal(err)
	}
	return c
}

func TestValidFiles(t *testing.T) {
	files, _ := filepath.Glob("testdata/valid/*.yaml")
	for _, file := range files {
		t.Run(filepath.Base(file), func(t *testing.T) {
			c := mustParse(t, string(readFile(t, file)))
			got, err := json.MarshalIndent(c, "", "  ")
			if err != nil {
				t.Fatal(err)
			}
			golden := strings.TrimSuffix(file, ".yaml") + ".json"
			if *update {
				if err := os.WriteFile(golden, append(got, '\n'), 0o644); err != nil {
					t.Fatal(err)
				}
			}
			if want := readFile(t, golden); string(got)+"\n" != string(want) {
				t.Errorf("got\n%s\nwant\n%s", got, want)
			}
		})
	}
}

func TestDefaults(t *testing.T) {
	c := mustParse(t, `
environments:
  open: {}
  asked: {approvals: {}}
  secret: {secrets: {A: "env:A"}}
  loose: {protected: false, approvals: {count: 2}}
  strict: {protected: true, freeze: [{cron: "0 0 * * *", for: 1h}]}
pipelines:
  deploy:
    on: {command: deploy, schedule: [{cron: "0 7 * * *"}]}
    params: {tag: {}}
    steps:
      - {name: a, run: x}
      - {name: b, run: x, retry: {attempts: 2}}
      - {name: c, run: x, needs: []}
      - {name: d, uses: approval}
      - {name: e, uses: wait, with: {for: 30m}, needs: [c, a]}
      - {name: f, uses: approval, with: {expires: 3h}, timeout: 5h}
`)
	p := c.Pipelines[0]
	env := func(name string) *Environment { e, _ := c.Environment(name); return e }
	step := func(name string) Step { s, _ := p.Step(name); return s }
	for _, tt := range []struct {
		name      string
		got, want any
	}{
		{"the service is left to the caller", c.Service, ""},
		{"deploys come from both", env("open").DeployFrom, []string{"pull_request", "default_branch"}},
		{"deploys queue", env("open").Concurrency, Enqueue},
		{"one approval is enough", *env("asked").Approvals, ApprovalPolicy{Count: 1, Expires: Duration(24 * time.Hour)}},
		{"an environment is open", env("open").Protected, false},
		{"approvals protect", env("asked").Protected, true},
		{"secrets protect", env("secret").Protected, true},
		{"the file's word counts, if it is false", env("loose").Protected, false},
		{"the file's word counts, if it is true", env("strict").Protected, true},
		{"a freeze is in UTC", env("strict").Freeze[0].Timezone, "UTC"},
		{"a schedule is in UTC", p.On.Schedule[0].Timezone, "UTC"},
		{"a parameter is a string", p.Params[0].Type, "string"},
		{"a failed run stops", p.OnFailure, Stop},
		{"a lost step asks", step("a").AfterCrash, Ask},
		{"the first step needs nothing", step("a").Needs, []string(nil)},
		{"a step needs the one before it", step("b").Needs, []string{"a"}},
		{"no needs, written down, are none", step("c").Needs, []string{}},
		{"the step after it needs it", step("d").Needs, []string{"c"}},
		{"needs that are written down are all", step("e").Needs, []string{"c", "a"}},
		{"a step has an hour", step("a").Timeout, Duration(time.Hour)},
		{"a second attempt waits ten seconds", step("b").Retry, Retry{Attempts: 2, Backoff: Duration(10 * time.Second)}},
		{"an approval has a day", step("d").Timeout, Duration(24 * time.Hour)},
		{"a wait has an hour more than it takes", step("e").Timeout, Duration(90 * time.Minute)},
		{"a timeout that is written down counts", step("f").Timeout, Duration(5 * time.Hour)},
		{"a runner's defaults are filled in", step("d").With, Values{"count": int64(1), "expires": "24h"}},
		{"a run has six hours and what people may take", p.Timeout, Duration(6*time.Hour + 24*time.Hour + 90*time.Minute + 5*time.Hour)},
	} {
		t.Run(tt.name, func(t *testing.T) {
			if !reflect.DeepEqual(tt.got, tt.want) {
				t.Errorf("got %#v, want %#v", tt.got, tt.want)
			}
		})
	}
}

// The limits are checked before anything expensive is done with a file.
func TestHostileFiles(t *testing.T) {
	const full = 256 << 10
	steps := func(n int, f func(i int) string) string {
		var b strings.Builder
		b.WriteString("pipelines:\n  a:\n    steps:\n")
		for i := range n {
			b.WriteString("      - " + f(i) + "\n")
		}
		return b.String()
	}
	var keys strings.Builder
	for i := range 15_000 {
		fmt.Fprintf(&keys, "k%d: v\n", i)
	}
	for _, tt := range []struct{ name, src, want string }{
		{"a file that is too large", strings.Repeat("#", full+1), "1:1: The file has 262145 bytes; at most 262144 are read."},
		{"a file of line ends", strings.Repeat("\n", full), "20000:1: The file has more than 20000 lines."},
		{"a million brackets", strings.Repeat("[", full), "1:41: Values are nested more than 40 deep."},
		{"a million braces", strings.Repeat("{", full), "1:41: Values are nested more than 40 deep."},
		{"lists in lists by dashes", strings.Repeat("- ", full/2), "1:81: Values are nested more than 40 deep."},
		{"mappings in mappings by indentation", func() (s string) {
			for i := range 60 {
				s += strings.Repeat(" ", i) + "a:\n"
			}
			return s
		}(), "41:41: Values are nested more than 40 deep."},
		{"a list of everything", "[" + strings.Repeat("a,", full/2-2) + "]", "1:1: The file has more than 50000 values once its aliases are followed."},
		{"a mapping of everything", keys.String(), "1:1: A mapping has more than 1000 keys."},
		{"many anchors", strings.Repeat("&a ", full/3), "1:193: There are more than 64 anchors."},
		{"ten thousand aliases", "a: &a x\nb: [" + strings.Repeat("*a,", 10_000) + "]", "2:197: There are more than 64 aliases."},
		{"aliases of a large text", "a: &a " + strings.Repeat("x", 100_000) + "\nb: [" + strings.Repeat("*a,", 60) + "]", "2:4: The file has more than 1048576 bytes of text once its aliases are followed."},
		{"many tags", strings.Repeat("!a ", full/3), "1:1: YAML tags such as \"!a\" are not allowed."},
		{"many complex keys", strings.Repeat("? ", full/2), "1:1: Keys written with \"?\" are not allowed."},
		{"many steps", steps(301, func(i int) string { return fmt.Sprintf("{name: s%d, run: x}", i) }), "304:9: The pipeline a has 301 steps; at most 300 are allowed."},
		{"more expressions than anybody needs", steps(1, func(int) string {
			return "{name: a, uses: http.request, with: {url: '" + strings.Repeat("${{pr}}", 501) + "'}}"
		}), "The file has too many expressions"},
		{"an expression of parentheses", steps(1, func(int) string { return "{name: a, run: x, if: '" + strings.Repeat("(", 500) + "'}" }), "The expression is"},
		{"a circle through all environments", "environments:\n" + func() (s string) {
			for i := range 100 {
				s += fmt.Sprintf("  e%d: {after: [e%d]}\n", i, (i+1)%100)
			}
			return s
		}() + steps(1, func(int) string { return "{name: a, run: x}" }), "2:15: The environments come after each other in a circle: e0 -> e1 ->"},
		{"more mistakes than anybody reads", steps(300, func(int) string { return "{nane: x, rnu: x}" }), "There are more problems after this one."},
		{"a text that is not UTF-8", "service: \xff\n", "1:10: The file is not UTF-8 text."},
		{"line ends of old", "service: a\rpipelines: b\n", "1:11: A carriage return stands alone"},
		{"a zero byte", "service: a\x00b\n", "1:11: The invisible character U+0000 is not allowed."},
	} {
		t.Run(tt.name, func(t *testing.T) {
			_, err := parse(t, tt.src)
			if err == nil || !strings.Contains(err.Error(), tt.want) {
				t.Fatalf("got %.500v, want %s", err, tt.want)
			}
			if n := len(err.(Problems)); n > maxProblems+1 {
				t.Errorf("%d problems", n)
			}
		})
	}
}

func TestPositionsAreJumpedTo(t *testing.T) {
	_, err := parse(t, "\ufeffservice: shop\r\nenvironments:\r\n  prod: {\"ä\": 1, urll: x}\r\n")
	want := ".shipmate.yaml:1:1: \"pipelines\" is missing: the file needs it.\n" +
		".shipmate.yaml:3:10: \"ä\" is not a key of an environment.\n" +
		".shipmate.yaml:3:18: \"urll\" is not a key of an environment. Did you mean \"url\"?"
	if err == nil || err.Error() != want {
		t.Errorf("got\n%v\nwant\n%s", err, want)
	}
	if got := err.(Problems)[2].Path; got != "environments.prod.urll" {
		t.Errorf("path %q", got)
	}
}

// A YAML parser that panics must not take the process with it, and every
// beginning of a real file has to be answered.
func TestEveryBeginningOfAFileIsAnswered(t *testing.T) {
	src := readFile(t, "testdata/valid/everything.yaml")
	for i := 0; i < len(src); i += 5 {
		if c, err := Parse("f", src[:i], testUses()); c == nil && err == nil {
			t.Fatalf("the first %d bytes: neither a config nor an error", i)
		}
	}
}

// What a runner's own check finds is shown at the parameter it is about.
func TestTheCheckOfARunnerPointsAtTheParameter(t *testing.T) {
	bad := Uses{Name: "x.do", Params: []Param{{Name: "steps", Type: "list", Items: "map"}}, Check: func(map[string]any) error {
		return InParam("steps", Refuse("bad_param", "Step 1 needs a weight."))
	}}
	_, err := Parse("f.yaml", []byte("service: shop\npipelines:\n  deploy:\n    steps:\n      - name: a\n        uses: x.do\n        with:\n          steps:\n            - {wait: 5m}\n"), []Uses{bad})
	if err == nil || err.Error() != "f.yaml:9:13: Step 1 needs a weight." {
		t.Error(err)
	}
}
