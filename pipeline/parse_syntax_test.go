package pipeline

import (
	"strings"
	"testing"
)

// What means something in YAML is mostly meant as text. Then the problem is where
// the value is, and says how to write it.
func TestUnquotedValuesAreNamed(t *testing.T) {
	for _, tt := range []struct{ value, begins, suggests string }{
		{"* 7 * * *", `A value cannot begin with "*"`, `"* 7 * * *"`},
		{"*/5 * * * *", `A value cannot begin with "*"`, `"*/5 * * * *"`},
		{"* * * * *   # always", `A value cannot begin with "*"`, `"* * * * *   # always"`},
		{"*.example.com", `A value cannot begin with "*"`, `"*.example.com"`},
		{"*", `A value cannot begin with "*"`, `"*"`},
		{"**/x", `A value cannot begin with "*"`, `"**/x"`},
		{"@daily", `A value cannot begin with "@"`, `"@daily"`},
		{"%H", `A value cannot begin with "%"`, `"%H"`},
		{"`id`", "A value cannot begin with \"`\"", "\"`id`\""},
		{"&& make", `A value cannot begin with "&"`, `"&& make"`},
		{"&", `A value cannot begin with "&"`, `"&"`},
		{"[x", `A value that begins with "["`, `"[x"`},
		{"{x", `A value that begins with "{"`, `"{x"`},
		{"[ -f x ] && make", `There is more text behind the "]"`, `"[ -f x ] && make"`},
		{"{x} y", `There is more text behind the "}"`, `"{x} y"`},
		{"], x", `A value cannot begin with "]"`, `"], x"`},
		{"key: value: x", "A value cannot hold a colon", `"key: value: x"`},
		{"echo done: yes", "A value cannot hold a colon", `"echo done: yes"`},
		{"| make", `A value that begins with "|"`, `"| make"`},
		{"> out", `A value that begins with ">"`, `"> out"`},
		{`"$HOME"/bin/x`, "There is more text behind the quotes", `'"$HOME"/bin/x'`},
		{`'a' and 'b'`, "There is more text behind the quotes", `"'a' and 'b'"`},
		{"- x", `A value cannot begin with "- "`, `"- x"`},
		{"!main", "YAML tags such as", "put it in quotes"},
		{"!main x", "YAML tags such as", "put it in quotes"},
		{"*deploy", "No value above is called &deploy", "put it in quotes"},
		{"#deploys", "has no value", "in quotes"},
		{"fixes #12", "is a comment", `"fixes #12"`},
	} {
		for name, file := range map[string]string{
			"first key": "service: VALUE\npipelines:\n  deploy:\n    steps:\n      - {name: build, run: make}\n",
			"deep":      "pipelines:\n  deploy:\n    steps:\n      - name: build\n        run: VALUE\n",
			"before":    "pipelines:\n  deploy:\n    steps:\n      - name: build\n        run: VALUE\n        timeout: 5m\n      - name: x\n        run: y\n",
			"after":     "pipelines:\n  deploy:\n    timeout: 1h\n    on:\n      schedule:\n        - cron: VALUE\n          environment: prod\n    steps:\n      - name: build\n        run: |\n          make\n",
			"windows":   "pipelines:\r\n  deploy:\r\n    steps:\r\n      - name: build\r\n        run: VALUE",
		} {
			t.Run(tt.value+"/"+name, func(t *testing.T) {
				src := strings.Replace(file, "VALUE", tt.value, 1)
				_, err := Parse(".shipmate.yaml", []byte(src), testUses())
				problems, _ := err.(Problems)
				if len(problems) == 0 {
					t.Fatal("it is accepted")
				}
				before, _, _ := strings.Cut(file, "VALUE")
				line := strings.Count(before, "\n") + 1
				for _, p := range problems {
					if p.Line == line && strings.Contains(p.Message, tt.begins) && strings.Contains(p.Message, tt.suggests) {
						return
					}
				}
				t.Errorf("line %d is wrong, but: %v", line, err)
			})
		}
	}
}
