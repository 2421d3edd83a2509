package commands

import (
	"context"
	"encoding/json"
	"fmt"
	"strings"
	"time"

	"github.com/shipmate/shipmate/pipeline"
)

// Lock keeps new deploys away from an environment, or from all.
type Lock struct {
	Store   Store
	GitHub  GitHub
	Records Records
}

func (Lock) Help() Help {
	return Help{
		Name:     "/lock",
		Args:     []Arg{{Name: "env", Suggested: true}},
		Flags:    []Flag{{Name: "reason", Value: `"..."`, Prose: true}, {Name: "for", Value: "2h"}, {Name: "force"}, {Name: "service", Value: "name"}},
		Summary:  "Keeps new deploys away from an environment, or with `all` from every one, for a day unless said otherwise. With --force a maintainer takes somebody's lock over.",
		Needs:    pipeline.Write,
		Steady:   true,
		Examples: []string{`/lock prod --for 2h --reason "database upgrade"`, `/lock all --reason "incident"`},
	}
}

// How long a lock lasts, and when its owner is told that it will end.
const (
	lockLasts = 24 * time.Hour
	longest   = 30 * 24 * time.Hour
)

func (k Lock) Do(ctx context.Context, c *Call) (Reply, error) {
	t, err := target(ctx, k.GitHub, c)
	if err != nil {
		return Reply{}, err
	}
	reason := prose(c.Line.Flag("reason"))
	if reason == "" {
		return Reply{}, pipeline.Refuse("reason_needed", "A lock needs a reason, for whoever meets it: `/lock %s --reason \"...\"`.", t.name)
	}
	length := lockLasts
	if text := c.Line.Flag("for"); text != "" {
		if length, err = span("--for", text, longest); err != nil {
			return Reply{}, err
		}
	}
	met, err := k.meets(ctx, c, t)
	if err != nil {
		return Reply{}, err
	}
	lock := &pipeline.Lock{By: c.Actor, Reason: reason, Origin: c.Origin, At: met.Now, Expires: met.Now.Add(length)}
	lock.Origin.ReplyTo = ""
	err = changeLock(ctx, k.Store, c, t, func(s *pipeline.EnvironmentState) ([]pipeline.Job, error) {
		switch now := lockID(s.Lock); {
		case now == lockID(lock):
			return nil, nil // an earlier try made it
		case now != lockID(met.Lock) && s.Lock.Holds(c.Now) && s.Lock.By.ID != c.Actor.ID:
			return nil, pipeline.Refuse("locked", "%s was locked by %s meanwhile: %s. Ask %s, or say the same again to see what you may do.", t.title, s.Lock.By.Login, Code(s.Lock.Reason), s.Lock.By.Login)
		}
		s.Lock = lock
		jobs := append(t.news(c, lockedNews(c, t, lock, met)), endings(c, t, lock)...)
		if met.Taken {
			jobs = append(jobs, tell(c, met.Lock, fmt.Sprintf("%s took over your lock of %s: %s. It was: %s.", c.Actor.Login, t.title, Code(reason), Code(met.Lock.Reason))))
		}
		return jobs, nil
	})
	if err != nil {
		return Reply{}, err
	}
	text := fmt.Sprintf("**%s** is locked until %s. To unlock it: `/unlock %s`.", t.title, until(lock), t.name)
	if met.Taken {
		text += fmt.Sprintf(" It was %s's, who is told.", met.Lock.By.Login)
		return Reply{Text: text, Loud: fmt.Sprintf("🔒 %s took the lock of %s over from %s: %s", c.Actor.Login, t.title, met.Lock.By.Login, Code(reason))}, nil
	}
	return Reply{Text: text}, nil
}

// met is the lock that a command found when it was first tried, and when.
type met struct {
	Now   time.Time      `json:"now"`
	Lock  *pipeline.Lock `json:"lock,omitempty"`
	Taken bool           `json:"taken,omitempty"` // it is somebody else's
}

// meets looks at the lock there is, once however often the command is tried.
func (k Lock) meets(ctx context.Context, c *Call, t locked) (met, error) {
	return meet(ctx, k.Store, k.Records, c, t, func(m *met) error {
		old := m.Lock
		if m.Taken = old.Holds(c.Now) && old.By.ID != c.Actor.ID && old.Run == ""; m.Taken {
			return k.mayTakeOver(c, t, old)
		}
		return nil
	})
}

func meet(ctx context.Context, store Store, records Records, c *Call, t locked, may func(*met) error) (met, error) {
	var m met
	what, err := about(ctx, records, c, func() (string, error) {
		s, err := store.Environment(ctx, c.Repo.ID, t.name)
		if err != nil {
			return "", err
		}
		m = met{Now: c.Now, Lock: s.Lock}
		if err := may(&m); err != nil {
			return "", err
		}
		return string(encode(m)), nil
	})
	if err != nil {
		return met{}, err
	}
	m = met{}
	err = json.Unmarshal([]byte(what), &m)
	return m, err
}

func (k Lock) mayTakeOver(c *Call, t locked, old *pipeline.Lock) error {
	switch {
	case !c.Line.Has("force"):
		return pipeline.Refuse("locked", "%s is already locked by %s: %s. To take the lock over, a maintainer says %s.", t.title, old.By.Login, Code(old.Reason), Code(c.Line.Text+" --force"))
	case t.who.Permission < pipeline.Maintain:
		return pipeline.Refuse("not_yours", "The lock of %s is %s's, and to take it over you need maintain; you have %s. Ask %s.", t.title, old.By.Login, t.who.Permission, old.By.Login)
	}
	return nil
}

// Unlock takes a lock off and lets the queue go on.
type Unlock struct {
	Store   Store
	GitHub  GitHub
	Records Records
}

func (Unlock) Help() Help {
	return Help{
		Name:     "/unlock",
		Args:     []Arg{{Name: "env", Suggested: true}},
		Flags:    []Flag{{Name: "force"}, {Name: "reason", Value: `"..."`, Prose: true}, {Name: "service", Value: "name"}},
		Summary:  "Takes the lock off an environment, or off `all`. Your own, a rollback's, or with --force and a reason as a maintainer somebody else's.",
		Needs:    pipeline.Write,
		Steady:   true,
		Examples: []string{"/unlock prod", `/unlock prod --force --reason "mona is on a plane"`},
	}
}

func (u Unlock) Do(ctx context.Context, c *Call) (Reply, error) {
	t, err := target(ctx, u.GitHub, c)
	if err != nil {
		return Reply{}, err
	}
	reason := prose(c.Line.Flag("reason"))
	m, err := meet(ctx, u.Store, u.Records, c, t, func(m *met) error {
		m.Taken = m.Lock.Holds(c.Now) && m.Lock.Run == "" && m.Lock.By.ID != c.Actor.ID
		return mayUnlock(c, t, m.Lock, reason)
	})
	if err != nil {
		return Reply{}, err
	}
	err = changeLock(ctx, u.Store, c, t, func(s *pipeline.EnvironmentState) ([]pipeline.Job, error) {
		if lockID(s.Lock) != lockID(m.Lock) {
			return nil, nil // an earlier try took it off
		}
		s.Lock = nil
		jobs := t.news(c, unlockedNews(c, t, m, reason))
		if m.Taken {
			jobs = append(jobs, tell(c, m.Lock, fmt.Sprintf("%s took your lock off %s: %s. It was: %s.", c.Actor.Login, t.title, Code(reason), Code(m.Lock.Reason))))
		}
		return jobs, nil
	})
	if err != nil {
		return Reply{}, err
	}
	reply := Reply{Text: fmt.Sprintf("**%s** is unlocked.", t.title)}
	if m.Taken {
		reply.Loud = fmt.Sprintf("🔓 %s took %s's lock off %s: %s", c.Actor.Login, m.Lock.By.Login, t.title, Code(reason))
	}
	return reply, nil
}

// lockID tells a lock from the others of its environment.
func lockID(l *pipeline.Lock) string {
	if l == nil {
		return ""
	}
	return fmt.Sprintf("%d %s %d", l.By.ID, l.Run, l.At.UnixNano())
}

func mayUnlock(c *Call, t locked, l *pipeline.Lock, reason string) error {
	line := fmt.Sprintf("/unlock %s --force --reason \"...\"", t.name)
	switch {
	case !l.Holds(c.Now):
		return pipeline.Refuse("not_locked", "%s is not locked. What is locked lists `/status`.", t.title)
	case l.Run != "" || l.By.ID == c.Actor.ID:
		return nil
	case t.who.Permission < pipeline.Maintain:
		return pipeline.Refuse("not_yours", "The lock of %s is %s's, and to take it off you need maintain; you have %s. Ask %s.", t.title, l.By.Login, t.who.Permission, l.By.Login)
	case !c.Line.Has("force") || reason == "":
		return pipeline.Refuse("force_needed", "The lock of %s is %s's: %s. To take it off all the same, say why: %s.", t.title, l.By.Login, Code(l.Reason), Code(line))
	}
	return nil
}

// locked is what a lock is about, and who wants to change it.
type locked struct {
	name  string   // an environment, or pipeline.Everywhere
	title string   // as people read it
	wake  []string // the environments whose queues it holds up
	who   pipeline.Standing
}

// target finds the environment, or all, and asks whether the person may.
func target(ctx context.Context, gh GitHub, c *Call) (locked, error) {
	if strings.EqualFold(c.Line.Arg("env"), pipeline.Everywhere) {
		who, err := gh.Standing(ctx, c.Repo, c.Actor, pipeline.Roster{})
		if err == nil && who.Permission < pipeline.Admin {
			err = pipeline.Refuse("not_allowed", "All environments at once are locked and unlocked by people with admin access to %s; you have %s. Ask one of them, or name one environment.", c.Repo, who.Permission)
		}
		return locked{pipeline.Everywhere, "everything of " + c.Config.Service, c.Config.EnvironmentNames(), who}, err
	}
	env, err := environment(c, c.Line.Arg("env"))
	if err != nil {
		return locked{}, err
	}
	who, err := gh.Standing(ctx, c.Repo, c.Actor, c.Config.Roster(env.Deployers))
	if err == nil && !pipeline.MayDeploy(env, who) && who.Permission < pipeline.Maintain {
		err = notDeployer(env, who)
	}
	return locked{env.Name, env.Name, []string{env.Name}, who}, err
}

// notDeployer says who may do something to an environment.
func notDeployer(env *pipeline.Environment, who pipeline.Standing) error {
	if taken := who.NameTaken(env.Deployers); taken != "" {
		return pipeline.Refuse("name_reused", "Ask a deployer of %s, for only they may do this: %s", env.Name, taken)
	}
	return pipeline.Refuse("not_allowed", "Only deployers of %s may do this%s; you have %s. Ask one of them.", env.Name, listed(env.Deployers), who.Permission)
}

// listed is who they are, where the file names them.
func listed(deployers []string) string {
	if len(deployers) == 0 {
		return ""
	}
	return ", that is " + strings.Join(deployers, " or ")
}
