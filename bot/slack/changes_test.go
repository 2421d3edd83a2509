package slack_test

import (
	"context"
	"encoding/json"
	"errors"
	"strings"
	"testing"

	"github.com/shipmate/shipmate/bot"
	"github.com/shipmate/shipmate/bot/slack"
	"github.com/shipmate/shipmate/pipeline"
)

const standing = "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa" // what runs there

// compared is what GitHub says of two commits, and what runs there.
type compared struct {
	runs  string
	says  pipeline.Comparison
	fails error
	asked []string
}

func (c *compared) Environment(context.Context, int64, string) (*pipeline.EnvironmentState, error) {
	state := &pipeline.EnvironmentState{}
	if c.runs != "" {
		state.Current = &pipeline.Deployment{SHA: c.runs}
	}
	return state, nil
}

func (c *compared) Compare(_ context.Context, _ pipeline.Repo, base, head string) (pipeline.Comparison, error) {
	c.asked = append(c.asked, base[:7]+"..."+head[:7])
	return c.says, c.fails
}

// tail is the end of every log.
type tail []string

func (l tail) Tail(context.Context, pipeline.RunID, string, int, int) ([]string, error) {
	return l, nil
}

func TestTheMessageLeadsToWhatItNames(t *testing.T) {
	w := newWorld(t)
	r := run()
	r.PR, r.Environment.URL = 12, "https://shop.example/?a=1&b=2"
	s := w.newSink()
	s.Web = bot.Web{GitHub: "https://ci.example"}
	var shown json.RawMessage
	w.mustShow(s, r, &shown)
	got := w.blocks()
	for _, want := range []string{"<https://ci.example/acme/shop/commit/" + sha + "|0123456>", "<https://ci.example/acme/shop/pull/12|PR 12>", "<https://ci.example/acme/shop|acme/shop>",
		"<https://shop.example/?a=1&amp;b=2|prod>", " run r-12345678 "} {
		if !strings.Contains(got, want) {
			t.Errorf("%s is not in\n%s", want, got)
		}
	}
	s.Web.Pages = "https://ship.example/"
	w.mustShow(s, r, &shown)
	if got := w.blocks(); !strings.Contains(got, "<https://ship.example/runs/r-12345678|run r-12345678>") {
		t.Errorf("no page in\n%s", got)
	}
}

// What people typed does not become a link, a mention or a broadcast.
func TestTheFactsHoldNoMarkupOfOthers(t *testing.T) {
	w := newWorld(t)
	r := run()
	r.Ref, r.Repo.Name, r.Environment.URL = "<!channel>`*x*", "a|b<@U1>", "https://x.example/|<!here>"
	s := w.newSink()
	s.Web = bot.Web{GitHub: "https://ci.example"}
	var shown json.RawMessage
	w.mustShow(s, r, &shown)
	if got := w.blocks(); strings.Contains(got, "<!") || strings.Contains(got, "<@") {
		t.Errorf("live markup in\n%s", got)
	}
}

// blocks are the blocks of the one message, as Slack has them.
func (w *world) blocks() string {
	w.t.Helper()
	var b strings.Builder
	e := json.NewEncoder(&b)
	e.SetEscapeHTML(false)
	if err := e.Encode(w.only().Blocks); err != nil {
		w.t.Fatal(err)
	}
	return b.String()
}

func TestApproversSeeWhatChanges(t *testing.T) {
	commits := []pipeline.Commit{{SHA: sha, Title: "Fix <!channel> `carts`"}, {SHA: "bbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbb", Title: "Older"}}
	for _, row := range []struct {
		name  string
		says  compared
		back  bool
		want  []string
		asked string
	}{
		{name: "commits since what runs there", says: compared{runs: standing, says: pipeline.Comparison{Ahead: 7, Files: 12, Commits: commits}}, asked: "aaaaaaa...0123456",
			want: []string{"aaaaaaa", "runs on *prod* now", "brings 7 commits, changes 12 files", "Fix &lt;!channel&gt; 'carts'", "Older", "and 5 before these"}},
		{name: "one of each", says: compared{runs: standing, says: pipeline.Comparison{Ahead: 1, Files: 1, Commits: commits[:1]}}, asked: "aaaaaaa...0123456",
			want: []string{"brings 1 commit, changes 1 file."}},
		{name: "another branch", says: compared{runs: standing, says: pipeline.Comparison{Ahead: 1, Behind: 2, Files: 300, MoreFiles: true, Commits: commits[:1]}}, asked: "aaaaaaa...0123456",
			want: []string{"brings 1 commit, takes 2 commits away, changes 300 files or more"}},
		{name: "a rollback", back: true, says: compared{runs: standing, says: pipeline.Comparison{Ahead: 3, Files: 4, Commits: commits}}, asked: "0123456...aaaaaaa",
			want: []string{"takes 3 commits away, changes 4 files"}},
		{name: "the first deployment", says: compared{}, want: []string{"First deployment to *prod*"}},
		{name: "the same commit", says: compared{runs: sha}, want: []string{"runs on *prod* already"}},
	} {
		t.Run(row.name, func(t *testing.T) {
			w := newWorld(t)
			r, s := open(), w.newSink()
			if row.back {
				r.Trigger = pipeline.ByRollback
			}
			s.Changes, s.Web = &row.says, bot.Web{GitHub: "https://ci.example"}
			var shown json.RawMessage
			w.mustShow(s, r, &shown)
			r.Message = "Waiting for 1 approval (release-leads)."
			w.mustShow(s, r, &shown)
			got := w.blocks()
			for _, want := range row.want {
				if !strings.Contains(got, want) {
					t.Errorf("%q is not in\n%s", want, got)
				}
			}
			if asked := strings.Join(row.says.asked, " "); asked != row.asked {
				t.Errorf("asked GitHub %q, want %q", asked, row.asked)
			}
		})
	}
}

// While GitHub does not answer people are asked all the same, and told when it does.
func TestApproversAreAskedWithoutTheCommits(t *testing.T) {
	w := newWorld(t)
	says := &compared{runs: standing, says: pipeline.Comparison{Ahead: 1, Files: 1}, fails: pipeline.Temporary(errors.New("away"))}
	s := w.newSink()
	s.Changes = says
	var shown json.RawMessage
	if err := w.show(s, open(), &shown); !pipeline.IsTemporary(err) {
		t.Errorf("it is not tried again: %v", err)
	}
	if _, ok := w.only().Button("Approve"); !ok {
		t.Error("nobody is asked")
	}
	says.fails = nil
	w.mustShow(s, open(), &shown)
	if got := w.blocks(); !strings.Contains(got, "brings 1 commit") {
		t.Errorf("not said later:\n%s", got)
	}
}

// The thread has the last lines of a step that failed, once, and nothing in
// them is markup or too long for Slack.
func TestAFailureShowsItsLastLines(t *testing.T) {
	w := newWorld(t)
	r, s := run(), w.newSink()
	running(r)
	r.Steps[0].State, r.Steps[0].Message = pipeline.Failed, "exit code 2"
	s.Logs = tail{"compiling <!channel>", "``` *bold* <@U1>", strings.Repeat("x", 5000), strings.Repeat("<init>", 90), strings.Repeat("&", 190),
		strings.Repeat("<", 190), strings.Repeat(">", 190), strings.Repeat("<>", 95), "undefined: cart\x1b[31m"}
	var shown json.RawMessage
	for range 2 {
		w.mustShow(s, r, &shown)
	}
	found := 0
	for _, m := range w.only().Replies {
		raw, err := json.Marshal(m.Blocks)
		if err != nil {
			t.Fatal(err)
		}
		text := string(raw)
		if strings.Contains(text, "exit code 2") {
			found++
			if !strings.Contains(m.Rendered, "undefined: cart") {
				t.Errorf("no log in\n%s", m.Rendered)
			}
		}
		if strings.Count(text, "```") > 2 || strings.Contains(m.Rendered, "\x1b") {
			t.Errorf("the block is left in\n%s", text)
		}
	}
	if found != 1 {
		t.Errorf("told %d times:\n%s", found, w.slack.Snapshot().Transcript())
	}
}

func (w *world) newAnnouncer() *slack.Announcer {
	return &slack.Announcer{Client: w.newClient(), Records: w.threads.Records, Log: w.log}
}

func TestAnAnnouncementIsMadeOnce(t *testing.T) {
	w := newWorld(t)
	a := pipeline.Announcement{Channel: "#deploys", Text: "🔒 **prod** of shop is locked by mona: `<!channel>`. See `/status`.", At: w.clock.Now()}
	for range 2 {
		if err := w.newAnnouncer().Announce(w.ctx, "lock-1", a); err != nil {
			t.Fatal(err)
		}
	}
	got := w.only()
	if !strings.Contains(got.Rendered, "/shipmate status") || strings.Contains(got.Text, "<!") {
		t.Errorf("%q", got.Text)
	}
	// A crash after the post, before that was kept: the channel is read.
	key, posting := "slack-news:lock-1", []byte(`{"channel":"`+w.channel()+`"}`)
	if err := w.threads.Records.Put(w.ctx, 0, key, posting, 0); err != nil {
		t.Fatal(err)
	}
	if err := w.newAnnouncer().Announce(w.ctx, "lock-1", a); err != nil {
		t.Fatal(err)
	}
	w.only()
	// A crash before the post.
	if err := w.threads.Records.Put(w.ctx, 0, "slack-news:lock-2", posting, 0); err != nil {
		t.Fatal(err)
	}
	if err := w.newAnnouncer().Announce(w.ctx, "lock-2", a); err != nil {
		t.Fatal(err)
	}
	if n := len(w.slack.Messages("deploys")); n != 2 {
		t.Errorf("%d messages, want 2", n)
	}
}

// Where there is no such channel, nothing is told later.
func TestAnAnnouncementWithoutAChannelIsLeftOut(t *testing.T) {
	w := newWorld(t)
	for _, channel := range []string{"#nowhere", ""} {
		if err := w.newAnnouncer().Announce(w.ctx, "lock-1", pipeline.Announcement{Channel: channel, Text: "x", At: w.clock.Now()}); err != nil {
			t.Errorf("%q: %v", channel, err)
		}
	}
}
