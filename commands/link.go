package commands

import (
	"context"
	"encoding/json"
	"fmt"
	"time"

	"github.com/shipmate/shipmate/pipeline"
)

// Link ties the Slack account it is said with to a GitHub account, or unties them.
type Link struct {
	Links   Links
	Records Records
}

// Links knows which Slack people linked themselves to which GitHub users.
type Links interface {
	// Invite returns the address at which the person proves who they are on both
	// sides: the same for the same key, for them alone, good once and not for long.
	Invite(ctx context.Context, key string, who pipeline.Actor) (string, error)
	// Linked returns the person with both sides filled in and since when that is
	// so, or a refusal: the operator linked them, or nobody did.
	Linked(ctx context.Context, who pipeline.Actor) (pipeline.Actor, time.Time, error)
	// Unlink ends the link of that time. If it is ended already, it does nothing.
	Unlink(ctx context.Context, key string, who pipeline.Actor, since time.Time) error
}

func (Link) Help() Help {
	return Help{
		Name:      "/link",
		Flags:     []Flag{{Name: "remove"}},
		Summary:   "Said on Slack, links your Slack account to your GitHub account, so that shipmate knows what you may do; with --remove ends that.",
		Needs:     pipeline.NoAccess,
		SlackOnly: true,
		Examples:  []string{"/link", "/link --remove"},
	}
}

func (k Link) Do(ctx context.Context, c *Call) (Reply, error) {
	switch {
	case c.Origin.Surface != "slack":
		return Reply{}, pipeline.Refuse("say_on_slack", "Say `/link` on Slack: it links the Slack account you say it with to your GitHub account.")
	case c.Line.Has("remove"):
		return k.remove(ctx, c)
	case c.Actor.ID != 0:
		text := fmt.Sprintf("You act as GitHub user %s (%d).", Code(c.Actor.Login), c.Actor.ID)
		if _, _, err := k.Links.Linked(ctx, c.Actor); err == nil {
			return Reply{Text: text + " To link another one, end this first: `/link --remove`.", Private: true}, nil
		} else if pipeline.Code(err) == "" || pipeline.IsTemporary(err) {
			return Reply{}, err
		}
		return Reply{Text: text + " It is in the operator's identities file, so only the operator can change it.", Private: true}, nil
	}
	address, err := k.Links.Invite(ctx, c.Key, c.Actor)
	if err != nil {
		return Reply{}, err
	}
	return Reply{Private: true, Text: fmt.Sprintf("[Link your GitHub account](%s): you sign in to Slack and to GitHub there, once each. "+
		"The link is for you alone; it works once, within 10 minutes.", address)}, nil
}

// remove ends the link that there was when it was first said: tried again, it
// does not touch one that was made since.
func (k Link) remove(ctx context.Context, c *Call) (Reply, error) {
	first := *c
	first.Repo = pipeline.Repo{} // what is found of it may differ once the link is gone
	kept, err := about(ctx, k.Records, &first, func() (string, error) {
		who, since, err := k.Links.Linked(ctx, c.Actor)
		if err != nil {
			return "", err
		}
		value, err := json.Marshal(link{who.ID, who.Login, since})
		return string(value), err
	})
	if err != nil {
		return Reply{}, err
	}
	var was link
	if err := json.Unmarshal([]byte(kept), &was); err != nil {
		return Reply{}, fmt.Errorf("link to remove: %w", err)
	}
	if err := k.Links.Unlink(ctx, c.Key, c.Actor, was.Since); err != nil {
		return Reply{}, err
	}
	return Reply{Text: fmt.Sprintf("Your Slack account is no longer linked to GitHub user %s (%d). To link it again: `/link`.", Code(was.Login), was.ID), Private: true}, nil
}

// link is what is kept about a link that is being removed.
type link struct {
	ID    int64     `json:"id"`
	Login string    `json:"login"`
	Since time.Time `json:"since"`
}
