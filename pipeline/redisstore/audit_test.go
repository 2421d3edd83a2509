package redisstore_test

import (
	"fmt"
	"log/slog"
	"sync"
	"testing"
	"time"

	"github.com/shipmate/shipmate/pipeline"
	"github.com/shipmate/shipmate/pipeline/auditlog"
	"github.com/shipmate/shipmate/pipeline/redisstore"
	"github.com/shipmate/shipmate/pipeline/redisstore/redistest"
)

// Several bots write one audit log, and none of them writes into another's place.
func TestAuditLog(t *testing.T) {
	server := redistest.Start(t)
	var stores []*redisstore.Store
	for range 3 {
		s, err := redisstore.Open(t.Context(), redisstore.Config{URL: server.URL()})
		if err != nil {
			t.Fatal(err)
		}
		defer s.Close()
		stores = append(stores, s)
	}
	const each = 250 // more than a page all together
	var all sync.WaitGroup
	for n, s := range stores {
		log := &auditlog.Log{Store: s, Now: time.Now, Out: slog.New(slog.DiscardHandler)}
		all.Go(func() {
			for i := range each {
				id := fmt.Sprintf("%d-%d", n, i)
				for range 2 { // said again after a crash
					if err := log.Add(t.Context(), id, pipeline.AuditEntry{Kind: "command", Text: id}); err != nil {
						t.Error(err)
					}
				}
			}
		})
	}
	all.Wait()
	var v auditlog.Verifier
	for line, err := range stores[0].Audit(t.Context(), 1) {
		if err != nil {
			t.Fatal(err)
		}
		if err := v.Line(line); err != nil {
			t.Fatal(err)
		}
	}
	if want := int64(each * len(stores)); v.Last.Seq != want {
		t.Errorf("%d entries, want %d", v.Last.Seq, want)
	}
	for line, err := range stores[0].Audit(t.Context(), v.Last.Seq) {
		if err != nil || len(line) == 0 {
			t.Errorf("the last entry is %q, %v", line, err)
		}
	}
}
