package pipeline

import (
	"cmp"
	"fmt"
	"time"
)

// lagPatience is how long something is waited for that may only be late. What
// GitHub does not show by then is not there.
const lagPatience = 30 * time.Second

// lagPause is how long to wait until it is asked for again, having waited for a
// while: a second at first, ever longer, and once more at the end.
func lagPause(waited time.Duration) time.Duration {
	return max(time.Second, min(waited/2, lagPatience-waited))
}

// lag is what a Lagging error comes to that was first met at since; zero: now.
func lag(err error, since, now time.Time) Result {
	since = cmp.Or(since, now)
	waited := now.Sub(since)
	if waited >= lagPatience {
		return Result{Done: true, State: Failed, Code: cmp.Or(Code(err), "runner_error"), Message: Message(err)}
	}
	return Result{
		lagging: since, RetryAfter: max(lagPause(waited), asksFor(err)),
		Message: fmt.Sprintf("%s It may only be late, so it is asked for again until %s.", Message(err), since.Add(lagPatience).UTC().Format("15:04:05 MST")),
	}
}

// waitToBegin: what the step's condition or parameters need may only be late.
func (m *move) waitToBegin(s *StepRun, err error) {
	res := lag(err, s.Lagging, m.now)
	if res.Done {
		m.end(s, Failed, res.Code, res.Message)
		return
	}
	if s.Attempt == 0 {
		s.Code = "lagging"
	}
	s.State, s.Message, s.Lagging, s.Due, s.Deadline = Waiting, res.Message, res.lagging, m.now.Add(res.RetryAfter), time.Time{}
	m.touched = true
}
