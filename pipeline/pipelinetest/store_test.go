package pipelinetest_test

import (
	"testing"
	"time"

	"github.com/shipmate/shipmate/pipeline/pipelinetest"
)

func TestStore(t *testing.T) {
	pipelinetest.Conformance(t, func(*testing.T) pipelinetest.Subject {
		clock := pipelinetest.NewClock(time.Date(2026, 3, 2, 9, 0, 0, 0, time.UTC))
		s := pipelinetest.NewStore(clock)
		return pipelinetest.Subject{Backend: s, Now: clock.Now, Pass: clock.Advance, ReadWait: func(d time.Duration) { s.ReadWait = d }}
	})
}
