package main

import (
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/shipmate/shipmate/bot"
	"github.com/shipmate/shipmate/bot/github"
	"github.com/shipmate/shipmate/bot/slack"
)

// The manual names every permission, event and scope with the words of the code,
// in the order of the platforms' pages. What is missing is said in those words
// at start, too.
func TestTheManualNamesWhatIsNeeded(t *testing.T) {
	text, err := os.ReadFile("../../docs/configuration.md")
	if err != nil {
		t.Fatal(err)
	}
	permission := func(n bot.Need) string {
		return fmt.Sprintf("| %s | %s | %s | %s |", n.Title, github.Access(n.Level), n.For, n.Without)
	}
	event := func(n bot.Need) string { return fmt.Sprintf("| %s | %s | %s |", n.Title, n.For, n.Without) }
	byName := func(n bot.Need) string { return fmt.Sprintf("| `%s` | %s | %s |", n.Name, n.For, n.Without) }
	for head, table := range map[string]struct {
		needs []bot.Need
		row   func(bot.Need) string
	}{
		"| permission | access | what it is for | without it |\n|---|---|---|---|\n": {github.Permissions(), permission},
		"| event of GitHub | what it is for | without it |\n|---|---|---|\n":         {github.Events(), event},
		"| scope | what it is for | without it |\n|---|---|---|\n":                   {slack.Needs(), byName},
		"| event of Slack | what it is for | without it |\n|---|---|---|\n":          {slack.Events(), byName},
	} {
		want := head
		for _, n := range table.needs {
			if n.For == "" || n.Without == "" {
				t.Errorf("%s says not what it is for", n.Name)
			}
			want += table.row(n) + "\n"
		}
		if !strings.Contains(string(text), want+"\n") {
			t.Errorf("docs/configuration.md has not this table:\n%s", want)
		}
	}
}

// The Slack app that `slack-manifest` makes has what the code checks at start.
func TestTheManifestAsksForWhatIsNeeded(t *testing.T) {
	var m struct {
		OAuth struct {
			Scopes struct{ Bot []string } `json:"scopes"`
		} `json:"oauth_config"`
		Settings struct {
			Events struct {
				Bot []string `json:"bot_events"`
			} `json:"event_subscriptions"`
		} `json:"settings"`
	}
	if err := json.Unmarshal(slack.Manifest(slack.Setup{Socket: true}), &m); err != nil {
		t.Fatal(err)
	}
	for what, list := range map[string]struct {
		needs []bot.Need
		have  []string
	}{"scopes": {slack.Needs(), m.OAuth.Scopes.Bot}, "events": {slack.Events(), m.Settings.Events.Bot}} {
		var want []string
		for _, n := range list.needs {
			want = append(want, n.Name)
		}
		if !slices.Equal(list.have, want) || !slices.IsSorted(want) {
			t.Errorf("%s of the manifest: %v, want %v in the order of the page", what, list.have, want)
		}
	}
}

// The manual has every kind of finding, and no other.
func TestTheManualNamesEveryFinding(t *testing.T) {
	text, err := os.ReadFile("../../docs/operating.md")
	if err != nil {
		t.Fatal(err)
	}
	used := map[string]bool{}
	for _, pattern := range []string{"../../bot/github/examine*.go", "../../bot/slack/examine*.go", "examine*.go"} {
		for _, kind := range kindsIn(t, pattern) {
			used[kind] = true
			if !strings.Contains(string(text), "| `"+kind+"` |") {
				t.Errorf("docs/operating.md does not have %s", kind)
			}
		}
	}
	for _, line := range strings.Split(string(text), "\n") {
		kind, _, _ := strings.Cut(strings.TrimPrefix(line, "| `"), "`")
		if (strings.HasPrefix(line, "| `github_") || strings.HasPrefix(line, "| `slack_")) && !used[kind] {
			t.Errorf("docs/operating.md has %s, and nothing finds it", kind)
		}
	}
	if len(used) < 10 {
		t.Errorf("only %d kinds were found: this tests nothing", len(used))
	}
}

// findingKind are the words that stand where a Finding's kind does.
var findingKind = regexp.MustCompile(`"((?:github|slack)_[a-z_]+)"`)

func kindsIn(t *testing.T, pattern string) (kinds []string) {
	t.Helper()
	files, err := filepath.Glob(pattern)
	if err != nil {
		t.Fatal(err)
	}
	for _, file := range files {
		if strings.HasSuffix(file, "_test.go") {
			continue
		}
		src, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		for _, m := range findingKind.FindAllStringSubmatch(string(src), -1) {
			kinds = append(kinds, m[1])
		}
	}
	return kinds
}
