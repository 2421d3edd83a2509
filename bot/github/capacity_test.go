package github

import (
	"errors"
	"fmt"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/shipmate/shipmate/bot"
	"github.com/shipmate/shipmate/pipeline"
	"github.com/shipmate/shipmate/pipeline/pipelinetest"
)

// After a hundred answers in an hour two of a minute are comments of their own,
// and the others are one.
func TestAnswersAreGatheredOnceManyWereGiven(t *testing.T) {
	s := newScene(t)
	replies := s.replies(s.client)
	answer := func(i int) {
		t.Helper()
		if err := replies.Reply(s.ctx(), s.repo, pipeline.Origin{Surface: "github", PR: s.pr}, s.mona, fmt.Sprintf("k%d", i), bot.Answer{Text: fmt.Sprintf("answer %d.", i)}); err != nil {
			t.Fatal(err)
		}
	}
	for i := range answersAtEase {
		if answer(i); i%answersOfOwn == answersOfOwn-1 {
			s.pass(time.Minute + time.Second)
		}
	}
	if n := len(s.bodies()); n != answersAtEase {
		t.Fatalf("%d comments for %d answers", n, answersAtEase)
	}
	for i := range 20 {
		answer(answersAtEase + i)
	}
	if n := len(s.bodies()); n != answersAtEase+answersSpared {
		t.Errorf("%d comments at once", n)
	}
	s.pass(time.Minute + time.Second)
	s.work(replies)
	if n := len(s.bodies()); n != answersAtEase+answersSpared+1 {
		t.Errorf("%d comments in the end", n)
	}
	text := strings.Join(s.bodies(), "\n")
	for i := range answersAtEase + 20 {
		if n := strings.Count(text, fmt.Sprintf("answer %d.", i)); n != 1 {
			t.Errorf("answer %d is given %d times", i, n)
		}
	}
}

// spentHour is a scene in which so much of the hour's budget is used up.
func spentHour(t *testing.T, used int) *scene {
	t.Helper()
	clock := pipelinetest.NewClock(time.Now())
	store := pipelinetest.NewStore(clock)
	t.Cleanup(store.Close)
	s := newScene(t, func(c *Config) { c.Budget = store })
	key := "github:" + strconv.FormatInt(s.repo.Installation, 10) + ":content-hour"
	if ok, _, err := store.Budget(s.ctx(), key, used, time.Hour, used); !ok || err != nil {
		t.Fatal(ok, err)
	}
	return s
}

// Whose answer waits for the budget is told so, once on the pull request.
func TestPeopleAreToldOnceThatAnswersAreLate(t *testing.T) {
	s := spentHour(t, ceilings[answering].contentHour)
	replies := s.replies(s.client)
	for i := range 5 {
		at := pipeline.Origin{Surface: "github", PR: s.pr}
		if err := replies.Reply(s.ctx(), s.repo, at, s.mona, fmt.Sprintf("k%d", i), bot.Answer{Text: "the answer"}); err != nil {
			t.Fatal(err)
		}
	}
	s.pass(time.Minute)
	if said := s.bodies(); len(said) != 1 || !strings.Contains(said[0], "follow from about") || strings.Contains(said[0], "the answer") {
		t.Errorf("it says %q", said)
	}
	s = spentHour(t, ceilings[warning].contentHour) // not even that fits
	if err := s.replies(s.client).Reply(s.ctx(), s.repo, pipeline.Origin{Surface: "github", PR: s.pr}, s.mona, "k", bot.Answer{Text: "x"}); err != nil || len(s.bodies()) != 0 {
		t.Errorf("%v, %q", err, s.bodies())
	}
}

// A deploy's comment comes even where its status waits, and says that it does.
func TestTheCommentOfADeploySaysThatTheRestIsLate(t *testing.T) {
	s := spentHour(t, ceilings[answering].contentHour)
	r := s.run()
	start(r)
	finish(r, pipeline.Succeeded, "", "")
	var wait *Patience
	if err := s.sink("github-status").show(s.ctx(), r); !errors.As(err, &wait) {
		t.Fatalf("the status did not wait: %v", err)
	}
	if err := s.sink("github-comment").show(s.ctx(), r); err != nil {
		t.Fatal(err)
	}
	if said := s.bodies(); len(said) != 1 || !strings.Contains(said[0], "follow from about") {
		t.Errorf("it says %q", said)
	}
}

// Reactions stop first, long before anybody waits for an answer.
func TestReactionsStopLongBeforeAnswers(t *testing.T) {
	for u, c := range ceilings {
		if u != courteous && c.contentHour < 2*ceilings[courteous].contentHour {
			t.Errorf("urgency %d may create %d in an hour, reactions %d", u, c.contentHour, ceilings[courteous].contentHour)
		}
	}
}
