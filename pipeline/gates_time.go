package pipeline

import (
	"fmt"
	"time"
)

// How long a command is done without asking back, and how long it is worth
// anything. The clocks of the platforms and ours differ by seconds: that moves
// these limits by as much, and nothing that was just said is near them.
const (
	lateAfter    = 10 * time.Minute
	expiredAfter = 24 * time.Hour
)

const stillWanted = "If it is still what you want, say it again."

// InTime: what somebody wrote a while ago, and what reaches us only now, is not
// started blindly: much may have happened since. A run that was made of it is
// never late.
func InTime(q Question, now time.Time) Gate {
	age := now.Sub(q.Said)
	switch {
	case q.Said.IsZero() || age <= lateAfter:
		return pass(GateLate, "It was said just now.")
	case age > expiredAfter:
		return Gate{Name: GateLate, State: Fails, Code: "expired",
			Sentence: fmt.Sprintf("This was written %s ago, so it was not done.", roughly(age)), Fix: stillWanted}
	}
	return Gate{Name: GateLate, State: Fails, Code: "late",
		Sentence: fmt.Sprintf("This was written %s ago and came to shipmate only now, so it was not done.", roughly(age)), Fix: stillWanted}
}

// roughly is a time as people say it.
func roughly(d time.Duration) string {
	switch {
	case d < 2*time.Hour:
		return count(int(d.Minutes()), "minute")
	case d < 48*time.Hour:
		return count(int(d.Hours()), "hour")
	}
	return count(int(d.Hours())/24, "day")
}
