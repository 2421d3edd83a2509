package bot

import (
	"cmp"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"strings"

	"github.com/shipmate/shipmate/commands"
	"github.com/shipmate/shipmate/pipeline"
)

// Auditor keeps what was said and what came of it, once for each id. What
// cannot be kept is not done: its error has the message tried again.
type Auditor interface {
	Add(ctx context.Context, id string, e pipeline.AuditEntry) error
}

// KindAnnounce is a job that tells a channel something.
const KindAnnounce = pipeline.KindAnnounce

// Announcer tells channels what nobody there asked for. The same key is told once.
type Announcer interface {
	// Announce tells the channel of the announcement, "" being the operator's,
	// which there need not be.
	Announce(ctx context.Context, key string, a pipeline.Announcement) error
}

// auditCommand keeps a command that was carried out or refused.
func (b *Bot) auditCommand(ctx context.Context, c *commands.Call, a outcome) error {
	e := auditEntry("command", c.Repo, c.Origin, c.Actor)
	e.Text, e.Run, e.Code = withoutValues(c.Line), a.Reply.Run, cmp.Or(a.Reply.Code, "done")
	if a.Reply.Ask != nil {
		e.Code = "asked"
	}
	if a.Code != "" {
		e.Kind, e.Code, e.Text = "refused", a.Code, e.Text+": "+a.Message
	}
	return b.audit(ctx, "command:"+c.Key, e)
}

// withoutValues is the line as it was typed, but for the values of parameters:
// nobody knows what they are.
func withoutValues(l commands.Line) string {
	text := l.Text
	for _, kv := range l.Flags["param"] {
		if name, _, ok := strings.Cut(kv, "="); ok {
			text = strings.ReplaceAll(text, kv, name+"=…")
		}
	}
	return text
}

// auditRefusal keeps what was refused before it was known to be a command.
func (b *Bot) auditRefusal(ctx context.Context, key string, repo pipeline.Repo, at pipeline.Origin, who pipeline.Actor, refused error) error {
	e := auditEntry("refused", repo, at, who)
	e.Code, e.Text = pipeline.Code(refused), pipeline.Message(refused)
	return b.audit(ctx, "refused:"+key, e)
}

// auditConfig keeps that a repository's file was read anew, or could not be.
func (b *Bot) auditConfig(ctx context.Context, repo pipeline.Repo, sha string, bad error) error {
	e := pipeline.AuditEntry{Kind: "config", Repo: repo.String(), RepoID: repo.ID, SHA: sha, Code: "read"}
	id := sha
	if bad != nil {
		e.Code, e.Text = pipeline.Code(bad), pipeline.Message(bad)
		sum := sha256.Sum256([]byte(e.Text))
		id = hex.EncodeToString(sum[:])
	}
	return b.audit(ctx, fmt.Sprintf("config:%d:%s", repo.ID, id), e)
}

func auditEntry(kind string, repo pipeline.Repo, at pipeline.Origin, who pipeline.Actor) pipeline.AuditEntry {
	e := pipeline.AuditEntry{Kind: kind, RepoID: repo.ID, Actor: who.Login, ActorID: who.ID, SlackTeam: who.SlackTeam, SlackUser: who.SlackUser, Via: at.Surface}
	if repo.Owner != "" {
		e.Repo = repo.String()
	}
	return e
}

func (b *Bot) audit(ctx context.Context, id string, e pipeline.AuditEntry) error {
	if b.Audit == nil {
		return nil
	}
	const longest = 1000 // characters: the log is never trimmed
	if text := []rune(e.Text); len(text) > longest {
		e.Text = string(text[:longest]) + "…"
	}
	return b.Audit.Add(ctx, id, e)
}

// loud has the operator's channel told.
func (b *Bot) loud(ctx context.Context, c *commands.Call, text string) error {
	if text == "" || b.Announce == nil {
		return nil
	}
	return b.Queue.Enqueue(ctx, b.toOperator(c.Repo, c.Key, text))
}

// toOperator is the job that tells the operator's channel something about a repository.
func (b *Bot) toOperator(repo pipeline.Repo, key, text string) pipeline.Job {
	return pipeline.Announcement{Text: fmt.Sprintf("**%s**: %s", repo, text), At: b.Now()}.Job(repo.ID, key)
}

func (b *Bot) announce(ctx context.Context, key string, a pipeline.Announcement) error {
	if b.Announce == nil {
		return nil
	}
	return b.Announce.Announce(ctx, key, a)
}
