package pipeline

import (
	"fmt"
	"time"
)

// KindAnnounce is a job that tells a channel something that nobody there asked
// for. It is made in the commit that does what it tells of.
const KindAnnounce = "announce"

// Announcement is what everybody who reads a channel is told, once.
type Announcement struct {
	Channel string    `json:"channel,omitempty"` // an environment's; "": the operator's
	Text    string    `json:"text"`              // in the Markdown of bot.Answer
	At      time.Time `json:"at,omitzero"`       // when it came about
}

// Job is the job that tells it, once for each key and channel.
func (a Announcement) Job(repo int64, key string) Job {
	id := "announce:" + key
	if a.Channel != "" {
		id += ":" + a.Channel
	}
	return Job{ID: id, Kind: KindAnnounce, Pool: Control, Repo: repo, Payload: payload(a)}
}

// announceLock tells the environment's channel that the end of a run has locked it.
func (m *move) announceLock() {
	r, l := m.run, m.env.Lock
	if r.Environment.Slack == "" {
		return
	}
	text := fmt.Sprintf("🔒 **%s** of %s is locked: %s. To let new deploys in again: `/unlock %s`.", r.Environment.Name, r.Service, l.Reason, r.Environment.Name)
	m.enqueue(Announcement{Channel: r.Environment.Slack, Text: text, At: m.now}.Job(r.Repo.ID, "lock:"+string(r.ID)))
}
