package bot

import (
	"context"
	"time"

	"github.com/shipmate/shipmate/commands"
	"github.com/shipmate/shipmate/pipeline"
)

// A message is something that happened outside, in the words of no platform.
// The edges (bot/github, bot/slack, bot/api) make them out of requests, and put them on
// the queue before they answer; Bot handles them in a worker.
// The kind of the job is the message's Kind, its payload the message as JSON.

// Kinds of messages.
const (
	KindSaid        = "said"
	KindPressed     = "pressed"
	KindPullRequest = "pull_request"
	KindPush        = "push"
	KindRerun       = "rerun"
	KindInstalled   = "installed"
	KindMoved       = pipeline.KindMoved // the engine's own: no person is to be answered
)

// Moved: GitHub has something new to say about a commit or a pull request.
type Moved = pipeline.Moved

// Said: a person wrote something with at least one line that may be a command.
type Said struct {
	Repo   pipeline.Repo   `json:"repo,omitzero"` // zero on Slack, unless the thread belongs to a run
	Actor  pipeline.Actor  `json:"actor"`         // on Slack only the Slack ids are set
	Origin pipeline.Origin `json:"origin"`
	Text   string          `json:"text"` // whole, as written; on Slack "/deploy shop prod"
	At     time.Time       `json:"at"`   // when it was written, by the platform's clock
	Came   time.Time       `json:"came"` // when it reached us, by our own
	// Near is the repository that is meant where the text names no other, for
	// example the one whose clone somebody stands in. Zero: there is none.
	Near pipeline.Repo `json:"near,omitzero"`

	gate  string          // of the button that was pressed instead
	yesTo pipeline.Commit // what the person confirmed by a button
	was   *tries          // what earlier tries left; nil: not looked at
	seen  *seen           // shows that it takes a while; nil: nothing is to be shown
}

// Pressed: a person pressed a button that we made. A button is only an id; what
// it means is looked up on the server.
type Pressed struct {
	Repo   pipeline.Repo   `json:"repo"` // on Slack only the id, which is part of the button's value
	Button string          `json:"button"`
	Actor  pipeline.Actor  `json:"actor"`
	Origin pipeline.Origin `json:"origin"`
	Reason string          `json:"reason,omitempty"` // typed into a dialog
	At     time.Time       `json:"at"`               // when it was pressed, by the platform's clock where it says so
	Came   time.Time       `json:"came"`             // when it reached us, by our own
}

// PullRequest: one was opened, moved, closed, made a draft or ready.
type PullRequest struct {
	Repo    pipeline.Repo  `json:"repo"`
	Actor   pipeline.Actor `json:"actor"`
	Action  string         `json:"action"` // GitHub's word: opened, synchronize, reopened, closed, ...
	Number  int            `json:"number"`
	Title   string         `json:"title"`
	Head    string         `json:"head"`     // full commit id
	Branch  string         `json:"branch"`   // of the head
	Base    string         `json:"base"`     // branch
	BaseSHA string         `json:"base_sha"` //
	Author  pipeline.Actor `json:"author"`
	Fork    bool           `json:"fork"`
	Draft   bool           `json:"draft"`
	Merged  bool           `json:"merged"`
	At      time.Time      `json:"at"` // updated_at
}

// Push: a branch moved.
type Push struct {
	Repo    pipeline.Repo  `json:"repo"`
	Actor   pipeline.Actor `json:"actor"`
	Branch  string         `json:"branch"`
	Default bool           `json:"default"` // it is the default branch
	Before  string         `json:"before"`
	After   string         `json:"after"`
	Title   string         `json:"title"` // first line of the head commit's message
	Deleted bool           `json:"deleted"`
}

// Rerun: a person asked GitHub to run a check again.
type Rerun struct {
	Repo  pipeline.Repo  `json:"repo"`
	Actor pipeline.Actor `json:"actor"`
	Run   pipeline.RunID `json:"run,omitempty"` // the check's external id; "": all checks of the commit
	SHA   string         `json:"sha"`
	Came  time.Time      `json:"came"` // when it reached us: GitHub does not say when it was asked
}

// Installed: repositories came or went.
type Installed struct {
	Installation int64           `json:"installation"`
	Added        []pipeline.Repo `json:"added,omitempty"`
	Removed      []pipeline.Repo `json:"removed,omitempty"`
	Gone         bool            `json:"gone,omitempty"` // the whole installation
}

// Outcome is how an answer ends, shown as a reaction where there are any.
type Outcome string

const (
	Seen    Outcome = "seen"    // eyes: it is being worked on
	Done    Outcome = "done"    // rocket
	Refused Outcome = "refused" // minus one
	Ignored Outcome = "ignored" // nothing was for us; take "seen" away
)

// Answer is what a person is told. Text is Markdown of a small kind: **bold**,
// `code`, fenced code, lists, [links](https://ours). Everything people typed
// stands in code spans (see commands.Code), so that an edge can translate
// it to its own markup without meeting live markup of somebody else's.
type Answer struct {
	Outcome Outcome
	Text    string            // "": only the outcome is shown
	Code    string            // reason code of the first refusal, or why nothing new was done, for programs; people find it in Text
	Run     pipeline.RunID    // the run it is about, if any
	Folded  []commands.Folded // shown below Text, opened by their titles; see Unfolded
	Confirm []Confirm         // to be answered, by this person alone
	// Shown: the reports on the pull request where the commands were said tell the same of every
	// run, so a place that has such reports gives the outcome and leaves Text out.
	Shown   bool
	Private bool // nobody but the one it answers may see it, where others could
	Replace bool // it stands where the button was that it answers
}

// Unfolded is the text for a place where nothing can be folded.
func (a Answer) Unfolded() string {
	text := a.Text
	for _, f := range a.Folded {
		text += "\n" + f.Title
	}
	return text
}

// Confirm is a button below an answer. Pressed, it is a [Pressed].
type Confirm struct {
	Button string // its id
	Label  string
}

// Surface is a place people talk to the bot: GitHub, Slack, the API.
type Surface interface {
	// Ack shows that a message was seen, at once and cheaply. Its errors are
	// logged and nothing more: it is a courtesy.
	Ack(ctx context.Context, repo pipeline.Repo, at pipeline.Origin) error
	// Reply answers whoever wrote or pressed at the origin. key is the same
	// whenever the same answer is given again after a crash.
	Reply(ctx context.Context, repo pipeline.Repo, at pipeline.Origin, to pipeline.Actor, key string, a Answer) error
}
