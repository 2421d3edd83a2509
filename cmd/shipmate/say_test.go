package main

import (
	"strings"
	"testing"

	"github.com/shipmate/shipmate/commands"
)

// What the shell has taken apart is read by the bot as it was meant.
func TestLine(t *testing.T) {
	set := commands.All(commands.Desk{})
	for _, test := range []struct {
		words []string
		text  string // what is sent
		flag  string // the reason, as it is read
	}{
		{[]string{"prod", "--reason", "big sale"}, ` prod --reason "big sale"`, "big sale"},
		{[]string{"prod", "--reason=big sale"}, ` prod --reason="big sale"`, "big sale"},
		{[]string{"--reason", `say "yes" \o/`, "prod"}, ` --reason "say \"yes\" \\o/" prod`, `say "yes" \o/`},
		{[]string{"prod", "--reason", "one\r\n/lock prod"}, ` prod --reason "one  /lock prod"`, "one  /lock prod"},
		{[]string{"prod", "--reason", "“quoted”"}, ` prod --reason "\“quoted\”"`, "“quoted”"},
		{[]string{"prod", "--reason", "- a dash"}, ` prod --reason "- a dash"`, "- a dash"},
		{[]string{"prod", "--reason", ""}, ` prod --reason ""`, ""},
	} {
		text := line(test.words)
		if text != test.text {
			t.Errorf("%q is sent as %s, want %s", test.words, text, test.text)
		}
		l, err := set.Parse("/deploy" + text)
		if err != nil || l.Flag("reason") != test.flag || l.Arg("env") != "prod" {
			t.Errorf("%q is read as %v %v, %v", test.words, l.Args, l.Flags, err)
		}
		if n := len(commands.Lines("/deploy"+text, "")); n != 1 {
			t.Errorf("%q is %d commands", test.words, n)
		}
	}
	if l, err := set.Parse("/rollback" + line([]string{"prod", "to", "r-1a2b3c4d"})); err != nil || l.Arg("run|commit") != "r-1a2b3c4d" {
		t.Errorf("rollback to: %v %v", l.Args, err)
	}
}

func TestRepoAt(t *testing.T) {
	const github, own = "https://github.com", "http://ghe.example:8443/"
	for _, test := range []struct{ origin, web, repo string }{
		{"https://github.com/acme/shop.git", github, "acme/shop"},
		{"https://github.com/acme/shop", github, "acme/shop"},
		{"https://mona@GitHub.com/acme/shop.git/", github, "acme/shop"},
		{"git@github.com:acme/shop.git", github, "acme/shop"},
		{"github.com:acme/shop.js", github, "acme/shop.js"},
		{"ssh://git@github.com:22/acme/shop.git", github, "acme/shop"},
		{"http://ghe.example:8443/acme/shop.git", own, "acme/shop"},
		{"git@ghe.example:acme/shop.git", own, "acme/shop"},
		{"http://ghe.example/acme/shop.git", own, ""},
		{"https://gitlab.com/acme/shop.git", github, ""},
		{"git@gitlab.com:acme/shop.git", github, ""},
		{"https://github.com.evil.example/acme/shop", github, ""},
		{"https://github.com/acme/group/shop", github, ""},
		{"https://github.com/acme", github, ""},
		{"/srv/git/acme/shop.git", github, ""},
		{"../shop", github, ""},
		{"", github, ""},
	} {
		if got := repoAt(test.origin, test.web); got != test.repo {
			t.Errorf("%s at %s is %q, want %q", test.origin, test.web, got, test.repo)
		}
	}
}

func TestMarkdownOnATerminal(t *testing.T) {
	for _, test := range []struct{ name, text, plain, colour string }{
		{"bold", "to **prod** now", "to prod now", "to \x1b[1mprod\x1b[0m now"},
		{"code", "say `/deploy **x**`", "say `/deploy **x**`", "say \x1b[36m/deploy **x**\x1b[0m"},
		{"a link", "see [the run](https://x.example/1)", "see the run (https://x.example/1)", "see the run (https://x.example/1)"},
		{"a block", "Log:\n```\n**a** `b`\n```\nend", "Log:\n  **a** `b`\nend", "Log:\n  **a** `b`\nend"},
		{"a block with backticks in it", "````\n```\n````", "  ```", "  ```"},
		{"what commands a terminal", "a\x1b]0;b\x07\u202ec\u009bd", "a]0;bcd", "a]0;bcd"},
	} {
		if got := (&terminal{}).markdown(test.text); got != test.plain {
			t.Errorf("%s: %q, want %q", test.name, got, test.plain)
		}
		if got := (&terminal{colour: true}).markdown(test.text); got != test.colour {
			t.Errorf("%s, in colours: %q, want %q", test.name, got, test.colour)
		}
	}
}

// Every command of the bot is a verb here, but for the names that were taken.
func TestVerbs(t *testing.T) {
	began := false
	cmd := root(&began)
	for _, c := range commands.All(commands.Desk{}) {
		name := strings.TrimPrefix(c.Help().Name, "/")
		found, _, err := cmd.Find([]string{name})
		if name == "help" {
			continue
		}
		if err != nil || found.Name() != name || found.GroupID != verbGroup {
			t.Errorf("%s: %v", name, err)
		}
	}
	for _, name := range []string{"run", "version", "validate", "schema", "serve"} {
		if found, _, err := cmd.Find([]string{name}); err != nil || found.GroupID == verbGroup {
			t.Errorf("%s: %v", name, err)
		}
	}
}
