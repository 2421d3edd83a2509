package pipelinetest

import (
	"context"
	"fmt"
	"maps"
	"slices"
	"time"

	"github.com/shipmate/shipmate/pipeline"
)

type record struct {
	value   []byte
	members map[string]bool
	expires time.Time // zero: never
}

type spending struct {
	at   time.Time
	cost int
}

func recordKey(repo int64, key string) string { return fmt.Sprintf("%d:%s", repo, key) }

func (s *Store) record(key string) (record, bool) {
	r, ok := s.records[key]
	if ok && !r.expires.IsZero() && !s.clock.Now().Before(r.expires) {
		return record{}, false
	}
	return r, ok
}

func (s *Store) expiry(ttl time.Duration) time.Time {
	if ttl <= 0 {
		return time.Time{}
	}
	return s.clock.Now().Add(ttl)
}

// Put stores a value, replacing what was there.
func (s *Store) Put(_ context.Context, repo int64, key string, value []byte, ttl time.Duration) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.records[recordKey(repo, key)] = record{value: slices.Clone(value), expires: s.expiry(ttl)}
	return nil
}

// PutNew stores a value unless there is one, and reports whether it did.
func (s *Store) PutNew(_ context.Context, repo int64, key string, value []byte, ttl time.Duration) (bool, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if _, ok := s.record(recordKey(repo, key)); ok {
		return false, nil
	}
	s.records[recordKey(repo, key)] = record{value: slices.Clone(value), expires: s.expiry(ttl)}
	return true, nil
}

// Get returns the value, or pipeline.ErrNotFound.
func (s *Store) Get(_ context.Context, repo int64, key string) ([]byte, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	r, ok := s.record(recordKey(repo, key))
	if !ok {
		return nil, pipeline.ErrNotFound
	}
	return slices.Clone(r.value), nil
}

// GetAll returns the values in the order of their keys, nil where there is none.
func (s *Store) GetAll(_ context.Context, repo int64, keys ...string) ([][]byte, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	values := make([][]byte, len(keys))
	for i, key := range keys {
		if r, ok := s.record(recordKey(repo, key)); ok {
			values[i] = slices.Clone(r.value)
		}
	}
	return values, nil
}

// Take returns the value and removes it.
func (s *Store) Take(_ context.Context, repo int64, key string) ([]byte, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	r, ok := s.record(recordKey(repo, key))
	if !ok {
		return nil, pipeline.ErrNotFound
	}
	delete(s.records, recordKey(repo, key))
	return r.value, nil
}

// Delete removes a value or a set.
func (s *Store) Delete(_ context.Context, repo int64, key string) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	delete(s.records, recordKey(repo, key))
	return nil
}

// Add puts a member into a set and makes the whole set last for ttl.
func (s *Store) Add(_ context.Context, repo int64, key, member string, ttl time.Duration) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	r, ok := s.record(recordKey(repo, key))
	if !ok {
		r.members = map[string]bool{}
	}
	r.members[member] = true
	if ttl > 0 {
		r.expires = s.expiry(ttl)
	}
	s.records[recordKey(repo, key)] = r
	return nil
}

// Remove takes a member out of a set.
func (s *Store) Remove(_ context.Context, repo int64, key, member string) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	delete(s.records[recordKey(repo, key)].members, member)
	return nil
}

// Members returns a set, sorted.
func (s *Store) Members(_ context.Context, repo int64, key string) ([]string, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	r, _ := s.record(recordKey(repo, key))
	return slices.Sorted(maps.Keys(r.members)), nil
}

// Budget books cost unless more than limit would then have been spent within per.
// A negative cost gives back.
func (s *Store) Budget(_ context.Context, key string, limit int, per time.Duration, cost int) (bool, time.Duration, error) {
	if limit < 1 || cost == 0 || cost > limit {
		return false, 0, fmt.Errorf("budget %s: cost %d of %d per %s can never be booked", key, cost, limit, per)
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	now := s.clock.Now()
	spent := slices.DeleteFunc(s.spent[key], func(b spending) bool { return !now.Before(b.at.Add(per)) })
	total := cost
	for _, b := range spent {
		total += b.cost
	}
	s.spent[key] = spent
	if cost < 0 || total <= limit {
		s.spent[key] = append(spent, spending{now, cost})
		return true, 0, nil
	}
	for _, b := range spent {
		if total -= b.cost; total <= limit {
			return false, b.at.Add(per).Sub(now), nil
		}
	}
	return false, per, nil
}
