package shell

import (
	"context"
	"encoding/json"
	"math"
	"os"
	"strconv"
	"strings"
	"testing"
	"time"
)

// BenchmarkStart measures a call from its begin to the script's first word, and to its end.
func BenchmarkStart(b *testing.B) {
	r, err := New(Config{Dir: b.TempDir(), Source: sourceFunc(readme), Shim: []string{os.Args[0], "shim"}})
	if err != nil {
		b.Fatal(err)
	}
	defer r.Close()
	var first time.Duration
	fence := int64(0)
	for b.Loop() {
		fence++
		c := newStep("date +%s%N")
		c.Fence = fence
		c.Save = func(context.Context, json.RawMessage) error { return nil }
		log := newLog()
		c.Log = log
		began := time.Now()
		if _, err := r.Run(b.Context(), c); err != nil {
			b.Fatal(err)
		}
		printed, err := strconv.ParseInt(strings.TrimSpace(log.String()), 10, 64)
		if err != nil {
			b.Fatal(err)
		}
		first += time.Unix(0, printed).Sub(began)
		if err := r.Forget("r-1", "build", 1, math.MaxInt64); err != nil {
			b.Fatal(err)
		}
	}
	b.ReportMetric(float64(first.Microseconds())/float64(b.N)/1000, "ms/first-word")
}
