package bot_test

import (
	"context"
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/shipmate/shipmate/bot"
	"github.com/shipmate/shipmate/pipeline"
	"github.com/shipmate/shipmate/pipeline/pipelinetest"
)

// whoIs is a directory of people with the file of identity_test.go, where T0's
// U0MONA is mona, below which people link themselves.
type whoIs struct {
	*bot.People
	t     *testing.T
	clock *pipelinetest.Clock
	store *pipelinetest.Store
	kept  []pipeline.AuditEntry
	left  map[string]bool
}

func newWhoIs(t *testing.T) *whoIs {
	clock := pipelinetest.NewClock(time.Date(2026, 3, 2, 9, 0, 0, 0, time.UTC))
	w := &whoIs{t: t, clock: clock, store: pipelinetest.NewStore(clock), left: map[string]bool{}}
	w.People = &bot.People{Links: bot.Links{Records: w.store}, Offer: true, Audit: w}
	w.file(people)
	return w
}

func (w *whoIs) file(text string) {
	w.t.Helper()
	f, err := bot.LoadIdentities(identityFile(w.t, text), func(_ context.Context, _, user string) error {
		if w.left[user] {
			return pipeline.Refuse("not_a_member", "You left.")
		}
		return nil
	})
	if err != nil {
		w.t.Fatal(err)
	}
	w.File = f
}

func (w *whoIs) Add(_ context.Context, _ string, e pipeline.AuditEntry) error {
	w.kept = append(w.kept, e)
	return nil
}

func on(user string) pipeline.Actor { return pipeline.Actor{SlackTeam: "T0", SlackUser: user} }

func both(user string, id int64, login string) pipeline.Actor {
	return pipeline.Actor{ID: id, Login: login, SlackTeam: "T0", SlackUser: user}
}

// links links two and returns whom the GitHub user was linked to before.
func (w *whoIs) links(who pipeline.Actor) (string, error) {
	w.t.Helper()
	w.clock.Advance(time.Second)
	before, err := w.Link(w.t.Context(), "key", who, w.clock.Now())
	return before.SlackUser, err
}

// is says whom Slack people act as, and who acts as GitHub users.
func (w *whoIs) is() string {
	w.t.Helper()
	var out []string
	for _, user := range []string{"U0MONA", "U0ZOE", "U0EVE"} {
		if got, err := w.GitHub(w.t.Context(), on(user)); err == nil {
			out = append(out, user+" is "+got.Login)
		}
	}
	for id, login := range []string{11: "mona", 14: "alice", 15: "hubert"} {
		if login == "" {
			continue
		}
		byID, err := w.Slack(w.t.Context(), pipeline.Actor{ID: int64(id)})
		byLogin, again := w.Slack(w.t.Context(), pipeline.Actor{Login: strings.ToUpper(login)})
		if err := errors.Join(err, again); err != nil {
			w.t.Fatal(err)
		}
		if len(byID) != len(byLogin) {
			w.t.Errorf("%s is %v by id and %v by login", login, byID, byLogin)
		}
		for _, who := range byID {
			out = append(out, login+" is "+who.SlackUser)
		}
	}
	return strings.Join(out, ", ")
}

func (w *whoIs) want(want string) {
	w.t.Helper()
	if got := w.is(); got != want {
		w.t.Errorf("got  %s\nwant %s", got, want)
	}
}

func TestTheNewestLinkOfAGitHubUserWins(t *testing.T) {
	w := newWhoIs(t)
	if before, err := w.links(both("U0ZOE", 14, "alice")); before != "" || err != nil {
		t.Fatal(before, err)
	}
	w.want("U0MONA is mona, U0ZOE is alice, mona is U0MONA, alice is U0ZOE")
	if before, err := w.links(both("U0EVE", 14, "alice")); before != "U0ZOE" || err != nil {
		t.Errorf("before: %q, %v", before, err)
	}
	w.want("U0MONA is mona, U0EVE is alice, mona is U0MONA, alice is U0EVE")
	_, err := w.GitHub(t.Context(), on("U0ZOE"))
	if pipeline.Code(err) != "not_linked" || !strings.Contains(pipeline.Message(err), "Say `/link`") {
		t.Errorf("zoe: %v", err)
	}
	if before, err := w.links(both("U0ZOE", 15, "hubert")); before != "" || err != nil {
		t.Errorf("zoe links another: %q, %v", before, err)
	}
	w.want("U0MONA is mona, U0ZOE is hubert, U0EVE is alice, mona is U0MONA, alice is U0EVE, hubert is U0ZOE")
	if before, err := w.links(both("U0EVE", 14, "alice")); before != "" || err != nil {
		t.Errorf("once more: %q, %v", before, err)
	}
	var texts []string
	for _, e := range w.kept {
		texts = append(texts, e.Kind+" "+e.Code+" "+e.SlackUser+" "+e.Actor)
	}
	if got := strings.Join(texts, ", "); got != "identity linked U0ZOE alice, identity linked U0EVE alice, identity linked U0ZOE hubert, identity linked U0EVE alice" {
		t.Errorf("kept: %s", got)
	}
	if text := w.kept[1].Text; !strings.Contains(text, "U0ZOE") {
		t.Errorf("who lost the link is not kept: %s", text)
	}
}

// A Slack user id says nothing without its team.
func TestOneOfEachTeam(t *testing.T) {
	w := newWhoIs(t)
	far := pipeline.Actor{ID: 14, Login: "alice", SlackTeam: "T9", SlackUser: "U0FAR"}
	if _, err := w.links(far); err != nil {
		t.Fatal(err)
	}
	if before, err := w.links(both("U0ZOE", 14, "alice")); before != "" || err != nil {
		t.Errorf("before: %q, %v", before, err)
	}
	got, err := w.Slack(t.Context(), pipeline.Actor{ID: 14})
	if err != nil || len(got) != 2 || got[0] != both("U0ZOE", 14, "alice") || got[1] != far {
		t.Errorf("alice is %+v, %v", got, err)
	}
	if _, err := w.GitHub(t.Context(), on("U0FAR")); pipeline.Code(err) != "not_linked" {
		t.Errorf("U0FAR of T0: %v", err)
	}
}

func TestWhoIsNotLinked(t *testing.T) {
	for name, row := range map[string]struct {
		who  pipeline.Actor
		code string
	}{
		"who is linked to another GitHub user": {both("U0ZOE", 15, "hubert"), "already_linked"},
		"who is in the operator's file":        {both("U0MONA", 15, "hubert"), "linked_by_file"},
		"to whom the operator's file names":    {both("U0EVE", 11, "mona"), "linked_by_file"},
		"who left":                             {both("U0LEFT", 15, "hubert"), "not_a_member"},
	} {
		t.Run(name, func(t *testing.T) {
			w := newWhoIs(t)
			w.left["U0LEFT"] = true
			if _, err := w.links(both("U0ZOE", 14, "alice")); err != nil {
				t.Fatal(err)
			}
			before := w.is()
			if _, err := w.links(row.who); pipeline.Code(err) != row.code {
				t.Errorf("got %v, want %s", err, row.code)
			}
			w.want(before)
		})
	}
}

// What the operator writes into the file later counts over what people linked.
func TestTheFileWins(t *testing.T) {
	w := newWhoIs(t)
	for _, who := range []pipeline.Actor{both("U0ZOE", 14, "alice"), both("U0EVE", 15, "hubert")} {
		if _, err := w.links(who); err != nil {
			t.Fatal(err)
		}
	}
	w.file(people + "- {slack_team: T0, slack_user: U0ZOE, github_id: 15, github_login: hubert}\n")
	w.want("U0MONA is mona, U0ZOE is hubert, mona is U0MONA, hubert is U0ZOE")
	if _, _, err := w.Linked(t.Context(), on("U0ZOE")); pipeline.Code(err) != "linked_by_file" {
		t.Errorf("zoe: %v", err)
	}
	w.file(people)
	w.Offer = false
	w.want("U0MONA is mona, U0ZOE is alice, U0EVE is hubert, mona is U0MONA, alice is U0ZOE, hubert is U0EVE")
	if _, err := w.GitHub(t.Context(), on("U0NEW")); !strings.Contains(pipeline.Message(err), "identities file") {
		t.Errorf("without /link: %v", err)
	}
}

// A link is ended at once, and only the one that was meant.
func TestUnlinking(t *testing.T) {
	w := newWhoIs(t)
	if _, err := w.links(both("U0ZOE", 14, "alice")); err != nil {
		t.Fatal(err)
	}
	who, since, err := w.Linked(t.Context(), on("U0ZOE"))
	if err != nil || who != both("U0ZOE", 14, "alice") {
		t.Fatal(who, err)
	}
	for range 2 {
		if err := w.Unlink(t.Context(), "said:1", on("U0ZOE"), since); err != nil {
			t.Fatal(err)
		}
		w.want("U0MONA is mona, mona is U0MONA")
	}
	if _, _, err := w.Linked(t.Context(), on("U0ZOE")); pipeline.Code(err) != "not_linked" {
		t.Errorf("linked still: %v", err)
	}
	if _, err := w.links(both("U0ZOE", 15, "hubert")); err != nil {
		t.Fatal(err)
	}
	if err := w.Unlink(t.Context(), "said:1", on("U0ZOE"), since); err != nil {
		t.Fatal(err)
	}
	w.want("U0MONA is mona, U0ZOE is hubert, mona is U0MONA, hubert is U0ZOE")
	if n := len(w.kept); n != 3 || w.kept[1].Code != "unlinked" || w.kept[1].Actor != "alice" {
		t.Errorf("kept: %+v", w.kept)
	}
}

// Records that a crash left half written link nobody who did not prove it.
func TestHalfALink(t *testing.T) {
	w := newWhoIs(t)
	if _, err := w.links(both("U0ZOE", 14, "alice")); err != nil {
		t.Fatal(err)
	}
	broken := &breaking{Store: w.store, after: 3}
	w.Links = bot.Links{Records: broken}
	if _, err := w.links(both("U0EVE", 14, "alice")); err == nil {
		t.Fatal("nothing broke")
	}
	w.Links = bot.Links{Records: w.store}
	w.want("U0MONA is mona, mona is U0MONA")
	if _, err := w.links(both("U0EVE", 14, "alice")); err != nil {
		t.Fatal(err)
	}
	w.want("U0MONA is mona, U0EVE is alice, mona is U0MONA, alice is U0EVE")
}

// breaking is a store that takes so many more writes.
type breaking struct {
	*pipelinetest.Store
	after int
}

func (b *breaking) broke() error {
	if b.after--; b.after < 0 {
		return errors.New("connection refused")
	}
	return nil
}

func (b *breaking) Put(ctx context.Context, repo int64, key string, value []byte, keep time.Duration) error {
	if err := b.broke(); err != nil {
		return err
	}
	return b.Store.Put(ctx, repo, key, value, keep)
}

func (b *breaking) Add(ctx context.Context, repo int64, key, member string, keep time.Duration) error {
	if err := b.broke(); err != nil {
		return err
	}
	return b.Store.Add(ctx, repo, key, member, keep)
}
