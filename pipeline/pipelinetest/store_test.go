package pipelinetest_test

import (
	"testing"
	"time"

	"github.com/shipmate/shipmate/pipeline/pipelinetest"
)

func TestStore(t *testing.T) {
	pipelinetest.Conformance(t, func(*testing.T) pipelinetest.Subject {
		clock := pipelinetest.NewClock(time.Date(2026, 3, 2, 9, 0, 0, 0, time.UTC))
		return pipelinetest.Subject{Backend: pipelinetest.NewStore(clock), Now: clock.Now, Pass: clock.Advance}
	})
}
