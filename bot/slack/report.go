package slack

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"slices"
	"strings"
	"time"

	slackgo "github.com/slack-go/slack"

	"github.com/shipmate/shipmate/bot"
	"github.com/shipmate/shipmate/commands"
	"github.com/shipmate/shipmate/pipeline"
)

// Sink shows each run as one message that is kept up to date, and what is worth
// a notification as replies in its thread. It is a [pipeline.Sink].
type Sink struct {
	Client  *Client
	Buttons bot.Buttons
	Threads Threads
	Budget  Budget // nil: no limit
	Log     *slog.Logger
	// Approvers finds who is called by name when an approval is asked for; nil: nobody.
	Approvers approvers
	Changes   comparer        // what people are asked to approve; nil: it is not said
	Logs      commands.Tailer // of steps that fail; nil: none are shown
	Web       bot.Web
	Blocked   blocked // what else cannot be written of a run; nil: it is not said
}

type blocked interface {
	BlockedJobs(ctx context.Context, repo int64) ([]pipeline.Job, error)
}

type approvers interface {
	Of(ctx context.Context, r *pipeline.Run, gate string) ([]pipeline.Actor, error)
}

// Name is stable: what was shown is stored under it.
func (*Sink) Name() string { return "slack.thread" }

// Shows is what people call it.
func (*Sink) Shows() string { return "Slack thread" }

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
	// Posting is what was about to be posted when this was saved: the run's own
	// message or the key of a note. Who finds it does not know whether it was.
	Posting string    `json:"posting,omitempty"`
	Known   bool      `json:"known,omitempty"`  // the thread leads to the run
	Written time.Time `json:"written,omitzero"` // when the message was last there to be written
	Change  *change   `json:"change,omitempty"` // what people are asked to approve

	save func(ctx context.Context, data json.RawMessage) error
}

// ownMessage is the run's message in [shown.Posting]; no note has this key.
const ownMessage = "message"

// forget is for a message that somebody deleted, and its thread with it.
func (sh *shown) forget() {
	sh.TS, sh.Digest, sh.Said, sh.Known, sh.Posting = "", "", nil, false, ""
}

// Show brings message and thread to the state of the run.
func (s *Sink) Show(ctx context.Context, r *pipeline.Run, before pipeline.Shown) (json.RawMessage, error) {
	sh := shown{save: before.Save}
	if len(before.Data) > 0 {
		if err := json.Unmarshal(before.Data, &sh); err != nil {
			return nil, fmt.Errorf("what was shown of run %s: %w", r.ID, err)
		}
	}
	if before.Doubt != "" {
		sh.Digest = ""
	}
	err := s.show(ctx, r, &sh)
	if sh.Channel != "" {
		err = refusedAt(err, atChannel(sh.Channel))
	} else {
		err = refusedAt(err, atNames) // of a name that no channel has now
	}
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
	if err := s.settle(ctx, sh, r); err != nil {
		return err
	}
	unread := s.asked(ctx, r, sh)
	m, err := s.message(ctx, r, sh.Change)
	if err != nil {
		return err
	}
	if len(unsaid(sh, r)) > 0 && s.Client.now().Sub(sh.Written) > surelyThere {
		sh.Digest = "" // written again, it shows whether there still is a thread to reply in
	}
	if err := s.bring(ctx, r, sh, m); err != nil {
		return err
	}
	if err := s.tell(ctx, sh, r); err != nil {
		return err
	}
	return errors.Join(s.lead(ctx, sh, r), unread)
}

// surelyThere is how long a message is taken to be there after it was written.
// Slack puts a reply to a deleted one into the channel, for everybody to read.
const surelyThere = time.Minute

// settle finds out whether what was about to be posted was, where a crash or a
// lost answer left that open. Only then is Slack's history read: for some apps
// Slack allows that once a minute.
func (s *Sink) settle(ctx context.Context, sh *shown, r *pipeline.Run) error {
	switch sh.Posting {
	case "":
		return nil
	case ownMessage:
		ts, err := s.Client.findRun(ctx, sh.Channel, r)
		if err != nil {
			return err
		}
		sh.TS, sh.Digest = ts, ""
	default:
		there, err := s.Client.notes(ctx, sh.Channel, sh.TS)
		if slackCode(err) == "thread_not_found" {
			sh.forget()
			return nil
		}
		if err != nil {
			return err
		}
		if slices.Contains(there, sh.Posting) {
			sh.Said = append(sh.Said, sh.Posting)
			gate, asked := strings.CutPrefix(sh.Posting, waitingNote)
			if !asked {
				gate = ""
			}
			if err := s.mentioned(ctx, r, gate); err != nil {
				return err
			}
		}
	}
	sh.Posting = ""
	return nil
}

// bring posts the message, or updates the one that is there if it differs.
func (s *Sink) bring(ctx context.Context, r *pipeline.Run, sh *shown, m message) error {
	digest := digestOf(m)
	if sh.TS != "" && sh.Digest != digest {
		err := s.change(ctx, sh, m)
		switch {
		case slackCode(err) == "message_not_found":
			sh.forget()
		case err != nil:
			return err
		}
	}
	if sh.TS == "" {
		ts, err := s.post(ctx, sh, ownMessage, m)
		if err != nil {
			return err
		}
		sh.TS = ts
	}
	if sh.Digest != digest {
		sh.Digest, sh.Written = digest, s.Client.now()
	}
	if sh.Known {
		return nil
	}
	err := s.Threads.Remember(ctx, sh.Channel, sh.TS, ShownRun{r.Repo.ID, r.ID, r.Service, r.EnvironmentName()})
	sh.Known = err == nil
	return pipeline.Temporary(err)
}

// post posts what must not be there twice: it is saved before that it is about to be.
func (s *Sink) post(ctx context.Context, sh *shown, what string, m message) (ts string, err error) {
	if err := spendPost(ctx, s.Budget, sh.Channel); err != nil {
		return "", err
	}
	sh.Posting = what
	raw, err := json.Marshal(sh)
	if err != nil {
		return "", err
	}
	if err := sh.save(ctx, raw); err != nil {
		return "", pipeline.Temporary(err)
	}
	ts, err = s.Client.post(ctx, sh.Channel, m)
	if !uncertain(err) {
		sh.Posting = ""
	}
	return ts, err
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
