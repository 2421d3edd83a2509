package slack

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"log/slog"
	"slices"
	"strings"

	slackgo "github.com/slack-go/slack"

	"github.com/shipmate/shipmate/bot"
	"github.com/shipmate/shipmate/pipeline"
)

// Sink shows each run as one message that is kept up to date, and what is worth
// a notification as replies in its thread. It is a [pipeline.Sink].
type Sink struct {
	Client  *Client
	Buttons bot.Buttons
	Budget  Budget // nil: no limit
	Log     *slog.Logger
	// Approvers finds who is called by name when an approval is asked for; nil: nobody.
	Approvers approvers
}

type approvers interface {
	Of(ctx context.Context, r *pipeline.Run, gate string) ([]pipeline.Actor, error)
}

// Name is stable: what was shown is stored under it.
func (*Sink) Name() string { return "slack.thread" }

// Subject is the run, if there is a channel for it.
func (*Sink) Subject(r *pipeline.Run) string {
	if channelOf(r) == "" {
		return ""
	}
	return string(r.ID)
}

// channelOf is the environment's channel, else the one the command was said in.
func channelOf(r *pipeline.Run) string {
	if r.Environment != nil && r.Environment.Slack != "" {
		return r.Environment.Slack
	}
	if r.Origin.Surface == "slack" {
		return r.Origin.Channel
	}
	return ""
}

// shown is what the sink remembers of a run.
type shown struct {
	Channel string   `json:"channel,omitempty"`
	TS      string   `json:"ts,omitempty"`
	Digest  string   `json:"digest,omitempty"`
	Said    []string `json:"said,omitempty"` // notes in the thread
}

// Show brings message and thread to the state of the run.
func (s *Sink) Show(ctx context.Context, r *pipeline.Run, before pipeline.Shown) (json.RawMessage, error) {
	var sh shown
	if len(before.Data) > 0 {
		if err := json.Unmarshal(before.Data, &sh); err != nil {
			return nil, fmt.Errorf("what was shown of run %s: %w", r.ID, err)
		}
	}
	if before.Doubt != "" {
		sh.Digest = ""
	}
	err := s.show(ctx, r, &sh)
	after, bad := json.Marshal(sh)
	if bad != nil {
		return nil, bad
	}
	return after, err
}

func (s *Sink) show(ctx context.Context, r *pipeline.Run, sh *shown) error {
	if sh.Channel == "" {
		id, err := s.Client.Channel(ctx, channelOf(r))
		if err != nil {
			return err
		}
		sh.Channel = id
	}
	m, err := s.message(ctx, r)
	if err != nil {
		return err
	}
	if err := s.bring(ctx, r, sh, m); err != nil {
		return err
	}
	if err := s.tell(ctx, sh, r); err != nil {
		return err
	}
	return s.lead(ctx, sh, r)
}

// bring posts the message, or updates the one that is there if it differs.
func (s *Sink) bring(ctx context.Context, r *pipeline.Run, sh *shown, m message) error {
	digest := digestOf(m)
	if sh.TS == "" {
		ts, err := s.Client.findRun(ctx, sh.Channel, r)
		if err != nil {
			return err
		}
		sh.TS = ts // posted before a crash; what it shows is not known
	}
	if sh.TS != "" {
		if sh.Digest == digest {
			return nil
		}
		err := s.change(ctx, sh, m)
		if slackCode(err) != "message_not_found" {
			if err == nil {
				sh.Digest = digest
			}
			return err
		}
		sh.TS, sh.Digest, sh.Said = "", "", nil // somebody deleted it, and the thread with it
	}
	if err := spendPost(ctx, s.Budget, sh.Channel); err != nil {
		return err
	}
	ts, err := s.Client.post(ctx, sh.Channel, m)
	if err != nil {
		return err
	}
	sh.TS, sh.Digest = ts, digest
	return nil
}

func (s *Sink) change(ctx context.Context, sh *shown, m message) error {
	if err := spendUpdate(ctx, s.Budget); err != nil {
		return err
	}
	return s.Client.update(ctx, sh.Channel, sh.TS, m)
}

// digestOf names what a message shows.
func digestOf(m message) string {
	raw, err := json.Marshal(struct {
		Text   string
		Blocks []slackgo.Block
	}{m.text, m.blocks})
	if err != nil {
		return "" // never equal to anything: it is posted again
	}
	sum := sha256.Sum256(raw)
	return hex.EncodeToString(sum[:])
}

// note is a reply in the thread, made once.
type note struct {
	key, text string
	gate      string // the approval it asks for
}

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
		out = append(out, note{"waiting:" + gate, waitingFor(r, gate), gate})
	}
	for _, s := range r.Steps {
		if s.State == pipeline.Failed || s.State == pipeline.Unknown {
			key := fmt.Sprintf("%s:%s:%d", s.State, s.Name, s.Attempt)
			out = append(out, note{key: key, text: fmt.Sprintf("%s **%s** %s", bot.Icon(s.State), s.Name, failedHow(s))})
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

// tell posts what is new as replies in the thread. It looks there first: what
// was posted just before a crash is not in what was saved.
func (s *Sink) tell(ctx context.Context, sh *shown, r *pipeline.Run) error {
	fresh := slices.DeleteFunc(notes(r), func(n note) bool { return slices.Contains(sh.Said, n.key) })
	if len(fresh) == 0 {
		return nil
	}
	there, err := s.Client.notes(ctx, sh.Channel, sh.TS)
	if err != nil {
		return err
	}
	for _, n := range fresh {
		if !slices.Contains(there, n.key) {
			if err := s.note(ctx, sh, r, n); err != nil {
				return err
			}
		}
		if err := s.mentioned(ctx, r, n.gate); err != nil {
			return err
		}
		sh.Said = append(sh.Said, n.key)
	}
	return nil
}

func (s *Sink) note(ctx context.Context, sh *shown, r *pipeline.Run, n note) error {
	text := s.Client.markup.mrkdwn(n.text)
	if n.gate != "" {
		names, err := s.mentions(ctx, r, n.gate)
		if err != nil {
			return err
		}
		text = strings.Join(append(names, text), " ")
	}
	if err := spendPost(ctx, s.Budget, sh.Channel); err != nil {
		return err
	}
	m := message{text: text, blocks: sections(cut(text, maxSection, "…")), thread: sh.TS, metadata: noteMetadata(r, n.key)}
	_, err := s.Client.post(ctx, sh.Channel, m)
	return err
}
