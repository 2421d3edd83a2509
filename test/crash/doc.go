//go:build crash

// Package crash kills the whole bot, from outside, at every moment that leaves
// a trace, and looks whether people notice. It has only tests: the real binary
// runs between a real redis-server and the simulated platforms, with real
// shell steps that write down when they start and end.
//
// Start reading at TestKilledAnywhere: a story is played once to count its
// points, then once for each point, with kill -9 there. Everything the bot
// sends passes a gate (gate_test.go), which counts, kills, and lets nothing
// more out. What must hold at the end of each play is in check_test.go.
package crash
