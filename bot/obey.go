package bot

import (
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/shipmate/shipmate/commands"
	"github.com/shipmate/shipmate/pipeline"
)

// obey does the lines in order and answers them together.
func (b *Bot) obey(ctx context.Context, key string, m Said, lines []commands.Line) error {
	base := commands.Call{Actor: m.Actor, Origin: m.Origin, Repo: m.Repo, PR: m.Origin.PR, Said: m.At, Came: m.Came, Now: b.Now(), Confirmed: m.yesTo}
	if ended, err := b.tooMuch(ctx, key, &m, &base, lines); ended || err != nil {
		return err
	}
	defer b.ahead(ctx, m, &base, lines)()
	if ended, err := b.admit(ctx, key, m, &base, lines); ended || err != nil {
		return err
	}
	answer := Answer{Outcome: Done, Replace: m.yesTo.SHA != "", Shown: !base.Before}
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
			answer.Outcome, answer.Code = Refused, cmp.Or(answer.Code, pipeline.Code(err))
			reply.Text = refusal(err)
		}
		if reply.Ask != nil {
			question, err := b.ask(ctx, &call, *reply.Ask)
			if err != nil {
				return err
			}
			answer.Confirm = append(answer.Confirm, question)
		}
		answer.add(reply)
		if text := withCode(reply.Text, reply.Code); text != "" {
			texts = append(texts, text)
		}
	}
	if base.Before && len(texts) > 0 {
		texts = append(texts, "`.shipmate.yaml` on the default branch has errors, so what it said before them counts here; `/deploy` waits until they are fixed.")
	}
	answer.Text = strings.Join(texts, "\n\n")
	m.seen.end()
	return b.reply(ctx, base.Repo, m.Origin, base.Actor, key, answer)
}

// add takes over what the reply to one of several commands has beside its text.
func (a *Answer) add(reply commands.Reply) {
	if reply.Folded.Text != "" {
		a.Folded = append(a.Folded, reply.Folded)
	}
	a.Run = cmp.Or(reply.Run, a.Run)
	a.Code = cmp.Or(a.Code, reply.Code)
	a.Private = a.Private || reply.Private
	a.Shown = a.Shown && reply.Shown
}

// knownFromStart: on GitHub it is known from the start who speaks and where.
func knownFromStart(c *commands.Call) bool { return c.Repo.ID != 0 && c.Actor.ID != 0 }

// tooMuch answers a flood of comments, before it costs a call of GitHub. ended: it
// was answered.
func (b *Bot) tooMuch(ctx context.Context, key string, m *Said, base *commands.Call, lines []commands.Line) (ended bool, err error) {
	if base.Repo.ID == 0 {
		return false, nil
	}
	was, err := b.triesOf(ctx, base.Repo.ID, key)
	if err != nil {
		return false, err
	}
	m.was = &was
	if !knownFromStart(base) || was.begun {
		return false, nil
	}
	return b.flooded(ctx, key, *m, base, len(lines))
}

// ahead has GitHub asked at once what is about to be asked one by one. What was
// begun before is not looked at again, and what needs no right asks little.
func (b *Bot) ahead(ctx context.Context, m Said, base *commands.Call, lines []commands.Line) (end func()) {
	needs := pipeline.NoAccess
	for _, l := range lines {
		needs = max(needs, l.Command.Help().Needs)
	}
	if !knownFromStart(base) || m.was.begun || needs == pipeline.NoAccess {
		return func() {}
	}
	at := m.Origin
	if needs < pipeline.Write { // it changes no deploy
		at.PR = 0
	}
	return b.GitHub.Ahead(ctx, base.Repo, at, base.Actor)
}

// admit finds out whether the message may be worked on, and completes the call.
// ended: it was answered already.
func (b *Bot) admit(ctx context.Context, key string, m Said, base *commands.Call, lines []commands.Line) (ended bool, err error) {
	known, begun := knownFromStart(base), m.was != nil && m.was.begun
	err = b.place(ctx, base, lines)
	if err == nil && !known && !begun {
		was, lost := b.triesOf(ctx, base.Repo.ID, key)
		if lost != nil {
			return true, lost
		}
		m.was, begun = &was, was.begun
	}
	if err == nil && !begun {
		err = b.stands(ctx, m)
	}
	if !known && !begun && (err == nil || pipeline.Code(err) != "") {
		if ended, lost := b.flooded(ctx, key, m, base, len(lines)); ended || lost != nil {
			return true, lost
		}
	}
	if err != nil {
		m.seen.end()
		return true, b.refuse(ctx, m.Repo, m.Origin, m.Actor, key, err)
	}
	return false, nil
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
	if err := b.auditCommand(ctx, c, a); err != nil {
		return reply, pipeline.Temporary(err)
	}
	if err := b.loud(ctx, c, reply.Loud); err != nil {
		return reply, pipeline.Temporary(err)
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

// tries are what earlier tries of a message have left.
type tries struct {
	begun   bool   // one did the first line: the comment is not looked at again, nor counted
	counted string // what came of counting it, "" if it was not
}

func (b *Bot) triesOf(ctx context.Context, repo int64, key string) (tries, error) {
	first := key + ":0"
	kept, err := b.Records.GetAll(ctx, repo, floodKey(key), "answer:"+first, commands.RunKey(first), "about:"+first)
	if err != nil {
		return tries{}, pipeline.Temporary(err)
	}
	begun := slices.ContainsFunc(kept[1:], func(value []byte) bool { return value != nil })
	return tries{begun: begun, counted: string(kept[0])}, nil
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
	same, err := b.GitHub.CommentUnchanged(ctx, m.Repo, m.Origin, m.Text)
	if err == nil && !same {
		err = pipeline.Refuse("comment_changed", "The comment was changed after it was written, so nothing was done. Write a new one.")
	}
	return err
}

// do asks whether this person may say this at all, then does it. What the
// environment's policy asks for is the command's own business.
func (b *Bot) do(ctx context.Context, c *commands.Call) (commands.Reply, error) {
	h := c.Line.Command.Help()
	if byToken(c.Origin) && c.Actor.ID == 0 {
		return askedByNobody(ctx, c)
	}
	if h.Needs > pipeline.NoAccess {
		who, err := b.GitHub.Standing(ctx, c.Repo, c.Actor, pipeline.Roster{})
		if err != nil {
			return commands.Reply{}, err
		}
		if who.Permission < h.Needs {
			if err := b.mayByList(ctx, c, who); err != nil {
				return commands.Reply{}, err
			}
		}
	}
	if err := commands.Missing(ctx, b.Store, c); err != nil {
		return commands.Reply{}, err
	}
	if err := b.inTime(ctx, c); err != nil {
		return commands.Reply{}, err
	}
	return c.Line.Command.Do(ctx, c)
}

// inTime refuses what comes late, unless an earlier try began it in time.
func (b *Bot) inTime(ctx context.Context, c *commands.Call) error {
	late := commands.InTime(ctx, c)
	if late == nil {
		return nil
	}
	begun, err := commands.Begun(ctx, b.Records, b.Store, c)
	if err != nil {
		return pipeline.Temporary(err)
	}
	if begun {
		return nil
	}
	return late
}

// mayByList: deployers of an environment may do to it, and to its runs, what
// takes write access elsewhere.
func (b *Bot) mayByList(ctx context.Context, c *commands.Call, who pipeline.Standing) error {
	h := c.Line.Command.Help()
	refused := pipeline.Refuse("not_allowed", "%s needs %s access to %s; you have %s. Ask somebody who has it to say it, or an admin of the repository for the access.", commands.Code(h.Name), h.Needs, c.Repo, who.Permission)
	env, ok := b.concerned(ctx, c)
	if !ok || len(env.Deployers) == 0 || h.Needs > pipeline.Write {
		return refused
	}
	who, err := b.GitHub.Standing(ctx, c.Repo, c.Actor, c.Config.Roster(env.Deployers))
	if err != nil {
		return refused
	}
	if taken := who.NameTaken(env.Deployers); taken != "" && !who.In(env.Deployers) {
		return pipeline.Refuse("name_reused", "Ask somebody who may do this, for you may not: %s", taken)
	}
	if !who.In(env.Deployers) {
		return refused
	}
	return nil
}

// concerned is the environment a line is about: the one it names, or that of
// the run it names or whose thread it was said in.
func (b *Bot) concerned(ctx context.Context, c *commands.Call) (*pipeline.Environment, bool) {
	if env, ok := c.Config.Environment(c.Line.Arg("env")); ok {
		return env, true
	}
	if env, ok := c.Config.Environment(c.Line.Arg("run")); ok {
		return env, true
	}
	r, err := b.Store.Load(ctx, pipeline.RunID(strings.ToLower(c.Run("run"))))
	if err != nil || r.Repo.ID != c.Repo.ID || r.Environment == nil {
		return nil, false
	}
	return c.Config.Environment(r.Environment.Name)
}
