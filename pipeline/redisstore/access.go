package redisstore

import (
	"net/url"

	"github.com/redis/go-redis/v9"

	"github.com/shipmate/shipmate/pipeline"
)

// Client is the connection, for packages that keep data of their own beside ours.
func (s *Store) Client() redis.UniversalClient { return s.redis }

// KeyPrefix begins all keys of a run's shard, hash tag included.
func (s *Store) KeyPrefix(id pipeline.RunID) string {
	shard, err := s.runShard(id)
	if err != nil {
		shard = 0 // no run of ours: nothing will be found there
	}
	return s.keys[shard].prefix
}

// Redacted is a Redis URL fit for a log.
func Redacted(raw string) string {
	u, err := url.Parse(raw)
	if err != nil {
		return "(unreadable)"
	}
	u.RawQuery = ""
	return u.Redacted()
}
