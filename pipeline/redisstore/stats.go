package redisstore

import (
	"context"
	"time"

	"github.com/shipmate/shipmate/pipeline"
)

// Stats counts everything, with one short script per shard.
func (s *Store) Stats(ctx context.Context) (pipeline.Stats, error) {
	var st pipeline.Stats
	for shard, k := range s.keys {
		n, err := s.eval(ctx, s.script.stats, append(k.queue[:6:6], k.wake), pipeline.Soon.Milliseconds()).Int64Slice()
		if err != nil {
			return pipeline.Stats{}, wire("stats", err)
		}
		for i, p := range []pipeline.Pool{pipeline.Control, pipeline.Steps} {
			st.Queues = append(st.Queues, pipeline.QueueStats{
				Shard: shard, Pool: p, Ready: n[3*i], Leased: n[3*i+1], Oldest: time.Duration(n[3*i+2]) * time.Millisecond,
			})
		}
		st.Delayed += n[6]
		st.Soon += n[7]
		st.Open += n[8]
		st.Dead += n[9]
		st.Blocked += n[10]
	}
	return st, nil
}
