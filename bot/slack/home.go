package slack

import (
	"context"
	"encoding/json"
	"fmt"
	"strings"
	"time"

	slackgo "github.com/slack-go/slack"

	"github.com/shipmate/shipmate/bot"
	"github.com/shipmate/shipmate/pipeline"
)

// What a page may hold, below what Slack refuses: 100 blocks, 250 kB.
const (
	maxHomeBlocks    = 90
	maxHomeBytes     = 200_000
	maxHomeQuestions = 12 // two blocks each
	maxHomeOpen      = 10
)

// Pages shows people their home page. It is a [bot.Pages].
type Pages struct {
	Client  *Client
	Buttons bot.Buttons
	Budget  Budget // nil: no limit
}

// Publish replaces the person's page.
func (p *Pages) Publish(ctx context.Context, who pipeline.Actor, h bot.Home) error {
	us, err := p.Client.identity(ctx)
	if err != nil || who.SlackTeam != us.TeamID {
		return err // a page can be given to people of the workspace only
	}
	blocks, err := p.blocks(ctx, h)
	if err != nil {
		return err
	}
	if err := spendPublish(ctx, p.Budget); err != nil {
		return err
	}
	return p.Client.call(ctx, "views.publish", func(ctx context.Context) error {
		_, err := p.Client.api.PublishViewContext(ctx, slackgo.PublishViewContextRequest{
			UserID: who.SlackUser, View: slackgo.HomeTabViewRequest{Type: slackgo.VTHomeTab, Blocks: slackgo.Blocks{BlockSet: blocks}}})
		return err
	})
}

// spendPublish books a page: 90 a minute, of the 100 that Slack allows.
func spendPublish(ctx context.Context, b Budget) error {
	return spend(ctx, b, "slack:publish", 90, time.Minute)
}

func (p *Pages) blocks(ctx context.Context, h bot.Home) ([]slackgo.Block, error) {
	if h.Unlinked != "" {
		return append([]slackgo.Block{heading1("Not linked to GitHub")}, sections(cut(p.Client.markup.mrkdwn(h.Unlinked), maxSection, "…"))...), nil
	}
	out, err := p.questions(ctx, h.Questions)
	if err != nil {
		return nil, err
	}
	out = append(out, p.runs("Yours, in progress", h.Open, maxHomeOpen)...)
	out = append(out, p.runs("Your last results", h.Ended, maxHomeOpen)...)
	return fit(append(out, p.services(h.Services, maxHomeBlocks-len(out))...)), nil
}

// fit leaves out what does not fit at the end.
func fit(blocks []slackgo.Block) []slackgo.Block {
	const rest = 1000 // the note, and what a page is around its blocks
	size := 0
	for n, b := range blocks {
		raw, err := json.Marshal(b)
		if size += len(raw) + 1; err != nil || size > maxHomeBytes-rest {
			return append(blocks[:n:n], more(len(blocks)-n))
		}
	}
	return blocks
}

func heading1(text string) *slackgo.HeaderBlock { return slackgo.NewHeaderBlock(plainText(text)) }

// paragraph is translated text as one block.
func paragraph(mrkdwn string) *slackgo.SectionBlock {
	return slackgo.NewSectionBlock(markdown(cut(mrkdwn, maxSection, "…")), nil, nil)
}

func more(n int) *slackgo.ContextBlock {
	return slackgo.NewContextBlock("", plainText(fmt.Sprintf("and %d more, see %s", n, spelled("/status"))))
}

// questions are what the person may approve or reject, with the same buttons
// as below a run's message.
func (p *Pages) questions(ctx context.Context, all []bot.HomeQuestion) ([]slackgo.Block, error) {
	out := []slackgo.Block{heading1("Waits for you")}
	if len(all) == 0 {
		return append(out, slackgo.NewSectionBlock(plainText("Nothing does."), nil, nil)), nil
	}
	for n, q := range all {
		if n == maxHomeQuestions {
			return append(out, more(len(all)-n)), nil
		}
		text := p.line(q.Run)
		if q.Gate != pipeline.EnvironmentGate {
			text += "\n" + p.Client.markup.mrkdwn("for **"+q.Gate+"**")
		}
		out = append(out, paragraph(text))
		var buttons []slackgo.BlockElement
		for _, kind := range []bot.ButtonKind{bot.ButtonApprove, bot.ButtonReject} {
			b, err := runButton(ctx, p.Buttons, q.Run, kind, q.Gate)
			if err != nil {
				return nil, err
			}
			buttons = append(buttons, b)
		}
		out = append(out, slackgo.NewActionBlock(fmt.Sprintf("question %d", n), buttons...))
	}
	return out, nil
}

// line is a run in one or two lines.
func (p *Pages) line(r *pipeline.Run) string {
	v := bot.Show(r)
	text := fmt.Sprintf("%s **%s** %s", v.Icon, oneLine(pipeline.Clean(v.Title)), v.Headline)
	text = short(text, maxPlain)
	return p.Client.markup.mrkdwn(text) + "\n" + escape(short(facts(r), maxPlain))
}

func (p *Pages) runs(title string, all []*pipeline.Run, most int) []slackgo.Block {
	if len(all) == 0 {
		return nil
	}
	out := []slackgo.Block{heading1(title)}
	for n, r := range all {
		if n == most {
			return append(out, more(len(all)-n))
		}
		out = append(out, paragraph(p.line(r)))
	}
	return out
}

// services are what runs where, a block each, in at most so many blocks.
func (p *Pages) services(all []bot.HomeService, blocks int) []slackgo.Block {
	out := []slackgo.Block{heading1("Services")}
	if len(all) == 0 {
		return append(out, slackgo.NewSectionBlock(plainText("There is none that you may read."), nil, nil))
	}
	for n, s := range all {
		if len(out) == blocks-1 && n < len(all)-1 {
			return append(out, more(len(all)-n))
		}
		out = append(out, paragraph(p.service(s)))
	}
	return out
}

// service is cut at whole lines, before they are translated: that makes some
// characters five.
func (p *Pages) service(s bot.HomeService) string {
	const most = maxSection / 5
	lines := []string{"**" + short(oneLine(pipeline.Clean(s.Name)), 100) + "**"}
	if s.Name != s.Repo.Name {
		lines[0] += " " + s.Repo.String()
	}
	for _, e := range s.Environments {
		lines = append(lines, "- "+environmentLine(e))
	}
	size := 0
	for n, l := range lines {
		if size += len([]rune(l)) + 1; size > most-60 {
			lines = append(lines[:n], fmt.Sprintf("and %d more, see `/status %s`", len(lines)-n, s.Name))
			break
		}
	}
	return p.Client.markup.mrkdwn(strings.Join(lines, "\n"))
}

func environmentLine(e bot.HomeEnvironment) string {
	const maxLine, date = 250, "2006-01-02 15:04 UTC"
	text := "**" + e.Name + "**: nothing deployed yet"
	if d := e.State.Current; d != nil {
		text = fmt.Sprintf("**%s**: `%.7s` since %s, by %s", e.Name, d.SHA, d.At.UTC().Format(date), d.By)
	}
	if e.State.Active != "" {
		text += fmt.Sprintf("; %s works on it", e.State.Active)
	}
	if n := len(e.State.Queue); n > 0 {
		text += fmt.Sprintf("; %d in the queue", n)
	}
	if l := e.State.Lock; l != nil {
		text += "; locked by " + l.By.Login
		if !l.Expires.IsZero() {
			text += " until " + l.Expires.UTC().Format(date)
		}
	}
	if !e.FrozenUntil.IsZero() {
		text += "; frozen until " + e.FrozenUntil.UTC().Format(date)
	}
	return short(oneLine(pipeline.Clean(text)), maxLine)
}
