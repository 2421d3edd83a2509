package bot

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"strconv"
	"strings"
	"time"

	"github.com/shipmate/shipmate/pipeline"
)

// Links keep which GitHub user a Slack person proved to be, see package link.
// A link stands where two records agree: the person's, which names the GitHub
// user, and the GitHub user's, which names the person of that team. So however
// many link themselves at once, there is one of each for the other, and the newest wins.
type Links struct{ Records linkRecords }

type linkRecords interface {
	Records
	Delete(ctx context.Context, repo int64, key string) error
}

// link is what a person's record holds.
type link struct {
	ID    int64     `json:"github_id"`
	Login string    `json:"github_login"`
	At    time.Time `json:"linked_at"`
}

func linkKey(team, user string) string { return "identity:" + team + ":" + user }

// linkedKey is a set of teams; with one of them, the user who is linked there.
func linkedKey(github int64) string { return "identity-of:" + strconv.FormatInt(github, 10) }

func linkedInKey(github int64, team string) string { return linkedKey(github) + ":" + team }

// loginKey leads from a login, as it was when it was linked, to the id.
func loginKey(login string) string { return "identity-login:" + strings.ToLower(login) }

// of returns a person's link, or ErrNotFound.
func (l Links) of(ctx context.Context, team, user string) (link, error) {
	var at link
	value, err := l.Records.Get(ctx, nowhere, linkKey(team, user))
	if err != nil {
		return at, err
	}
	if err := json.Unmarshal(value, &at); err != nil {
		return at, fmt.Errorf("link of %s: %w", user, err)
	}
	back, err := l.in(ctx, at.ID, team)
	if err == nil && back != user {
		err = pipeline.ErrNotFound
	}
	return at, err
}

// in returns the Slack user whom a GitHub user is linked to in a team, or ErrNotFound.
func (l Links) in(ctx context.Context, github int64, team string) (string, error) {
	user, err := l.Records.Get(ctx, nowhere, linkedInKey(github, team))
	return string(user), err
}

// put links two who proved to be one. Whoever was linked to that GitHub user in
// the team is so no more with the first record that is written.
func (l Links) put(ctx context.Context, who pipeline.Actor, at time.Time) error {
	value, err := json.Marshal(link{who.ID, who.Login, at})
	if err != nil {
		return err
	}
	if err := l.Records.Add(ctx, nowhere, linkedKey(who.ID), who.SlackTeam, forever); err != nil {
		return err
	}
	if err := l.Records.Put(ctx, nowhere, loginKey(who.Login), []byte(strconv.FormatInt(who.ID, 10)), forever); err != nil {
		return err
	}
	if err := l.Records.Put(ctx, nowhere, linkedInKey(who.ID, who.SlackTeam), []byte(who.SlackUser), forever); err != nil {
		return err
	}
	return l.Records.Put(ctx, nowhere, linkKey(who.SlackTeam, who.SlackUser), value, forever)
}

// remove ends a person's link. The GitHub user's record may name the person
// still: alone it means nothing.
func (l Links) remove(ctx context.Context, team, user string) error {
	return l.Records.Delete(ctx, nowhere, linkKey(team, user))
}

// people lists the Slack people a GitHub user was linked to, found by id or,
// where that is zero, by login. Some may be linked to another by now.
func (l Links) people(ctx context.Context, github pipeline.Actor) ([]pipeline.Actor, error) {
	id, err := l.id(ctx, github)
	if id == 0 || err != nil {
		return nil, err
	}
	teams, err := l.Records.Members(ctx, nowhere, linkedKey(id))
	if err != nil {
		return nil, err
	}
	var out []pipeline.Actor
	for _, team := range teams {
		user, err := l.in(ctx, id, team)
		if errors.Is(err, pipeline.ErrNotFound) {
			continue
		}
		if err != nil {
			return nil, err
		}
		out = append(out, pipeline.Actor{ID: id, SlackTeam: team, SlackUser: user})
	}
	return out, nil
}

func (l Links) id(ctx context.Context, github pipeline.Actor) (int64, error) {
	if github.ID != 0 || github.Login == "" {
		return github.ID, nil
	}
	value, err := l.Records.Get(ctx, nowhere, loginKey(github.Login))
	if errors.Is(err, pipeline.ErrNotFound) {
		return 0, nil
	}
	if err != nil {
		return 0, err
	}
	return strconv.ParseInt(string(value), 10, 64)
}
