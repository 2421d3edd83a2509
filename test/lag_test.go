package test

import (
	"flag"
	"os"
	"slices"
	"strings"
	"testing"
	"time"
)

var onlyLag = flag.Duration("lag", 0, "in TestConversationsWhileGitHubLags: play all conversations with this lag, and with no other")

// longLag are the conversations that are played with a lag of 5 s too: those in
// which something moves while something else waits or is decided, so that an
// older state leads elsewhere. "make lag" plays all of them.
var longLag = strings.Fields(`
	approval check-buttons checks closed deploy edited forks head-moved later merge-queue nothing-there ok-to-test order
	outdated-checks pushed push-trigger queue redeployed replayed required-checks required-reviews retarget reviews-said
	rollback same-files slack-confirm supersede told-when-starting undo up-to-date`)

// play is a conversation with a lag.
type play struct {
	file string
	text string
	lag  time.Duration
}

// TestConversationsWhileGitHubLags: people see the same, a little later. Every
// turn takes somewhat longer than the lag, and nearly all of that is waiting.
func TestConversationsWhileGitHubLags(t *testing.T) {
	if _, err := quick(); err != nil { // before any time is taken
		t.Fatal(err)
	}
	q := queue{hands: make(chan struct{}, lagAtOnce)}
	for _, p := range plays(t) {
		t.Run(nameOf(p.file)+"/"+p.lag.String(), func(t *testing.T) {
			defer q.wait(t)()
			if got := converse(t, readTranscript(p.text), p.lag); got != p.text {
				t.Errorf("%s: while GitHub lags, something else is said:\n%s", p.file, firstDifference(p.text, got))
			}
		})
	}
	go q.serve()
}

// plays lists what takes longest first.
func plays(t *testing.T) (all []play) {
	names := map[string]bool{}
	for _, file := range conversations(t) {
		text, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		lags := []time.Duration{time.Second}
		switch name := nameOf(file); {
		case *onlyLag > 0:
			lags = []time.Duration{*onlyLag}
		case slices.Contains(longLag, name):
			lags = append(lags, 5*time.Second)
		}
		names[nameOf(file)] = true
		for _, lag := range lags {
			all = append(all, play{file, string(text), lag})
		}
	}
	for _, name := range longLag {
		if !names[name] {
			t.Errorf("there is no conversation %s", name)
		}
	}
	length := func(p play) int { return int(p.lag.Seconds()) * len(readTranscript(p.text).turns) }
	slices.SortStableFunc(all, func(a, b play) int { return length(b) - length(a) })
	return all
}
