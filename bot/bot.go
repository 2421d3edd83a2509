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
	"slices"
	"strconv"
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
	Identities Identities
	Surfaces   map[string]Surface // by Origin.Surface
	Now        func() time.Time
	Log        *slog.Logger
}

type enqueuer interface {
	Enqueue(ctx context.Context, jobs ...pipeline.Job) error
}

// Forge is what the bot asks GitHub besides what commands ask.
type Forge interface {
	commands.GitHub
	Config(ctx context.Context, repo pipeline.Repo) (*pipeline.Config, error)
	// CommentUnchanged reports whether the comment still stands as it was written.
	CommentUnchanged(ctx context.Context, repo pipeline.Repo, comment int64, body string) (bool, error)
	Changed(ctx context.Context, r *pipeline.Run) ([]string, error)
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
		return do(b.GitHub.ReadOnce(ctx), l.ID, m)
	}
}

// said answers every line of a message that is a command of ours: all are read
// before any is done, and there is one reply.
func (b *Bot) said(ctx context.Context, key string, m Said) error {
	lines, err := b.read(ctx, m)
	if errors.Is(err, commands.ErrNotOurs) {
		return b.reply(ctx, m.Repo, m.Origin, m.Actor, key, Answer{Outcome: Ignored})
	}
	if err == nil {
		m.acked = b.ack(ctx, m.Repo, m.Origin)
		return b.obey(ctx, key, m, lines)
	}
	c := commands.Call{Actor: m.Actor, Origin: m.Origin, Repo: m.Repo, PR: m.Origin.PR}
	if pipeline.Code(err) != "" {
		if flooded, ferr := b.flooded(ctx, key, &c, 1); flooded || ferr != nil {
			return ferr
		}
	}
	return b.refuse(ctx, m.Repo, m.Origin, m.Actor, key, err)
}

const maxLines = 5

func (b *Bot) read(ctx context.Context, m Said) ([]commands.Line, error) {
	var services []Service // only where the repository is not known from the place
	if m.Repo.ID == 0 {
		var err error
		if services, err = b.Services.All(ctx); err != nil {
			return nil, err
		}
	}
	var lines []commands.Line
	var problems []error
	for _, text := range commands.Lines(m.Text, b.Name) {
		service, text := cutService(text, services)
		line, err := b.Commands.Parse(text)
		if service != "" && err == nil && line.Has("service") {
			err = pipeline.Refuse("duplicate_flag", "The service is named twice. Say it once.")
		} else if service != "" && err == nil {
			line.Flags["service"] = []string{service}
		}
		switch {
		case errors.Is(err, commands.ErrNotOurs) && m.Origin.Surface == "slack":
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
		return nil, pipeline.Refuse("too_many_commands", "That is %d commands, and %d at once is the most. Nothing was done.", len(lines), maxLines)
	case len(lines) == 0:
		return nil, commands.ErrNotOurs
	}
	return lines, nil
}

// unknownWords: on Slack whatever reaches us was said to us.
func unknownWords(text string) error {
	verb, _, _ := strings.Cut(text, " ")
	return pipeline.Refuse("unknown_command", "There is no command %s. See `/help` for those there are.", commands.Code(verb))
}

// misread is the refusal of a message of which some lines were not understood,
// with the reason code of the first.
func misread(problems []error, understood int) error {
	if len(problems) == 1 && understood == 0 {
		return problems[0]
	}
	var texts []string
	for _, err := range problems {
		texts = append(texts, pipeline.Message(err))
	}
	text := strings.Join(texts, "\n\n")
	if understood > 0 {
		text += "\n\nNothing of this message was done."
	}
	return pipeline.Refuse(pipeline.Code(problems[0]), "%s", text)
}

// obey does the lines in order and answers them together.
func (b *Bot) obey(ctx context.Context, key string, m Said, lines []commands.Line) error {
	base := commands.Call{Actor: m.Actor, Origin: m.Origin, Repo: m.Repo, PR: m.Origin.PR, Said: m.At, Now: b.Now()}
	err := b.place(ctx, &base, lines)
	begun := err == nil && b.begun(ctx, &base, key)
	if err == nil && !begun {
		err = b.stands(ctx, m)
	}
	if m.acked != nil {
		<-m.acked // whatever is shown from here on comes after it
	}
	if !begun && (err == nil || pipeline.Code(err) != "") {
		if flooded, ferr := b.flooded(ctx, key, &base, len(lines)); flooded || ferr != nil {
			return ferr
		}
	}
	if err != nil {
		return b.refuse(ctx, m.Repo, m.Origin, m.Actor, key, err)
	}
	answer := Answer{Outcome: Done}
	var texts []string
	for i, line := range lines {
		call := base
		call.Line, call.Key, call.Gate = line, key+":"+strconv.Itoa(i), m.gate
		reply, err := b.once(ctx, &call)
		if err != nil && (pipeline.IsTemporary(err) || pipeline.Code(err) == "") {
			return pipeline.Temporary(err) // no refusal but a fault, of Redis for example
		}
		if err != nil {
			b.Log.Info("command refused", "repo", base.Repo.String(), "actor", base.Actor.Login, "command", line.Command.Help().Name, "code", pipeline.Code(err), "err", err)
			answer.Outcome = Refused
			reply.Text = refusal(err)
		}
		answer.Run = reply.Run
		if reply.Text != "" {
			texts = append(texts, reply.Text)
		}
	}
	answer.Text = strings.Join(texts, "\n\n")
	return b.reply(ctx, base.Repo, m.Origin, base.Actor, key, answer)
}

// once does a line and keeps what came of it: tried again, because the answer
// did not reach GitHub or Slack, it is only answered again. What was half done
// when it was cut short is for the command itself to find.
func (b *Bot) once(ctx context.Context, c *commands.Call) (commands.Reply, error) {
	key := "answer:" + c.Key
	kept, err := b.Records.Get(ctx, c.Repo.ID, key)
	if err == nil && kept != nil {
		var a outcome
		if err := json.Unmarshal(kept, &a); err != nil {
			return commands.Reply{}, fmt.Errorf("answer to %s: %w", c.Key, err)
		}
		return a.Reply, a.err()
	}
	if err != nil && !errors.Is(err, pipeline.ErrNotFound) {
		return commands.Reply{}, err
	}
	reply, err := b.do(ctx, c)
	if err != nil && (pipeline.IsTemporary(err) || pipeline.Code(err) == "") {
		return reply, err
	}
	a := outcome{Reply: reply}
	if err != nil {
		a.Code, a.Message = pipeline.Code(err), pipeline.Message(err)
	}
	value, bad := json.Marshal(a)
	if bad != nil {
		return reply, bad
	}
	const keep = 7 * 24 * time.Hour
	if _, bad = b.Records.PutNew(ctx, c.Repo.ID, key, value, keep); bad != nil {
		return reply, bad
	}
	return reply, err
}

// begun reports whether an earlier try did the first line: then the comment is
// not looked at again, nor counted.
func (b *Bot) begun(ctx context.Context, c *commands.Call, key string) bool {
	kept, err := b.Records.Get(ctx, c.Repo.ID, "answer:"+key+":0")
	return err == nil && kept != nil
}

// outcome is what came of a line, as it is kept.
type outcome struct {
	Reply   commands.Reply `json:"reply"`
	Code    string         `json:"code,omitempty"` // of a refusal
	Message string         `json:"message,omitempty"`
}

func (a outcome) err() error {
	if a.Code == "" {
		return nil
	}
	return &pipeline.Error{Code: a.Code, Message: a.Message}
}

// stands: a comment that was changed since says something else now.
func (b *Bot) stands(ctx context.Context, m Said) error {
	if m.Origin.Comment == 0 {
		return nil
	}
	same, err := b.GitHub.CommentUnchanged(ctx, m.Repo, m.Origin.Comment, m.Text)
	if err == nil && !same {
		err = pipeline.Refuse("comment_changed", "The comment was changed after it was written, so nothing was done. Write a new one.")
	}
	return err
}

// do asks whether this person may say this at all, then does it. What the
// environment's policy asks for is the command's own business.
func (b *Bot) do(ctx context.Context, c *commands.Call) (commands.Reply, error) {
	h := c.Line.Command.Help()
	if h.Needs > pipeline.NoAccess {
		who, err := b.GitHub.Standing(ctx, c.Repo, c.Actor, nil)
		if err != nil {
			return commands.Reply{}, err
		}
		if who.Permission < h.Needs && !b.listed(ctx, c) {
			return commands.Reply{}, pipeline.Refuse("not_allowed", "%s needs %s access to %s; you have %s.", commands.Code(h.Name), h.Needs, c.Repo, who.Permission)
		}
	}
	return c.Line.Command.Do(ctx, c)
}

// listed: deployers of an environment may deploy without write access.
func (b *Bot) listed(ctx context.Context, c *commands.Call) bool {
	env, ok := c.Config.Environment(c.Line.Arg("env"))
	if !ok || len(env.Deployers) == 0 {
		return false
	}
	who, err := b.GitHub.Standing(ctx, c.Repo, c.Actor, teamsOf(env.Deployers))
	return err == nil && who.In(env.Deployers)
}

func teamsOf(list []string) []string {
	var out []string
	for _, entry := range list {
		if slug, ok := strings.CutPrefix(entry, "team:"); ok {
			out = append(out, slug)
		}
	}
	return out
}

// pressed does what a button means, by the same commands and rules as words.
func (b *Bot) pressed(ctx context.Context, key string, m Pressed) error {
	btn, err := b.Buttons.Find(ctx, m.Repo.ID, m.Button)
	if err != nil {
		return b.refuse(ctx, m.Repo, m.Origin, m.Actor, key, err)
	}
	r, err := b.Store.Load(ctx, btn.Run)
	if err != nil {
		return b.refuse(ctx, m.Repo, m.Origin, m.Actor, key, pipeline.Refuse("unknown_run", "The run behind this button is gone."))
	}
	at := m.Origin
	if at.Surface == "github" {
		at.PR = r.PR
	}
	line, err := b.Commands.Parse(buttonLine(btn, r, m.Reason))
	if err != nil {
		return b.refuse(ctx, r.Repo, at, m.Actor, key, err)
	}
	return b.obey(ctx, key, Said{Repo: r.Repo, Actor: m.Actor, Origin: at, At: m.At, gate: btn.Gate}, []commands.Line{line})
}

// buttonLine is the command a button stands for.
func buttonLine(btn Button, r *pipeline.Run, reason string) string {
	switch btn.Kind {
	case ButtonReject:
		if reason == "" {
			reason = "rejected by button"
		}
		return commands.Paste("/reject", string(r.ID)) + commands.PasteFlag("reason", reason)
	case ButtonRollback:
		return commands.Paste("/rollback", r.EnvironmentName())
	}
	return commands.Paste("/"+string(btn.Kind), string(r.ID))
}

// rerun does what GitHub's own "Re-run" asks for.
func (b *Bot) rerun(ctx context.Context, key string, m Rerun) error {
	q := pipeline.RunQuery{Repo: m.Repo.ID}
	runs, err := b.Store.Runs(ctx, q)
	if err != nil {
		return err
	}
	for _, r := range runs {
		if r.SHA != m.SHA || m.Run != "" && r.ID != m.Run || !r.State.Terminal() || r.Environment != nil && m.Run == "" {
			continue
		}
		line, err := b.Commands.Parse(commands.Paste("/retry", string(r.ID)))
		if err != nil {
			return err
		}
		at := pipeline.Origin{Surface: "github", PR: r.PR}
		if err := b.obey(ctx, key+":"+string(r.ID), Said{Repo: r.Repo, Actor: m.Actor, Origin: at, At: b.Now()}, []commands.Line{line}); err != nil {
			return err
		}
		if m.Run != "" {
			break
		}
	}
	return nil
}

// installed keeps the index of services.
func (b *Bot) installed(ctx context.Context, _ string, m Installed) error {
	for _, repo := range m.Removed {
		if err := b.Services.Remove(ctx, repo.ID); err != nil {
			return err
		}
	}
	for _, repo := range m.Added {
		if err := b.index(ctx, repo); err != nil {
			return err
		}
	}
	return nil
}

// index reads a repository's file and remembers its service, channels and schedules.
func (b *Bot) index(ctx context.Context, repo pipeline.Repo) error {
	cfg, err := b.GitHub.Config(ctx, repo)
	switch code := pipeline.Code(err); {
	case code == "no_config":
		return b.Services.Remove(ctx, repo.ID)
	case code == "bad_config":
		return nil // what was known before stays; the check on the commit says what is wrong
	case err != nil:
		return err
	}
	if err := b.Services.Put(ctx, serviceOf(repo, cfg)); err != nil {
		return err
	}
	return b.schedule(ctx, repo, cfg)
}

func serviceOf(repo pipeline.Repo, cfg *pipeline.Config) Service {
	s := Service{Name: cfg.Service, Repo: repo}
	for _, env := range cfg.Environments {
		s.Environments = append(s.Environments, env.Name)
		s.Aliases = append(s.Aliases, env.Aliases...)
		if env.Slack != "" && !slices.Contains(s.Channels, env.Slack) {
			s.Channels = append(s.Channels, env.Slack)
		}
	}
	return s
}

// ack shows that a message was seen, while the work on it begins.
func (b *Bot) ack(ctx context.Context, repo pipeline.Repo, at pipeline.Origin) (done <-chan struct{}) {
	s, ok := b.Surfaces[at.Surface]
	if !ok {
		return nil
	}
	acked := make(chan struct{})
	go func() {
		defer close(acked)
		if err := s.Ack(ctx, repo, at); err != nil {
			b.Log.Warn("ack", "repo", repo.String(), "err", err)
		}
	}()
	return acked
}

// refuse answers with the sentence of err, unless it may go away by itself.
func (b *Bot) refuse(ctx context.Context, repo pipeline.Repo, at pipeline.Origin, to pipeline.Actor, key string, err error) error {
	if pipeline.IsTemporary(err) || pipeline.Code(err) == "" {
		return pipeline.Temporary(err)
	}
	b.Log.Info("message refused", "repo", repo.String(), "actor", to.Login, "code", pipeline.Code(err), "err", err)
	return b.reply(ctx, repo, at, to, key, Answer{Outcome: Refused, Text: refusal(err)})
}

// refusal is a refusal's sentence with its reason code, for people to look up.
func refusal(err error) string {
	if code := pipeline.Code(err); code != "" {
		return fmt.Sprintf("%s (`%s`)", pipeline.Message(err), code)
	}
	return pipeline.Message(err)
}

func (b *Bot) reply(ctx context.Context, repo pipeline.Repo, at pipeline.Origin, to pipeline.Actor, key string, a Answer) error {
	s, ok := b.Surfaces[at.Surface]
	if !ok {
		return nil // nobody to tell: the clock, a push
	}
	return s.Reply(ctx, repo, at, to, key, a)
}
