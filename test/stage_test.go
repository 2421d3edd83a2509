package test

import (
	"cmp"
	"context"
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"github.com/shipmate/shipmate/test/sim/github"
	"github.com/shipmate/shipmate/test/sim/slack"
	"github.com/shipmate/shipmate/test/world"
)

// stage is where one conversation is played: the repository acme/shop with
// pull request 1 by mona, and the Slack channel #deploys.
type stage struct {
	t    *testing.T
	ctx  context.Context
	w    *world.World
	repo string
	pr   int

	ahead   atomic.Int64 // how far GitHub's clock is ahead of ours
	held    string       // scripts that wait leave their process id here, under their run's
	last    github.IssueComment
	line    github.ReviewComment // the newest on a line
	speaker string               // who did the last thing
	holding bool                 // GitHub keeps its webhooks back, so nothing settles
	hubot   github.OtherApp
	apps    map[string]github.OtherApp // that report checks
	reviews map[string]int64           // the newest of each person
	commits []string                   // full ids, see name
	runs    []string                   // ids, see run
	typed   string                     // everything people say; ids in it stay as they are
	seen    map[string]string

	answers []answer // to programs
	pages   []string // that people saw in a browser

	redisURL string // "": the bot has its own
}

// nexusToken is the secret env:NEXUS of the bot.
const nexusToken = "nexus-5d41402abc4b2a76"

// The files of acme/shop. A commit with a file "broken" fails to build, one
// with "sick" fails after its release, one with "slow" builds until it is stopped.
var files = map[string]string{
	"README.md": "# shop\n",
	".shipmate.yaml": `service: shop
environments:
  staging: {url: "https://staging.shop.example"}
  prod: {aliases: [production], slack: "#deploys", approvals: {count: 1, by: ["team:release-leads"]}}
pipelines:
  deploy:
    on: {command: deploy}
    on_failure: rollback
    params: {replicas: {type: int, default: 3, max: 20}}
    steps:
      - {name: build, run: sh build.sh}
      - {name: release, run: echo released, undo: echo taken back}
      - {name: smoke, run: test ! -e sick}
`,
	"build.sh": `echo "building for $SHIPMATE_ENV"
if [ -e broken ]; then
  echo "main.c:3: expected ';'" >&2
  exit 1
fi
if [ -e slow ]; then
  echo $$ > "HELD/$SHIPMATE_RUN"
  exec sleep 300
fi
`,
}

func openStage(ctx context.Context, t *testing.T, tr transcript, lag time.Duration) *stage {
	s := &stage{t: t, ctx: ctx, held: t.TempDir(), seen: map[string]string{}, apps: map[string]github.OtherApp{}, reviews: map[string]int64{}}
	env := []string{"SHIPMATE_SECRET_NEXUS=" + nexusToken}
	settings := ""
	for _, turn := range tr.turns {
		s.typed += turn.raw + "\n"
		if nobody.MatchString(turn.raw) {
			env = append(env, "SHIPMATE_API_ACTOR=")
		}
		if strings.HasPrefix(turn.raw, "given the operator's settings:") {
			settings = strings.TrimLeft(turn.act.text, "\n") + "\n"
		}
	}
	link := canLink.MatchString(s.typed)
	s.ahead.Store(int64(-25 * time.Second)) // within what GitHub forgives in a token
	clock := func() time.Time { return time.Now().Add(time.Duration(s.ahead.Load())) }
	build := racing
	if lag > 0 {
		build = quick
	}
	binary, err := build()
	if err != nil {
		t.Fatal(err)
	}
	w, err := world.Start(ctx, world.Config{Binary: binary, Dir: t.TempDir(), Clock: clock, Lag: lag, RedisURL: s.redis(tr), Env: env, Settings: settings, Link: link})
	if err != nil {
		t.Fatal(err)
	}
	s.w = w
	t.Cleanup(func() {
		if err := w.Close(); err != nil {
			t.Error(err)
		}
		if t.Failed() {
			b, _ := os.ReadFile(w.LogFile())
			t.Logf("%s", b)
		}
	})
	config := files[".shipmate.yaml"]
	if len(tr.turns) > 0 && strings.HasPrefix(tr.turns[0].raw, "given .shipmate.yaml") {
		config = strings.TrimLeft(tr.turns[0].act.text, "\n") + "\n"
	}
	if err := s.prepare(config); err != nil {
		t.Fatal(err)
	}
	s.news()
	return s
}

func (s *stage) prepare(config string) error {
	all := map[string]string{}
	for name, text := range files {
		all[name] = strings.ReplaceAll(text, "HELD", s.held)
	}
	all[".shipmate.yaml"] = config
	repo, err := s.w.AddRepo("shop", all)
	if err != nil {
		return err
	}
	s.repo = repo
	s.know(s.w.GitHub.Head(repo, "main"))
	// alice writes code as mona does, hubert maintains it as octavia does, arthur
	// owns it, and zoe is on Slack only.
	for id, who := range []github.Collaborator{14: {Login: "alice", Role: "write"}, 15: {Login: "hubert", Role: "maintain"}, 16: {Login: "arthur", Role: "admin"}} {
		if who.Login == "" {
			continue
		}
		if _, err := s.w.GitHub.AddUser(github.NewUser{Login: who.Login, ID: int64(id)}); err != nil {
			return err
		}
		if err := s.w.GitHub.SetCollaborator(repo, who); err != nil {
			return err
		}
	}
	s.w.Slack.AddUser(slack.User{ID: "U0ZOE", Name: "zoe"})
	if err := s.w.Slack.Join(world.Channel, "zoe"); err != nil {
		return err
	}
	if s.hubot, err = s.w.GitHub.AddApp("hubot", 0); err != nil {
		return err
	}
	mona := s.w.GitHub.As("mona")
	sha, err := mona.Push(github.Push{Repo: repo, Branch: "sale", Files: map[string]string{"sale.txt": "all of it\n"}, Message: "Add a sale"})
	if err != nil {
		return err
	}
	s.know(sha)
	pr, err := mona.OpenPR(github.NewPR{Repo: repo, Head: "sale", Title: "Add a sale"})
	s.pr = pr.Number
	s.pass()
	return cmp.Or(err, s.settle())
}

// pass lets the next thing happen a second later, by the clock of GitHub: it
// tells times no closer than that.
func (s *stage) pass() { s.ahead.Add(int64(time.Second)) }

// settle waits until nothing moves but by a person, and the scripts that wait.
func (s *stage) settle() error {
	if s.holding {
		return nil
	}
	return s.w.SettleBut(s.ctx, s.waiting)
}

// waiting counts the scripts that wait to be stopped, and that nobody has
// stopped yet: their run can still be cancelled.
func (s *stage) waiting() int {
	entries, _ := os.ReadDir(s.held)
	n := 0
	for _, e := range entries {
		content, _ := os.ReadFile(filepath.Join(s.held, e.Name()))
		pid, err := strconv.Atoi(strings.TrimSpace(string(content)))
		if err == nil && syscall.Kill(pid, 0) == nil && s.offers("/cancel "+e.Name()) {
			n++
		}
	}
	return n
}

// offers reports whether a comment of the bot has a line to paste.
func (s *stage) offers(line string) bool {
	for number := 1; number <= s.pr; number++ {
		for _, c := range s.w.GitHub.Comments(s.repo, number) {
			if strings.Contains(c.Body, line) {
				return true
			}
		}
	}
	return false
}

func (s *stage) know(sha string) {
	for _, have := range s.commits {
		if have == sha {
			return
		}
	}
	s.commits = append(s.commits, sha)
}

// name is what a transcript calls the nth commit: 1111111, 2222222, ...
func name(n, length int) string { return strings.Repeat("123456789abcdef"[n:n+1], length) }

var escaped = regexp.MustCompile(`\\u[0-9a-f]{4}`)

// real puts the real ids and characters into what a transcript says.
func (s *stage) real(text string) string {
	text = escaped.ReplaceAllStringFunc(text, func(e string) string {
		n, err := strconv.ParseUint(e[2:], 16, 16)
		if err != nil {
			return e
		}
		return string(rune(n))
	})
	for i, sha := range s.commits {
		text = strings.ReplaceAll(text, name(i, 40), sha)
		text = strings.ReplaceAll(text, name(i, 7), sha[:7])
	}
	for i := len(s.runs) - 1; i >= 0; i-- {
		text = strings.ReplaceAll(text, fmt.Sprintf("r-%d", i+1), s.runs[i])
	}
	return text
}
