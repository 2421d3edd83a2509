package slack

import (
	"context"
	"fmt"
	"slices"
	"strings"

	slackgo "github.com/slack-go/slack"

	"github.com/shipmate/shipmate/bot"
	"github.com/shipmate/shipmate/pipeline"
)

// What a message may hold, below what Slack refuses: 3,000 characters in a
// section, 50 blocks, about 13,200 characters in all blocks together.
const (
	maxSection = 2900
	maxBlocks  = 45
	maxText    = 12_000
	maxHeader  = 150
	maxPlain   = 500 // what people typed
)

// message draws a run. Buttons are those of questions that are still open; c is
// what people are asked to approve, nil if that is not known.
func (s *Sink) message(ctx context.Context, r *pipeline.Run, c *change) (message, error) {
	v := bot.Show(r)
	if s.Blocked != nil {
		jobs, err := s.Blocked.BlockedJobs(ctx, r.Repo.ID)
		if err != nil {
			return message{}, pipeline.Temporary(err)
		}
		v.Warnings = append(v.Warnings, pipeline.Unshown(r, jobs, s.Name())...)
	}
	title := short(v.Icon+" "+oneLine(v.Title), maxHeader)
	blocks := []slackgo.Block{
		slackgo.NewHeaderBlock(plainText(title)),
		slackgo.NewContextBlock("", markdown(s.links(r))),
	}
	blocks = append(blocks, s.said(r, v)...)
	blocks = append(blocks, s.changes(r, c)...)
	blocks = append(blocks, plans(r, v)...)
	buttons, err := s.buttons(ctx, r, v)
	if err != nil {
		return message{}, err
	}
	foot := decisions(r)
	if len(buttons) > 0 {
		foot = append(foot, slackgo.NewActionBlock("shipmate", buttons...))
	}
	left := maxText - textLength(blocks) - textLength(foot)
	blocks = append(blocks, s.steps(v, left, maxBlocks-len(blocks)-len(foot))...)
	return message{
		text:     escape(short(title+": "+v.Headline, maxPlain)),
		blocks:   append(blocks, foot...),
		metadata: runMetadata(r),
	}, nil
}

// facts is one line: what, from where, by whom. It is shown as plain text.
func facts(r *pipeline.Run) string {
	sha, ref := r.Brings()
	parts := []string{sha[:min(7, len(sha))]}
	if ref != "" && ref != sha {
		parts = append(parts, ref)
	}
	if r.PR != 0 {
		parts = append(parts, fmt.Sprintf("PR %d", r.PR))
	}
	parts = append(parts, "by "+r.Actor.Login, "run "+string(r.ID), r.Repo.String())
	return oneLine(pipeline.Clean(strings.Join(parts, " · ")))
}

// said is how it stands, why, and what people wrote about it.
func (s *Sink) said(r *pipeline.Run, v bot.View) []slackgo.Block {
	status := "**" + v.Headline + "**"
	if v.Note != "" {
		status += "\n" + v.Note
	}
	if v.Lock != "" {
		status += "\n" + v.Lock
	}
	for _, w := range v.Warnings {
		status += "\n⚠️ " + w
	}
	if r.State == pipeline.Unknown {
		for _, line := range v.Paste {
			status += "\n`" + line + "`"
		}
	}
	blocks := []slackgo.Block{slackgo.NewSectionBlock(markdown(cut(s.Client.markup.mrkdwn(status), maxSection, "…")), nil, nil)}
	for _, words := range []string{r.Title, r.Reason} {
		if words = oneLine(pipeline.Clean(words)); words != "" {
			blocks = append(blocks, slackgo.NewSectionBlock(plainText(short(words, maxPlain)), nil, nil))
		}
	}
	return blocks
}

// steps lists the steps in at most so many characters and blocks. What does
// not fit is left out in the middle.
func (s *Sink) steps(v bot.View, characters, blocks int) []slackgo.Block {
	var lines []string
	for _, st := range v.Steps {
		line := fmt.Sprintf("%s **%s** %s", st.Icon, st.Name, oneLine(st.Text))
		lines = append(lines, s.Client.markup.mrkdwn(short(strings.TrimSpace(line), maxPlain)))
	}
	lines = leaveOutMiddle(lines, min(characters, blocks*maxSection*3/4), func(n int) string { return fmt.Sprintf("_… %d more …_", n) })
	if len(lines) == 0 {
		return nil
	}
	return sections(strings.Join(lines, "\n"))
}

// leaveOutMiddle drops lines in the middle until the rest fits.
func leaveOutMiddle(lines []string, characters int, note func(int) string) []string {
	size := 0
	for _, l := range lines {
		size += len([]rune(l)) + 1
	}
	if size <= characters {
		return lines
	}
	const noteSize = 30
	from, to := len(lines)/2, len(lines)/2
	for size > characters-noteSize && (from > 0 || to < len(lines)) {
		if len(lines)-to >= from && to < len(lines) {
			size -= len([]rune(lines[to])) + 1
			to++
		} else {
			from--
			size -= len([]rune(lines[from])) + 1
		}
	}
	return slices.Concat(lines[:from], []string{note(to - from)}, lines[to:])
}

// decisions says who decided what was asked.
func decisions(r *pipeline.Run) []slackgo.Block {
	var said []string
	for _, a := range r.Approvals {
		if strings.HasPrefix(a.Gate, pipeline.OverrideOf("")) {
			continue // a warning, not an answer
		}
		verb := "Approved"
		if !a.Yes {
			verb = "Rejected"
		}
		line := fmt.Sprintf("%s by %s", verb, a.By.Login)
		if a.Gate != pipeline.EnvironmentGate {
			line += " (" + a.Gate + ")"
		}
		if a.Reason != "" {
			line += ": " + a.Reason
		}
		said = append(said, short(oneLine(pipeline.Clean(line)), maxPlain))
	}
	if r.Cancel != nil && r.Cancel.Code == "cancelled" && !r.Cancel.By.IsBot() {
		said = append(said, "Cancelled by "+r.Cancel.By.Login)
	}
	if len(said) == 0 {
		return nil
	}
	const most = 4 // the last ones; the rest is in the history
	if len(said) > most {
		said = said[len(said)-most:]
	}
	return []slackgo.Block{slackgo.NewContextBlock("", plainText(strings.Join(said, "\n")))}
}

func (s *Sink) buttons(ctx context.Context, r *pipeline.Run, v bot.View) ([]slackgo.BlockElement, error) {
	var out []slackgo.BlockElement
	for _, kind := range v.Buttons {
		gate := ""
		if kind == bot.ButtonApprove || kind == bot.ButtonReject {
			gate = v.Gate
		}
		b, err := runButton(ctx, s.Buttons, r, kind, gate)
		if err != nil {
			return nil, err
		}
		out = append(out, b)
	}
	return out, nil
}

func runButton(ctx context.Context, buttons bot.Buttons, r *pipeline.Run, kind bot.ButtonKind, gate string) (*slackgo.ButtonBlockElement, error) {
	id, err := buttons.ID(ctx, r, kind, gate)
	if err != nil {
		return nil, pipeline.Temporary(fmt.Errorf("button %s of run %s: %w", kind, r.ID, err))
	}
	b := slackgo.NewButtonBlockElement(buttonPrefix+string(kind), buttonValue(r.Repo.ID, id), plainText(kind.Label()))
	b.Style = style(kind)
	if kind != bot.ButtonReject { // its form asks again
		b.Confirm = confirm(r, kind)
	}
	return b, nil
}

func style(kind bot.ButtonKind) slackgo.Style {
	switch kind {
	case bot.ButtonApprove:
		return slackgo.StylePrimary
	case bot.ButtonReject, bot.ButtonRollback:
		return slackgo.StyleDanger
	}
	return slackgo.StyleDefault
}

// confirm asks whether the button is meant, and shows what for.
func confirm(r *pipeline.Run, kind bot.ButtonKind) *slackgo.ConfirmationBlockObject {
	what := fmt.Sprintf("%s at %s, run %s, asked for by %s.", bot.Title(r), r.ShortSHA(), r.ID, r.Actor.Login)
	if kind == bot.ButtonRollback {
		what = fmt.Sprintf("The previous good revision of %s comes back to %s, and %s stays locked until somebody unlocks it.", r.Service, r.EnvironmentName(), r.EnvironmentName())
	}
	return slackgo.NewConfirmationBlockObject(
		plainText(kind.Label()+"?"), plainText(short(oneLine(pipeline.Clean(what)), 300)), plainText("Yes, "+strings.ToLower(kind.Label())), plainText("No"))
}

// textLength counts the characters of all texts in blocks, as Slack does.
func textLength(blocks []slackgo.Block) int {
	n := 0
	for _, b := range blocks {
		switch b := b.(type) {
		case *slackgo.HeaderBlock:
			n += len([]rune(b.Text.Text))
		case *slackgo.SectionBlock:
			n += len([]rune(b.Text.Text))
		case *slackgo.ContextBlock:
			for _, e := range b.ContextElements.Elements {
				if t, ok := e.(*slackgo.TextBlockObject); ok {
					n += len([]rune(t.Text))
				}
			}
		case *slackgo.ActionBlock:
			const perButton = 500 // its label and its question
			n += perButton * len(b.Elements.ElementSet)
		}
	}
	return n
}

// list joins "team:release-leads" and the like for people.
func list(entries []string) string {
	names := make([]string, len(entries))
	for i, e := range entries {
		_, name, found := strings.Cut(e, ":")
		if !found {
			name = e
		}
		names[i] = "`" + name + "`"
	}
	return strings.Join(names, ", ")
}
