package pipeline

import (
	"cmp"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"time"
)

// Integration connects one outside system: the runners and secret stores of a
// folder under integrations.
type Integration struct {
	Name    string
	Runners []Uses
	Secrets map[string]SecretStore // by the scheme of the references it resolves: "vault", "env"
}

// Uses is a runner under the name a step's "uses" gives it.
type Uses struct {
	Name   string
	Class  RetryClass // default Once
	Params []Param    // what "with" may hold; anything else is an error at load
	Runner Runner
	// SavesFirst: Run calls StepContext.Save before the first thing it changes.
	// Until it has, the step has not begun: if it fails there is nothing to undo.
	// Without it every call counts as one that may have changed something.
	SavesFirst bool
	// UndoSavesFirst is the same of Revert.
	UndoSavesFirst bool
	// Check looks at what Params cannot say; it may be nil. At load a text may
	// still be an expression.
	Check func(with map[string]any) error
	// LeftOut says that the runner is not part of this build, and what to do
	// about it. A file that uses it is refused with that.
	LeftOut string
}

// InParam says which parameter the error of a Check is about.
func InParam(name string, err error) error {
	if err == nil {
		return nil
	}
	return wrongParam{err, name}
}

type wrongParam struct {
	error
	name string
}

func (w wrongParam) Unwrap() error { return w.error }

// RetryClass says what may be done with a step whose call was cut short.
type RetryClass string

const (
	// Once: never called again on its own. The step becomes unknown and a person decides.
	Once RetryClass = "once"
	// Queryable: called again, because it finds its earlier work and adopts it.
	Queryable RetryClass = "queryable"
	// Idempotent: called again freely.
	Idempotent RetryClass = "idempotent"
)

// Runner is the code behind a step's "uses".
type Runner interface {
	// Run moves a step forward and returns. It is called again, with the
	// checkpoint it last saved, until Result.Done. A step that waits for
	// something returns RetryAfter instead of sleeping.
	//
	// When ctx ends, context.Cause says why. ErrHandedOver (this process stops)
	// and ErrLeaseLost: leave the work as it is and return at once, another
	// call goes on with it. Anything else: stop the work, then return; what
	// Run returns counts.
	Run(ctx context.Context, c *StepContext) (Result, error)
}

// Reverter is a Runner that can undo a step that succeeded.
type Reverter interface {
	// CanRevert says, without touching anything, whether Revert could work. It
	// is asked in rules: it goes by what c holds and by c.Now, and is quick.
	CanRevert(c *StepContext) bool
	// Revert refuses with the code "cannot_revert" if it has touched nothing
	// and cannot: what ran before is then deployed again instead.
	Revert(ctx context.Context, c *StepContext) (Result, error)
}

// Canceller is a Runner whose step must be stopped from outside, because no
// call may be in flight when it is to end. It is called until it returns nil.
type Canceller interface {
	Cancel(ctx context.Context, c *StepContext) error
}

// Finisher is a Runner with something left to do after its step succeeded, such
// as to take down what was kept for a quick way back. Its Run asks for that with
// Result.Later.
type Finisher interface {
	// Later is called when that time is over and the run has succeeded, never
	// when the run went wrong or another one has taken the environment since.
	// It is called again as long as it returns RetryAfter or a Temporary error,
	// and after a crash. A later run may begin while it works: that one's fence
	// is higher, so the outside system refuses what Later still tries.
	Later(ctx context.Context, c *StepContext) (Result, error)
}

// Preparer is a Runner that can make ready what its steps need of a commit, before
// it is known whether they will run: the run's gates are being asked meanwhile.
// It returns at once and runs nothing of the commit. What it made is for that
// very commit of that very repository, and is removed if no step comes soon.
type Preparer interface {
	Prepare(repo Repo, sha string)
}

// Forgetter is a Runner that keeps something on this machine until the result
// of a call is recorded: a workspace, a file of output. It forgets what calls
// up to that fence left: a later one, such as the undo that the result brought
// about, may be at work already.
type Forgetter interface {
	Forget(run RunID, step string, attempt int, fence int64) error
}

// StepContext is everything a runner is told.
type StepContext struct {
	Run        *Run // for reading only
	Step       Step
	Within     string            // the run's step that this one is a part of, "" if it is one itself
	With       map[string]any    // parameters, evaluated and checked
	Attempt    int               // from 1
	Call       int               // from 1 within the attempt
	Fence      int64             // higher than that of every earlier call; outside systems can refuse a lower one
	Planned    string            // Result.Digest of the plan people approved, "" if there is none: refuse with PlanChanged to apply another
	Now        time.Time         // when the call began, or the question was asked
	Checkpoint json.RawMessage   // what the runner last saved in this attempt
	Outputs    map[string]string // of the steps this one needs: "step.name" -> value
	Secrets    map[string]Secret // the ones the step declares
	Log        Log
	// Say shows people how far the step is, while the call goes on. What is
	// said too fast is dropped.
	Say func(message string)
	// Save makes a checkpoint durable in the middle of a call, and says that the
	// step begins, see Uses.SavesFirst. ErrLeaseLost means somebody else has the
	// step now: stop at once, touch nothing.
	Save func(ctx context.Context, checkpoint json.RawMessage) error
}

// Named is the step as people may name it, to see its log for instance.
func (c *StepContext) Named() string { return cmp.Or(c.Within, c.Step.Name) }

// Restore reads the checkpoint. It leaves alone what it is given where nothing
// was saved in this attempt.
func (c *StepContext) Restore(checkpoint any) error {
	if len(c.Checkpoint) == 0 || string(c.Checkpoint) == "null" {
		return nil
	}
	if err := json.Unmarshal(c.Checkpoint, checkpoint); err != nil {
		return fmt.Errorf("checkpoint of %s: %w", c.Step.Name, err)
	}
	return nil
}

// EncodeCheckpoint makes what Restore reads of numbers, texts, times, and
// structs of these; of other things it may panic.
func EncodeCheckpoint(checkpoint any) json.RawMessage {
	b, err := json.Marshal(checkpoint)
	if err != nil {
		panic(err)
	}
	return b
}

// Log takes a step's output. It masks secrets and caps the size.
type Log interface {
	io.Writer
	// Offset is the number of bytes written in this attempt that are safe, over
	// all calls. A runner that adopts earlier work goes on from there.
	Offset() int64
}

// Result is what one call of a runner came to.
type Result struct {
	Done        bool
	State       State             // if Done: Succeeded (the default), Failed, Cancelled or Unknown
	Code        string            // reason code of a failure
	Message     string            // a sentence for people
	Outputs     map[string]string //
	Images      []string          // what now runs because of it: full references, with the digest where known; at most 50
	Summary     string            // markdown for the report
	Annotations []Annotation      //
	Checkpoint  json.RawMessage   // saved with the result; nil keeps the last one
	Digest      string            // of a plan: names what would be applied, see StepContext.Planned
	RetryAfter  time.Duration     // if not Done: when to call again
	Later       time.Duration     // if Done and Succeeded: after this time, and the run's end, Finisher.Later is called

	failures  int       // the engine's: calls in a row that failed for the time being, this one included
	untouched bool      // the engine's: neither this call nor one before it has begun to change anything
	lagging   time.Time // the engine's: since when the call's Lagging error has been met; zero: it met none
}
