package bot

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/shipmate/shipmate/commands"
	"github.com/shipmate/shipmate/pipeline"
)

// notice tells somebody what became of something of theirs.
func (b *Bot) notice(ctx context.Context, key string, n commands.Notice) error {
	return b.reply(ctx, n.Repo, n.At, n.To, key, Answer{Text: n.Text})
}

// lockEnds tells the owner of a lock that it will end, if it is still theirs.
func (b *Bot) lockEnds(ctx context.Context, key string, m commands.LockEnds) error {
	state, err := b.Store.Environment(ctx, m.Repo.ID, m.Name)
	if err != nil {
		return err
	}
	now := b.Now()
	if l := state.Lock; !l.Holds(now) || !m.Lock.Is(l) {
		return nil
	}
	at := m.Lock.Origin
	at.Comment = 0
	text := fmt.Sprintf("Your lock of %s ends in %s, at %s: %s. To keep it: %s", m.Name, m.Lock.Expires.Sub(now).Round(time.Minute), m.Lock.Expires.UTC().Format("2006-01-02 15:04 MST"),
		commands.Code(m.Lock.Reason), commands.Code(commands.Paste("/lock", m.Name)+commands.PasteFlag("reason", m.Lock.Reason)))
	return b.reply(ctx, m.Repo, at, m.Lock.By, key, Answer{Text: text})
}

// lockEnded tells the channels that a lock has ended by itself, if it was still there.
func (b *Bot) lockEnded(ctx context.Context, key string, m commands.LockEnds) error {
	state, err := b.Store.Environment(ctx, m.Repo.ID, m.Name)
	if err != nil || !m.Lock.Is(state.Lock) {
		return err
	}
	return b.Queue.Enqueue(ctx, m.Ended(key)...)
}

// clockError is how far GitHub's clock and ours may be apart.
const clockError = 2 * time.Minute

// releaseLocks takes off what was locked from a pull request that is closed
// now, and says so there.
func (b *Bot) releaseLocks(ctx context.Context, key string, m PullRequest) error {
	cfg, err := b.file(ctx, m.Repo)
	if cfg == nil || err != nil {
		return err
	}
	for _, name := range append(cfg.EnvironmentNames(), pipeline.Everywhere) {
		if err := b.releaseLock(ctx, key, m, cfg, name); err != nil {
			return err
		}
	}
	return nil
}

func (b *Bot) releaseLock(ctx context.Context, key string, m PullRequest, cfg *pipeline.Config, name string) error {
	for {
		state, err := b.Store.Environment(ctx, m.Repo.ID, name)
		if err != nil {
			return err
		}
		l := state.Lock
		// Locked after the closing: its message is late. GitHub's clock may differ from ours.
		if l == nil || l.Run != "" || l.Origin.PR != m.Number || l.Origin.Surface != "github" || l.At.After(m.At.Add(clockError)) {
			return nil
		}
		state.Lock = nil
		waiting := []string{name}
		if name == pipeline.Everywhere {
			waiting = cfg.EnvironmentNames()
		}
		at := pipeline.Origin{Surface: "github", PR: m.Number}
		jobs := []pipeline.Job{commands.Notice{Repo: m.Repo, To: l.By, At: at,
			Text: fmt.Sprintf("**%s** is unlocked, because it was locked from this pull request and that is closed: %s.", name, commands.Code(l.Reason))}.Job(key + ":" + name)}
		news := pipeline.Announcement{At: b.Now(), Text: fmt.Sprintf("🔓 %s is unlocked, because pull request `#%d`, from which %s locked it, is closed. The reason was: %s.",
			commands.LockTitle(cfg.Service, name), m.Number, l.By.Login, commands.Code(l.Reason))}
		for _, a := range commands.LockNews(cfg, name, news) {
			jobs = append(jobs, a.Job(m.Repo.ID, key+":"+name))
		}
		for _, env := range waiting {
			s, err := b.Store.Environment(ctx, m.Repo.ID, env)
			if err != nil {
				return err
			}
			jobs = append(jobs, pipeline.WakeQueue(s)...)
		}
		if err := b.Store.Commit(ctx, pipeline.Change{Environment: state, Jobs: jobs}); !errors.Is(err, pipeline.ErrConflict) {
			return err
		}
	}
}
