package github

import (
	"encoding/json"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/shipmate/shipmate/bot"
	"github.com/shipmate/shipmate/pipeline"
)

// fuzzed are the events whose payloads are changed, most of all those that
// checks, statuses and reviews come in.
var fuzzed = []string{"check_run", "check_suite", "status", "pull_request_review", "pull_request", "issue_comment", "push", "merge_group", "pull_request_review_comment"}

// FuzzEvents: whatever stands in a signed payload, taking it does not panic. It is
// taken, passed over or called malformed, and what is taken is a message of a
// kind somebody handles, about a repository.
func FuzzEvents(f *testing.F) {
	names, err := filepath.Glob("testdata/payloads/*.json")
	if err != nil || len(names) == 0 {
		f.Fatal(names, err)
	}
	for _, path := range names {
		event, _, _ := strings.Cut(filepath.Base(path), ".")
		if i := slices.Index(fuzzed, event); i >= 0 {
			f.Add(uint8(i), readPayload(filepath.Base(path)))
		}
	}
	f.Add(uint8(0), []byte(`{"action":"requested_action","check_run":{"id":1,"app":{"id":25811},"external_id":"r-1","head_sha":"x"},"requested_action":{"identifier":"x"},"repository":{"id":1},"sender":{"id":1,"type":"User"}}`))
	f.Fuzz(func(t *testing.T, which uint8, body []byte) {
		event := fuzzed[int(which)%len(fuzzed)]
		q := &inbox{}
		w := serve(newTestWebhook(q), deliver(event, "guid", body))
		if !slices.Contains([]int{200, 202, 400}, w.Code) {
			t.Fatalf("%s answered %d %s", event, w.Code, w.Body)
		}
		also := event == "pull_request_review" && len(q.jobs) == 2 // a command, and something for runs to look at
		if w.Code != 202 && len(q.jobs) > 0 || len(q.jobs) > 1 && !also {
			t.Fatalf("%s answered %d with %d jobs", event, w.Code, len(q.jobs))
		}
		for _, j := range q.jobs {
			checkMessage(t, j)
		}
	})
}

// checkMessage reads a job as whoever handles it does.
func checkMessage(t *testing.T, j pipeline.Job) {
	t.Helper()
	messages := map[string]any{bot.KindSaid: &bot.Said{}, bot.KindPressed: &bot.Pressed{}, bot.KindPullRequest: &bot.PullRequest{}, bot.KindPush: &bot.Push{}, bot.KindRerun: &bot.Rerun{}, bot.KindMoved: &bot.Moved{}, "lifted": &pipeline.Lifted{}, bot.KindInstalled: &bot.Installed{}}
	m := messages[j.Kind]
	if m == nil || json.Unmarshal(j.Payload, m) != nil || j.ID == "" || j.Repo <= 0 && j.Kind != "lifted" && j.Kind != bot.KindInstalled {
		t.Fatalf("%+v", j)
	}
	var sha string
	switch m := m.(type) {
	case *bot.PullRequest:
		sha = m.Head // short forms of it are shown
	case *bot.Push:
		if sha = m.After; m.Deleted {
			return
		}
	case *bot.Said:
		if m.Actor.ID <= 0 || m.Origin.Comment <= 0 || m.At.IsZero() {
			t.Fatalf("%+v", m)
		}
		return
	case *bot.Pressed:
		if m.Actor.ID <= 0 || m.Button == "" {
			t.Fatalf("%+v", m)
		}
		return
	default:
		return
	}
	if !isSHA(sha) {
		t.Fatalf("%s is about %q", j.Kind, sha)
	}
}
