package github

import (
	"fmt"
	"strings"
	"testing"

	"github.com/shipmate/shipmate/bot"
)

// payloadWith changes texts of a payload of GitHub's before it is delivered.
func payloadWith(name string, pairs ...string) []byte {
	return []byte(strings.NewReplacer(pairs...).Replace(string(readPayload(name))))
}

func TestMoved(t *testing.T) {
	for name, c := range map[string]struct {
		event string
		body  []byte
		want  bool
	}{
		"a check run of another App ended":   {"check_run", payloadWith("check_run.completed.1.json", `"id": 29310`, `"id": 1`), true},
		"a check run began":                  {"check_run", payloadWith("check_run.created.1.json"), false},
		"a check suite of another App ended": {"check_suite", payloadWith("check_suite.completed.1.json"), true},
		"a check suite was asked for":        {"check_suite", payloadWith("check_suite.requested.1.json"), false},
		"a status ended":                     {"status", payloadWith("status.any.1.json", `"state": "pending"`, `"state": "failure"`), true},
		"a status is pending":                {"status", payloadWith("status.any.1.json", `"state": "success"`, `"state": "pending"`), false},
		"a person called like us":            {"status", payloadWith("status.any.1.json", `"login": "Codertocat"`, `"login": "shipmate[bot]"`), true},
		"our own status":                     {"status", payloadWith("status.any.1.json", `"login": "Codertocat"`, `"login": "Shipmate[bot]"`, `"type": "User"`, `"type": "Bot"`), false},
		"a review":                           {"pull_request_review", payloadWith("pull_request_review.submitted.1.json"), true},
		"a review was changed":               {"pull_request_review", payloadWith("pull_request_review.submitted.1.json", `"action": "submitted"`, `"action": "edited"`), true},
		"a review was dismissed":             {"pull_request_review", payloadWith("pull_request_review.dismissed.1.json"), true},
		"something else about a review":      {"pull_request_review", payloadWith("pull_request_review.submitted.1.json", `"action": "submitted"`, `"action": "admired"`), false},
	} {
		t.Run(name, func(t *testing.T) {
			q := &inbox{}
			if w := serve(newTestWebhook(q), deliver(c.event, "guid", c.body)); w.Code/100 != 2 {
				t.Fatalf("answered %d", w.Code)
			}
			if got := len(q.jobs) == 1 && q.jobs[0].Kind == bot.KindMoved; got != c.want || !c.want && len(q.jobs) > 0 {
				t.Errorf("%+v", q.jobs)
			}
		})
	}
}

func TestOurOwnChecksMoveNothing(t *testing.T) {
	for _, event := range []string{"check_run", "check_suite"} {
		body := string(readPayload(event + ".completed.1.json"))
		_, after, found := strings.Cut(body, `"app": {`)
		_, id, ok := strings.Cut(after, `"id": `)
		if !found || !ok {
			t.Fatal("no app in " + event)
		}
		id, _, _ = strings.Cut(id, ",")
		q := &inbox{}
		serve(newTestWebhook(q), deliver(event, "guid", []byte(strings.ReplaceAll(body, `"id": `+id+",", `"id": 25811,`))))
		if len(q.jobs) != 0 {
			t.Errorf("%s: %+v", event, q.jobs)
		}
	}
}

// Each of a burst is taken, and all are one job.
func TestABurstHasOneJob(t *testing.T) {
	q := &inbox{}
	h := newTestWebhook(q)
	for i := range 50 {
		if w := serve(h, deliver("check_run", fmt.Sprint("guid-", i), readPayload("check_run.completed.1.json"))); w.Code != 202 {
			t.Fatalf("answered %d %s", w.Code, w.Body)
		}
	}
	for _, j := range q.jobs {
		if j.ID != q.jobs[0].ID || !j.Again {
			t.Errorf("%+v", j)
		}
	}
	if w := serve(h, deliver("check_run", "guid-7", readPayload("check_run.completed.1.json"))); w.Code != 200 {
		t.Errorf("the same delivery: %d", w.Code)
	}
}
