package pipeline

import (
	"context"
	"crypto/sha256"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"
)

// Refused is the error of a call that a platform refuses now and may accept
// later: the App is suspended, a conversation is locked, a channel is archived.
// The job that met it is blocked: neither done nor given up, see [Blocked].
type Refused struct {
	Reason *Error // code and sentence for people
	// LiftedBy are the places where something may happen that ends it, see
	// [Lifted]. The first is where it is refused.
	LiftedBy []string
}

func (r *Refused) Error() string { return r.Reason.Error() }

// Unwrap leads to the reason, for [Code] and [Message].
func (r *Refused) Unwrap() error { return r.Reason }

// AsRefused returns the *Refused in err's chain, nil if there is none or if the
// error goes away by itself.
func AsRefused(err error) *Refused {
	var r *Refused
	if IsTemporary(err) || !errors.As(err, &r) {
		return nil
	}
	return r
}

// AtInstallation, AtRepo and AtPull name places on GitHub in [Refused] and [Lifted].
func AtInstallation(id int64) string { return fmt.Sprintf("installation/%d", id) }

// AtRepo is a repository, by its numeric id.
func AtRepo(id int64) string { return fmt.Sprintf("repo/%d", id) }

// AtPull is the conversation of a pull request.
func AtPull(repo int64, number int) string { return fmt.Sprintf("pull/%d/%d", repo, number) }

// Blocked says why a job waits: a platform refuses what it is about. It is
// tried ever more slowly, and at once when an event may have lifted it.
type Blocked struct {
	Code     string    `json:"code"`
	Message  string    `json:"message"`
	What     string    `json:"what,omitempty"` // that cannot be written: "check"
	LiftedBy []string  `json:"lifted_by,omitempty"`
	Since    time.Time `json:"since"`
	Tries    int       `json:"tries"` // refusals since the start, or since an event that may have lifted it
}

const (
	firstBlockedWait   = 2 * time.Second // what GitHub has just allowed, some of its servers still refuse
	longestBlockedWait = 4 * time.Hour
	longestBlocked     = 24 * time.Hour // for jobs that are no reports; those last as long as the run's record
)

// blockedBy is the state of a job that was blocked as was says, nil for not at
// all, and is refused now.
func blockedBy(was *Blocked, r *Refused, what string, now time.Time) Blocked {
	b := Blocked{Code: r.Reason.Code, Message: r.Reason.Message, What: what, LiftedBy: r.LiftedBy, Since: now, Tries: 1}
	if was != nil {
		b.Since, b.Tries = was.Since, was.Tries+1
	}
	return b
}

// wait is how long to wait after so many tries: 2 s, doubled up to hours.
func (b *Blocked) wait() time.Duration {
	return min(firstBlockedWait<<min(b.Tries-1, 20), longestBlockedWait)
}

// where names what is refused and where, to say it once for all jobs it stops.
func (b *Blocked) where() string {
	place := ""
	if len(b.LiftedBy) > 0 {
		place = b.LiftedBy[0]
	}
	return b.Code + " " + place
}

// Lifted: something happened at these places that may have ended a refusal.
type Lifted struct {
	Places []string `json:"places"` // none: everywhere
}

const kindLifted = "lifted"

// Job is the message on its way. A burst of them collapses.
func (m Lifted) Job() Job {
	const long = 200
	slices.Sort(m.Places)
	id := "lifted:" + strings.Join(m.Places, ",")
	if len(id) > long {
		id = fmt.Sprintf("lifted:%x", sha256.Sum256([]byte(id)))
	}
	return Job{ID: id, Kind: kindLifted, Pool: Control, Payload: payload(m), Again: true}
}

// frees reports whether a blocked job is to be tried because of it.
func (m Lifted) frees(b *Blocked) bool {
	return len(m.Places) == 0 || slices.ContainsFunc(b.LiftedBy, func(place string) bool { return slices.Contains(m.Places, place) })
}

// freed are the jobs to be tried now, as if it were for the first time: a
// platform may need some seconds to allow again what it allows again.
func (m Lifted) freed(blocked []Job) []Job {
	var out []Job
	for _, j := range blocked {
		if j.Blocked == nil || !m.frees(j.Blocked) {
			continue
		}
		again := *j.Blocked
		again.Tries = 0
		j.Blocked, j.At, j.Tries = &again, time.Time{}, 0
		out = append(out, j)
	}
	return out
}

// Unshown are sentences about what cannot be written of a run at the moment,
// but for what the sink that asks shows itself.
func Unshown(r *Run, blocked []Job, self string) []string {
	var out []string
	for _, j := range blocked {
		if j.Kind != "report" || j.Blocked == nil || j.Blocked.What == "" || !reports(j, r) {
			continue
		}
		var job reportJob
		if json.Unmarshal(j.Payload, &job) != nil || job.Sink == self {
			continue
		}
		if text := fmt.Sprintf("The %s cannot be written now: %s", j.Blocked.What, j.Blocked.Message); !slices.Contains(out, text) {
			out = append(out, text)
		}
	}
	slices.Sort(out)
	return out
}

// reports tells whether a report job is about the run.
func reports(j Job, r *Run) bool {
	about := func(subject string) bool { return strings.HasSuffix(j.ID, ":"+subject) }
	return j.Run == r.ID || about(string(r.ID)) || r.PR != 0 && about(fmt.Sprintf("%d:pr/%d", r.Repo.ID, r.PR))
}

// stopped is the error of a report that is refused: what cannot be written, and
// whom to tell of it.
type stopped struct {
	error
	what string
	tell []Job
}

func (s stopped) Unwrap() error { return s.error }

// lifted has the jobs tried now that an event may have freed.
func (e *Engine) lifted(ctx context.Context, l *Lease) error {
	var m Lifted
	if err := json.Unmarshal(l.Payload, &m); err != nil {
		return fmt.Errorf("lifted payload: %w", err)
	}
	blocked, err := e.Queue.BlockedJobs(ctx, 0)
	if err != nil {
		return Temporary(err)
	}
	return Temporary(e.Queue.Lift(ctx, m.freed(blocked)...))
}
