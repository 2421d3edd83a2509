package pipelinetest

import (
	"context"
	"fmt"
	"slices"
	"strconv"
	"time"

	"github.com/shipmate/shipmate/pipeline"
)

type queue struct {
	jobs     map[string]*item // by job id
	seen     map[string]time.Time
	dead     []pipeline.DeadJob
	sequence int64
}

// item is a job on the queue: delayed, ready or, with a fence, leased.
type item struct {
	pipeline.Job
	sequence int64 // its place among the ready ones; also the token of its lease
	delayed  bool
	since    time.Time // ready or leased since
	fence    int64
	again    *pipeline.Job
}

// settle does what is due: see the mover of the real store.
func (s *Store) settle() {
	now := s.clock.Now()
	var due []*item
	for _, it := range s.jobs {
		if it.delayed && !now.Before(it.At) {
			due = append(due, it)
		}
	}
	slices.SortFunc(due, func(a, b *item) int { return a.At.Compare(b.At) })
	for _, it := range due {
		s.put(it.Job)
	}
	for _, id := range s.made {
		if r := s.runs[id]; r.open && !now.Before(r.wake) {
			r.wake = now.Add(wakeGrace)
			s.enqueue(pipeline.Job{ID: "advance:" + string(id), Kind: "advance", Pool: pipeline.Control, Run: id, Again: true})
		}
	}
}

// put adds a job, or moves it to where its time says.
func (s *Store) put(j pipeline.Job) {
	if j.Pool == "" {
		j.Pool = pipeline.Control
	}
	s.sequence++
	now := s.clock.Now()
	s.jobs[j.ID] = &item{Job: j, sequence: s.sequence, delayed: j.At.After(now), since: now}
}

func (s *Store) enqueue(j pipeline.Job) {
	j.Payload = slices.Clone(j.Payload)
	again := j.Again
	j.Again = false
	it := s.jobs[j.ID]
	switch {
	case it == nil:
		s.put(j)
	case again && it.fence > 0:
		if it.again != nil && it.again.At.Before(j.At) {
			j.At = it.again.At
		}
		it.again = &j
	case again && it.delayed && it.Tries == 0 && it.Blocked == nil && j.At.Before(it.At):
		s.put(j)
	}
}

// ours returns the leased job if the lease still counts.
func (s *Store) ours(l *pipeline.Lease) *item {
	it := s.jobs[l.ID]
	if it == nil || it.fence == 0 || it.fence != l.Fence || token(it) != l.Token {
		return nil
	}
	return it
}

func token(it *item) string { return strconv.FormatInt(it.sequence, 10) }

func (s *Store) finish(l *pipeline.Lease) {
	it := s.jobs[l.ID]
	delete(s.jobs, l.ID)
	if it.again != nil {
		s.put(*it.again)
	}
	l.Done = true
}

// Enqueue adds jobs that are not on the queue yet.
func (s *Store) Enqueue(_ context.Context, jobs ...pipeline.Job) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, j := range jobs {
		if j.ID == "" || j.Pool != "" && j.Pool != pipeline.Control && j.Pool != pipeline.Steps {
			return fmt.Errorf("enqueue a job of kind %q: no id, or no such pool %q", j.Kind, j.Pool)
		}
	}
	for _, j := range jobs {
		s.enqueue(j)
	}
	s.tell()
	return nil
}

// Accept enqueues the job unless one of the keys was seen within keep.
func (s *Store) Accept(_ context.Context, j pipeline.Job, keep time.Duration, keys ...string) (bool, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	now := s.clock.Now()
	for _, k := range keys {
		if now.Before(s.seen[k]) {
			return false, nil
		}
	}
	for _, k := range keys {
		s.seen[k] = now.Add(keep)
	}
	s.enqueue(j)
	s.tell()
	return true, nil
}

// Renew makes the lease last a full ttl again.
func (s *Store) Renew(_ context.Context, l *pipeline.Lease) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	it := s.ours(l)
	if it == nil {
		return fmt.Errorf("renew %s: %w", l.ID, pipeline.ErrLeaseLost)
	}
	it.since = s.clock.Now()
	return nil
}

// Finish takes done jobs off the queue.
func (s *Store) Finish(_ context.Context, ls ...*pipeline.Lease) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, l := range ls {
		if s.ours(l) != nil {
			s.finish(l)
		}
	}
	s.tell()
	return nil
}

// Retry puts a leased job back, to be handed out at the given time.
func (s *Store) Retry(_ context.Context, l *pipeline.Lease, at time.Time) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.ours(l) == nil {
		return fmt.Errorf("retry %s: %w", l.ID, pipeline.ErrLeaseLost)
	}
	j := l.Job
	j.Tries++
	j.At = at
	s.put(j)
	l.Done = true
	s.tell()
	return nil
}

// Block puts a leased job back as one that is blocked.
func (s *Store) Block(_ context.Context, l *pipeline.Lease, j pipeline.Job, tell ...pipeline.Job) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	it := s.ours(l)
	if it == nil {
		return fmt.Errorf("block %s: %w", l.ID, pipeline.ErrLeaseLost)
	}
	if it.again != nil && it.again.At.Before(j.At) {
		j.At = it.again.At
	}
	s.put(copied(j))
	for _, t := range tell {
		s.enqueue(t)
	}
	l.Done = true
	s.tell()
	return nil
}

// BlockedJobs lists the jobs that are blocked.
func (s *Store) BlockedJobs(_ context.Context, repo int64) ([]pipeline.Job, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	var all []pipeline.Job
	for _, it := range s.jobs {
		if it.Blocked != nil {
			all = append(all, copied(it.Job))
		}
	}
	return all, nil
}

// Lift makes blocked jobs due now.
func (s *Store) Lift(_ context.Context, jobs ...pipeline.Job) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, j := range jobs {
		j = copied(j)
		j.At, j.Again = time.Time{}, true
		switch it := s.jobs[j.ID]; {
		case it == nil || it.Blocked == nil:
		case it.delayed:
			j.Again = false
			s.put(j)
		default:
			s.enqueue(j)
		}
	}
	s.tell()
	return nil
}

func copied(j pipeline.Job) pipeline.Job {
	j.Payload = slices.Clone(j.Payload)
	if j.Blocked != nil {
		b := *j.Blocked
		b.LiftedBy = slices.Clone(b.LiftedBy)
		j.Blocked = &b
	}
	return j
}

// Bury moves a leased job to the dead letters.
func (s *Store) Bury(_ context.Context, l *pipeline.Lease, reason string) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.ours(l) == nil {
		return fmt.Errorf("bury %s: %w", l.ID, pipeline.ErrLeaseLost)
	}
	s.sequence++
	s.dead = append(s.dead, pipeline.DeadJob{Handle: strconv.FormatInt(s.sequence, 10), Job: l.Job, Reason: reason, At: s.clock.Now()})
	s.finish(l)
	s.tell()
	return nil
}

// Dead returns the oldest dead letters.
func (s *Store) Dead(_ context.Context, limit int) ([]pipeline.DeadJob, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	return slices.Clone(s.dead[:min(limit, len(s.dead))]), nil
}

// Requeue puts dead letters back on the queue, with no failed tries.
func (s *Store) Requeue(_ context.Context, handles ...string) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, h := range handles {
		i := slices.IndexFunc(s.dead, func(d pipeline.DeadJob) bool { return d.Handle == h })
		if i < 0 {
			return fmt.Errorf("requeue %s: %w", h, pipeline.ErrNotFound)
		}
		j := s.dead[i].Job
		j.Tries, j.At = 0, time.Time{}
		s.dead = slices.Delete(s.dead, i, i+1)
		s.enqueue(j)
	}
	s.tell()
	return nil
}
