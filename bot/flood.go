package bot

import (
	"context"
	"strconv"
	"time"

	"github.com/shipmate/shipmate/commands"
	"github.com/shipmate/shipmate/pipeline"
)

// Limiter is a budget that all replicas share: it books cost unless more than
// limit would be booked in a stretch of per.
type Limiter interface {
	Budget(ctx context.Context, key string, limit int, per time.Duration, cost int) (ok bool, wait time.Duration, err error)
}

// How much people may say in a minute. One who says more is told so once a
// minute, so that a flood of comments is not answered by a flood of comments.
const (
	perPerson = 60
	perRepo   = 120
)

// flooded answers what is too much, and reports whether it was. A message is
// counted once, however often it is tried.
func (b *Bot) flooded(ctx context.Context, key string, m Said, c *commands.Call, n int) (bool, error) {
	was := m.was
	if was == nil {
		all, err := b.triesOf(ctx, c.Repo.ID, key)
		if err != nil {
			return false, err
		}
		was = &all
	}
	verdict := was.counted
	if verdict == "" {
		var err error
		if verdict, err = b.count(ctx, c, n); err != nil {
			return false, pipeline.Temporary(err)
		}
		if err := b.Records.Put(ctx, c.Repo.ID, floodKey(key), []byte(verdict), keepCounted); err != nil {
			return false, pipeline.Temporary(err)
		}
	}
	if verdict == withinLimits {
		return false, nil
	}
	too := pipeline.Refuse("rate_limited", "That is more than %d commands in a minute, or %d in this repository, so nothing was done. Wait a minute.", perPerson, perRepo)
	answer := Answer{Outcome: Refused, Code: too.Code}
	if verdict == tooManySay {
		answer.Text = refusal(too)
	}
	m.seen.end()
	return true, b.reply(ctx, c.Repo, c.Origin, c.Actor, key, answer)
}

func floodKey(key string) string { return "flood:" + key }

// What comes of counting a message.
const (
	withinLimits = "ok"
	tooMany      = "too many"
	tooManySay   = "too many, say so"
)

const keepCounted = 24 * time.Hour

// count counts n commands of a message.
func (b *Bot) count(ctx context.Context, c *commands.Call, n int) (verdict string, err error) {
	repo := strconv.FormatInt(c.Repo.ID, 10)
	person := strconv.FormatInt(c.Actor.ID, 10)
	if c.Actor.ID == 0 { // not linked
		person = c.Actor.SlackTeam + "/" + c.Actor.SlackUser
	}
	ok, err := b.within(ctx, "said-by:"+person, perPerson, n)
	if ok && err == nil && c.Repo.ID != 0 {
		ok, err = b.within(ctx, "said-in:"+repo, perRepo, n)
	}
	if ok || err != nil {
		return withinLimits, err
	}
	if byToken(c.Origin) { // what nobody else sees is no flood
		return tooManySay, nil
	}
	tell, err := b.within(ctx, "told:"+person+":"+repo+":"+strconv.Itoa(c.PR)+":"+c.Origin.Channel, 1, 1)
	if tell {
		return tooManySay, err
	}
	return tooMany, err
}

func (b *Bot) within(ctx context.Context, key string, limit, cost int) (bool, error) {
	ok, _, err := b.Limits.Budget(ctx, key, limit, time.Minute, cost)
	return ok, err
}
