package redisstore

import (
	"context"
	"fmt"
	"iter"
	"strconv"
	"time"
)

// The audit log is one stream for all repositories. It is never cut.

// keepMarks is how long it is remembered that something was added: longer than
// a job is tried again.
const keepMarks = 7 * 24 * time.Hour

// AppendAudit adds the entry that is to have the number seq. If another one is
// last it adds nothing and returns that one, nil if the id was added before.
func (s *Store) AppendAudit(ctx context.Context, id string, seq int64, entry []byte) (added bool, last []byte, err error) {
	k := s.keys[s.nameShard("audit")]
	got, err := s.eval(ctx, s.script.audit, []string{k.audit(), k.audit() + ":" + id}, seq, entry, keepMarks.Milliseconds()).Slice()
	if err != nil {
		return false, nil, wire("append to the audit log", err)
	}
	switch code, _ := got[0].(int64); code {
	case 1:
		return true, nil, nil
	case 2:
		return false, nil, nil
	}
	text, _ := got[1].(string)
	if text == "" { // somebody has emptied it: it begins again, and to verify it finds that
		s.log.Error("the audit log is empty, and there were entries before", "seq", seq)
		text = "{}"
	}
	return false, []byte(text), nil
}

// Audit yields the entries from a number on, in order.
func (s *Store) Audit(ctx context.Context, from int64) iter.Seq2[[]byte, error] {
	return func(yield func([]byte, error) bool) {
		const page = 500
		key := s.keys[s.nameShard("audit")].audit()
		for {
			entries, err := s.redis.XRangeN(ctx, key, strconv.FormatInt(from, 10), "+", page).Result()
			if err != nil {
				yield(nil, wire("read the audit log", err))
				return
			}
			for _, e := range entries {
				text, _ := e.Values["e"].(string)
				if !yield([]byte(text), nil) {
					return
				}
				if _, err := fmt.Sscanf(e.ID, "%d-", &from); err != nil {
					yield(nil, fmt.Errorf("read the audit log: entry %q: %w", e.ID, err))
					return
				}
			}
			if len(entries) < page {
				return
			}
			from++
		}
	}
}
