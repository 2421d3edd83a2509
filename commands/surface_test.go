package commands

import "testing"

func TestACommandIsWrittenAsItsSurfaceTakesIt(t *testing.T) {
	for _, row := range []struct{ surface, line, want string }{
		{"slack", "/status", "/shipmate status"},
		{"slack", "/status shop prod", "/shipmate status shop prod"},
		{"slack", "/help deploy", "/shipmate help deploy"},
		{"slack", "/STATUS", "/shipmate STATUS"},
		{"slack", "/deploy shop prod", "/deploy shop prod"},
		{"slack", "/invite", "/invite"}, // Slack's own, and none of ours
		{"slack", "/statuses", "/statuses"},
		{"slack", "status", "status"},
		{"github", "/status", "/status"},
		{"api", "/help", "/help"},
	} {
		if got := Spelled(row.surface, row.line); got != row.want {
			t.Errorf("%s on %s is %s, want %s", row.line, row.surface, got, row.want)
		}
	}
}
