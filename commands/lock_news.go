package commands

import (
	"fmt"
	"slices"
	"time"

	"github.com/shipmate/shipmate/pipeline"
)

// LockNews is what the channels of an environment, or of all of them, are told
// of a lock that came or went, for the commit that changes it.
func LockNews(cfg *pipeline.Config, name string, a pipeline.Announcement) []pipeline.Announcement {
	var out []pipeline.Announcement
	for _, channel := range channelsOf(cfg, name) {
		a.Channel = channel
		out = append(out, a)
	}
	return out
}

// channelsOf are the channels of an environment, or of all of them, each once.
func channelsOf(cfg *pipeline.Config, name string) []string {
	var out []string
	for _, env := range cfg.Environments {
		if (name == env.Name || name == pipeline.Everywhere) && env.Slack != "" && !slices.Contains(out, env.Slack) {
			out = append(out, env.Slack)
		}
	}
	return out
}

// LockTitle is what a lock is about, where the service is not known otherwise.
func LockTitle(service, name string) string {
	if name == pipeline.Everywhere {
		return "Everything of " + service
	}
	return fmt.Sprintf("**%s** of %s", name, service)
}

func (t locked) news(c *Call, text string) []pipeline.Job {
	var jobs []pipeline.Job
	for _, a := range LockNews(c.Config, t.name, pipeline.Announcement{Text: text, At: c.Now}) {
		jobs = append(jobs, a.Job(c.Repo.ID, c.Key))
	}
	return jobs
}

// lockedNews says who locked it, why, and until when.
func lockedNews(c *Call, t locked, l *pipeline.Lock, m met) string {
	how := "is locked by"
	switch {
	case m.Taken:
		how = fmt.Sprintf("was locked by %s, and the lock is taken over by", m.Lock.By.Login)
	case m.Lock.Holds(m.Now) && m.Lock.Run == "":
		how = "stays locked by"
	}
	return fmt.Sprintf("🔒 %s %s %s until %s: %s. To unlock it: `/unlock %s`.", LockTitle(c.Config.Service, t.name), how, l.By.Login, until(l), Code(l.Reason), t.name)
}

// unlockedNews says who unlocked it, and what the lock was.
func unlockedNews(c *Call, t locked, m met, reason string) string {
	text := fmt.Sprintf("🔓 %s is unlocked by %s", LockTitle(c.Config.Service, t.name), c.Actor.Login)
	if reason != "" {
		text += ": " + Code(reason)
	}
	return text + ". It was " + wasLocked(m.Lock) + "."
}

// wasLocked says what a lock was.
func wasLocked(l *pipeline.Lock) string {
	if l.Run != "" {
		return "locked: " + l.Reason
	}
	return fmt.Sprintf("locked by %s: %s", l.By.Login, Code(l.Reason))
}

// until is when a lock ends.
func until(l *pipeline.Lock) string { return minute(l.Expires) }

func minute(t time.Time) string { return t.UTC().Format("2006-01-02 15:04 MST") }
