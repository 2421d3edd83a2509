package bot_test

import (
	"context"
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/shipmate/shipmate/bot"
	"github.com/shipmate/shipmate/pipeline"
)

const people = `
- {slack_team: T0, slack_user: U0MONA, github_id: 11, github_login: mona}
- {slack_team: T1, slack_user: U0MONA, github_id: 12, github_login: octavia}
`

func identityFile(t *testing.T, text string) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), "people.yaml")
	if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	return path
}

func TestWhoOnSlackIsWhoOnGitHub(t *testing.T) {
	path := identityFile(t, people)
	f, err := bot.LoadIdentities(path, nil)
	if err != nil {
		t.Fatal(err)
	}
	for _, row := range []struct {
		name, team, user string
		want             pipeline.Actor
	}{
		{"by user and team", "T0", "U0MONA", pipeline.Actor{ID: 11, Login: "mona", SlackTeam: "T0", SlackUser: "U0MONA"}},
		{"the same user id in another team is another person", "T1", "U0MONA", pipeline.Actor{ID: 12, Login: "octavia", SlackTeam: "T1", SlackUser: "U0MONA"}},
	} {
		got, err := f.GitHub(t.Context(), pipeline.Actor{SlackTeam: row.team, SlackUser: row.user, Login: "admin"})
		if err != nil || got != row.want {
			t.Errorf("%s: %+v, %v", row.name, got, err)
		}
	}
	for _, who := range []pipeline.Actor{{SlackTeam: "T0", SlackUser: "U0ZOE", Login: "mona"}, {SlackTeam: "T2", SlackUser: "U0MONA"}, {}} {
		got, err := f.GitHub(t.Context(), who)
		want := "Your Slack account is not linked to a GitHub account, so shipmate cannot know what you may do. " +
			"Ask the operator to add Slack user `" + who.SlackUser + "` of team `" + who.SlackTeam + "` to the identities file."
		if pipeline.Code(err) != "not_linked" || pipeline.Message(err) != want || got.ID != 0 {
			t.Errorf("%+v: got %+v, %v", who, got, err)
		}
	}
}

// Slack is asked about every person it is listed for, each time.
func TestWhoLeftSlackDoesNotAct(t *testing.T) {
	var asked []string
	left := map[string]bool{}
	f, err := bot.LoadIdentities(identityFile(t, people), func(_ context.Context, team, user string) error {
		asked = append(asked, team+" "+user)
		if left[user] {
			return pipeline.Refuse("not_active", "Your Slack account is not active.")
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	who := pipeline.Actor{SlackTeam: "T0", SlackUser: "U0MONA"}
	if got, err := f.GitHub(t.Context(), who); err != nil || got.ID != 11 {
		t.Errorf("%+v, %v", got, err)
	}
	left["U0MONA"] = true
	if got, err := f.GitHub(t.Context(), who); pipeline.Code(err) != "not_active" || got.ID != 0 {
		t.Errorf("%+v, %v", got, err)
	}
	if _, err := f.GitHub(t.Context(), pipeline.Actor{SlackTeam: "T0", SlackUser: "U0ZOE"}); pipeline.Code(err) != "not_linked" {
		t.Error(err)
	}
	if got := strings.Join(asked, ", "); got != "T0 U0MONA, T0 U0MONA, T0 U0ZOE" {
		t.Errorf("asked about %s", got)
	}
}

func TestWithoutAFileNobodyIsLinked(t *testing.T) {
	for name, path := range map[string]string{"no path": "", "an empty file": identityFile(t, ""), "an empty list": identityFile(t, "[]\n")} {
		f, err := bot.LoadIdentities(path, nil)
		if err != nil {
			t.Errorf("%s: %v", name, err)
			continue
		}
		if _, err := f.GitHub(t.Context(), pipeline.Actor{SlackTeam: "T0", SlackUser: "U0MONA"}); pipeline.Code(err) != "not_linked" {
			t.Errorf("%s: %v", name, err)
		}
	}
	if _, err := bot.LoadIdentities(filepath.Join(t.TempDir(), "none.yaml"), nil); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("a path to nothing: %v", err)
	}
}

func TestAnIdentityFileWithAMistake(t *testing.T) {
	const good = "- {slack_team: T0, slack_user: U0MONA, github_id: 11, github_login: mona}\n"
	for _, row := range []struct{ name, text, says string }{
		{"an unknown key", good + "- {slack_team: T0, slack_user: U0EVE, github_id: 13, login: eve}\n", `2:54: unknown field "login"`},
		{"a name where an id belongs", good + "\n- {slack_team: T0, slack_user: U0EVE, github_id: eve, github_login: eve}\n", `3:50: "eve" does not belong here: github_id is a number`},
		{"no list", "slack_team: T0\n", "1:11: mapping was used"},
		{"no YAML", good + "- {slack_team: T0\n", "2:"},
		{"no id", good + "- {slack_team: T0, slack_user: U0EVE, github_login: eve}\n", " entry 2: slack_team, slack_user, github_id and github_login are all needed"},
		{"an id that cannot be", "- {slack_team: T0, slack_user: U0EVE, github_id: -1, github_login: eve}\n", " entry 1: slack_team, slack_user, github_id and github_login are all needed"},
		{"no team", "- {slack_user: U0EVE, github_id: 13, github_login: eve}\n", " entry 1: slack_team, slack_user, github_id and github_login are all needed"},
		{"twice", good + good, " entry 2: Slack user U0MONA of team T0 is listed twice"},
	} {
		t.Run(row.name, func(t *testing.T) {
			path := identityFile(t, row.text)
			_, err := bot.LoadIdentities(path, nil)
			if err == nil || !strings.HasPrefix(err.Error(), path+":"+row.says) {
				t.Errorf("got %v, want %s: %s", err, path, row.says)
			}
		})
	}
}
