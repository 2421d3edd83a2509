package main

import "testing"

func TestWordsOfThePlace(t *testing.T) {
	const looks = "It reads `/etc/passwd`, `/data` and `x /logs`."
	for _, test := range []struct{ code, said, alone, typed string }{
		{"", "`a` exited with code 1. Its output: `/logs r-1 a`.",
			"`a` exited with code 1. Its output is above.", "`a` exited with code 1. Its output: `shipmate logs r-1 a`."},
		{"", "Nobody saw how a ended. Look, then say `/resolve r-1 a succeeded` or `failed`.",
			"Nobody saw how a ended.", "Nobody saw how a ended. Look, then say `shipmate resolve r-1 a succeeded` or `failed`."},
		{"", "`a.b. c` failed! Cut short.", "`a.b. c` failed! Cut short.", "`a.b. c` failed! Cut short."},
		{"", looks, looks, looks},
		{"cluster_refused", "The operator has not allowed it.",
			"A local run reaches no cluster. This step works where a bot runs it that may deploy there.", "The operator has not allowed it."},
		{"", "Tried again; if that goes on, the operator finds the cause in the log (x).",
			"Tried again; if that goes on, the cause is shown with SHIPMATE_LOG_LEVEL=debug (x).",
			"Tried again; if that goes on, the operator finds the cause in the log (x)."},
	} {
		if got := alone(test.code, test.said); got != test.alone {
			t.Errorf("alone: %q, want %q", got, test.alone)
		}
		if got := atPrompt(test.code, test.said); got != test.typed {
			t.Errorf("typed: %q, want %q", got, test.typed)
		}
	}
}
