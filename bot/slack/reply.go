package slack

import (
	"context"
	"fmt"
	"log/slog"
	"math/rand/v2"
	"strings"
	"sync"
	"time"

	slackgo "github.com/slack-go/slack"

	"github.com/shipmate/shipmate/bot"
	"github.com/shipmate/shipmate/pipeline"
)

// Surface answers people on Slack. It is a [bot.Surface].
type Surface struct {
	Client *Client
	Budget Budget // nil: no limit
	Log    *slog.Logger

	mu   sync.Mutex
	uses map[string]use // by response URL
}

// use counts how often a response URL was used, by this process.
type use struct {
	times int
	first time.Time
}

const (
	maxAnswer    = 3500 // characters
	maxLabel     = 75   // of a button
	responseUses = 3    // Slack allows 5; the rest is left for what the request itself says
	responseLife = 30 * time.Minute
)

// Ack does nothing: Slack was answered within the request.
func (s *Surface) Ack(context.Context, pipeline.Repo, pipeline.Origin) error { return nil }

// Reply answers the one who asked: in the thread they wrote in, else so that
// only they see it.
func (s *Surface) Reply(ctx context.Context, repo pipeline.Repo, at pipeline.Origin, to pipeline.Actor, _ string, a bot.Answer) error {
	if a.Text == "" {
		return nil
	}
	m := s.Client.answer("", a.Unfolded())
	m.blocks = append(m.blocks, confirmButtons(repo, a.Confirm)...)
	m.replace = a.Replace
	if at.Thread != "" && at.ReplyTo == "" && len(a.Confirm) == 0 && !a.Private && s.heard(ctx, at) {
		if err := spendPost(ctx, s.Budget, at.Channel); err != nil {
			return err
		}
		if to.SlackUser != "" { // others read it too
			m = s.Client.answer("<@"+to.SlackUser+"> ", a.Unfolded())
		}
		m.thread = at.Thread
		_, err := s.Client.post(ctx, at.Channel, m)
		return err
	}
	if to.SlackUser == "" {
		return fmt.Errorf("reply on slack to %q: no Slack person", to.Login)
	}
	if at.ReplyTo != "" && !s.mayUse(at.ReplyTo) {
		at.ReplyTo = ""
	}
	return s.Client.whisper(ctx, at, to.SlackUser, m)
}

// heard reports whether a reply to the thread stays in it. In doubt only the
// one who asked is answered.
func (s *Surface) heard(ctx context.Context, at pipeline.Origin) bool {
	there, err := s.Client.threadThere(ctx, at.Channel, at.Thread)
	if err != nil {
		s.Log.Info("a thread is answered to the one who asked alone", "channel", at.Channel, "err", err)
	}
	return there
}

// confirmButtons are the questions of an answer. They are for the one who is
// answered, so such an answer is never shown to others.
func confirmButtons(repo pipeline.Repo, all []bot.Confirm) []slackgo.Block {
	var out []slackgo.Block
	for n, c := range all {
		b := slackgo.NewButtonBlockElement(buttonPrefix+string(bot.ButtonConfirm), buttonValue(repo.ID, c.Button), plainText(short(c.Label, maxLabel)))
		b.Style = slackgo.StylePrimary
		out = append(out, slackgo.NewActionBlock(fmt.Sprintf("confirm %d", n), b))
	}
	return out
}

// mayUse counts the use of a response URL and reports whether it is within ours.
func (s *Surface) mayUse(to string) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	now := s.Client.now()
	for url, u := range s.uses {
		if now.Sub(u.first) > responseLife {
			delete(s.uses, url)
		}
	}
	if s.uses == nil {
		s.uses = map[string]use{}
	}
	u, known := s.uses[to]
	if !known {
		u.first = now
	}
	u.times++
	s.uses[to] = u
	return u.times <= responseUses
}

// answer is a text of ours as a message, to somebody or to nobody in particular.
func (c *Client) answer(to, text string) message {
	const enough = 4 * maxAnswer // what is beyond is cut in any case
	if len(text) > 4*enough {
		text = string([]rune(text)[:enough])
	}
	translated := cut(to+c.markup.mrkdwn(text), maxAnswer, "_… the rest is left out: it is too long for Slack._")
	return message{text: translated, blocks: sections(translated)}
}

// sections puts a text into as many blocks as it needs, cut at lines.
func sections(mrkdwn string) []slackgo.Block {
	var blocks []slackgo.Block
	for _, part := range pieces(mrkdwn, maxSection) {
		blocks = append(blocks, slackgo.NewSectionBlock(markdown(part), nil, nil))
	}
	return blocks
}

// pieces cuts a text at lines into parts of at most n characters. A code
// block that is cut is closed and opened again.
func pieces(text string, n int) []string {
	var parts []string
	var b strings.Builder
	size, fenced := 0, false
	flush := func() {
		if fenced {
			b.WriteString("\n```")
		}
		if strings.TrimSpace(b.String()) != "" {
			parts = append(parts, b.String())
		}
		b.Reset()
		size = 0
	}
	for _, line := range strings.Split(text, "\n") {
		line = cutLine(line, n-20)
		length := len([]rune(line)) + 1
		if size > 0 && size+length > n-8 {
			flush()
			if fenced {
				b.WriteString("```")
				size = 3
			}
		}
		if b.Len() > 0 {
			b.WriteByte('\n')
		}
		b.WriteString(line)
		size += length
		if strings.HasPrefix(line, "```") {
			fenced = !fenced
		}
	}
	flush()
	return parts
}

// cutLine shortens one line that alone would be too long.
func cutLine(line string, n int) string {
	if len([]rune(line)) <= n {
		return line
	}
	return wholeMarkup(string([]rune(line)[:n-1])) + "…"
}

// Budget books calls on a budget that all replicas share.
type Budget interface {
	// Budget books cost unless some stretch of length per would then hold more
	// than limit; else it says how long to wait.
	Budget(ctx context.Context, key string, limit int, per time.Duration, cost int) (ok bool, wait time.Duration, err error)
}

// spendPost books a post in a channel. Slack allows one a second and short
// bursts: three at once let a message and its notes come together.
func spendPost(ctx context.Context, b Budget, channel string) error {
	return spend(ctx, b, "slack:post:"+channel, 3, 3*time.Second)
}

// spendUpdate books an update: 45 a minute, of the 50 that Slack allows.
func spendUpdate(ctx context.Context, b Budget) error {
	return spend(ctx, b, "slack:update", 45, time.Minute)
}

func spend(ctx context.Context, b Budget, key string, limit int, per time.Duration) error {
	if b == nil {
		return nil
	}
	ok, wait, err := b.Budget(ctx, key, limit, per, 1)
	switch {
	case err != nil:
		return pipeline.Temporary(fmt.Errorf("budget %s: %w", key, err))
	case !ok:
		// Not all who wait come back at the same moment.
		return later(fmt.Errorf("budget %s is used up", key), wait+rand.N(max(wait, time.Millisecond)))
	}
	return nil
}
