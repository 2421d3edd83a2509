package redisstore

import (
	"context"
	"errors"
	"time"

	"github.com/redis/go-redis/v9"

	"github.com/shipmate/shipmate/pipeline"
)

// Records are small values other packages keep: the index of services, what a
// button's id means, which commits were a pull request's head. They lie in
// the repository's shard or, with repo zero, where their key says. With a ttl
// of zero they stay.

func (s *Store) recordKey(repo int64, key string) string {
	shard := s.repoShard(repo)
	if repo == 0 {
		shard = s.nameShard(key)
	}
	return s.keys[shard].record(repo, key)
}

// Put stores a value, replacing what was there.
func (s *Store) Put(ctx context.Context, repo int64, key string, value []byte, ttl time.Duration) error {
	return wire("put "+key, s.redis.Set(ctx, s.recordKey(repo, key), value, ttl).Err())
}

// PutNew stores a value unless there is one, and reports whether it did.
func (s *Store) PutNew(ctx context.Context, repo int64, key string, value []byte, ttl time.Duration) (bool, error) {
	ok, err := s.redis.SetNX(ctx, s.recordKey(repo, key), value, ttl).Result()
	return ok, wire("put "+key, err)
}

// Get returns the value, or an error that wraps pipeline.ErrNotFound.
func (s *Store) Get(ctx context.Context, repo int64, key string) ([]byte, error) {
	value, err := s.redis.Get(ctx, s.recordKey(repo, key)).Bytes()
	return value, wireRecord("get "+key, err)
}

// GetAll returns the values in the order of their keys, nil where there is none,
// in one round trip.
func (s *Store) GetAll(ctx context.Context, repo int64, keys ...string) ([][]byte, error) {
	pipe := s.redis.Pipeline()
	gets := make([]*redis.StringCmd, len(keys))
	for i, key := range keys {
		gets[i] = pipe.Get(ctx, s.recordKey(repo, key))
	}
	if _, err := pipe.Exec(ctx); err != nil && !errors.Is(err, redis.Nil) {
		return nil, wire("get records", err)
	}
	values := make([][]byte, len(keys))
	for i, get := range gets {
		value, err := get.Bytes()
		if err != nil && !errors.Is(err, redis.Nil) {
			return nil, wire("get "+keys[i], err)
		}
		if err == nil {
			values[i] = value
		}
	}
	return values, nil
}

// Take returns the value and removes it: of many who ask, one gets it.
func (s *Store) Take(ctx context.Context, repo int64, key string) ([]byte, error) {
	value, err := s.redis.GetDel(ctx, s.recordKey(repo, key)).Bytes()
	return value, wireRecord("take "+key, err)
}

// Delete removes a value or a set.
func (s *Store) Delete(ctx context.Context, repo int64, key string) error {
	return wire("delete "+key, s.redis.Del(ctx, s.recordKey(repo, key)).Err())
}

// Add puts a member into a set and makes the whole set last for ttl.
func (s *Store) Add(ctx context.Context, repo int64, key, member string, ttl time.Duration) error {
	set := s.recordKey(repo, key)
	pipe := s.redis.TxPipeline()
	pipe.SAdd(ctx, set, member)
	if ttl > 0 {
		pipe.PExpire(ctx, set, ttl)
	}
	_, err := pipe.Exec(ctx)
	return wire("add to "+key, err)
}

// Remove takes a member out of a set.
func (s *Store) Remove(ctx context.Context, repo int64, key, member string) error {
	return wire("remove from "+key, s.redis.SRem(ctx, s.recordKey(repo, key), member).Err())
}

// Members returns a set, in no order; one that is not there is empty.
func (s *Store) Members(ctx context.Context, repo int64, key string) ([]string, error) {
	members, err := s.redis.SMembers(ctx, s.recordKey(repo, key)).Result()
	return members, wire("read "+key, err)
}

func wireRecord(doing string, err error) error {
	if errors.Is(err, redis.Nil) {
		return pipeline.ErrNotFound
	}
	return wire(doing, err)
}
