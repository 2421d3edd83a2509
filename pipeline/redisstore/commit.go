package redisstore

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"strconv"
	"time"

	"github.com/redis/go-redis/v9"

	"github.com/shipmate/shipmate/pipeline"
)

// wakeGrace is how long a run with work in flight is left alone before the
// mover has somebody look at it.
const wakeGrace = 30 * time.Second

// signalChannel carries the ids of changed runs to all replicas.
const signalChannel = "sm:signals"

// Load returns the run, or an error that wraps pipeline.ErrNotFound.
func (s *Store) Load(ctx context.Context, id pipeline.RunID) (*pipeline.Run, error) {
	shard, err := s.runShard(id)
	if err != nil {
		return nil, err
	}
	fields, err := s.redis.HMGet(ctx, s.keys[shard].run(id), runFields...).Result()
	if err != nil {
		return nil, wire("load run "+string(id), err)
	}
	run, err := decodeRun(fields)
	if err != nil {
		return nil, fmt.Errorf("run %s: %w", id, err)
	}
	return run, nil
}

var runFields = []string{"q", "p", "v"}

func decodeRun(fields []any) (*pipeline.Run, error) {
	request, ok := fields[0].(string)
	if !ok {
		return nil, pipeline.ErrNotFound
	}
	progress, _ := fields[1].(string)
	version, _ := fields[2].(string)
	r := &pipeline.Run{}
	if err := json.Unmarshal([]byte(request), &r.Request); err != nil {
		return nil, fmt.Errorf("stored request: %w", err)
	}
	if err := json.Unmarshal([]byte(progress), &r.Progress); err != nil {
		return nil, fmt.Errorf("stored progress: %w", err)
	}
	v, err := strconv.ParseInt(version, 10, 64)
	if err != nil {
		return nil, fmt.Errorf("stored version: %w", err)
	}
	r.Version = v
	return r, nil
}

// Environment returns an environment's state; one never used is empty, with Version zero.
func (s *Store) Environment(ctx context.Context, repo int64, name string) (*pipeline.EnvironmentState, error) {
	fields, err := s.redis.HMGet(ctx, s.keys[s.repoShard(repo)].env(repo, name), "d", "v").Result()
	if err != nil {
		return nil, wire("load environment "+name, err)
	}
	e := &pipeline.EnvironmentState{Repo: repo, Name: name}
	state, there := fields[0].(string)
	version, versioned := fields[1].(string)
	if !there && !versioned {
		return e, nil
	}
	if err := json.Unmarshal([]byte(state), e); err != nil {
		return nil, pipeline.Unreadable(name, err)
	}
	if e.Version, err = strconv.ParseInt(version, 10, 64); err != nil {
		return nil, pipeline.Unreadable(name, err)
	}
	return e, nil
}

// Commit makes one transition, whole or not at all, in one round trip. All it
// touches must lie in one shard: a lease or a job of another repository, or
// one that names neither run nor repository, is an error.
func (s *Store) Commit(ctx context.Context, c pipeline.Change) error {
	shard, err := s.changeShard(&c)
	if err != nil {
		return err
	}
	args, err := s.commitArgs(&c)
	if err != nil {
		return err
	}
	result, err := s.eval(ctx, s.script.commit, s.commitKeys(shard, &c), args...).Int()
	switch {
	case redis.HasErrorPrefix(err, "NOGROUP"):
		return fmt.Errorf("commit: %w", pipeline.ErrLeaseLost)
	case err != nil:
		return wire("commit", err)
	case result < 0:
		return fmt.Errorf("commit: %w", pipeline.ErrLeaseLost)
	case result == 0:
		return fmt.Errorf("commit: %w", pipeline.ErrConflict)
	}
	s.committed(shard, &c)
	return nil
}

// committed brings the caller's records, and our own timer, up to date.
func (s *Store) committed(shard int, c *pipeline.Change) {
	if c.Run != nil {
		c.Run.Version++
		if at, open := c.Run.Wakes(s.now(), wakeGrace); open {
			s.mover.within(shard, at.Sub(s.now()))
		}
	}
	if c.Environment != nil {
		c.Environment.Version++
	}
	if c.Finish != nil {
		c.Finish.Done = true
	}
	s.timeJobs(shard, c.Jobs)
}

// changeShard is the one shard everything in the change lies in.
func (s *Store) changeShard(c *pipeline.Change) (int, error) {
	shard := -1
	var firstErr error
	in := func(what string, n int, err error) {
		if err == nil && shard >= 0 && n != shard {
			err = fmt.Errorf("%s lies in shard %d, the rest of the change in %d", what, n, shard)
		}
		if err != nil && firstErr == nil {
			firstErr = fmt.Errorf("commit: %w", err)
		}
		shard = n
	}
	if c.Run != nil {
		n, err := s.runShard(c.Run.ID)
		in("the run", n, err)
		if err == nil && n != s.repoShard(c.Run.Repo.ID) {
			in("", n, fmt.Errorf("run %s is not an id of repository %d", c.Run.ID, c.Run.Repo.ID))
		}
	} else if len(c.Events) > 0 || c.Signal {
		in("", 0, errors.New("events and signals need a run"))
	}
	if c.Environment != nil {
		in("environment "+c.Environment.Name, s.repoShard(c.Environment.Repo), nil)
	} else if c.Deployment != nil {
		in("", 0, errors.New("a deployment needs an environment"))
	}
	if c.Shown != nil {
		in("what "+c.Shown.Sink+" shows", s.repoShard(c.Shown.Repo), nil)
	}
	for _, l := range []*pipeline.Lease{c.Finish, c.Hold} {
		if l != nil {
			in("the lease of "+l.ID, l.Shard, nil)
		}
	}
	for i := range c.Jobs {
		n, err := s.jobShard(&c.Jobs[i])
		in("job "+c.Jobs[i].ID, n, err)
	}
	if firstErr == nil && shard < 0 {
		firstErr = errors.New("commit: the change is empty")
	}
	return shard, firstErr
}

func (s *Store) commitKeys(shard int, c *pipeline.Change) []string {
	k := s.keys[shard]
	keys := append(make([]string, 0, 19), k.queue...)
	run, history, openOf := k.prefix+"-", k.prefix+"-", k.prefix+"-"
	if r := c.Run; r != nil {
		run, history, openOf = k.run(r.ID), k.history(r.ID), k.openOf(r.Repo.ID)
	}
	env, deployments := k.prefix+"-", k.prefix+"-"
	if e := c.Environment; e != nil {
		env, deployments = k.env(e.Repo, e.Name), k.deployments(e.Repo, e.Name)
	}
	shown := k.prefix + "-"
	if sh := c.Shown; sh != nil {
		shown = k.shown(sh.Repo, sh.Subject)
	}
	keys = append(keys, k.wake, run, history, env, deployments, k.open, openOf, shown)
	if r := c.Run; r != nil && r.Version == 0 {
		keys = append(keys, k.runs, k.runsOf(r.Repo.ID))
		if r.PR != 0 {
			keys = append(keys, k.runsOfPR(r.Repo.ID, r.PR))
		}
		if env := r.EnvironmentName(); env != "" {
			keys = append(keys, k.runsOfEnv(r.Repo.ID, env))
		}
	}
	return keys
}

func (s *Store) commitArgs(c *pipeline.Change) ([]any, error) {
	name := s.consumer + "." + strconv.FormatUint(s.commits.Add(1), 36)
	args := append(make([]any, 0, 24+len(c.Events)+5*len(c.Jobs)), name)
	args = s.leaseArgs(args, c)
	args, err := s.runArgs(args, c)
	if err != nil {
		return nil, err
	}
	if c.Environment == nil {
		args = append(args, "")
	} else {
		state, err := json.Marshal(c.Environment)
		if err != nil {
			return nil, fmt.Errorf("commit environment %s: %w", c.Environment.Name, err)
		}
		args = append(args, c.Environment.Version, state)
	}
	deployment := []byte{}
	if c.Deployment != nil {
		if deployment, err = json.Marshal(c.Deployment); err != nil {
			return nil, fmt.Errorf("commit deployment: %w", err)
		}
	}
	args = append(args, deployment)
	if sh := c.Shown; sh == nil {
		args = append(args, "")
	} else {
		args = append(args, sh.Sink, []byte(sh.Data), sh.Doubt, s.keep.Milliseconds())
	}
	args = append(args, len(c.Events))
	for i := range c.Events {
		event, err := json.Marshal(&c.Events[i])
		if err != nil {
			return nil, fmt.Errorf("commit event: %w", err)
		}
		args = append(args, event)
	}
	for i := range c.Jobs {
		if args, err = s.jobArgs(args, &c.Jobs[i]); err != nil {
			return nil, err
		}
	}
	return args, nil
}

func (s *Store) leaseArgs(args []any, c *pipeline.Change) []any {
	count := len(args)
	args = append(args, 0)
	add := func(do string, l *pipeline.Lease) {
		if l != nil {
			args[count] = args[count].(int) + 1
			args = append(args, do, letter(l.Pool), l.Token, s.consumer, l.Fence, l.ID)
		}
	}
	add("finish", c.Finish)
	add("hold", c.Hold)
	return args
}

func (s *Store) runArgs(args []any, c *pipeline.Change) ([]any, error) {
	r := c.Run
	if r == nil {
		return append(args, ""), nil
	}
	progress, err := json.Marshal(&r.Progress)
	if err != nil {
		return nil, fmt.Errorf("commit run %s: %w", r.ID, err)
	}
	request := []byte{}
	if r.Version == 0 {
		if request, err = json.Marshal(&r.Request); err != nil {
			return nil, fmt.Errorf("commit run %s: %w", r.ID, err)
		}
	}
	wake := ""
	now := s.now()
	if at, open := r.Wakes(now, wakeGrace); open {
		wake = num(millis(at.Sub(now)))
	}
	channel := ""
	if c.Signal {
		channel = signalChannel
	}
	return append(args, r.Version, string(r.ID), progress, request, wake, s.keep.Milliseconds(), channel), nil
}

// millis rounds up, so that nothing happens before its time.
func millis(d time.Duration) int64 {
	return max(0, int64((d+time.Millisecond-1)/time.Millisecond))
}
