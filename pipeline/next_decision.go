package pipeline

import "time"

// Decision is one thing a run should do now. Engine.apply carries it out.
type Decision interface{ decision() }

type (
	// AskLive: the rules need to know what GitHub says before they go on.
	AskLive struct{}
	// Hold: the run waits, until a time or until somebody moves it.
	Hold struct {
		Code, Message string
		Until         time.Time
		Queue         bool // it stands in its environment's queue meanwhile
	}
	// Admit: every gate passed; take the environment and go.
	Admit struct{}
	// MakePlan finds out what the run would do before people are asked.
	MakePlan struct{ Gate string }
	// Begin starts a step's next attempt.
	Begin struct{ Step string }
	// Reuse ends a step with the outputs it had in the deployment that is
	// promoted or brought back.
	Reuse struct{ Step string }
	// Call has the runner of a step called again.
	Call struct{ Step string }
	// Skip ends a step that never ran.
	Skip struct{ Step, Code, Message string }
	// Settle ends a step that needs no runner: an approval given, a wait over.
	Settle struct {
		Step          string
		State         State
		Code, Message string
	}
	// StopStep ends a step that has begun, from outside: the call in flight is
	// told, or one more call is made that only stops.
	StopStep struct{ Step, Why string }
	// CancelRun winds the run down.
	CancelRun struct{ Code, Message string }
	// Revert undoes a step.
	Revert struct{ Step string }
	// RollBack begins to undo the run: step by step, or by deploying To again.
	RollBack struct {
		To      *Deployment // nil: step by step
		Message string
	}
	// Block: nobody knows how a step ended; a person decides.
	Block struct{ Message string }
	// Finish ends the run.
	Finish struct {
		State         State
		Code, Message string
		Lock          string // why the environment is locked from now on; "" if it is not
		Adopts        bool   // nothing was done, because what runs in the environment is the same
	}
)

func (AskLive) decision()   {}
func (Hold) decision()      {}
func (Admit) decision()     {}
func (MakePlan) decision()  {}
func (Begin) decision()     {}
func (Reuse) decision()     {}
func (Call) decision()      {}
func (Skip) decision()      {}
func (Settle) decision()    {}
func (StopStep) decision()  {}
func (CancelRun) decision() {}
func (Revert) decision()    {}
func (RollBack) decision()  {}
func (Block) decision()     {}
func (Finish) decision()    {}
