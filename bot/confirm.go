package bot

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"time"

	"github.com/shipmate/shipmate/commands"
	"github.com/shipmate/shipmate/pipeline"
)

// confirmation is what a person was asked to confirm: a command, with the
// commit that was shown. It is theirs alone, good once, and not for long.
type confirmation struct {
	Line    string          `json:"line"`
	Repo    pipeline.Repo   `json:"repo"`
	Commit  pipeline.Commit `json:"commit"`
	By      int64           `json:"by"` // GitHub's user id
	Origin  pipeline.Origin `json:"origin"`
	Expires time.Time       `json:"expires"`
}

const (
	confirmWithin = 5 * time.Minute
	keepConfirm   = 24 * time.Hour // so that a late click is told what it was
)

// ask keeps the question and returns its button, the same each time.
func (b *Bot) ask(ctx context.Context, c *commands.Call, a commands.Ask) (Confirm, error) {
	label := fmt.Sprintf("Deploy %.7s to %s", a.Commit.SHA, a.Environment)
	key := "confirm-of:" + c.Key
	id := []byte(randomID())
	fresh, err := b.Records.PutNew(ctx, c.Repo.ID, key, id, keepConfirm)
	if err == nil && !fresh {
		id, err = b.Records.Get(ctx, c.Repo.ID, key)
	}
	if err != nil {
		return Confirm{}, pipeline.Temporary(err)
	}
	value, err := json.Marshal(Button{Kind: ButtonConfirm, SHA: a.Commit.SHA, Confirm: &confirmation{
		Line: a.Line, Repo: c.Repo, Commit: a.Commit, By: c.Actor.ID, Origin: c.Origin, Expires: b.Now().Add(confirmWithin)}})
	if err != nil {
		return Confirm{}, err
	}
	if _, err := b.Records.PutNew(ctx, c.Repo.ID, "button:"+string(id), value, keepConfirm); err != nil {
		return Confirm{}, pipeline.Temporary(err)
	}
	return Confirm{Button: string(id), Label: label}, nil
}

// confirmed does the command that was asked about, with the commit that was shown.
func (b *Bot) confirmed(ctx context.Context, key string, m Pressed, btn Button) error {
	q := btn.Confirm
	who, err := b.Identities.GitHub(ctx, m.Actor)
	if err == nil && who.ID != q.By {
		err = pipeline.Refuse("not_yours", "This question was asked somebody else, so nothing was done. Say the command yourself to be asked.")
	}
	if err == nil {
		err = b.useUp(ctx, key, m.Button, q)
	}
	if err != nil {
		return b.refuse(ctx, q.Repo, m.Origin, m.Actor, key, err)
	}
	line, err := b.Commands.Parse(q.Line)
	if err != nil {
		return b.refuse(ctx, q.Repo, m.Origin, m.Actor, key, err)
	}
	at := q.Origin
	at.ReplyTo = m.Origin.ReplyTo
	said := Said{Repo: q.Repo, Actor: m.Actor, Origin: at, At: m.At, Came: m.Came, yesTo: q.Commit}
	return b.obey(ctx, "confirmed:"+m.Button, said, []commands.Line{line})
}

// useUp makes the answer the only one, of all clicks and on all replicas. The
// click that did so may be handled again.
func (b *Bot) useUp(ctx context.Context, key, button string, q *confirmation) error {
	record := "used:" + button
	by, err := b.Records.Get(ctx, q.Repo.ID, record)
	if err != nil && !errors.Is(err, pipeline.ErrNotFound) {
		return pipeline.Temporary(err)
	}
	switch {
	case string(by) == key:
		return nil
	case by == nil && !b.Now().Before(q.Expires):
		return pipeline.Refuse("confirmation_expired", "This was asked more than %d minutes ago, so nothing was deployed. Say it again: %s.", int(confirmWithin.Minutes()), commands.Code(q.Line))
	case by == nil:
		fresh, err := b.Records.PutNew(ctx, q.Repo.ID, record, []byte(key), keepConfirm)
		if err != nil {
			return pipeline.Temporary(err)
		}
		if fresh {
			return nil
		}
	}
	return pipeline.Refuse("already_confirmed", "This was confirmed already. To deploy once more, say it again: %s.", commands.Code(q.Line))
}
