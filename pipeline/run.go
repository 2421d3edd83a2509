package pipeline

import (
	"encoding/json"
	"slices"
	"time"
)

// RunID names a run: "r-" and eight characters of Crockford base32.
type RunID string

// State is where a run or a step stands.
type State string

const (
	Queued      State = "queued"       // a run: not started; a step: not its turn yet
	Waiting     State = "waiting"      // for a person, a time or a gate
	Running     State = "running"      //
	Succeeded   State = "succeeded"    //
	Failed      State = "failed"       //
	Cancelled   State = "cancelled"    //
	Skipped     State = "skipped"      // steps only
	RollingBack State = "rolling_back" //
	RolledBack  State = "rolled_back"  //
	Unknown     State = "unknown"      // nobody saw the outcome; a person decides with /resolve
)

// Terminal reports whether a run in this state never changes again.
func (s State) Terminal() bool {
	switch s {
	case Succeeded, Failed, Cancelled, Skipped, RolledBack:
		return true
	}
	return false
}

// Repo is a repository; its numeric id is what counts, names move.
type Repo struct {
	ID           int64  `json:"id"`
	Installation int64  `json:"installation,omitempty"`
	Owner        string `json:"owner"`
	Name         string `json:"name"`
}

// String is owner/name.
func (r Repo) String() string { return r.Owner + "/" + r.Name }

// Actor is who acts: a person known by GitHub's numeric user id, or the bot
// itself (ID zero, Login "shipmate") for schedules, pushes and rollbacks.
type Actor struct {
	ID        int64  `json:"id,omitempty"`
	Login     string `json:"login"`
	SlackTeam string `json:"slack_team,omitempty"`
	SlackUser string `json:"slack_user,omitempty"`
}

// Bot is the actor behind everything nobody asked for.
func Bot() Actor { return Actor{Login: "shipmate"} }

// IsBot reports whether no person is behind the actor.
func (a Actor) IsBot() bool { return a.ID == 0 }

// Trigger is what a run came from.
type Trigger string

const (
	ByCommand     Trigger = "command"
	ByPullRequest Trigger = "pull_request"
	ByPush        Trigger = "push"
	BySchedule    Trigger = "schedule"
	ByMergeGroup  Trigger = "merge_group"
	ByRollback    Trigger = "rollback" // a redeploy of an earlier good revision
)

// Origin is the place a request was made, where the answer belongs.
type Origin struct {
	Surface     string `json:"surface"`                // github, slack, api, cli, clock
	PR          int    `json:"pr,omitempty"`           //
	Comment     int64  `json:"comment,omitempty"`      // GitHub comment id
	CommentKind string `json:"comment_kind,omitempty"` // where the comment stands: "" in the conversation, else one of the kinds below
	Channel     string `json:"channel,omitempty"`      // Slack channel id
	ChannelName string `json:"channel_name,omitempty"` // without "#"
	Thread      string `json:"thread,omitempty"`       // Slack thread ts
	ReplyTo     string `json:"reply_to,omitempty"`     // Slack response_url
	Command     string `json:"command,omitempty"`      // id of a command of the API, whose answer is kept under it
}

// Kinds of comments whose ids GitHub counts by themselves.
const (
	ReviewBody    = "review"         // what a review says as a whole
	ReviewComment = "review_comment" // on a line of the diff
)

// Request is what was asked for. It is frozen when the run is made.
type Request struct {
	ID          RunID        `json:"id"`
	Repo        Repo         `json:"repo"`
	Service     string       `json:"service"`
	Pipeline    Pipeline     `json:"pipeline"`
	Environment *Environment `json:"environment,omitempty"` // nil: the run deploys nowhere
	ConfigSHA   string       `json:"config_sha,omitempty"`  // where the definition was read
	SHA         string       `json:"sha"`                   // full commit id, never a branch
	Ref         string       `json:"ref,omitempty"`         // what people call it, for display only
	PR          int          `json:"pr,omitempty"`
	Base        string       `json:"base,omitempty"`   // branch the pull request was to go into when this was asked
	Before      string       `json:"before,omitempty"` // where the branch was before a push brought the commit; "" for a new branch
	Title       string       `json:"title,omitempty"`  // subject of the commit or pull request, for display only
	Trigger     Trigger      `json:"trigger"`
	Actor       Actor        `json:"actor"`
	CausedBy    Actor        `json:"caused_by,omitzero"` // of a run nobody asked for: who pushed, or whose pull request it is
	Params      Values       `json:"params,omitempty"`
	Reason      string       `json:"reason,omitempty"`
	DryRun      bool         `json:"dry_run,omitempty"`
	Restores    *Deployment  `json:"restores,omitempty"` // a rollback: the good deployment it brings back
	Reverts     RunID        `json:"reverts,omitempty"`  // the run whose steps this one undoes; SHA and Pipeline are that run's
	Parent      RunID        `json:"parent,omitempty"`   // the failed run that waits for this redeploy and holds the environment for it
	Excluded    []int64      `json:"excluded,omitempty"` // user ids that may not approve: authors and pushers of the range
	Origin      Origin       `json:"origin"`
	Promotes    *Deployment  `json:"promotes,omitempty"` // what runs in another environment, to be deployed here as it is
	Nothing     string       `json:"nothing,omitempty"`  // why there is nothing to do: the run says so and ends
	Same        RunID        `json:"same,omitempty"`     // with Nothing: only as long as this run's deployment is what runs there
	Refused     string       `json:"refused,omitempty"`  // why it cannot be done: the run says so and fails
	NotBefore   time.Time    `json:"not_before,omitzero"`
	Once        bool         `json:"-"` // where an open run does the same already, Start returns that one
	Created     time.Time    `json:"created"`
}

// EnvironmentName is the environment's name, or "" if there is none.
func (r *Request) EnvironmentName() string {
	if r.Environment == nil {
		return ""
	}
	return r.Environment.Name
}

// Deploys reports whether the run changes an environment. A dry run does not, so
// it counts for nothing that asks what was, is or will be deployed.
func (r *Request) Deploys() bool { return r.Environment != nil && !r.DryRun }

// ShortSHA is the first seven characters of the commit id.
func (r *Request) ShortSHA() string { return r.SHA[:min(7, len(r.SHA))] }

// Run is one execution of a pipeline: what was asked and how far it has come.
type Run struct {
	Request
	Progress

	Version int64 // of the stored record; zero: not stored yet
}

// Progress is the part of a run that changes.
type Progress struct {
	State        State         `json:"state"`
	Code         string        `json:"code,omitempty"`    // reason code of a wait or an end
	Message      string        `json:"message,omitempty"` // the sentence for people that goes with Code
	Steps        []StepRun     `json:"steps"`
	Approvals    []Approval    `json:"approvals,omitempty"`
	Plans        []Planning    `json:"plans,omitempty"` // what people are told before they approve, in the order of the questions
	Cancel       *Cancellation `json:"cancel,omitempty"`
	Admitted     bool          `json:"admitted,omitempty"`      // the gates were passed; the environment, if any, is held
	Fence        int64         `json:"fence,omitempty"`         // grows with every call of a runner
	RedeployedBy RunID         `json:"redeployed_by,omitempty"` // the run that brings the previous revision back
	Locked       bool          `json:"locked,omitempty"`        // its end left the environment locked
	Started      time.Time     `json:"started,omitzero"`
	Ended        time.Time     `json:"ended,omitzero"`
	Deadline     time.Time     `json:"deadline,omitzero"`
	HeldUntil    time.Time     `json:"held_until,omitzero"` // when the gate that holds the run may open by itself
	HeldSince    time.Time     `json:"held_since,omitzero"` // since when the run waits for what Code says
	Waited       []Wait        `json:"waited,omitempty"`    // what it waited for before it was admitted, and is over
	Wake         time.Time     `json:"wake,omitzero"`       // when the run is looked at again without being asked
}

// StepRun is how far one step has come.
type StepRun struct {
	Name          string            `json:"name"`
	State         State             `json:"state"`
	Code          string            `json:"code,omitempty"`
	Message       string            `json:"message,omitempty"`
	Attempt       int               `json:"attempt,omitempty"` // 1 at the first start
	Call          int               `json:"call,omitempty"`    // calls of the runner begun in this attempt
	Calling       bool              `json:"calling,omitempty"` // a call was begun and its result is not recorded
	With          Values            `json:"with,omitempty"`    // parameters after evaluation, once per attempt
	Checkpoint    json.RawMessage   `json:"checkpoint,omitempty"`
	Outputs       map[string]string `json:"outputs,omitempty"`
	Images        []string          `json:"images,omitempty"`  // deployed by it, sorted
	Summary       string            `json:"summary,omitempty"` // markdown the step wrote for the report, capped
	Annotations   []Annotation      `json:"annotations,omitempty"`
	Started       time.Time         `json:"started,omitzero"`
	Ended         time.Time         `json:"ended,omitzero"`
	Deadline      time.Time         `json:"deadline,omitzero"`        // of this attempt
	Due           time.Time         `json:"due,omitzero"`             // when a waiting step is looked at again
	Stopping      string            `json:"stopping,omitempty"`       // why it is being stopped: cancelled, timeout
	Reverting     bool              `json:"reverting,omitempty"`      // the call in flight, or the last one, is a Revert
	Untouched     bool              `json:"untouched,omitempty"`      // no attempt has begun to change anything
	UndoUntouched bool              `json:"undo_untouched,omitempty"` // its undoing has not begun to change anything
	Failures      int               `json:"failures,omitempty"`       // calls in a row that failed for the time being
	Lagging       time.Time         `json:"lagging,omitzero"`         // since when it waits for what may only be late, see the function Lagging
	Later         time.Time         `json:"later,omitzero"`           // what the runner left to do is not done before; zero: nothing is left
}

// LogName is the name the step's log is kept under, or that of its undoing.
func (s *StepRun) LogName(undo bool) string {
	if undo {
		return s.Name + ":undo" // no step's own name: those have no colon
	}
	return s.Name
}

// FailureLog is the name of the log that tells how the step failed: that of its
// undoing if it was that.
func (s *StepRun) FailureLog() string { return s.LogName(s.Reverting && s.State != RolledBack) }

// laterLogName is the name the log of what was left for later is kept under.
func (s *StepRun) laterLogName() string { return s.Name + ":later" }

// Annotation points at a line of a file, shown on the pull request.
type Annotation struct {
	Path    string `json:"path"`
	Line    int    `json:"line"`
	Level   string `json:"level"` // notice, warning, failure
	Message string `json:"message"`
}

// Approval is one person's yes or no, bound to what was asked.
type Approval struct {
	Gate   string    `json:"gate"` // an approval step's name, "environment", "fork", or "override:" and a gate's name
	By     Actor     `json:"by"`
	Yes    bool      `json:"yes"`
	SHA    string    `json:"sha"`
	Plan   string    `json:"plan,omitempty"` // digest of what was planned when they were asked
	Reason string    `json:"reason,omitempty"`
	Via    string    `json:"via"`           // surface
	Key    string    `json:"key,omitempty"` // of the command it came by: said again after a crash it is the same answer
	At     time.Time `json:"at"`
}

// Cancellation is why a run is being ended before its end.
type Cancellation struct {
	By     Actor     `json:"by"`
	Code   string    `json:"code"` // cancelled, deadline, head_moved, base_changed, superseded, rejected
	Reason string    `json:"reason,omitempty"`
	Key    string    `json:"key,omitempty"` // as in Approval
	At     time.Time `json:"at"`
}

// Step returns the progress of a step, for changing, or nil.
func (r *Run) Step(name string) *StepRun {
	for i := range r.Steps { // by index: a StepRun is large, and this is asked often
		if r.Steps[i].Name == name {
			return &r.Steps[i]
		}
	}
	return nil
}

// definition is what the file says of a step, for reading only. It stands at
// the same place as its progress.
func (r *Run) definition(i int) *Step { return &r.Pipeline.Steps[i] }

// Event is one line of a run's history.
type Event struct {
	At      time.Time `json:"at"`
	Kind    string    `json:"kind"` // "run", "step", "approval", "cancel", "plan", "later"
	Step    string    `json:"step,omitempty"`
	State   State     `json:"state,omitempty"`
	Actor   string    `json:"actor,omitempty"`
	Code    string    `json:"code,omitempty"`
	Message string    `json:"message,omitempty"`
}

// EnvironmentState is what is going on in one environment: who works on it,
// who waits for it, who locked it, what runs there. Its rules are in Next.
type EnvironmentState struct {
	Repo    int64       `json:"repo"`
	Name    string      `json:"name"`
	Active  RunID       `json:"active,omitempty"`
	Queue   []RunID     `json:"queue,omitempty"` // in the order they start
	Lock    *Lock       `json:"lock,omitempty"`
	Fence   int64       `json:"fence"` // grows with every run that takes the environment
	Current *Deployment `json:"current,omitempty"`
	// Unsettled is the run that worked on it last and went wrong: what stands
	// there since is not known.
	Unsettled RunID `json:"unsettled,omitempty"`

	Version int64 `json:"-"`
}

// Everywhere is the name under which the lock of all environments of a
// repository is kept. No environment may be called so.
const Everywhere = "all"

// Lock keeps new deploys away until somebody takes it off or it expires.
type Lock struct {
	By      Actor     `json:"by"`
	Reason  string    `json:"reason"`
	Run     RunID     `json:"run,omitempty"`   // the rollback that set it
	Origin  Origin    `json:"origin,omitzero"` // where it was asked for, and what becomes of it is told
	At      time.Time `json:"at"`
	Expires time.Time `json:"expires,omitzero"`
}

// Holds reports whether the lock is there and has not expired.
func (l *Lock) Holds(now time.Time) bool { return l != nil && !reached(l.Expires, now) }

// Is reports whether another one, as it was kept, is this very lock.
func (l Lock) Is(other *Lock) bool {
	return other != nil && l.By.ID == other.By.ID && l.Run == other.Run && l.At.Equal(other.At)
}

// Approved lists the valid yeses to a gate, one per person. Whether each person
// may still approve is for Gates to say; here count those bound to this commit
// and to what is planned.
func (r *Run) Approved(gate string) []Approval {
	var yes []Approval
	for _, a := range r.Approvals {
		seen := slices.ContainsFunc(yes, func(o Approval) bool { return o.By.ID == a.By.ID })
		if a.Gate == gate && a.Yes && a.SHA == r.SHA && a.Plan == r.planDigest(gate) && !seen {
			yes = append(yes, a)
		}
	}
	return yes
}
