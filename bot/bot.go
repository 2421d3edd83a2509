// Package bot turns messages into runs and answers. Start reading at
// [Bot.Handlers]: every kind of message has one method. The edges that make
// messages and show answers are the packages under bot.
package bot

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"strings"
	"time"

	"github.com/shipmate/shipmate/commands"
	"github.com/shipmate/shipmate/pipeline"
)

// Bot handles messages. All of it runs in workers; whatever it does it does
// once, however often the same job is handed out.
type Bot struct {
	Name       string // how people mention it: "shipmate"
	Commands   commands.Set
	Runs       commands.Runs
	Store      commands.Store
	Records    Records
	Queue      enqueuer
	Limits     Limiter
	GitHub     Forge
	Threads    Threads // nil: there are none
	Buttons    Buttons
	Services   Services
	Rules      *RuleRepos // of the operator; nil: they name no repository
	Identities Identities
	Surfaces   map[string]Surface // by Origin.Surface
	// ConfigChecks is nil where there is no place for checks.
	ConfigChecks ConfigChecks
	Audit        Auditor   // nil: nothing is kept
	Announce     Announcer // nil: there are no channels
	Now          func() time.Time
	Log          *slog.Logger
}

type enqueuer interface {
	Enqueue(ctx context.Context, jobs ...pipeline.Job) error
}

// Forge is what the bot asks GitHub besides what commands ask.
type Forge interface {
	commands.GitHub
	Config(ctx context.Context, repo pipeline.Repo) (*pipeline.Config, error)
	// ConfigFile reads the file at a commit, "" being the head of the default
	// branch. That it is not there or has errors is no error.
	ConfigFile(ctx context.Context, repo pipeline.Repo, sha string) (ConfigFile, error)
	// Locate returns a stored repository under the name and the installation that
	// its id has now. Where the App cannot reach it any more: not_installed.
	Locate(ctx context.Context, repo pipeline.Repo) (pipeline.Repo, error)
	// MergeBase is where a commit left a branch, "" if it never did.
	MergeBase(ctx context.Context, repo pipeline.Repo, branch, sha string) (string, error)
	// CommentUnchanged reports whether the comment still stands as it was written.
	CommentUnchanged(ctx context.Context, repo pipeline.Repo, at pipeline.Origin, body string) (bool, error)
	Changed(ctx context.Context, r *pipeline.Run) ([]string, error)
	// SameFiles reports whether two commits hold the very same files.
	SameFiles(ctx context.Context, repo pipeline.Repo, a, b string) (bool, error)
	// Ahead asks side by side what is about to be asked about a message, for a
	// context of ReadOnce. It decides nothing. end must be called.
	Ahead(ctx context.Context, repo pipeline.Repo, at pipeline.Origin, who pipeline.Actor) (end func())
	// ReadOnce returns a context in which the same question is asked once.
	ReadOnce(ctx context.Context) context.Context
}

// Threads knows which run a thread on Slack is about.
type Threads interface {
	// RunOf returns the run, or an error that wraps pipeline.ErrNotFound.
	RunOf(ctx context.Context, channel, thread string) (pipeline.RunID, error)
}

// Handlers are the jobs of the bot, for a Worker.
func (b *Bot) Handlers() map[string]pipeline.Handler {
	return map[string]pipeline.Handler{
		KindSaid:        handle(b, b.said),
		KindPressed:     handle(b, b.pressed),
		KindPullRequest: handle(b, b.pullRequest),
		KindPush:        handle(b, b.push),
		KindRerun:       handle(b, b.rerun),
		KindInstalled:   handle(b, b.installed),
		KindTick:        handle(b, b.tick),
		KindAnnounce:    handle(b, b.announce),
		KindConfigCheck: handle(b, b.configCheck),

		commands.KindNotice:    handle(b, b.notice),
		commands.KindLockEnds:  handle(b, b.lockEnds),
		commands.KindLockEnded: handle(b, b.lockEnded),
	}
}

// handle decodes a job's message and gives it to its method, with the job's id
// as the key of everything done for it.
func handle[M any](b *Bot, do func(ctx context.Context, key string, m M) error) pipeline.Handler {
	return func(ctx context.Context, l *pipeline.Lease) error {
		var m M
		if err := json.Unmarshal(l.Payload, &m); err != nil {
			return fmt.Errorf("decode %s message: %w", l.Kind, err)
		}
		err := do(b.GitHub.ReadOnce(context.WithValue(ctx, triesKey{}, l.Tries)), l.ID, m)
		if pipeline.Code(err) == "cannot_verify" { // nobody was there to be told so
			return pipeline.Temporary(err)
		}
		return err
	}
}

// triesKey leads to how often the job was tried before.
type triesKey struct{}

func triesBefore(ctx context.Context) int {
	tries, _ := ctx.Value(triesKey{}).(int)
	return tries
}

// said answers every line of a message that is a command of ours: all are read
// before any is done, and there is one reply.
func (b *Bot) said(ctx context.Context, key string, m Said) error {
	lines, err := b.read(ctx, m)
	if errors.Is(err, commands.ErrNotOurs) {
		return b.reply(ctx, m.Repo, m.Origin, m.Actor, key, Answer{Outcome: Ignored})
	}
	if err == nil {
		m.Repo = whereSaid(m, lines)
		m.seen = b.ack(ctx, m.Repo, m.Origin)
		defer m.seen.end()
		return b.obey(ctx, key, m, lines)
	}
	c := commands.Call{Actor: m.Actor, Origin: m.Origin, Repo: m.Repo, PR: m.Origin.PR}
	if pipeline.Code(err) != "" {
		if flooded, ferr := b.flooded(ctx, key, m, &c, 1); flooded || ferr != nil {
			return ferr
		}
	}
	return b.refuse(ctx, m.Repo, m.Origin, m.Actor, key, err)
}

const maxLines = 5

func (b *Bot) read(ctx context.Context, m Said) ([]commands.Line, error) {
	var known spoken // only where the repository is not known from the place
	if m.Repo.ID == 0 {
		var err error
		if known, err = b.spoken(ctx, m.Origin); err != nil {
			return nil, err
		}
	}
	var lines []commands.Line
	var problems []error
	for _, text := range commands.Lines(m.Text, b.Name) {
		if m.Origin.Surface == "github" && commands.Others(text) {
			continue
		}
		line, err := b.parse(text, known)
		switch {
		case errors.Is(err, commands.ErrNotOurs) && (m.Origin.Surface == "slack" || byToken(m.Origin)):
			problems = append(problems, unknownWords(text))
		case errors.Is(err, commands.ErrNotOurs):
		case err != nil:
			problems = append(problems, err)
		default:
			lines = append(lines, line)
		}
	}
	switch {
	case len(problems) > 0:
		return nil, misread(problems, len(lines))
	case len(lines) > maxLines:
		return nil, pipeline.Refuse("too_many_commands", "That is %d commands, and %d at once is the most, so nothing was done. Send them in several messages.", len(lines), maxLines)
	case len(lines) == 0:
		return nil, commands.ErrNotOurs
	}
	return lines, nil
}

// unknownWords: on Slack and over the API whatever reaches us was said to us.
func unknownWords(text string) error {
	verb := strings.Fields(text + " /")[0]
	return pipeline.Refuse("unknown_command", "There is no command %s. See `/help` for those there are.", commands.Code(commands.Clip(verb)))
}

// misread is the refusal of a message of which some lines were not understood,
// with the reason code of the first.
func misread(problems []error, understood int) error {
	if len(problems) == 1 && understood == 0 {
		return problems[0]
	}
	var texts []string
	for _, err := range problems[:min(len(problems), maxLines)] {
		texts = append(texts, pipeline.Message(err))
	}
	if more := len(problems) - maxLines; more > 0 {
		texts = append(texts, fmt.Sprintf("%d more lines were not understood.", more))
	}
	text := strings.Join(texts, "\n\n")
	if understood > 0 {
		text += "\n\nNothing of this message was done."
	}
	return pipeline.Refuse(pipeline.Code(problems[0]), "%s", text)
}

// refuse answers with the sentence of err, unless it may go away by itself.
func (b *Bot) refuse(ctx context.Context, repo pipeline.Repo, at pipeline.Origin, to pipeline.Actor, key string, err error) error {
	if pipeline.IsTemporary(err) || pipeline.Code(err) == "" {
		return pipeline.Temporary(err)
	}
	if err := b.auditRefusal(ctx, key, repo, at, to, err); err != nil {
		return err
	}
	b.Log.Info("message refused", "repo", repo.String(), "actor", to.Login, "code", pipeline.Code(err), "err", err)
	return b.reply(ctx, repo, at, to, key, Answer{Outcome: Refused, Text: refusal(err), Code: pipeline.Code(err)})
}

// refusal is a refusal's sentence with its reason code, for people to look up.
func refusal(err error) string {
	return withCode(pipeline.Message(err), pipeline.Code(err))
}

func withCode(text, code string) string {
	if code == "" {
		return text
	}
	return fmt.Sprintf("%s (`%s`)", text, code)
}

func (b *Bot) reply(ctx context.Context, repo pipeline.Repo, at pipeline.Origin, to pipeline.Actor, key string, a Answer) error {
	s, ok := b.Surfaces[at.Surface]
	if !ok {
		return nil // nobody to tell: the clock, a push
	}
	err := s.Reply(ctx, repo, at, to, key, a)
	if r := pipeline.AsRefused(err); r != nil && (at.Surface == "slack" || r.Reason.Code == "conversation_locked") {
		// Nobody waits for it where nothing may be said; what it did is in the reports.
		b.Log.Warn("answer not given", "repo", repo.String(), "actor", to.Login, "code", r.Reason.Code, "err", err)
		return nil
	}
	return err
}
