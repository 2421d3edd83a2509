package main

import "time"

// sizes are how much is measured.
type sizes struct {
	quick     bool
	rounds    int
	webhooks  time.Duration // of load on each contestant in each round
	latencies int           // jobs sent one at a time
	polled    int           // likewise, where each may take a second
	drain     int           // jobs in the queue to be emptied
	runs      int           // runs one after the other; ten times as many at 64 in parallel
	parked    int           // runs that wait
	watch     time.Duration // an idle process
	comments  int
}

var (
	full = sizes{rounds: 3, webhooks: 3 * time.Second, latencies: 500, polled: 8, drain: 40_000,
		runs: 150, parked: 10_000, watch: 10 * time.Second, comments: 100}
	short = sizes{quick: true, rounds: 1, webhooks: 400 * time.Millisecond, latencies: 50, polled: 2, drain: 2000, runs: 10, parked: 500, watch: 2 * time.Second, comments: 3}
)
