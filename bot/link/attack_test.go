package link_test

import (
	"encoding/base64"
	"encoding/json"
	"errors"
	"maps"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/shipmate/shipmate/bot/link"
	"github.com/shipmate/shipmate/pipeline"
	simgithub "github.com/shipmate/shipmate/test/sim/github"
	simslack "github.com/shipmate/shipmate/test/sim/slack"
)

// Each row does something it should not, and links nobody.
func TestAttacks(t *testing.T) {
	const no = http.StatusForbidden
	for name, row := range map[string]struct {
		do     func(s *scene, b *browser, address string) answer
		status int
		code   string
	}{
		"no code": {func(s *scene, b *browser, _ string) answer { return b.get(s.url + "/link") }, no, "link_expired"},
		"a code nobody was given": {func(s *scene, b *browser, address string) answer {
			return b.get(change(address, "code", strings.Repeat("A", 26)))
		}, no, "link_expired"},
		"a code that is none": {func(s *scene, b *browser, address string) answer { return b.get(change(address, "code", "../../etc")) }, no, "link_expired"},
		"a code used twice": {func(s *scene, b *browser, address string) answer {
			b.press(address)
			return b.post(s.url+"/link", code(address), nil)
		}, no, "link_expired"},
		"a code in the query of the post": {func(s *scene, b *browser, address string) answer { return b.post(address, "", nil) }, no, "link_expired"},
		"an old code": {func(s *scene, b *browser, address string) answer {
			s.clock.Advance(10 * time.Minute)
			return b.get(address)
		}, no, "link_expired"},
		"an old code, posted": {func(s *scene, b *browser, address string) answer {
			s.clock.Advance(10 * time.Minute)
			return b.post(s.url+"/link", code(address), nil)
		}, no, "link_expired"},
		"an old state": {func(s *scene, b *browser, address string) answer {
			back := b.toSlack(address)
			s.clock.Advance(10 * time.Minute)
			return b.get(back)
		}, no, "link_state"},
		"Slack's answer without a state": {func(s *scene, b *browser, address string) answer {
			return b.get(change(b.toSlack(address), "state", ""))
		}, no, "link_state"},
		"Slack's answer twice": {func(s *scene, b *browser, address string) answer {
			back := b.toSlack(address)
			b.get(back)
			return b.get(back)
		}, no, "link_state"},
		"Slack's answer in another browser": {func(s *scene, b *browser, address string) answer { return s.browser().get(b.toSlack(address)) }, no, "link_state"},
		"Slack's answer in a browser that links somebody else": {func(s *scene, b *browser, address string) answer {
			other := s.browser()
			other.press(s.invite(eve, "said:eve"))
			return other.get(b.toSlack(address))
		}, no, "link_state"},
		"GitHub's answer in another browser": {func(s *scene, b *browser, address string) answer { return s.browser().get(b.toGitHub(address)) }, no, "link_state"},
		"a state that another browser has burnt": {func(s *scene, b *browser, address string) answer {
			back := b.toGitHub(address)
			s.browser().get(back)
			return b.get(back)
		}, no, "link_state"},
		"a state of Slack's step at GitHub's callback": {func(s *scene, b *browser, address string) answer {
			return b.get(strings.Replace(b.toSlack(address), "/link/slack?", "/link/github?", 1))
		}, no, "link_state"},
		"a state of GitHub's step at Slack's callback": {func(s *scene, b *browser, address string) answer {
			return b.get(strings.Replace(b.toGitHub(address), "/link/github?", "/link/slack?", 1))
		}, no, "link_state"},
		"a code nobody got from Slack": {func(s *scene, b *browser, address string) answer {
			return b.get(change(b.toSlack(address), "code", "0123"))
		}, no, "sign_in_failed"},
		"Slack's code of another sign-in of the same person": {func(s *scene, b *browser, address string) answer {
			other := s.browser().toSlack(s.invite(zoe, "said:2"))
			return b.get(change(b.toSlack(address), "code", code(other)))
		}, no, "sign_in_failed"},
		"GitHub's code of another sign-in": {func(s *scene, b *browser, address string) answer {
			s.github.ConsentAs("mona")
			other := s.browser().toGitHub(s.invite(zoe, "said:2"))
			s.github.ConsentAs("alice")
			return b.get(change(b.toGitHub(address), "code", code(other)))
		}, no, "sign_in_failed"},
		"the link opened by another Slack person": {func(s *scene, b *browser, address string) answer {
			s.slack.ConsentAs("eve")
			return b.get(b.toSlack(address))
		}, no, "link_not_yours"},
		"the link opened by somebody of the same id in another workspace": {func(s *scene, b *browser, address string) answer {
			s.slack.AddWorkspace(simslack.Team{ID: "T1", Domain: "other", Name: "Other", BotToken: "xoxb-other"})
			s.slack.AddUser(simslack.User{ID: "U0ZOE", Name: "zoe", Team: "T1"})
			return b.get(b.toSlack(address))
		}, no, "link_not_yours"},
		"declined at Slack": {func(s *scene, b *browser, address string) answer {
			s.slack.ConsentAs("")
			return b.get(b.toSlack(address))
		}, no, "link_declined"},
		"declined at GitHub": {func(s *scene, b *browser, address string) answer {
			s.github.ConsentAs("")
			return b.through(address)
		}, no, "link_declined"},
		"no person on GitHub": {func(s *scene, b *browser, address string) answer {
			simgithub.Must(s.github.AddUser(simgithub.NewUser{Login: "robot", ID: 90, Type: "Bot"}))
			s.github.ConsentAs("robot")
			return b.through(address)
		}, no, "sign_in_failed"},
		"somebody else's GitHub user by the operator's file": {func(s *scene, b *browser, address string) answer {
			s.github.ConsentAs("mona")
			return b.through(address)
		}, no, "linked_by_file"},
		"a post from another site": {func(s *scene, b *browser, address string) answer {
			return b.post(s.url+"/link", code(address), map[string]string{"Sec-Fetch-Site": "cross-site", "Origin": "https://evil.example"})
		}, no, "cross_site"},
		"a post from a neighbouring site": {func(s *scene, b *browser, address string) answer {
			return b.post(s.url+"/link", code(address), map[string]string{"Sec-Fetch-Site": "same-site", "Origin": "https://evil.shipmate.example"})
		}, no, "cross_site"},
		"a post of an old browser from another site": {func(s *scene, b *browser, address string) answer {
			return b.post(s.url+"/link", code(address), map[string]string{"Origin": "https://evil.example"})
		}, no, "cross_site"},
		"a post of a hidden page": {func(s *scene, b *browser, address string) answer {
			return b.post(s.url+"/link", code(address), map[string]string{"Origin": "null"})
		}, no, "cross_site"},
		"a post of text": {func(s *scene, b *browser, address string) answer {
			return b.post(s.url+"/link", code(address), map[string]string{"Content-Type": "text/plain"})
		}, no, "link_expired"},
		"a post to a callback":    {func(s *scene, b *browser, address string) answer { return b.post(b.toSlack(address), "", nil) }, http.StatusMethodNotAllowed, "bad_method"},
		"an address that is none": {func(s *scene, b *browser, _ string) answer { return b.get(s.url + "/link/next?to=//evil.example") }, http.StatusNotFound, "unknown_route"},
	} {
		t.Run(name, func(t *testing.T) {
			s := newScene(t)
			s.refused(row.do(s, s.browser(), s.invite(zoe, "said:1")), row.status, row.code)
			if told := s.told(); len(told) > 0 {
				t.Errorf("somebody is told: %+v", told)
			}
		})
	}
}

// A look uses nothing up and links nobody, whoever looks.
func TestLooking(t *testing.T) {
	s := newScene(t)
	address := s.invite(zoe, "said:1")
	b := s.browser()
	back := b.toSlack(s.invite(zoe, "said:2"))
	for _, at := range []string{address, back} {
		req, err := http.NewRequestWithContext(t.Context(), http.MethodHead, at, nil)
		if err != nil {
			t.Fatal(err)
		}
		if got := b.do(req); got.status != http.StatusMethodNotAllowed {
			t.Errorf("HEAD: %d", got.status)
		}
	}
	s.browser().get(address)
	s.browser().get(address)
	if got := b.get(back); got.status != http.StatusSeeOther {
		t.Errorf("the state was used up by a look: %d\n%s", got.status, got.body)
	}
	if done := b.through(address); done.status != http.StatusOK || s.as(zoe) != "alice" {
		t.Errorf("the code was used up by a look: %d\n%s", done.status, done.body)
	}
}

// Whatever host a request names, people are sent to ours, to Slack and to
// GitHub, and nowhere else.
func TestAnEvilHost(t *testing.T) {
	s := newScene(t)
	h := link.New(s.config)
	for _, at := range []string{"", "?next=https://evil.example", "?redirect_uri=//evil.example"} {
		address := s.invite(zoe, "said:"+at)
		req := httptest.NewRequest(http.MethodGet, "/link?code="+code(address), nil)
		req.Host = "evil.example"
		req.Header.Set("X-Forwarded-Host", "evil.example")
		page := httptest.NewRecorder()
		h.ServeHTTP(page, req)
		if !strings.Contains(page.Body.String(), `action="`+s.url+`/link"`) || strings.Contains(page.Body.String(), "evil") {
			t.Errorf("the page:\n%s", page.Body)
		}
		req = httptest.NewRequest(http.MethodPost, "/link"+at, strings.NewReader("code="+code(address)))
		req.Host = "evil.example"
		req.Header.Set("Content-Type", "application/x-www-form-urlencoded")
		req.Header.Set("X-Forwarded-Host", "evil.example")
		sent := httptest.NewRecorder()
		h.ServeHTTP(sent, req)
		if to := sent.Header().Get("Location"); !strings.HasPrefix(to, s.slack.SignInURL()+"?") || strings.Contains(to, "evil") {
			t.Errorf("sent to %q", to)
		}
	}
	for _, path := range []string{"//evil.example", "/link//evil.example", "/link/%2f%2fevil.example", `/link/\evil.example`, "/link/slack?next=//evil.example"} {
		req := httptest.NewRequest(http.MethodGet, "/", nil)
		req.URL.Path, req.URL.RawQuery, _ = strings.Cut(path, "?")
		sent := httptest.NewRecorder()
		h.ServeHTTP(sent, req)
		if to := sent.Header().Get("Location"); strings.HasPrefix(to, "//") || strings.HasPrefix(to, `/\`) || strings.Contains(to, "://") {
			t.Errorf("%s leads to %q", path, to)
		}
	}
}

// A post of ours is taken also where a proxy calls us by another name.
func TestAPostThroughAProxy(t *testing.T) {
	s := newScene(t)
	address := s.invite(zoe, "said:1")
	req := httptest.NewRequest(http.MethodPost, "/link", strings.NewReader("code="+code(address)))
	req.Host = "shipmate:8080"
	req.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	req.Header.Set("Origin", s.url)
	sent := httptest.NewRecorder()
	link.New(s.config).ServeHTTP(sent, req)
	if sent.Code != http.StatusSeeOther {
		t.Errorf("%d\n%s", sent.Code, sent.Body)
	}
}

// Whoever a workspace does not fully trust is refused at every step, and later
// at each use, at most a quarter of an hour after the workspace said so.
func TestOutsiders(t *testing.T) {
	for name, who := range map[string]simslack.User{
		"a guest":         {IsRestricted: true},
		"a channel guest": {IsUltraRestricted: true},
		"a stranger":      {IsStranger: true},
		"a bot":           {IsBot: true},
		"who left":        {Deleted: true},
	} {
		who.ID, who.Name = "U0ZOE", "zoe"
		for step, last := range map[string]func(s *scene, b *browser, address string, becomes func()) answer{
			"opens the link": func(_ *scene, b *browser, address string, becomes func()) answer { becomes(); return b.get(address) },
			"presses the button": func(s *scene, b *browser, address string, becomes func()) answer {
				becomes()
				return b.post(s.url+"/link", code(address), nil)
			},
			"comes back from Slack": func(_ *scene, b *browser, address string, becomes func()) answer {
				back := b.toSlack(address)
				becomes()
				return b.get(back)
			},
			"comes back from GitHub": func(_ *scene, b *browser, address string, becomes func()) answer {
				back := b.toGitHub(address)
				becomes()
				return b.get(back)
			},
		} {
			t.Run(name+" "+step, func(t *testing.T) {
				s := newScene(t)
				got := last(s, s.browser(), s.invite(zoe, "said:1"), func() { s.slack.AddUser(who); s.askAgain() })
				s.refused(got, http.StatusForbidden, "not_a_member")
			})
		}
		t.Run(name+" is linked already", func(t *testing.T) {
			s := newScene(t)
			if done := s.browser().through(s.invite(zoe, "said:1")); s.as(zoe) != "alice" {
				t.Fatal(done.body)
			}
			s.slack.AddUser(who)
			s.clock.Advance(15 * time.Minute)
			if as := s.as(zoe); as != "not_a_member" {
				t.Errorf("acts as %s", as)
			}
			if got, err := s.people.Slack(t.Context(), pipeline.Actor{ID: 14}); err != nil || len(got) > 0 {
				t.Errorf("alice is %+v on Slack, %v", got, err)
			}
			if _, err := s.invites.Invite(t.Context(), "said:2", zoe); pipeline.Code(err) != "not_a_member" {
				t.Errorf("is invited: %v", err)
			}
		})
	}
}

// What does not answer links nobody, and says so.
func TestOutages(t *testing.T) {
	for name, at := range map[string]string{"Slack": "/link/slack", "GitHub": "/link/github"} {
		t.Run(name, func(t *testing.T) {
			s := newScene(t)
			b, address := s.browser(), s.invite(zoe, "said:1")
			s.config.Slack.API, s.config.GitHub.Token = pick(at == "/link/slack", "http://127.0.0.1:1/api/", s.config.Slack.API), pick(at == "/link/github", "http://127.0.0.1:1/", s.config.GitHub.Token)
			got := b.get(b.toSlack(address))
			if at == "/link/github" {
				got = b.get(b.get(got.to).to)
			}
			s.refused(got, http.StatusServiceUnavailable, "unavailable")
		})
	}
	t.Run("the audit log", func(t *testing.T) {
		s := newScene(t)
		s.audit.err = errors.New("connection refused")
		s.refused(s.browser().through(s.invite(zoe, "said:1")), http.StatusServiceUnavailable, "unavailable")
	})
}

func pick(yes bool, one, other string) string {
	if yes {
		return one
	}
	return other
}

// What Slack says about somebody counts only if it is said to us, now, about
// this sign-in.
func TestIDTokens(t *testing.T) {
	for name, row := range map[string]struct {
		change map[string]any
		linked bool
	}{
		"as it should be":       {nil, true},
		"of another issuer":     {map[string]any{"iss": "https://slack.example"}, false},
		"for another app":       {map[string]any{"aud": "1.3"}, false},
		"for nobody":            {map[string]any{"aud": nil}, false},
		"that is over":          {map[string]any{"exp": 1}, false},
		"of another sign-in":    {map[string]any{"nonce": "other"}, false},
		"of no sign-in":         {map[string]any{"nonce": nil}, false},
		"of nobody":             {map[string]any{"https://slack.com/user_id": nil}, false},
		"of no team":            {map[string]any{"https://slack.com/team_id": nil}, false},
		"of somebody by e-mail": {map[string]any{"https://slack.com/user_id": nil, "sub": "U0ZOE", "email": "zoe@example.com"}, false},
	} {
		t.Run(name, func(t *testing.T) {
			s := newScene(t)
			b := s.browser()
			begun := b.press(s.invite(zoe, "said:1"))
			to, err := url.Parse(begun.to)
			if err != nil {
				t.Fatal(err)
			}
			claims := map[string]any{"iss": "https://slack.com", "aud": "1.2", "exp": s.clock.Now().Unix() + 300, "nonce": to.Query().Get("nonce"),
				"https://slack.com/user_id": "U0ZOE", "https://slack.com/team_id": "T0SIM"}
			maps.Copy(claims, row.change)
			raw, err := json.Marshal(claims)
			if err != nil {
				t.Fatal(err)
			}
			fake := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
				_ = json.NewEncoder(w).Encode(map[string]any{"ok": true, "id_token": "e30." + base64.RawURLEncoding.EncodeToString(raw) + ".x"})
			}))
			defer fake.Close()
			s.config.Slack.API = fake.URL + "/api/"
			got := b.get(s.url + "/link/slack?code=x&state=" + to.Query().Get("state"))
			if row.linked {
				if got.status != http.StatusSeeOther {
					t.Errorf("%d\n%s", got.status, got.body)
				}
				return
			}
			s.refused(got, http.StatusForbidden, "sign_in_failed")
		})
	}
}
