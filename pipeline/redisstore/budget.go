package redisstore

import (
	"context"
	"fmt"
	"time"
)

// Budget books cost on a budget that all replicas share, if no stretch of
// length per would then hold more than limit. Otherwise it books nothing and
// says how long to wait before asking again. A negative cost gives back what was
// booked in vain.
func (s *Store) Budget(ctx context.Context, key string, limit int, per time.Duration, cost int) (ok bool, wait time.Duration, err error) {
	if limit < 1 || cost == 0 || cost > limit || per < time.Millisecond {
		return false, 0, fmt.Errorf("budget %s: cost %d of %d per %s can never be booked", key, cost, limit, per)
	}
	k := s.keys[s.nameShard(key)].prefix + "budget:" + key
	us, err := s.eval(ctx, s.script.budget, []string{k}, limit, max(1, per.Microseconds()/20), cost).Int64()
	if err != nil {
		return false, 0, wire("budget "+key, err)
	}
	return us == 0, time.Duration(us) * time.Microsecond, nil
}
