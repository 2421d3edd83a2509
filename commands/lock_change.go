package commands

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"

	"github.com/shipmate/shipmate/pipeline"
)

// Jobs that commands leave for the bot.
const (
	KindNotice    = "notice"
	KindLockEnds  = "lock_ends"
	KindLockEnded = "lock_ended"
)

// Notice tells somebody, where they last spoke, what became of something of theirs.
type Notice struct {
	Repo pipeline.Repo   `json:"repo"`
	To   pipeline.Actor  `json:"to"`
	At   pipeline.Origin `json:"at"`
	Text string          `json:"text"`
}

// Job is the job that tells it, once for each key.
func (n Notice) Job(key string) pipeline.Job {
	return pipeline.Job{ID: "notice:" + key, Kind: KindNotice, Pool: pipeline.Control, Repo: n.Repo.ID, Payload: encode(n)}
}

// LockEnds is the time to tell the owner of a lock that it will end, or to tell
// the channels that it has.
type LockEnds struct {
	Repo     pipeline.Repo `json:"repo"`
	Name     string        `json:"name"` // the environment, or pipeline.Everywhere
	Lock     pipeline.Lock `json:"lock"`
	Service  string        `json:"service,omitempty"`
	Channels []string      `json:"channels,omitempty"`
}

// Ended are the jobs that tell the channels that the lock has ended by itself.
func (m LockEnds) Ended(key string) []pipeline.Job {
	var jobs []pipeline.Job
	text := fmt.Sprintf("🔓 %s is unlocked: the time of its lock is over. It was %s.", LockTitle(m.Service, m.Name), wasLocked(&m.Lock))
	for _, channel := range m.Channels {
		jobs = append(jobs, pipeline.Announcement{Channel: channel, Text: text, At: m.Lock.Expires}.Job(m.Repo.ID, key))
	}
	return jobs
}

// changeLock changes a lock and has those who wait look again. The jobs that
// change returns are enqueued with it.
func changeLock(ctx context.Context, store Store, c *Call, t locked, change func(*pipeline.EnvironmentState) ([]pipeline.Job, error)) error {
	const tries = 20
	for range tries {
		s, err := store.Environment(ctx, c.Repo.ID, t.name)
		if err != nil {
			return err
		}
		jobs, err := change(s)
		if err != nil {
			return err
		}
		for _, name := range t.wake {
			env, err := store.Environment(ctx, c.Repo.ID, name)
			if err != nil {
				return err
			}
			jobs = append(jobs, pipeline.WakeQueue(env)...)
		}
		err = store.Commit(ctx, pipeline.Change{Environment: s, Jobs: jobs})
		if !errors.Is(err, pipeline.ErrConflict) {
			return err
		}
	}
	return pipeline.Temporary(fmt.Errorf("lock %s: %w", t.name, pipeline.ErrConflict))
}

// tell is the job that tells the owner of a lock what was done to it.
func tell(c *Call, l *pipeline.Lock, text string) pipeline.Job {
	at := l.Origin
	at.Comment = 0 // it is no answer to what they wrote then
	return Notice{Repo: c.Repo, To: l.By, At: at, Text: text}.Job(c.Key)
}

// endings are the jobs that tell the owner when four fifths of the time are
// over, and the channels when all of it is.
func endings(c *Call, t locked, l *pipeline.Lock) []pipeline.Job {
	ends := LockEnds{Repo: c.Repo, Name: t.name, Lock: *l}
	jobs := []pipeline.Job{{ID: "lock-ends:" + c.Key, Kind: KindLockEnds, Pool: pipeline.Control, Repo: c.Repo.ID,
		At: l.At.Add(l.Expires.Sub(l.At) * 4 / 5), Payload: encode(ends)}}
	ends.Service, ends.Channels = c.Config.Service, channelsOf(c.Config, t.name)
	if len(ends.Channels) > 0 {
		jobs = append(jobs, pipeline.Job{ID: "lock-ended:" + c.Key, Kind: KindLockEnded, Pool: pipeline.Control, Repo: c.Repo.ID,
			At: l.Expires, Payload: encode(ends)})
	}
	return jobs
}

// encode writes our own small structs, which can always be written.
func encode(v any) json.RawMessage {
	b, err := json.Marshal(v)
	if err != nil {
		panic("encode: " + err.Error())
	}
	return b
}
