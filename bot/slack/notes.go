package slack

import (
	"context"
	"fmt"
	"slices"
	"strings"

	"github.com/shipmate/shipmate/bot"
	"github.com/shipmate/shipmate/pipeline"
)

// note is a reply in the thread, made once.
type note struct {
	key, text string
	gate      string            // the approval it asks for
	log       *pipeline.StepRun // whose last lines are shown
}

const waitingNote = "waiting:" // and the gate

// notes are the milestones of the run so far that are still worth saying.
func notes(r *pipeline.Run) []note {
	var out []note
	if r.Admitted && r.State == pipeline.Running {
		out = append(out, note{key: "started", text: "Started."})
	}
	if r.Admitted && r.State == pipeline.RollingBack && r.Reverts != "" {
		out = append(out, note{key: "started", text: r.Message})
	}
	for _, gate := range r.OpenGates() {
		out = append(out, note{key: waitingNote + gate, text: waitingFor(r, gate), gate: gate})
	}
	for i, s := range r.Steps {
		if s.State == pipeline.Failed || s.State == pipeline.Unknown {
			key := fmt.Sprintf("%s:%s:%d", s.State, s.Name, s.Attempt)
			out = append(out, note{key: key, text: fmt.Sprintf("%s **%s** %s", bot.Icon(s.State), s.Name, failedHow(s)), log: &r.Steps[i]})
		}
	}
	if r.State.Terminal() {
		out = append(out, note{key: "finished", text: fmt.Sprintf("%s %s", bot.Icon(r.State), bot.Show(r).Headline)})
	}
	return out
}

func waitingFor(r *pipeline.Run, gate string) string {
	p := r.ApprovalPolicy(gate)
	people := "people with write access"
	if len(p.By) > 0 {
		people = list(p.By)
	}
	approvals := "1 approval"
	if p.Count > 1 {
		approvals = fmt.Sprintf("%d approvals", p.Count)
	}
	return fmt.Sprintf("Waiting for %s by %s. Press a button above, or say `/approve %s`.", approvals, people, r.ID)
}

func failedHow(s pipeline.StepRun) string {
	switch {
	case s.Message != "":
		return bot.Words(s.State) + ": " + short(s.Message, 1000)
	case s.State == pipeline.Unknown:
		return "ended without anybody seeing how"
	}
	return bot.Words(s.State)
}

// unsaid are the notes that are not in the thread yet.
func unsaid(sh *shown, r *pipeline.Run) []note {
	return slices.DeleteFunc(notes(r), func(n note) bool { return slices.Contains(sh.Said, n.key) })
}

// tell posts what is new as replies in the thread.
func (s *Sink) tell(ctx context.Context, sh *shown, r *pipeline.Run) error {
	for _, n := range unsaid(sh, r) {
		if err := s.note(ctx, sh, r, n); err != nil {
			return err
		}
		sh.Said = append(sh.Said, n.key)
		if err := s.mentioned(ctx, r, n.gate); err != nil {
			return err
		}
	}
	return nil
}

func (s *Sink) note(ctx context.Context, sh *shown, r *pipeline.Run, n note) error {
	text := s.Client.markup.mrkdwn(n.text)
	text += s.Client.markup.mrkdwn(s.lastLines(ctx, r, n.log, text))
	if n.gate != "" {
		names, err := s.mentions(ctx, r, n.gate)
		if err != nil {
			return err
		}
		text = strings.Join(append(names, text), " ")
	}
	_, err := s.post(ctx, sh, n.key, message{text: text, blocks: sections(cut(text, maxSection, "…")), thread: sh.TS, metadata: noteMetadata(r, n.key)})
	return err
}
