package commands

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/shipmate/shipmate/pipeline"
)

// Lock keeps new deploys away from an environment.
type Lock struct {
	Store  Store
	GitHub GitHub
}

func (Lock) Help() Help {
	return Help{
		Name:     "/lock",
		Args:     []Arg{{Name: "env"}},
		Flags:    []Flag{{Name: "reason", Value: `"..."`, Prose: true}, {Name: "for", Value: "2h"}, {Name: "service", Value: "name"}},
		Summary:  "Keeps new deploys away from an environment, for a day unless said otherwise.",
		Needs:    pipeline.Write,
		Examples: []string{`/lock prod --for 2h --reason "database upgrade"`},
	}
}

func (k Lock) Do(ctx context.Context, c *Call) (Reply, error) {
	env, err := environment(c)
	if err != nil {
		return Reply{}, err
	}
	reason := prose(c.Line.Flag("reason"))
	if reason == "" {
		return Reply{}, pipeline.Refuse("reason_needed", "A lock needs a reason, for whoever meets it: `/lock %s --reason \"...\"`.", env.Name)
	}
	length := 24 * time.Hour
	if text := c.Line.Flag("for"); text != "" {
		if length, err = time.ParseDuration(text); err != nil || length <= 0 {
			return Reply{}, pipeline.Refuse("bad_duration", "%s is not a time. Write it like `90m` or `2h`.", Code(text))
		}
	}
	if err := mayDeploy(ctx, k.GitHub, c, env); err != nil {
		return Reply{}, err
	}
	until := c.Now.Add(length)
	err = changeLock(ctx, k.Store, c, env, func(s *pipeline.EnvironmentState) error {
		if l := s.Lock; l != nil && l.By.ID != c.Actor.ID && (l.Expires.IsZero() || c.Now.Before(l.Expires)) {
			return pipeline.Refuse("locked", "%s is already locked by %s: %s.", env.Name, l.By.Login, Code(l.Reason))
		}
		s.Lock = &pipeline.Lock{By: c.Actor, Reason: reason, At: c.Now, Expires: until}
		return nil
	})
	if err != nil {
		return Reply{}, err
	}
	return Reply{Text: fmt.Sprintf("**%s** is locked until %s. To unlock it: `/unlock %s`.", env.Name, until.UTC().Format("2006-01-02 15:04 MST"), env.Name)}, nil
}

// Unlock takes a lock off and lets the queue go on.
type Unlock struct {
	Store  Store
	GitHub GitHub
}

func (Unlock) Help() Help {
	return Help{
		Name:     "/unlock",
		Args:     []Arg{{Name: "env"}},
		Flags:    []Flag{{Name: "service", Value: "name"}},
		Summary:  "Takes the lock off an environment. Your own, a rollback's, or with maintain anybody's.",
		Needs:    pipeline.Write,
		Examples: []string{"/unlock prod"},
	}
}

func (u Unlock) Do(ctx context.Context, c *Call) (Reply, error) {
	env, err := environment(c)
	if err != nil {
		return Reply{}, err
	}
	if err := mayDeploy(ctx, u.GitHub, c, env); err != nil {
		return Reply{}, err
	}
	who, err := u.GitHub.Standing(ctx, c.Repo, c.Actor, nil)
	if err != nil {
		return Reply{}, err
	}
	err = changeLock(ctx, u.Store, c, env, func(s *pipeline.EnvironmentState) error {
		switch l := s.Lock; {
		case l == nil:
			return pipeline.Refuse("not_locked", "%s is not locked.", env.Name)
		case l.Run == "" && l.By.ID != c.Actor.ID && who.Permission < pipeline.Maintain:
			return pipeline.Refuse("not_yours", "The lock of %s is %s's, and to take it off you need maintain; you have %s. Ask %s.", env.Name, l.By.Login, who.Permission, l.By.Login)
		}
		s.Lock = nil
		return nil
	})
	if err != nil {
		return Reply{}, err
	}
	return Reply{Text: fmt.Sprintf("**%s** is unlocked.", env.Name)}, nil
}

func mayDeploy(ctx context.Context, gh GitHub, c *Call, env *pipeline.Environment) error {
	who, err := gh.Standing(ctx, c.Repo, c.Actor, Teams(env.Deployers))
	if err != nil {
		return err
	}
	if !pipeline.MayDeploy(env, who) {
		return pipeline.Refuse("not_allowed", "Only deployers of %s may do this%s; you have %s.", env.Name, listed(env.Deployers), who.Permission)
	}
	return nil
}

// listed is who they are, where the file names them.
func listed(deployers []string) string {
	if len(deployers) == 0 {
		return ""
	}
	return ", that is " + strings.Join(deployers, " or ")
}

// changeLock changes an environment's lock and has its queue look again.
func changeLock(ctx context.Context, store Store, c *Call, env *pipeline.Environment, change func(*pipeline.EnvironmentState) error) error {
	const tries = 20
	for range tries {
		s, err := store.Environment(ctx, c.Repo.ID, env.Name)
		if err != nil {
			return err
		}
		if err := change(s); err != nil {
			return err
		}
		err = store.Commit(ctx, pipeline.Change{Environment: s, Jobs: pipeline.WakeQueue(s)})
		if !errors.Is(err, pipeline.ErrConflict) {
			return err
		}
	}
	return pipeline.Temporary(fmt.Errorf("lock %s: %w", env.Name, pipeline.ErrConflict))
}
