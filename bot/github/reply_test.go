package github

import (
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/shipmate/shipmate/bot"
	"github.com/shipmate/shipmate/pipeline"
	"github.com/shipmate/shipmate/pipeline/pipelinetest"
	sim "github.com/shipmate/shipmate/test/sim/github"
)

// reactions lists who reacted how to a comment.
func (s *scene) reactions(comment int64) string {
	var list []string
	for _, re := range s.sim.Reactions("octo/shop", comment) {
		list = append(list, re.User.Login+" "+re.Content)
	}
	return strings.Join(list, ", ")
}

func (s *scene) bodies() (list []string) {
	for _, c := range s.sim.Comments("octo/shop", s.pr) {
		if c.User.Type == "Bot" {
			list = append(list, c.Body)
		}
	}
	return list
}

// replies answers with this client. What it keeps outlives a restart.
func (s *scene) replies(c *Client) *Replies {
	if s.store == nil {
		clock := pipelinetest.NewClock(s.clock.Now())
		s.store = pipelinetest.NewStore(clock)
		s.t.Cleanup(s.store.Close)
		s.pass = func(d time.Duration) { s.clock.add(d); clock.Advance(d) }
	}
	return &Replies{Client: c, Records: s.store, Queue: s.store, Limits: s.store}
}

// work does the jobs of Replies that are due.
func (s *scene) work(r *Replies) {
	s.t.Helper()
	for _, l := range s.store.Poll(pipeline.Control, 100, time.Minute) {
		err := r.Handlers()[l.Kind](s.ctx(), l)
		var wait *Patience
		switch {
		case errors.As(err, &wait):
			err = s.store.Retry(s.ctx(), l, s.clock.Now().Add(wait.Wait))
		case err == nil:
			err = s.store.Finish(s.ctx(), l)
		}
		if err != nil {
			s.t.Fatal(err)
		}
	}
}

func TestReply(t *testing.T) {
	for name, c := range map[string]struct {
		answer    bot.Answer
		reactions string
		says      string
	}{
		"done":    {bot.Answer{Outcome: bot.Done}, "hubot eyes, shipmate[bot] rocket", ""},
		"refused": {bot.Answer{Outcome: bot.Refused, Text: "**No.** See `/help`."}, "hubot eyes, shipmate[bot] -1", "@mona **No.** See `/help`."},
		"shown":   {bot.Answer{Outcome: bot.Done, Text: "Deploying.", Shown: true}, "hubot eyes, shipmate[bot] rocket", ""},
		"ignored": {bot.Answer{Outcome: bot.Ignored}, "hubot eyes", ""},
	} {
		t.Run(name, func(t *testing.T) {
			s := newScene(t)
			replies := s.replies(s.client)
			cm := sim.Must(s.sim.As("mona").Comment("octo/shop", s.pr, "/deploy prod"))
			if err := s.sim.As("hubot").React("octo/shop", cm.ID, "eyes"); err != nil {
				t.Fatal(err)
			}
			at := pipeline.Origin{Surface: "github", PR: s.pr, Comment: cm.ID}
			if err := replies.Ack(s.ctx(), s.repo, at); err != nil {
				t.Fatal(err)
			}
			if got := s.reactions(cm.ID); got != "hubot eyes, shipmate[bot] eyes" {
				t.Errorf("seen: %s", got)
			}
			for range 2 { // the second time after a crash
				replies = s.replies(s.client)
				if err := replies.Reply(s.ctx(), s.repo, at, s.mona, "comment:1", c.answer); err != nil {
					t.Fatal(err)
				}
			}
			if got := s.reactions(cm.ID); got != c.reactions {
				t.Errorf("then: %s", got)
			}
			want := "<!-- shipmate:reply:comment:1 -->\n" + c.says
			if got := s.bodies(); c.says == "" && len(got) != 0 || c.says != "" && (len(got) != 1 || got[0] != want) {
				t.Errorf("replies %q", got)
			}
		})
	}
}

func TestReplyAnswersOnce(t *testing.T) {
	s := newScene(t)
	cm := sim.Must(s.sim.As("mona").Comment("octo/shop", s.pr, "/status"))
	at := pipeline.Origin{Surface: "github", PR: s.pr, Comment: cm.ID}
	reply := func(key, text string) {
		t.Helper()
		err := s.replies(s.newClient()).Reply(s.ctx(), s.repo, at, s.mona, key, bot.Answer{Outcome: bot.Done, Text: text})
		if err != nil && !pipeline.IsTemporary(err) {
			t.Fatal(err)
		}
	}
	s.sim.Inject(sim.Fault{Method: "POST", Path: "/repos/*/*/issues/*/comments", Drop: true, TakesEffect: true, Times: 1})
	reply("k1", "one")
	reply("k1", "one")
	reply("k1", "one, said better")
	reply("k2", "two")
	sim.Must(s.sim.As("hubot").Comment("octo/shop", s.pr, marker("reply:k3"))) // forged
	reply("k3", "three")
	if got := strings.Join(s.bodies(), "|"); !strings.HasSuffix(got, "@mona three") || strings.Count(got, "|") != 2 || !strings.Contains(got, "one, said better") {
		t.Errorf("replies %s", got)
	}
}

func TestReplyText(t *testing.T) {
	s := newScene(t)
	at := pipeline.Origin{Surface: "github", PR: s.pr}
	say := func(to pipeline.Actor, text string) string {
		t.Helper()
		s.store = nil // as if a minute had gone by
		if err := s.replies(s.client).Reply(s.ctx(), s.repo, at, to, text[:1]+to.Login, bot.Answer{Outcome: bot.Refused, Text: text}); err != nil {
			t.Fatal(err)
		}
		all := s.bodies()
		_, body, _ := strings.Cut(all[len(all)-1], "\n")
		return body
	}
	if got := say(s.mona, "a @octo/team #1 <!-- x -->"); got != "@mona a @"+zeroWidth+"octo/team #"+zeroWidth+"1 &lt;!-- x --&gt;" {
		t.Errorf("neutral: %q", got)
	}
	if got := say(pipeline.Actor{ID: 1, Login: "octo/team"}, "b"); got != "b" {
		t.Errorf("not a login: %q", got)
	}
	if got := say(pipeline.Bot(), "c"); got != "c" {
		t.Errorf("nobody: %q", got)
	}
	long := say(s.mona, "d\n```\n"+strings.Repeat("🚢\n", 50_000)+"```\nthe end")
	if len(long) > maxText || openFence(long) != "" || !strings.HasSuffix(long, "the end") {
		t.Errorf("long: %d bytes, open %q", len(long), openFence(long))
	}
}

func TestReplyToWhatIsGone(t *testing.T) {
	s := newScene(t)
	at := pipeline.Origin{Surface: "github", PR: s.pr, Comment: 12345}
	if err := s.replies(s.client).Ack(s.ctx(), s.repo, at); err != nil {
		t.Errorf("ack: %v", err)
	}
	if err := s.replies(s.client).Reply(s.ctx(), s.repo, at, s.mona, "k", bot.Answer{Outcome: bot.Done, Text: "x"}); err != nil {
		t.Errorf("reply: %v", err)
	}
}

func TestAckGivesWay(t *testing.T) {
	l := &ledger{left: map[string]int{"content-minute": 0}, spent: map[string]int{}}
	s := newScene(t, func(c *Config) { c.Budget = l })
	cm := sim.Must(s.sim.As("mona").Comment("octo/shop", s.pr, "/status"))
	err := s.replies(s.client).Ack(s.ctx(), s.repo, pipeline.Origin{Surface: "github", PR: s.pr, Comment: cm.ID})
	if !pipeline.IsTemporary(err) || s.reactions(cm.ID) != "" {
		t.Errorf("%v, %s", err, s.reactions(cm.ID))
	}
}

// The eyes are taken off by their id. Only after a crash between the two they
// are looked for.
func TestEyesAreNotLookedFor(t *testing.T) {
	for name, c := range map[string]struct {
		crash func(s *scene, comment int64)
		lists int
	}{
		"by the same process": {func(*scene, int64) {}, 0},
		"after a restart":     {func(s *scene, _ int64) { s.client = s.newClient() }, 0},
		"after a crash in between": {func(s *scene, comment int64) {
			s.client = s.newClient()
			if err := s.store.Put(s.ctx(), s.repo.ID, spot{at: pipeline.Origin{Comment: comment}}.eyesKey(), []byte("0"), time.Hour); err != nil {
				s.t.Fatal(err)
			}
		}, 1},
	} {
		t.Run(name, func(t *testing.T) {
			s := newScene(t)
			cm := sim.Must(s.sim.As("mona").Comment("octo/shop", s.pr, "/deploy prod"))
			at := pipeline.Origin{Surface: "github", PR: s.pr, Comment: cm.ID}
			replies := s.replies(s.client)
			if err := replies.Ack(s.ctx(), s.repo, at); err != nil {
				t.Fatal(err)
			}
			if name != "by the same process" {
				replies = nil
			}
			c.crash(s, cm.ID)
			if replies == nil {
				replies = s.replies(s.client)
			}
			s.sim.ForgetRequests()
			if err := replies.Reply(s.ctx(), s.repo, at, s.mona, "k", bot.Answer{Outcome: bot.Done}); err != nil {
				t.Fatal(err)
			}
			lists := 0
			for _, r := range s.sim.Requests() {
				if r.Method == "GET" {
					lists++
				}
			}
			if got := s.reactions(cm.ID); got != "shipmate[bot] rocket" || lists != c.lists {
				t.Errorf("reactions %s, after %d reads", got, lists)
			}
		})
	}
}

// Where many ask on one pull request at once, the first few have an answer of
// their own, and the others one together.
func TestAnswersOfAPullRequestAreOne(t *testing.T) {
	s := newScene(t)
	replies := s.replies(s.client)
	const all = 30
	for i := range all {
		for range 2 { // each handed out twice
			if err := replies.Reply(s.ctx(), s.repo, pipeline.Origin{Surface: "github", PR: s.pr}, s.mona, fmt.Sprintf("k%d", i), bot.Answer{Text: fmt.Sprintf("answer %d.", i)}); err != nil {
				t.Fatal(err)
			}
		}
	}
	if n := len(s.bodies()); n != answersOfOwn {
		t.Errorf("%d comments at once", n)
	}
	s.sim.Inject(sim.Fault{Method: "POST", Path: "/repos/*/*/issues/*/comments", Drop: true, TakesEffect: true, Times: 1})
	s.pass(time.Minute)
	for _, l := range s.store.Poll(pipeline.Control, 10, time.Minute) { // its answer is lost
		if err := replies.Handlers()[l.Kind](s.ctx(), l); !pipeline.IsTemporary(err) {
			t.Fatalf("%v", err)
		}
		if err := s.store.Retry(s.ctx(), l, s.clock.Now()); err != nil {
			t.Fatal(err)
		}
	}
	s.work(replies)
	s.pass(time.Hour)
	s.work(replies)
	text := strings.Join(s.bodies(), "\n")
	for i := range all {
		if n := strings.Count(text, fmt.Sprintf("answer %d.", i)); n != 1 {
			t.Errorf("answer %d is given %d times", i, n)
		}
	}
	if n := len(s.bodies()); n != answersOfOwn+1 {
		t.Errorf("%d comments in the end", n)
	}
}

// A reaction waits for its turn, and is left out when nobody waits for it any more.
func TestReactionsAreDroppedFirst(t *testing.T) {
	l := &ledger{left: map[string]int{"content-minute": 1}, spent: map[string]int{}, wait: 30 * time.Second}
	s := newScene(t, func(c *Config) { c.Budget = l })
	replies := s.replies(s.client)
	cm := sim.Must(s.sim.As("mona").Comment("octo/shop", s.pr, "/status"))
	at := pipeline.Origin{Surface: "github", PR: s.pr, Comment: cm.ID}
	if err := replies.Reply(s.ctx(), s.repo, at, s.mona, "k", bot.Answer{Outcome: bot.Done, Text: "all is well"}); err != nil {
		t.Fatal(err)
	}
	if len(s.bodies()) != 1 || s.reactions(cm.ID) != "" {
		t.Errorf("%q, %s", s.bodies(), s.reactions(cm.ID))
	}
	for range 3 {
		s.pass(45 * time.Second)
		s.work(replies)
	}
	if l.left["content-minute"] = 1; len(s.store.Poll(pipeline.Control, 1, time.Minute)) != 0 || s.reactions(cm.ID) != "" {
		t.Errorf("it still waits, or came late: %s", s.reactions(cm.ID))
	}
}
