package e2e

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/shipmate/shipmate/test/sim/github"
	"github.com/shipmate/shipmate/test/sim/slack"
	"github.com/shipmate/shipmate/test/world"
)

// refusal starts the bot with these variables, which has to end with exit code 2,
// and returns what it says.
func refusal(t *testing.T, env ...string) string {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), 60*time.Second)
	defer cancel()
	cmd := exec.CommandContext(ctx, binary, "serve", "--durability=relaxed")
	cmd.Dir = t.TempDir()
	cmd.Env = append([]string{"HOME=" + cmd.Dir, "SHIPMATE_ADDR=127.0.0.1:0", "SHIPMATE_METRICS_ADDR=127.0.0.1:0", "SHIPMATE_DATA_DIR=" + filepath.Join(cmd.Dir, "data")}, env...)
	out, err := cmd.CombinedOutput()
	var exit *exec.ExitError
	if !errors.As(err, &exit) || exit.ExitCode() != 2 || strings.Contains(string(out), "shipmate is ready") {
		t.Errorf("ended with %v, want exit code 2\n%s", err, out)
	}
	return string(out)
}

// What GitHub and Slack do not take ends the start, with what to do. No secret is said.
func TestWhatThePlatformsRefuseIsSaidAtStart(t *testing.T) {
	gh, other := github.Must(github.New(github.Config{})), github.Must(github.New(github.Config{AppID: 77}))
	for _, s := range []*github.Server{gh, other} {
		github.Must(s.Start())
		t.Cleanup(func() { _ = s.Close() })
	}
	github.Must(gh.AddApp("ci", 77))
	chat := slack.New(slack.Config{SigningSecret: "x"})
	if err := chat.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(chat.Close)
	app := func(id int64, key []byte, more ...string) []string {
		return append([]string{"SHIPMATE_GITHUB_APP_ID=" + strconv.FormatInt(id, 10), "SHIPMATE_GITHUB_PRIVATE_KEY=" + string(key), goodSecret, "SHIPMATE_GITHUB_API_URL=" + gh.APIURL()}, more...)
	}
	token := func(bot string, more ...string) []string {
		return append([]string{"SHIPMATE_SLACK_BOT_TOKEN=" + bot, "SHIPMATE_SLACK_SIGNING_SECRET=" + strings.Repeat("x", 32), "SHIPMATE_SLACK_API_URL=" + chat.APIURL()}, more...)
	}
	for _, test := range []struct {
		name string
		env  []string
		says []string
	}{
		{"the key of another App", app(gh.AppID(), other.PrivateKeyPEM()), []string{"SHIPMATE_GITHUB_PRIVATE_KEY", "SHIPMATE_GITHUB_APP_ID", "Private keys"}},
		{"the id of another App", app(77, gh.PrivateKeyPEM()), []string{"SHIPMATE_GITHUB_PRIVATE_KEY", "SHIPMATE_GITHUB_APP_ID"}},
		{"an id that no App has", app(5, gh.PrivateKeyPEM()), []string{"no App with the id 5", "SHIPMATE_GITHUB_APP_ID"}},
		{"an API that is none", app(gh.AppID(), gh.PrivateKeyPEM(), "SHIPMATE_GITHUB_API_URL="+chat.URL()), []string{"SHIPMATE_GITHUB_API_URL", "/api/v3"}},
		{"another slug", app(gh.AppID(), gh.PrivateKeyPEM(), "SHIPMATE_GITHUB_SLUG=acme-ship"), []string{`"shipmate"`, "SHIPMATE_GITHUB_SLUG=shipmate"}},
		{"a bot token that Slack does not know", token("xoxb-verysecret"), []string{"SHIPMATE_SLACK_BOT_TOKEN", "invalid_auth", "OAuth & Permissions"}},
		{"an app token that Slack does not know", token("xoxb-sim", "SHIPMATE_SLACK_APP_TOKEN=xapp-verysecret"), []string{"SHIPMATE_SLACK_APP_TOKEN", "connections:write"}},
	} {
		t.Run(test.name, func(t *testing.T) {
			out := refusal(t, test.env...)
			for _, says := range test.says {
				if !strings.Contains(out, says) {
					t.Errorf("does not say %q:\n%s", says, out)
				}
			}
			for _, secret := range []string{"verysecret", "PRIVATE KEY-----", strings.TrimPrefix(goodSecret, "SHIPMATE_GITHUB_WEBHOOK_SECRET=")} {
				if strings.Contains(out, secret) {
					t.Errorf("says %q:\n%s", secret, out)
				}
			}
		})
	}
}

// doctor is what `shipmate doctor` says with the settings of the bot.
func (s *scene) doctor() (string, error) {
	out, err := s.w.Command(s.ctx, "doctor").CombinedOutput()
	return string(out), err
}

// front reads a page of the bot.
func (s *scene) front(path, accept string) (string, http.Header) {
	s.t.Helper()
	req, err := http.NewRequestWithContext(s.ctx, http.MethodGet, s.w.URL+path, nil)
	if err != nil {
		s.t.Fatal(err)
	}
	req.Header.Set("Accept", accept)
	res, err := http.DefaultClient.Do(req)
	if err != nil {
		s.t.Fatal(err)
	}
	defer res.Body.Close()
	b, err := io.ReadAll(res.Body)
	if err != nil || res.StatusCode != http.StatusOK {
		s.t.Fatalf("%s: %d %v\n%s", path, res.StatusCode, err, b)
	}
	return string(b), res.Header
}

// Platforms that do not answer stop no start: it is said, and asked again.
func TestAPlatformThatIsAwayStopsNoStart(t *testing.T) {
	s := open(t, world.Config{Env: []string{"SHIPMATE_GITHUB_API_URL=http://127.0.0.1:1/api/v3", "SHIPMATE_SLACK_API_URL=http://127.0.0.1:1/api/"}})
	for _, kind := range []string{"github_unreachable", "slack_unreachable"} {
		s.wait(kind+" is in the log", func() bool { return strings.Contains(s.log(), kind) })
	}
	if page, _ := s.front("/", "text/plain"); strings.Count(page, "cannot be reached for now") != 2 {
		t.Errorf("the page says:\n%s", page)
	}
}

// Webhooks and commands that are signed with another secret are refused, counted,
// written down once and shown.
func TestRequestsWithAnotherSecretAreSaid(t *testing.T) {
	s := open(t, world.Config{Env: []string{goodSecret, "SHIPMATE_SLACK_SIGNING_SECRET=" + strings.Repeat("z", 32)}})
	s.makeShop(plain)
	for range 3 {
		_, _ = s.w.Slack.SlashCommand(s.ctx, slack.Command{User: "mona", Channel: world.Channel, Name: "/history"}) // it is refused
	}
	if err := s.w.GitHub.WaitDelivered(s.ctx); err != nil {
		t.Fatal(err)
	}
	for source, secret := range map[string]string{"github": "SHIPMATE_GITHUB_WEBHOOK_SECRET", "slack": "SHIPMATE_SLACK_SIGNING_SECRET"} {
		if n, err := s.w.Metric(fmt.Sprintf(`shipmate_requests_refused_total{source="%s"}`, source)); err != nil || n < 2 {
			t.Errorf("%s: %v refused are counted, %v", source, n, err)
		}
		if n := strings.Count(s.log(), "another secret than "+secret); n != 1 {
			t.Errorf("%s is named %d times in the log", secret, n)
		}
	}
	if page, _ := s.front("/", "text/plain"); strings.Count(page, "refused for their signature, the last") != 2 {
		t.Errorf("the page says:\n%s", page)
	}
	out, _ := s.doctor() // it fails
	if !strings.Contains(out, "github_deliveries") || !strings.Contains(out, "the secrets differ") {
		t.Errorf("doctor says:\n%s", out)
	}
}

// With nothing configured the bot runs, and says what to do next.
func TestNothingConfigured(t *testing.T) {
	s := open(t, world.Config{Env: []string{"SHIPMATE_GITHUB_APP_ID=", "SHIPMATE_GITHUB_PRIVATE_KEY_FILE=", "SHIPMATE_GITHUB_WEBHOOK_SECRET=",
		"SHIPMATE_SLACK_BOT_TOKEN=", "SHIPMATE_SLACK_SIGNING_SECRET="}})
	for _, says := range []string{"Nothing is configured yet", "make playground", "docs/configuration.md"} {
		if !strings.Contains(s.log(), says) {
			t.Errorf("the log does not say %q:\n%s", says, s.log())
		}
	}
	page, h := s.front("/", "text/html,application/xhtml+xml")
	for _, says := range []string{"<h1>shipmate is running</h1>", "not configured", "SHIPMATE_GITHUB_APP_ID", "https://github.com/settings/apps/new", "prefers-color-scheme:dark"} {
		if !strings.Contains(page, says) {
			t.Errorf("the page does not say %q:\n%s", says, page)
		}
	}
	if policy := h.Get("Content-Security-Policy"); !strings.HasPrefix(policy, "default-src 'none'; style-src 'sha256-") {
		t.Errorf("the page may load %q", policy)
	}
	if text, h := s.front("/", "*/*"); strings.Contains(text, "<") || !strings.HasPrefix(h.Get("Content-Type"), "text/plain") {
		t.Errorf("curl gets\n%s", text)
	}
}

// A world in which all is well has nothing to say.
func TestDoctorFindsNothingWhereAllIsWell(t *testing.T) {
	s := open(t, world.Config{})
	s.shop(plain)
	out, err := s.doctor()
	if err != nil || strings.Contains(out, "github_") || strings.Contains(out, "slack_") {
		t.Errorf("%v\n%s", err, out)
	}
	if log := s.log(); strings.Contains(log, `"finding"`) && !strings.Contains(log, "github_not_installed") { // the App was installed after the start
		t.Errorf("the log has findings:\n%s", log)
	}
	if page, _ := s.front("/", "text/plain"); !strings.Contains(page, "last heard of less than a minute ago") {
		t.Errorf("the page says:\n%s", page)
	}
}
