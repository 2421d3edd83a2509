package link_test

import (
	"bytes"
	"context"
	"encoding/json"
	"io"
	"log/slog"
	"net/http"
	"net/http/cookiejar"
	"net/http/httptest"
	"net/url"
	"regexp"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/shipmate/shipmate/bot"
	"github.com/shipmate/shipmate/bot/link"
	"github.com/shipmate/shipmate/bot/slack"
	"github.com/shipmate/shipmate/commands"
	"github.com/shipmate/shipmate/pipeline"
	"github.com/shipmate/shipmate/pipeline/pipelinetest"
	simgithub "github.com/shipmate/shipmate/test/sim/github"
	simslack "github.com/shipmate/shipmate/test/sim/slack"
)

// scene is the pages between a simulated Slack and a simulated GitHub.
type scene struct {
	t       *testing.T
	clock   *pipelinetest.Clock
	store   *pipelinetest.Store
	slack   *simslack.Server
	github  *simgithub.Server
	people  *bot.People
	invites link.Invitations
	config  link.Config
	audit   *kept
	log     *bytes.Buffer
	url     string
	client  *slack.Client
}

// kept are the entries of an audit log.
type kept struct {
	mu  sync.Mutex
	all []pipeline.AuditEntry
	err error
}

func (k *kept) Add(_ context.Context, _ string, e pipeline.AuditEntry) error {
	k.mu.Lock()
	defer k.mu.Unlock()
	if k.err == nil {
		k.all = append(k.all, e)
	}
	return k.err
}

func (k *kept) codes() string {
	k.mu.Lock()
	defer k.mu.Unlock()
	var out []string
	for _, e := range k.all {
		out = append(out, e.Kind+" "+e.Code+" "+e.SlackUser+" "+e.Actor)
	}
	return strings.Join(out, ", ")
}

// The operator's file has mona and octavia.
const file = "testdata/identities.yaml"

var (
	zoe = pipeline.Actor{SlackTeam: "T0SIM", SlackUser: "U0ZOE"}
	eve = pipeline.Actor{SlackTeam: "T0SIM", SlackUser: "U0EVE"}
)

const (
	slackSecret  = "the-secret-of-the-slack-app"
	githubSecret = "the-secret-of-the-github-app"
)

func newScene(t *testing.T) *scene {
	t.Helper()
	clock := pipelinetest.NewClock(time.Date(2026, 3, 2, 9, 0, 0, 0, time.UTC))
	s := &scene{t: t, clock: clock, store: pipelinetest.NewStore(clock), audit: &kept{}, log: &bytes.Buffer{}}
	server := httptest.NewUnstartedServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) { link.New(s.config).ServeHTTP(w, r) }))
	s.url = "http://" + server.Listener.Addr().String()
	s.platforms()
	s.askAgain()
	member := func(ctx context.Context, team, user string) (string, error) {
		p, err := s.client.Person(ctx, team, user)
		if err == nil && !p.MayAct() {
			err = pipeline.Refuse("not_a_member", "Guests cannot give commands.")
		}
		return p.Name, err
	}
	identities, err := bot.LoadIdentities(file, func(ctx context.Context, team, user string) error {
		_, err := member(ctx, team, user)
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	s.people = &bot.People{File: identities, Links: bot.Links{Records: s.store}, Offer: true, Audit: s.audit}
	s.invites = link.Invitations{BaseURL: s.url, Member: member, Records: s.store, Now: clock.Now}
	s.config = link.Config{
		BaseURL: s.url,
		Slack:   link.App{ClientID: "1.2", Secret: pipeline.NewSecret(slackSecret), Page: s.slack.SignInURL(), API: s.slack.APIURL()},
		GitHub: link.App{ClientID: "Iv1", Secret: pipeline.NewSecret(githubSecret), Page: s.github.URL() + "/login/oauth/authorize",
			Token: s.github.URL() + "/login/oauth/access_token", API: s.github.APIURL() + "/"},
		Member: member, People: s.people, Records: s.store, Queue: s.store, Now: clock.Now,
		Log: slog.New(slog.NewTextHandler(s.log, &slog.HandlerOptions{Level: slog.LevelDebug})),
	}
	server.Start()
	t.Cleanup(server.Close)
	return s
}

func (s *scene) platforms() {
	s.t.Helper()
	s.slack = simslack.New(simslack.Config{ClientID: "1.2", ClientSecret: slackSecret, RedirectURLs: []string{s.url + "/link/slack"}, Now: s.clock.Now})
	if err := s.slack.Start(); err != nil {
		s.t.Fatal(err)
	}
	s.t.Cleanup(s.slack.Close)
	s.github = simgithub.Must(simgithub.New(simgithub.Config{Now: s.clock.Now}))
	s.t.Cleanup(func() { _ = s.github.Close() })
	simgithub.Must(s.github.Start())
	s.github.SetOAuth(simgithub.OAuth{ClientID: "Iv1", ClientSecret: githubSecret, Callbacks: []string{s.url + "/link/github"}})
	for id, login := range []string{11: "mona", 12: "octavia", 13: "eve", 14: "alice"} {
		if login != "" {
			simgithub.Must(s.github.AddUser(simgithub.NewUser{Login: login, ID: int64(id)}))
		}
	}
	for id, name := range map[string]string{"U0MONA": "mona", "U0EVE": "eve", "U0ZOE": "zoe"} {
		s.slack.AddUser(simslack.User{ID: id, Name: name})
	}
	s.slack.ConsentAs("zoe")
	s.github.ConsentAs("alice")
}

// askAgain forgets what Slack said about people.
func (s *scene) askAgain() {
	s.t.Helper()
	client, err := slack.NewClient(slack.ClientConfig{BotToken: "xoxb-sim", APIURL: s.slack.APIURL(), Now: s.clock.Now})
	if err != nil {
		s.t.Fatal(err)
	}
	s.client = client
}

// invite is what /link says to somebody.
func (s *scene) invite(who pipeline.Actor, key string) string {
	s.t.Helper()
	address, err := s.invites.Invite(s.t.Context(), key, who)
	if err != nil {
		s.t.Fatal(err)
	}
	return address
}

// browser follows nothing by itself, so that a test sees each step.
type browser struct {
	t      *testing.T
	client *http.Client
}

func (s *scene) browser() *browser {
	jar, err := cookiejar.New(nil)
	if err != nil {
		s.t.Fatal(err)
	}
	stay := func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }
	return &browser{s.t, &http.Client{Jar: jar, CheckRedirect: stay}}
}

// answer is what a browser got.
type answer struct {
	status int
	to     string // where it is sent
	body   string
	header http.Header
}

func (b *browser) do(req *http.Request) answer {
	b.t.Helper()
	resp, err := b.client.Do(req)
	if err != nil {
		b.t.Fatal(err)
	}
	defer resp.Body.Close()
	body, err := io.ReadAll(resp.Body)
	if err != nil {
		b.t.Fatal(err)
	}
	return answer{resp.StatusCode, resp.Header.Get("Location"), string(body), resp.Header}
}

func (b *browser) get(address string) answer {
	b.t.Helper()
	req, err := http.NewRequestWithContext(b.t.Context(), http.MethodGet, address, nil)
	if err != nil {
		b.t.Fatal(err)
	}
	return b.do(req)
}

var hidden = regexp.MustCompile(`<form method="post" action="([^"]*)"><input type="hidden" name="code" value="([^"]*)">`)

// press opens an address and presses the button there, as a browser does it.
func (b *browser) press(address string) answer {
	b.t.Helper()
	form := hidden.FindStringSubmatch(b.get(address).body)
	if form == nil {
		return b.get(address)
	}
	return b.post(form[1], form[2], map[string]string{"Sec-Fetch-Site": "same-origin"})
}

func (b *browser) post(address, code string, header map[string]string) answer {
	b.t.Helper()
	req, err := http.NewRequestWithContext(b.t.Context(), http.MethodPost, address, strings.NewReader(url.Values{"code": {code}}.Encode()))
	if err != nil {
		b.t.Fatal(err)
	}
	req.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	for k, v := range header {
		req.Header.Set(k, v)
	}
	return b.do(req)
}

// toSlack goes from an address to what Slack sends the browser back to.
func (b *browser) toSlack(address string) string {
	b.t.Helper()
	return b.get(b.press(address).to).to
}

// toGitHub goes on to what GitHub sends the browser back to.
func (b *browser) toGitHub(address string) string {
	b.t.Helper()
	return b.get(b.get(b.toSlack(address)).to).to
}

func (b *browser) through(address string) answer {
	b.t.Helper()
	return b.get(b.toGitHub(address))
}

// as is whom somebody on Slack acts as, or the code of the refusal.
func (s *scene) as(who pipeline.Actor) string {
	s.t.Helper()
	got, err := s.people.GitHub(s.t.Context(), who)
	if err != nil {
		return pipeline.Code(err)
	}
	return got.Login
}

// told are the notices that wait to be sent.
func (s *scene) told() []commands.Notice {
	s.t.Helper()
	var out []commands.Notice
	for _, l := range s.store.Poll(pipeline.Control, 100, time.Minute) {
		var n commands.Notice
		if err := json.Unmarshal(l.Payload, &n); err != nil || l.Kind != commands.KindNotice {
			s.t.Fatal(l.Kind, err)
		}
		out = append(out, n)
	}
	return out
}

// refused checks a page that says no, and that it links nobody.
func (s *scene) refused(got answer, status int, code string) {
	s.t.Helper()
	if got.status != status || !strings.Contains(got.body, "<code>"+code+"</code>") {
		s.t.Errorf("got %d, want %d and %s:\n%s", got.status, status, code, got.body)
	}
	if as := s.as(zoe); as != "not_linked" && as != "not_a_member" {
		s.t.Errorf("zoe acts as %s", as)
	}
}

func change(address, name, value string) string {
	u, _ := url.Parse(address)
	q := u.Query()
	q.Set(name, value)
	u.RawQuery = q.Encode()
	return u.String()
}
