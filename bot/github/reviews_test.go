package github

import (
	"encoding/json"
	"fmt"
	"testing"
	"time"

	"github.com/shipmate/shipmate/bot"
	"github.com/shipmate/shipmate/pipeline"
	sim "github.com/shipmate/shipmate/test/sim/github"
)

// reviewBody is a real webhook about a review or a comment on a line, with a
// command in it, changed by edit.
func reviewBody(name string, edit func(body, said map[string]any)) []byte {
	var body map[string]any
	if err := json.Unmarshal(readPayload(name), &body); err != nil {
		panic(err)
	}
	body["installation"] = map[string]any{"id": 77}
	for _, key := range []string{"review", "comment"} {
		said, ok := body[key].(map[string]any)
		if !ok {
			continue
		}
		said["body"] = "Nice.\n/deploy prod"
		said["user"] = body["sender"]
		if edit != nil {
			edit(body, said)
		}
	}
	return encode(body)
}

const (
	aReview      = "pull_request_review.submitted.1.json"
	aLineComment = "pull_request_review_comment.created.1.json"
)

func TestCommandsInReviews(t *testing.T) {
	repo := pipeline.Repo{ID: 186853002, Installation: 77, Owner: "Codertocat", Name: "Hello-World"}
	mona := pipeline.Actor{ID: 21031067, Login: "Codertocat"}
	for name, c := range map[string]struct {
		event, payload, id string
		want               bot.Said
	}{
		"what a review says": {"pull_request_review", aReview, "github:review:186853002:237895671", bot.Said{
			Origin: pipeline.Origin{Surface: "github", PR: 2, Comment: 237895671, CommentKind: "review"}, At: time.Date(2019, 5, 15, 15, 20, 38, 0, time.UTC)}},
		"a comment on a line": {"pull_request_review_comment", aLineComment, "github:review-comment:186853002:284312630", bot.Said{
			Origin: pipeline.Origin{Surface: "github", PR: 2, Comment: 284312630, CommentKind: "review_comment"}, At: time.Date(2019, 5, 15, 15, 20, 37, 0, time.UTC)}},
	} {
		t.Run(name, func(t *testing.T) {
			q := &inbox{}
			h := newTestWebhook(q)
			body := reviewBody(c.payload, nil)
			for i, want := range []int{202, 200, 200} { // then again, and under another id
				if w := serve(h, deliver(c.event, fmt.Sprint("guid-", i/2), body)); w.Code != want {
					t.Fatalf("answered %d, want %d", w.Code, want)
				}
			}
			var said []bot.Said
			var moved int
			for _, j := range q.jobs {
				if j.Kind == bot.KindMoved {
					moved++
					continue
				}
				var s bot.Said
				if err := json.Unmarshal(j.Payload, &s); err != nil || j.Kind != bot.KindSaid || j.ID != c.id || j.Repo != repo.ID {
					t.Fatalf("%+v, %v", j, err)
				}
				said = append(said, s)
			}
			c.want.Repo, c.want.Actor, c.want.Text, c.want.Came = repo, mona, "Nice.\n/deploy prod", testNow.UTC()
			if len(said) != 1 || fmt.Sprint(said[0]) != fmt.Sprint(c.want) {
				t.Errorf("got  %+v\nwant %+v", said, c.want)
			}
			if review := c.payload == aReview; review != (moved > 0) {
				t.Errorf("runs were told to look %d times", moved)
			}
		})
	}
}

func TestReviewsWithoutACommand(t *testing.T) {
	for name, c := range map[string]struct {
		event, payload string
		edit           func(body, said map[string]any)
	}{
		"talk":                        {"pull_request_review", aReview, func(_, s map[string]any) { s["body"] = "Nice." }},
		"no words":                    {"pull_request_review", aReview, func(_, s map[string]any) { s["body"] = nil }},
		"an edit":                     {"pull_request_review", aReview, func(b, _ map[string]any) { b["action"] = "edited" }},
		"somebody else's":             {"pull_request_review", aReview, func(_, s map[string]any) { s["user"] = map[string]any{"id": 5, "login": "eve", "type": "User"} }},
		"a bot's":                     {"pull_request_review", aReview, func(b, _ map[string]any) { b["sender"].(map[string]any)["type"] = "Bot" }},
		"talk on a line":              {"pull_request_review_comment", aLineComment, func(_, s map[string]any) { s["body"] = "Nice." }},
		"an edit on a line":           {"pull_request_review_comment", aLineComment, func(b, _ map[string]any) { b["action"] = "edited" }},
		"deleted from a line":         {"pull_request_review_comment", aLineComment, func(b, _ map[string]any) { b["action"] = "deleted" }},
		"somebody else's on a line":   {"pull_request_review_comment", aLineComment, func(_, s map[string]any) { s["user"] = map[string]any{"id": 5, "login": "eve", "type": "User"} }},
		"a bot's on a line":           {"pull_request_review_comment", aLineComment, func(b, _ map[string]any) { b["sender"].(map[string]any)["type"] = "Bot" }},
		"another bot's on a line":     {"pull_request_review_comment", aLineComment, func(_, s map[string]any) { s["body"] = "Nice. /deploy prod" }},
		"a quote of a command":        {"pull_request_review_comment", aLineComment, func(_, s map[string]any) { s["body"] = "> /deploy prod" }},
		"a suggestion with a command": {"pull_request_review_comment", aLineComment, func(_, s map[string]any) { s["body"] = "```suggestion\n/deploy prod\n```" }},
	} {
		t.Run(name, func(t *testing.T) {
			q := &inbox{}
			if w := serve(newTestWebhook(q), deliver(c.event, "guid", reviewBody(c.payload, c.edit))); w.Code/100 != 2 {
				t.Fatalf("answered %d", w.Code)
			}
			for _, j := range q.jobs {
				if j.Kind == bot.KindSaid {
					t.Errorf("%+v", j)
				}
			}
		})
	}
}

func TestReviewUnchanged(t *testing.T) {
	s := newScene(t)
	file := sim.Must(s.sim.As("mona").Push(sim.Push{Repo: "octo/shop", Branch: "topic", Files: map[string]string{"line.txt": "x"}}))
	if file == "" {
		t.Fatal("no push")
	}
	hubot := s.sim.As("hubot")
	re := sim.Must(hubot.Review("octo/shop", s.pr, sim.NewReview{State: "COMMENTED", Body: "/deploy prod", Comments: []sim.NewLineComment{{Path: "line.txt", Body: "/deploy staging"}}}))
	cm := s.sim.LineComments("octo/shop", s.pr)[0]
	review := pipeline.Origin{PR: s.pr, Comment: re.ID, CommentKind: pipeline.ReviewBody}
	line := pipeline.Origin{PR: s.pr, Comment: cm.ID, CommentKind: pipeline.ReviewComment}
	check := func(when string, at pipeline.Origin, body string, want bool) {
		t.Helper()
		if got, err := s.client.CommentUnchanged(s.ctx(), s.repo, at, body); got != want || err != nil {
			t.Errorf("%s: %v, %v", when, got, err)
		}
	}
	check("a review as it was", review, "/deploy prod", true)
	check("a comment as it was, though its times differ", line, "/deploy staging", true)
	check("of another kind", pipeline.Origin{PR: s.pr, Comment: cm.ID}, "/deploy staging", false)
	check("a review that is not there", pipeline.Origin{PR: s.pr, Comment: 1, CommentKind: pipeline.ReviewBody}, "/deploy prod", false)
	for _, err := range []error{hubot.EditReview("octo/shop", s.pr, re.ID, "/deploy staging"), hubot.EditLineComment("octo/shop", cm.ID, "/deploy prod")} {
		if err != nil {
			t.Fatal(err)
		}
	}
	check("an edited review", review, "/deploy prod", false)
	check("an edited comment", line, "/deploy staging", false)
	if err := hubot.DeleteLineComment("octo/shop", cm.ID); err != nil {
		t.Fatal(err)
	}
	check("a deleted comment", line, "/deploy prod", false)
}

func TestRepliesToReviews(t *testing.T) {
	s := newScene(t)
	replies := s.replies(s.client)
	sim.Must(s.sim.As("mona").Push(sim.Push{Repo: "octo/shop", Branch: "topic", Files: map[string]string{"line.txt": "x"}}))
	re := sim.Must(s.sim.As("mona").Review("octo/shop", s.pr, sim.NewReview{State: "COMMENTED", Body: "/status", Comments: []sim.NewLineComment{{Path: "line.txt", Body: "/status"}}}))
	cm := s.sim.LineComments("octo/shop", s.pr)[0]
	for key, at := range map[string]pipeline.Origin{
		"a": {Surface: "github", PR: s.pr, Comment: re.ID, CommentKind: pipeline.ReviewBody},
		"b": {Surface: "github", PR: s.pr, Comment: cm.ID, CommentKind: pipeline.ReviewComment},
	} {
		if err := replies.Ack(s.ctx(), s.repo, at); err != nil {
			t.Fatal(err)
		}
		if want := map[string]string{"a": "", "b": "shipmate[bot] eyes"}[key]; s.reactions(at.Comment) != want {
			t.Errorf("seen: %s", s.reactions(at.Comment))
		}
		for range 2 { // the second time after a crash
			if err := replies.Reply(s.ctx(), s.repo, at, s.mona, key, bot.Answer{Outcome: bot.Done, Text: "Nothing runs."}); err != nil {
				t.Fatal(err)
			}
		}
		if want := map[string]string{"a": "", "b": "shipmate[bot] rocket"}[key]; s.reactions(at.Comment) != want {
			t.Errorf("then: %s", s.reactions(at.Comment))
		}
	}
	if got := s.bodies(); len(got) != 2 {
		t.Errorf("answers: %q", got)
	}
}
