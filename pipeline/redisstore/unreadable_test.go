package redisstore_test

import (
	"strconv"
	"testing"

	"github.com/shipmate/shipmate/pipeline"
	"github.com/shipmate/shipmate/pipeline/redisstore"
	"github.com/shipmate/shipmate/pipeline/redisstore/redistest"
)

// A record that cannot be read blocks its environment, and is never written over.
func TestAnUnreadableEnvironmentBlocks(t *testing.T) {
	s, err := redisstore.Open(t.Context(), redisstore.Config{URL: redistest.Start(t).URL()})
	if err != nil {
		t.Fatal(err)
	}
	defer s.Close()
	const repo = 7
	for i, broken := range []map[string]any{{"d": `{"lock":`, "v": "1"}, {"d": `{}`, "v": "one"}, {"v": "1"}, {"d": `{}`}} {
		name := "prod" + strconv.Itoa(i)
		e := &pipeline.EnvironmentState{Repo: repo, Name: name, Lock: &pipeline.Lock{Reason: "audit"}}
		if err := s.Commit(t.Context(), pipeline.Change{Environment: e}); err != nil {
			t.Fatal(err)
		}
		keys, err := s.Client().Keys(t.Context(), "*:env:7:"+name).Result()
		if err != nil || len(keys) != 1 {
			t.Fatalf("keys %q, %v", keys, err)
		}
		if err := s.Client().Del(t.Context(), keys[0]).Err(); err != nil {
			t.Fatal(err)
		}
		if err := s.Client().HSet(t.Context(), keys[0], broken).Err(); err != nil {
			t.Fatal(err)
		}
		if got, err := s.Environment(t.Context(), repo, name); pipeline.Code(err) != "record_unreadable" || pipeline.IsTemporary(err) {
			t.Errorf("%v is read as %+v, %v", broken, got, err)
		}
	}
}
