package bot

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/shipmate/shipmate/commands"
	"github.com/shipmate/shipmate/pipeline"
)

// People is who on Slack is who on GitHub: by the operator's file and, where
// that says nothing, as people linked themselves. It is an [Identities] and a [Linked].
type People struct {
	File  *IdentityFile
	Links Links
	Offer bool // people can link themselves, so who is not linked is told so
	Audit Auditor
}

var (
	_ Identities = (*People)(nil)
	_ Linked     = (*People)(nil)
)

// GitHub returns the person with both sides filled in, or a refusal. Whether
// they may act at all is asked each time, by whomever they are linked.
func (p *People) GitHub(ctx context.Context, who pipeline.Actor) (pipeline.Actor, error) {
	got, err := p.File.GitHub(ctx, who)
	if pipeline.Code(err) != notLinked {
		return got, err
	}
	at, missing := p.link(ctx, who)
	switch {
	case errors.Is(missing, pipeline.ErrNotFound) && p.Offer:
		return who, pipeline.Refuse(notLinked, "Your Slack account is not linked to a GitHub account, so shipmate cannot know what you may do. Say `/link` to link it.")
	case errors.Is(missing, pipeline.ErrNotFound):
		return who, err
	case missing != nil:
		return who, pipeline.Temporary(missing)
	}
	who.ID, who.Login = at.ID, at.Login
	return who, nil
}

// link is the link that counts, or ErrNotFound: whoever the operator names, on
// either side, has none.
func (p *People) link(ctx context.Context, who pipeline.Actor) (link, error) {
	at, err := p.Links.of(ctx, who.SlackTeam, who.SlackUser)
	if err == nil && p.File.names(who.SlackTeam, at.ID) {
		err = pipeline.ErrNotFound
	}
	return at, err
}

// Slack lists the people who act as a GitHub user.
func (p *People) Slack(ctx context.Context, github pipeline.Actor) ([]pipeline.Actor, error) {
	out, err := p.File.Slack(ctx, github)
	if err != nil {
		return nil, err
	}
	linked, err := p.Links.people(ctx, github)
	if err != nil {
		return nil, err
	}
	for _, one := range linked {
		who, err := p.GitHub(ctx, one)
		switch {
		case err != nil && (pipeline.IsTemporary(err) || pipeline.Code(err) == ""):
			return nil, err
		case err == nil && who.ID == one.ID && !slices.Contains(out, who):
			out = append(out, who)
		}
	}
	slices.SortFunc(out, bySlack)
	return out, nil
}

// Linked returns the person as they linked themselves and since when, or a refusal.
func (p *People) Linked(ctx context.Context, who pipeline.Actor) (pipeline.Actor, time.Time, error) {
	if p.File.has(who) {
		return who, time.Time{}, pipeline.Refuse("linked_by_file", "Your Slack account is linked by the operator's identities file, so only the operator can change that. Ask the operator.")
	}
	at, err := p.link(ctx, who)
	if errors.Is(err, pipeline.ErrNotFound) {
		return who, time.Time{}, pipeline.Refuse(notLinked, "Your Slack account is not linked to a GitHub account, so there is nothing to remove. To link it, say `/link`.")
	}
	who.ID, who.Login = at.ID, at.Login
	return who, at.At, err
}

// Unlink ends the link of that time, if it is still there.
func (p *People) Unlink(ctx context.Context, key string, who pipeline.Actor, since time.Time) error {
	at, err := p.Links.of(ctx, who.SlackTeam, who.SlackUser)
	if errors.Is(err, pipeline.ErrNotFound) || err == nil && !at.At.Equal(since) {
		return nil
	}
	if err != nil {
		return err
	}
	who.ID, who.Login = at.ID, at.Login
	if err := p.audit(ctx, "unlink:"+key, who, "unlinked", "unlinked by the person"); err != nil {
		return err
	}
	return p.Links.remove(ctx, who.SlackTeam, who.SlackUser)
}

// Link links two who have both proved who they are, for good. It returns whom
// the GitHub user was linked to in that team before; nobody: the zero Actor.
func (p *People) Link(ctx context.Context, key string, who pipeline.Actor, now time.Time) (before pipeline.Actor, err error) {
	if err := p.mayLink(ctx, who); err != nil {
		return before, err
	}
	user, err := p.Links.in(ctx, who.ID, who.SlackTeam)
	if err != nil && !errors.Is(err, pipeline.ErrNotFound) {
		return before, err
	}
	text := "linked by signing in on both sides"
	if user != "" && user != who.SlackUser {
		_, err := p.Links.of(ctx, who.SlackTeam, user)
		if err != nil && !errors.Is(err, pipeline.ErrNotFound) {
			return before, err
		}
		if err == nil {
			before = pipeline.Actor{ID: who.ID, Login: who.Login, SlackTeam: who.SlackTeam, SlackUser: user}
			text += fmt.Sprintf("; Slack user %s, who was linked before, is so no more", user)
		}
	}
	if err := p.audit(ctx, "link:"+key, who, "linked", text); err != nil {
		return before, err
	}
	if err := p.Links.put(ctx, who, now); err != nil {
		return before, err
	}
	if before.SlackUser != "" {
		err = p.Links.remove(ctx, before.SlackTeam, before.SlackUser) // it stands no more in any case
	} else {
		err = nil
	}
	return before, err
}

// mayLink: whom the operator named, on either side, stays as named, and who is
// linked to somebody else ends that first.
func (p *People) mayLink(ctx context.Context, who pipeline.Actor) error {
	if err := p.File.mayAct(ctx, who.SlackTeam, who.SlackUser); err != nil {
		return err
	}
	if p.File.has(who) {
		return pipeline.Refuse("linked_by_file", "Your Slack account is in the operator's identities file, so only the operator can change whom it is linked to. Ask the operator.")
	}
	if p.File.names(who.SlackTeam, who.ID) {
		return pipeline.Refuse("linked_by_file", "GitHub user %s is somebody else's in the operator's identities file. Ask the operator to change that.", commands.Code(who.Login))
	}
	at, err := p.Links.of(ctx, who.SlackTeam, who.SlackUser)
	switch {
	case err == nil && at.ID != who.ID:
		return pipeline.Refuse("already_linked", "Your Slack account is linked to GitHub user %s (%d) already. To link another one, end this first: say `/link --remove` on Slack.", commands.Code(at.Login), at.ID)
	case errors.Is(err, pipeline.ErrNotFound):
		return nil
	}
	return err
}

// Refused keeps that somebody was not linked, and why.
func (p *People) Refused(ctx context.Context, key string, who pipeline.Actor, why error) error {
	return p.audit(ctx, "refused:"+key, who, pipeline.Code(why), pipeline.Message(why))
}

func (p *People) audit(ctx context.Context, key string, who pipeline.Actor, code, text string) error {
	if p.Audit == nil {
		return nil
	}
	e := auditEntry("identity", pipeline.Repo{}, pipeline.Origin{Surface: "slack"}, who)
	e.Code, e.Text = code, text
	return p.Audit.Add(ctx, "identity:"+key, e)
}
