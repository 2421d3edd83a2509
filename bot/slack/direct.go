package slack

import (
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"regexp"
	"slices"
	"strings"
	"time"
	"unicode/utf8"

	slackgo "github.com/slack-go/slack"

	"github.com/shipmate/shipmate/bot"
	"github.com/shipmate/shipmate/pipeline"
)

var userID = regexp.MustCompile(`^[UW][A-Z0-9]+$`)

// open is the conversation with a person.
func (c *Client) open(ctx context.Context, user string) (channel string, err error) {
	err = c.call(ctx, "conversations.open", func(ctx context.Context) error {
		ch, _, _, err := c.api.OpenConversationContext(ctx, &slackgo.OpenConversationParameters{Users: []string{user}, ReturnIM: true})
		if err == nil {
			channel = ch.ID
		}
		return err
	})
	return channel, err
}

func (c *Client) direct(ctx context.Context, user string, m message) error {
	channel, err := c.open(ctx, user)
	if err != nil {
		return err
	}
	_, err = c.post(ctx, channel, m)
	return err
}

// Mail writes to people directly. It is a [bot.Mail].
type Mail struct {
	Client  *Client
	Records bot.Records
	Budget  Budget // nil: no limit
	Shown   shownStore
	Web     bot.Web
	Log     *slog.Logger
}

type shownStore interface {
	Shown(ctx context.Context, repo int64, subject, sink string) (pipeline.Shown, error)
}

const (
	failuresEvent = "shipmate_failures"
	mostFailures  = 8 // told in one message; of the rest it is told how many
	maxTailLine   = 200
)

// Failed tells a person of runs that went wrong. What is about to be told is
// kept first, so that a message sent just before a crash is not sent again.
func (s *Mail) Failed(ctx context.Context, to pipeline.Actor, fs []bot.Failure) error {
	us, err := s.Client.identity(ctx)
	if err != nil || to.SlackTeam != us.TeamID || !userID.MatchString(to.SlackUser) {
		return err
	}
	channel, err := s.Client.open(ctx, to.SlackUser)
	if err != nil {
		return err
	}
	told, err := s.told(ctx, channel, us.BotID, fs)
	if err != nil {
		return err
	}
	fs = slices.DeleteFunc(slices.Clone(fs), func(f bot.Failure) bool { return slices.Contains(told, string(f.Run.ID)) })
	if len(fs) == 0 {
		return nil
	}
	if err := spendPost(ctx, s.Budget, channel); err != nil {
		return err
	}
	m, told := s.message(ctx, fs), append(told, runIDs(fs)...)
	if err := s.keep(ctx, channel, telling{Runs: told, Posting: true}); err != nil {
		return err
	}
	if _, err = s.Client.post(ctx, channel, m); err != nil && uncertain(err) {
		return err
	}
	if err != nil { // it was not sent
		told = told[:len(told)-len(fs)]
	}
	return cmp.Or(err, s.keep(ctx, channel, telling{Runs: told}))
}

// telling is what a person was told of, as it is kept.
type telling struct {
	Runs    []string `json:"runs"`
	Posting bool     `json:"posting,omitempty"` // the message was about to be sent: whether it was is not known
}

// keepTelling is longer than a job about failures is tried.
const keepTelling = 7 * 24 * time.Hour

func tellingKey(channel string) string { return "slack-told:" + channel }

func (s *Mail) keep(ctx context.Context, channel string, t telling) error {
	const most = 100 // of runs that were told long ago nobody asks
	t.Runs = t.Runs[max(0, len(t.Runs)-most):]
	value, err := json.Marshal(t)
	if err != nil {
		return err
	}
	return pipeline.Temporary(s.Records.Put(ctx, anyRepo, tellingKey(channel), value, keepTelling))
}

// told are the runs the person was told of. Where a crash left that open, the
// conversation is read.
func (s *Mail) told(ctx context.Context, channel, ourBot string, fs []bot.Failure) ([]string, error) {
	value, err := s.Records.Get(ctx, anyRepo, tellingKey(channel))
	if errors.Is(err, pipeline.ErrNotFound) || err == nil && value == nil {
		return nil, nil
	}
	if err != nil {
		return nil, pipeline.Temporary(err)
	}
	var t telling
	if err := json.Unmarshal(value, &t); err != nil {
		return nil, err
	}
	if !t.Posting {
		return t.Runs, nil
	}
	found, err := s.read(ctx, channel, ourBot, fs)
	if err != nil {
		return nil, err
	}
	return found, s.keep(ctx, channel, telling{Runs: found})
}

// read finds the runs of which our messages since the first of them ended speak.
func (s *Mail) read(ctx context.Context, channel, ourBot string, fs []bot.Failure) ([]string, error) {
	oldest := fs[0].Run.Ended
	for _, f := range fs {
		if f.Run.Ended.Before(oldest) {
			oldest = f.Run.Ended
		}
	}
	const slack = time.Minute // between their clock and ours
	page, err := s.Client.history(ctx, &slackgo.GetConversationHistoryParameters{
		ChannelID: channel, Oldest: fmt.Sprintf("%d.000000", max(oldest.Add(-slack).Unix(), 0)), Limit: 200})
	var ids []string
	for _, m := range page {
		if m.BotID == ourBot && m.Metadata.EventType == failuresEvent {
			ids = append(ids, strings.Fields(text(m.Metadata, "runs"))...)
		}
	}
	return ids, err
}

func runIDs(fs []bot.Failure) (ids []string) {
	for _, f := range fs {
		ids = append(ids, string(f.Run.ID))
	}
	return ids
}

func (s *Mail) message(ctx context.Context, fs []bot.Failure) message {
	title := bot.Title(fs[0].Run) + " " + bot.Words(fs[0].Run.State)
	if len(fs) > 1 {
		title = fmt.Sprintf("%d runs of yours went wrong", len(fs))
	}
	var blocks []slackgo.Block
	for n, f := range fs {
		if n < mostFailures {
			blocks = append(blocks, s.failure(ctx, f)...)
		}
	}
	if more := len(fs) - mostFailures; more > 0 {
		blocks = append(blocks, slackgo.NewContextBlock("", plainText(fmt.Sprintf("and %d more, see %s", more, spelled("/status")))))
	}
	return message{
		text:     escape(short(oneLine(pipeline.Clean(title)), maxPlain)),
		blocks:   blocks,
		metadata: &slackgo.SlackMetadata{EventType: failuresEvent, EventPayload: map[string]any{"runs": strings.Join(runIDs(fs), " ")}},
	}
}

// failure is at most 1,500 characters, so that all of them fit.
func (s *Mail) failure(ctx context.Context, f bot.Failure) []slackgo.Block {
	const most = 1200
	v := bot.Show(f.Run)
	text := fmt.Sprintf("%s **%s** %s", v.Icon, oneLine(pipeline.Clean(v.Title)), v.Headline)
	if f.Step != "" {
		text += "\n**" + f.Step + "**"
	}
	if f.Message != "" {
		text += " " + short(oneLine(f.Message), maxPlain)
	}
	text = s.Client.markup.mrkdwn(text)
	text += s.Client.markup.mrkdwn(fencedLines(f.Tail, most-utf8.RuneCountInString(text)))
	out := sections(cut(text, most, "…"))
	return append(out, slackgo.NewContextBlock("", plainText(short(facts(f.Run), maxPlain)), markdown(s.where(ctx, f.Run))))
}

// where leads to the run's thread, else to its pull request. The addresses are
// Slack's own and ours.
func (s *Mail) where(ctx context.Context, r *pipeline.Run) string {
	var at shown
	sh, err := s.Shown.Shown(ctx, r.Repo.ID, string(r.ID), (*Sink)(nil).Name())
	if err == nil && len(sh.Data) > 0 && json.Unmarshal(sh.Data, &at) == nil && at.TS != "" {
		to, err := s.Client.permalink(ctx, at.Channel, at.TS)
		if err == nil && to != "" {
			return "<" + to + ">"
		}
		s.Log.Info("no link to the thread", "run", r.ID, "err", err)
	}
	if to := s.Web.Pull(r.Repo, r.PR); to != "" {
		return "<" + escape(to) + ">"
	}
	return "`/logs " + string(r.ID) + "`"
}
