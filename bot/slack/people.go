package slack

import (
	"context"
	"time"

	slackgo "github.com/slack-go/slack"
)

// Person is what Slack knows about somebody, for the decision whether they may
// act at all. Guests, bots, deleted people and strangers may not.
type Person struct {
	Name     string // for display only; it proves nothing
	Guest    bool
	Bot      bool
	Deleted  bool
	Stranger bool // of another workspace
}

// MayAct reports whether the person is a full member of the workspace.
func (p Person) MayAct() bool { return !p.Guest && !p.Bot && !p.Deleted && !p.Stranger }

type knownPerson struct {
	Person
	at time.Time
}

// How long an answer is believed: somebody who left must be refused within
// 15 minutes.
const (
	personKept  = 10 * time.Minute
	maxPeople   = 10_000
	slackbotsID = "USLACKBOT" // users.info does not call it a bot
)

// Person asks Slack about a member. An error, also "no such person", must be
// taken as a no.
func (c *Client) Person(ctx context.Context, team, user string) (Person, error) {
	us, err := c.identity(ctx)
	if err != nil {
		return Person{}, err
	}
	if team != us.TeamID { // the id may be somebody else's in our workspace
		return Person{Stranger: true}, nil
	}
	key := team + "/" + user
	c.mu.Lock()
	known, ok := c.people[key]
	c.mu.Unlock()
	if ok && c.now().Sub(known.at) < personKept {
		return known.Person, nil
	}
	var u *slackgo.User
	err = c.call(ctx, "users.info", func(ctx context.Context) (err error) {
		u, err = c.api.GetUserInfoContext(ctx, user)
		return err
	})
	if err != nil {
		return Person{}, err
	}
	p := Person{
		Name:     u.Name,
		Guest:    u.IsRestricted || u.IsUltraRestricted,
		Bot:      u.IsBot || user == slackbotsID,
		Deleted:  u.Deleted,
		Stranger: u.IsStranger || u.TeamID != us.TeamID,
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	if len(c.people) >= maxPeople {
		clear(c.people)
	}
	c.people[key] = knownPerson{p, c.now()}
	return p, nil
}
