package github

import (
	"strings"
	"testing"

	"github.com/shipmate/shipmate/bot"
	"github.com/shipmate/shipmate/pipeline"
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
			replies := Replies{s.client}
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
		err := Replies{s.newClient()}.Reply(s.ctx(), s.repo, at, s.mona, key, bot.Answer{Outcome: bot.Done, Text: text})
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
		if err := (Replies{s.client}).Reply(s.ctx(), s.repo, at, to, text[:1]+to.Login, bot.Answer{Outcome: bot.Refused, Text: text}); err != nil {
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
	if err := (Replies{s.client}).Ack(s.ctx(), s.repo, at); err != nil {
		t.Errorf("ack: %v", err)
	}
	if err := (Replies{s.client}).Reply(s.ctx(), s.repo, at, s.mona, "k", bot.Answer{Outcome: bot.Done, Text: "x"}); err != nil {
		t.Errorf("reply: %v", err)
	}
}

func TestAckGivesWay(t *testing.T) {
	l := &ledger{left: map[string]int{"content-minute": 0}, spent: map[string]int{}}
	s := newScene(t, func(c *Config) { c.Budget = l })
	cm := sim.Must(s.sim.As("mona").Comment("octo/shop", s.pr, "/status"))
	err := Replies{s.client}.Ack(s.ctx(), s.repo, pipeline.Origin{Surface: "github", PR: s.pr, Comment: cm.ID})
	if !pipeline.IsTemporary(err) || s.reactions(cm.ID) != "" {
		t.Errorf("%v, %s", err, s.reactions(cm.ID))
	}
}
