package bot

import (
	"bytes"
	"cmp"
	"context"
	"errors"
	"fmt"
	"os"
	"slices"
	"strings"

	"github.com/goccy/go-yaml"

	"github.com/shipmate/shipmate/pipeline"
)

// Identities says which GitHub user a Slack person acts as.
type Identities interface {
	// GitHub returns the actor with both sides filled in, or a refusal.
	GitHub(ctx context.Context, slack pipeline.Actor) (pipeline.Actor, error)
}

// IdentityFile is the operator's list. Names and addresses play no part in it:
// they can be chosen freely, ids cannot.
type IdentityFile struct {
	people map[slackPerson]Identity
	person func(ctx context.Context, team, user string) error
}

type slackPerson struct{ team, user string }

const notLinked = "not_linked" // reason code

// Identity is one entry of the file.
type Identity struct {
	SlackTeam   string `yaml:"slack_team"`
	SlackUser   string `yaml:"slack_user"`
	GitHubID    int64  `yaml:"github_id"`
	GitHubLogin string `yaml:"github_login"`
}

// LoadIdentities reads the file; without one nobody is linked. active is asked
// about every person before they act, and refuses guests, strangers and people
// who left.
func LoadIdentities(path string, active func(ctx context.Context, team, user string) error) (*IdentityFile, error) {
	f := &IdentityFile{people: map[slackPerson]Identity{}, person: active}
	if path == "" {
		return f, nil
	}
	src, err := os.ReadFile(path)
	if err != nil {
		return nil, fmt.Errorf("SHIPMATE_IDENTITIES_FILE: %w", pipeline.FileError(err))
	}
	var list []Identity
	src = bytes.ReplaceAll(src, []byte("\r\n"), []byte("\n")) // the decoder takes each for a line end of its own
	err = yaml.UnmarshalWithOptions(src, &list, yaml.Strict())
	if wrong := (*yaml.TypeError)(nil); errors.As(err, &wrong) {
		return nil, fmt.Errorf("%s:%d:%d: %s does not belong here: github_id is a number, the rest is text in a list of entries", path, wrong.Token.Position.Line, wrong.Token.Position.Column, pipeline.QuoteSetting(wrong.Token.Value))
	}
	if err != nil {
		return nil, pipeline.YAMLError(path, err)
	}
	for i, id := range list {
		key := slackPerson{id.SlackTeam, id.SlackUser}
		_, twice := f.people[key]
		switch {
		case id.SlackTeam == "" || id.SlackUser == "" || id.GitHubID <= 0 || id.GitHubLogin == "":
			return nil, fmt.Errorf("%s: entry %d: slack_team, slack_user, github_id and github_login are all needed", path, i+1)
		case twice:
			return nil, fmt.Errorf("%s: entry %d: Slack user %s of team %s is listed twice", path, i+1, id.SlackUser, id.SlackTeam)
		}
		f.people[key] = id
	}
	return f, nil
}

// GitHub asks first whether the person may act at all: to tell somebody of
// another workspace how to be linked would lead nowhere.
func (f *IdentityFile) GitHub(ctx context.Context, who pipeline.Actor) (pipeline.Actor, error) {
	if err := f.mayAct(ctx, who.SlackTeam, who.SlackUser); err != nil {
		return who, err
	}
	id, ok := f.people[slackPerson{who.SlackTeam, who.SlackUser}]
	if !ok {
		return who, pipeline.Refuse(notLinked, "Your Slack account is not linked to a GitHub account, so shipmate cannot know what you may do. Ask the operator to add Slack user `%s` of team `%s` to the identities file.", who.SlackUser, who.SlackTeam)
	}
	who.ID, who.Login = id.GitHubID, id.GitHubLogin
	return who, nil
}

// Slack lists the people of the file who act as a GitHub user. Those who may
// not act, such as guests and who left, are not among them.
func (f *IdentityFile) Slack(ctx context.Context, github pipeline.Actor) ([]pipeline.Actor, error) {
	var out []pipeline.Actor
	for key, id := range f.people {
		if github.ID != 0 && id.GitHubID != github.ID || github.ID == 0 && !strings.EqualFold(id.GitHubLogin, github.Login) {
			continue
		}
		who, err := f.GitHub(ctx, pipeline.Actor{SlackTeam: key.team, SlackUser: key.user})
		switch {
		case err != nil && pipeline.IsTemporary(err):
			return nil, err
		case err == nil:
			out = append(out, who)
		}
	}
	slices.SortFunc(out, bySlack)
	return out, nil
}

func bySlack(a, b pipeline.Actor) int {
	return cmp.Or(strings.Compare(a.SlackTeam, b.SlackTeam), strings.Compare(a.SlackUser, b.SlackUser))
}

// mayAct refuses guests, bots, strangers and people who left.
func (f *IdentityFile) mayAct(ctx context.Context, team, user string) error {
	if f.person == nil {
		return nil
	}
	return f.person(ctx, team, user)
}

// has reports whether the file says who a Slack person is.
func (f *IdentityFile) has(who pipeline.Actor) bool {
	_, ok := f.people[slackPerson{who.SlackTeam, who.SlackUser}]
	return ok
}

// names reports whether the file says who a GitHub user is in a team.
func (f *IdentityFile) names(team string, github int64) bool {
	for key, id := range f.people {
		if key.team == team && id.GitHubID == github {
			return true
		}
	}
	return false
}
