package auditlog_test

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/shipmate/shipmate/pipeline"
	"github.com/shipmate/shipmate/pipeline/auditlog"
)

// paper is a Store in memory.
type paper struct {
	mu    sync.Mutex
	lines [][]byte
	known map[string]bool
	fails int // calls whose answer is lost after they did their work
}

func (p *paper) AppendAudit(_ context.Context, id string, seq int64, entry []byte) (bool, []byte, error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	switch {
	case p.known[id]:
		return false, nil, nil
	case int64(len(p.lines))+1 != seq:
		return false, slices.Clone(p.lines[len(p.lines)-1]), nil
	}
	if p.known == nil {
		p.known = map[string]bool{}
	}
	p.known[id] = true
	p.lines = append(p.lines, entry)
	if p.fails > 0 {
		p.fails--
		return false, nil, errors.New("connection reset")
	}
	return true, nil, nil
}

func newLog(p *paper, key string) *auditlog.Log {
	now := time.Date(2026, 3, 2, 9, 0, 0, 0, time.UTC)
	return &auditlog.Log{Store: p, Key: []byte(key), Now: func() time.Time { return now }, Out: slog.New(slog.DiscardHandler)}
}

func verify(lines [][]byte, key string) (int64, error) {
	v := auditlog.Verifier{Key: []byte(key)}
	for _, l := range lines {
		if err := v.Line(l); err != nil {
			return v.Last.Seq, err
		}
	}
	return v.Last.Seq, nil
}

func TestAChangedLogIsFound(t *testing.T) {
	const key = "a key that nobody else has, of 32 bytes"
	p := &paper{}
	log := newLog(p, key)
	for i := range 9 {
		if err := log.Add(t.Context(), fmt.Sprint(i), pipeline.AuditEntry{Kind: "command", Actor: "mona", Text: fmt.Sprintf("/deploy number %d", i)}); err != nil {
			t.Fatal(err)
		}
	}
	forge := func(line []byte, key string) []byte { // with a hash made anew
		var e pipeline.AuditEntry
		if err := json.Unmarshal(line, &e); err != nil {
			t.Fatal(err)
		}
		e.Actor = "eve"
		e.Hash = auditlog.Sum(e, []byte(key))
		out, _ := json.Marshal(e)
		return out
	}
	for _, row := range []struct {
		name   string
		change func([][]byte) [][]byte
		says   string
	}{
		{"nothing", func(l [][]byte) [][]byte { return l }, ""},
		{"a word is changed", func(l [][]byte) [][]byte { l[3] = bytes.Replace(l[3], []byte("mona"), []byte("eve"), 1); return l }, "entry 4 was changed"},
		{"a word is changed and the hash made again without the key", func(l [][]byte) [][]byte { l[3] = forge(l[3], ""); return l }, "entry 4 was changed"},
		{"a word is changed and the hash made again with the key", func(l [][]byte) [][]byte { l[3] = forge(l[3], key); return l }, "entry 5 does not follow entry 4"},
		{"an entry is left out", func(l [][]byte) [][]byte { return slices.Delete(l, 3, 4) }, "entry 4 is missing"},
		{"the first entry is left out", func(l [][]byte) [][]byte { return l[1:] }, "entry 1 is missing"},
		{"two entries are exchanged", func(l [][]byte) [][]byte { l[3], l[4] = l[4], l[3]; return l }, "entry 4 is missing"},
		{"an entry comes twice", func(l [][]byte) [][]byte { return slices.Insert(l, 3, l[3]) }, "entry 5 is missing"},
		{"a field is added", func(l [][]byte) [][]byte { l[3] = bytes.Replace(l[3], []byte("{"), []byte(`{"x":1,`), 1); return l }, "entry 4 cannot be read"},
		{"a line is no entry", func(l [][]byte) [][]byte { l[3] = []byte("hello"); return l }, "entry 4 cannot be read"},
	} {
		t.Run(row.name, func(t *testing.T) {
			lines := row.change(slices.Clone(p.lines))
			_, err := verify(lines, key)
			if row.says == "" && err != nil || row.says != "" && (err == nil || !strings.Contains(err.Error(), row.says)) {
				t.Errorf("got %v, want %q", err, row.says)
			}
		})
	}
	if _, err := verify(p.lines, "another key"); err == nil {
		t.Error("another key will do")
	}
	v := auditlog.Verifier{Key: []byte(key)}
	for _, l := range p.lines[:5] {
		if err := v.Line(l); err != nil {
			t.Fatal(err)
		}
	}
	if v.Ends(5) != nil || v.Ends(6) == nil {
		t.Error("a log that is cut off at its end is not found")
	}
}

func TestManyWriters(t *testing.T) {
	p := &paper{}
	var all sync.WaitGroup
	for w := range 4 {
		log := newLog(p, "")
		all.Go(func() {
			for i := range 50 {
				if err := log.Add(context.Background(), fmt.Sprintf("%d-%d", w, i), pipeline.AuditEntry{Kind: "command"}); err != nil {
					t.Error(err)
				}
			}
		})
	}
	all.Wait()
	if last, err := verify(p.lines, ""); last != 200 || err != nil {
		t.Errorf("the log ends with %d, %v", last, err)
	}
}

func TestAnEntryIsAddedOnce(t *testing.T) {
	p := &paper{fails: 1}
	log := newLog(p, "")
	if err := log.Add(t.Context(), "a", pipeline.AuditEntry{Kind: "command"}); err == nil {
		t.Fatal("a lost answer is no error")
	}
	for range 2 {
		if err := newLog(p, "").Add(t.Context(), "a", pipeline.AuditEntry{Kind: "command"}); err != nil {
			t.Fatal(err)
		}
	}
	if len(p.lines) != 1 {
		t.Errorf("%d entries, want 1", len(p.lines))
	}
}

// past is a run's history.
type past []pipeline.Event

func (p *past) History(context.Context, pipeline.RunID) ([]pipeline.Event, error) { return *p, nil }

func TestARunsDecisionsAreKept(t *testing.T) {
	p := &paper{}
	events := &past{{Kind: "run", State: pipeline.Queued, Actor: "mona"}, {Kind: "step", Step: "build", State: pipeline.Running}}
	sink := &auditlog.Sink{Log: newLog(p, ""), History: events}
	r := &pipeline.Run{Request: pipeline.Request{ID: "r-1", Repo: pipeline.Repo{ID: 1, Owner: "acme", Name: "shop"}, SHA: "5a5a5a5a", Environment: &pipeline.Environment{Name: "prod"}}}
	var shown pipeline.Shown
	show := func() {
		t.Helper()
		data, err := sink.Show(t.Context(), r, shown)
		if err != nil {
			t.Fatal(err)
		}
		shown.Data = data
	}
	show()
	show()
	*events = append(*events, pipeline.Event{Kind: "approval", Step: "environment", Actor: "octavia", Code: "approved", Message: "fine"}, pipeline.Event{Kind: "run", State: pipeline.Succeeded})
	show()
	shown.Data = nil // lost
	show()
	var got []string
	for _, l := range p.lines {
		var e pipeline.AuditEntry
		if err := json.Unmarshal(l, &e); err != nil {
			t.Fatal(err)
		}
		got = append(got, strings.TrimSpace(fmt.Sprintf("%s %s %s %s %s %s", e.Kind, e.Run, e.Environment, e.Actor, e.Code, e.Text)))
	}
	want := []string{"run r-1 prod mona queued", "approval r-1 prod octavia approved environment: fine", "run r-1 prod  succeeded"}
	if !slices.Equal(got, want) {
		t.Errorf("got %q, want %q", got, want)
	}
}
