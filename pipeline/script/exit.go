package script

import "time"

// Exit is how a script ended.
type Exit struct {
	Code    int       `json:"code"`
	Signal  string    `json:"signal,omitempty"`  // name of the signal that ended it
	Stopped string    `json:"stopped,omitempty"` // why it was ended from outside: StopCancelled, StopTimeout or a word of the runner's
	Memory  bool      `json:"memory,omitempty"`  // the kernel killed for want of memory meanwhile
	Error   string    `json:"error,omitempty"`   // why it could not be started
	Dropped int64     `json:"dropped,omitempty"` // bytes of output not kept
	Started time.Time `json:"started"`
	Ended   time.Time `json:"ended"`
}

// Why a script is stopped.
const (
	StopCancelled = "cancelled"
	StopTimeout   = "timeout"
)

// Well reports whether the script ended well, by itself: also one that was done
// before it could be stopped.
func (e Exit) Well() bool {
	return e.Code == 0 && e.Signal == "" && e.Error == "" && !e.Ended.IsZero()
}
