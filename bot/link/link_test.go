package link_test

import (
	"crypto/sha256"
	"encoding/base64"
	"net/http"
	"net/url"
	"regexp"
	"strings"
	"testing"

	"github.com/shipmate/shipmate/pipeline"
)

func TestTwoSidesAreLinked(t *testing.T) {
	s := newScene(t)
	b := s.browser()
	address := s.invite(zoe, "said:1")
	if page := b.get(address); page.status != http.StatusOK || !strings.Contains(page.body, "@zoe (user U0ZOE of team T0SIM)") {
		t.Errorf("the page does not say whom it is for: %d\n%s", page.status, page.body)
	}
	if as := s.as(zoe); as != "not_linked" {
		t.Errorf("linked by a look: %s", as)
	}
	done := b.through(address)
	if done.status != http.StatusOK || !strings.Contains(done.body, "The Slack account @zoe (user U0ZOE of team T0SIM) now acts as GitHub user alice (14).") {
		t.Fatalf("%d\n%s", done.status, done.body)
	}
	who, err := s.people.GitHub(t.Context(), zoe)
	if err != nil || who != (pipeline.Actor{ID: 14, Login: "alice", SlackTeam: "T0SIM", SlackUser: "U0ZOE"}) {
		t.Errorf("zoe is %+v, %v", who, err)
	}
	for name, github := range map[string]pipeline.Actor{"by id": {ID: 14}, "by login": {Login: "Alice"}} {
		if got, err := s.people.Slack(t.Context(), github); err != nil || len(got) != 1 || got[0] != who {
			t.Errorf("alice %s is %+v, %v", name, got, err)
		}
	}
	told := s.told()
	if len(told) != 1 || told[0].To != who || !strings.Contains(told[0].Text, "`alice` (14)") {
		t.Errorf("told: %+v", told)
	}
	if got := s.audit.codes(); got != "identity linked U0ZOE alice" {
		t.Errorf("kept: %s", got)
	}
}

func TestWhatIsSentToThePlatforms(t *testing.T) {
	s := newScene(t)
	b := s.browser()
	begun := b.press(s.invite(zoe, "said:1"))
	to, _ := url.Parse(begun.to)
	q := to.Query()
	if begun.status != http.StatusSeeOther || !strings.HasPrefix(begun.to, s.slack.SignInURL()+"?") || q.Get("scope") != "openid" || q.Get("response_type") != "code" ||
		q.Get("team") != "T0SIM" || q.Get("redirect_uri") != s.url+"/link/slack" || len(q.Get("nonce")) < 40 || len(q.Get("state")) < 26 {
		t.Errorf("to Slack: %d %s", begun.status, begun.to)
	}
	slackState := q.Get("state")
	onward := b.get(b.get(begun.to).to)
	to, _ = url.Parse(onward.to)
	q = to.Query()
	if !strings.HasPrefix(onward.to, s.github.URL()+"/login/oauth/authorize?") || q.Get("redirect_uri") != s.url+"/link/github" || q.Get("code_challenge_method") != "S256" ||
		len(q.Get("code_challenge")) != 43 || q.Get("state") == slackState || q.Has("scope") {
		t.Errorf("to GitHub: %s", onward.to)
	}
}

// A cookie lasts for one step: what another site, or somebody before, put into
// the browser is never one that a sign-in hangs on.
func TestTheCookie(t *testing.T) {
	s := newScene(t)
	s.config.BaseURL = "https://shipmate.example"
	serve := func(b *browser, address string) answer { return b.post(s.url+"/link", code(address), nil) }
	first := serve(s.browser(), s.invite(zoe, "said:1"))
	second := serve(s.browser(), s.invite(zoe, "said:2"))
	form := regexp.MustCompile(`^__Host-shipmate-link=[A-Z2-7]{52}; Path=/; Max-Age=600; HttpOnly; Secure; SameSite=Lax$`)
	if got := first.header.Get("Set-Cookie"); !form.MatchString(got) || got == second.header.Get("Set-Cookie") {
		t.Errorf("cookies %q and %q", got, second.header.Get("Set-Cookie"))
	}

	s = newScene(t)
	b := s.browser()
	address := s.invite(zoe, "said:3")
	at, _ := url.Parse(s.url)
	b.client.Jar.SetCookies(at, []*http.Cookie{{Name: "shipmate-link", Value: "PLANTED", Path: "/"}})
	back := b.toSlack(address)
	before := b.client.Jar.Cookies(at)[0].Value
	b.get(back)
	after := b.client.Jar.Cookies(at)[0].Value
	if before == "PLANTED" || after == before {
		t.Errorf("the cookie is %q, then %q", before, after)
	}
}

func code(address string) string {
	u, _ := url.Parse(address)
	return u.Query().Get("code")
}

// Pages can be shown and nothing else, and tell nobody where people came from.
func TestHeaders(t *testing.T) {
	s := newScene(t)
	b := s.browser()
	for name, got := range map[string]answer{"a page": b.get(s.invite(zoe, "said:1")), "a refusal": b.get(s.url + "/link"), "no page": b.get(s.url + "/link/x")} {
		style := regexp.MustCompile(`(?s)<style>(.*?)</style>`).FindStringSubmatch(got.body)
		if style == nil {
			t.Fatalf("%s has no style:\n%s", name, got.body)
		}
		sum := sha256.Sum256([]byte(style[1]))
		want := map[string]string{
			"Content-Security-Policy": "default-src 'none'; style-src 'sha256-" + base64.StdEncoding.EncodeToString(sum[:]) + "'; base-uri 'none'; frame-ancestors 'none'",
			"X-Content-Type-Options":  "nosniff", "Referrer-Policy": "no-referrer", "Cache-Control": "no-store", "Content-Type": "text/html; charset=utf-8",
		}
		for header, value := range want {
			if have := got.header.Get(header); have != value {
				t.Errorf("%s: %s is %q, want %q", name, header, have, value)
			}
		}
	}
}

// Who has the log, at any level, or Redis can sign in as nobody.
func TestNothingSecretIsKept(t *testing.T) {
	s := newScene(t)
	watched := &watched{scene: s}
	s.config.Records, s.config.GitHub.HTTP, s.config.Slack.HTTP = watched, watched, watched
	b := s.browser()
	address := s.invite(zoe, "said:1")
	if done := b.through(address); done.status != http.StatusOK {
		t.Fatal(done.body)
	}
	b.get(b.toSlack(s.invite(eve, "said:2"))) // refused: it is zoe who is signed in
	if len(watched.secrets) < 6 {
		t.Fatalf("only %d secrets were seen: %q", len(watched.secrets), watched.secrets)
	}
	for _, secret := range append(watched.secrets, slackSecret, githubSecret, code(address)) {
		if strings.Contains(s.log.String(), secret) {
			t.Errorf("the log has %q", secret)
		}
		if strings.Contains(watched.stored.String(), secret) {
			t.Errorf("Redis has %q", secret)
		}
	}
	if !strings.Contains(s.log.String(), "slack person linked") || !strings.Contains(s.log.String(), "link_not_yours") {
		t.Errorf("the log is of something else:\n%s", s.log)
	}
}

func TestInvitations(t *testing.T) {
	s := newScene(t)
	one, again, other := s.invite(zoe, "said:1"), s.invite(zoe, "said:1"), s.invite(zoe, "said:2")
	if one != again || one == other || !regexp.MustCompile(`^`+s.url+`/link\?code=[A-Z2-7]{26}$`).MatchString(one) {
		t.Errorf("%s, %s, %s", one, again, other)
	}
	not := s.invites
	not.Missing = []string{"SHIPMATE_BASE_URL", "SHIPMATE_SLACK_CLIENT_ID"}
	if _, err := not.Invite(t.Context(), "said:3", zoe); pipeline.Code(err) != "link_not_configured" || !strings.Contains(pipeline.Message(err), "SHIPMATE_BASE_URL, SHIPMATE_SLACK_CLIENT_ID") {
		t.Error(err)
	}
}
