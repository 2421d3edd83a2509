package script

import (
	"fmt"
	"strings"
	"syscall"
	"time"

	"github.com/shipmate/shipmate/pipeline"
)

// Runner is what messages say of where the script ran.
type Runner struct {
	Where  string // where a program was looked for: "on this machine"
	Memory string // a sentence after "`build` was killed because"
}

// Result says in words and states how the script ended. It never quotes what
// the script printed: only the log masks secrets.
func (r Runner) Result(c Call, e Exit, t Told) pipeline.Result {
	res := pipeline.Result{Done: true, State: pipeline.Failed, Summary: t.summary(c), Annotations: t.annotations(c)}
	outputs, err := t.outputs(c)
	name := c.Name()
	switch {
	case e.Error != "":
		res.Code, res.Message = "script_not_started", r.notStarted(name, e.Error)
	case e.Well() && e.Stopped == "" && err != nil:
		res.Code, res.Message = "invalid_output", pipeline.Message(err)
	case e.Well():
		res.State, res.Outputs = pipeline.Succeeded, outputs
	case e.Stopped == StopTimeout:
		res.Code = "timeout"
		res.Message = fmt.Sprintf("`%s` was stopped: it did not end within its timeout of %s.", name, c.Step.Timeout.Or(time.Hour))
	case e.Stopped != "":
		res.State, res.Code = pipeline.Cancelled, "cancelled"
		res.Message = fmt.Sprintf("`%s` was stopped.", name)
	case e.Memory && e.Code == 128+int(syscall.SIGKILL):
		res.Code = "out_of_memory"
		res.Message = fmt.Sprintf("`%s` was killed because %s", name, r.Memory)
	case e.Signal != "":
		res.Code = "script_killed"
		res.Message = fmt.Sprintf("`%s` was ended by the signal %s.", name, e.Signal)
	default:
		res.Code = "script_failed"
		res.Message = fmt.Sprintf("`%s` exited with code %d%s. Its output: `/logs %s %s`.", name, e.Code, hint(e.Code), c.Run.ID, c.Named())
	}
	return res
}

// hint says what shells mean by their exit codes, see sh(1p), "Exit Status".
func hint(code int) string {
	switch {
	case code == 126:
		return " (a command is not executable)"
	case code == 127:
		return " (a command was not found)"
	case code > 128 && code < 128+65:
		if name := signalName(syscall.Signal(code - 128)); name != "" {
			return " (" + name + ")"
		}
	}
	return ""
}

func (r Runner) notStarted(name, err string) string {
	if strings.Contains(err, syscall.E2BIG.Error()) {
		return fmt.Sprintf("`%s` was not started: its environment variables are too large (128 KiB each, about 2 MiB together).", name)
	}
	if strings.Contains(err, syscall.ENOENT.Error()) {
		return fmt.Sprintf("`%s` was not started: the program named after `#!` does not exist %s.", name, r.Where)
	}
	return fmt.Sprintf("`%s` was not started: %s.", name, err)
}
