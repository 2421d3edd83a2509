// Package auditlog is an append-only log in which every entry carries the hash
// of the one before, so that one that is changed, left out or put elsewhere is
// found. Start reading at [Log.Add]; [Verify] is its counterpart.
package auditlog

import (
	"context"
	"crypto/hmac"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"log/slog"
	"sync"
	"time"

	"github.com/shipmate/shipmate/pipeline"
)

// Log adds to the audit log.
type Log struct {
	Store Store
	Key   []byte // of the hashes; empty: they are plain SHA-256, which anybody can make again
	Now   func() time.Time
	Out   *slog.Logger // every entry is also a line there, out of the reach of who can change Redis

	mu   sync.Mutex
	last pipeline.AuditEntry // that this process knows of
}

// Store keeps entries in the order of their numbers.
type Store interface {
	// AppendAudit adds the entry that is to have the number seq. If another one
	// is last it adds nothing and returns that one; nil: there is none. An id
	// that was added before is added no more.
	AppendAudit(ctx context.Context, id string, seq int64, entry []byte) (added bool, last []byte, err error)
}

// Add appends an entry, once for each id.
func (l *Log) Add(ctx context.Context, id string, e pipeline.AuditEntry) error {
	const tries = 1000 // somebody else was faster
	e.At = l.Now().UTC()
	before := l.known(pipeline.AuditEntry{})
	for range tries {
		e.Seq, e.Prev = before.Seq+1, before.Hash
		e.Hash = Sum(e, l.Key)
		line, err := json.Marshal(e)
		if err != nil {
			return err
		}
		added, last, err := l.Store.AppendAudit(ctx, id, e.Seq, line)
		if err != nil {
			return err
		}
		if added {
			l.known(e)
			l.Out.Info("audit", "seq", e.Seq, "hash", e.Hash, "kind", e.Kind, "repo", e.Repo, "env", e.Environment, "run", string(e.Run), "actor", e.Actor, "via", e.Via, "code", e.Code, "text", e.Text)
			return nil
		}
		if last == nil {
			return nil // added before
		}
		before = pipeline.AuditEntry{}
		if err := json.Unmarshal(last, &before); err != nil {
			return fmt.Errorf("audit log: its last entry cannot be read: %w", err)
		}
	}
	return pipeline.Temporary(fmt.Errorf("audit log: somebody else was faster, %d times in a row", tries))
}

// known remembers an entry and returns the last one there is.
func (l *Log) known(e pipeline.AuditEntry) pipeline.AuditEntry {
	l.mu.Lock()
	defer l.mu.Unlock()
	if e.Seq > l.last.Seq {
		l.last = e
	}
	return l.last
}

// Sum is the hash of an entry, over everything but itself.
func Sum(e pipeline.AuditEntry, key []byte) string {
	e.Hash = ""
	line, err := json.Marshal(e)
	if err != nil {
		panic("audit entry: " + err.Error()) // texts and numbers only
	}
	if len(key) > 0 {
		mac := hmac.New(sha256.New, key)
		mac.Write(line)
		return hex.EncodeToString(mac.Sum(nil))
	}
	sum := sha256.Sum256(line)
	return hex.EncodeToString(sum[:])
}
