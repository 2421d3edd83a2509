package github

import (
	"maps"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/shipmate/shipmate/bot"
	sim "github.com/shipmate/shipmate/test/sim/github"
)

// Tokens ask for no permission that is not in the list, and each in the list is
// for a token or an event. The simulated GitHub has just these, so every other
// test shows that they are enough.
func TestPermissionsAreThoseThatAreUsed(t *testing.T) {
	listed := map[string]string{}
	for _, n := range Permissions() {
		listed[n.Name] = n.Level
	}
	asked := map[string]string{"issues": "read", "merge_queues": "read"} // for the events that need them
	for _, c := range []class{forReading, forMembers, forStatuses, forChecks, forDeployments, forTalking, forGit, forListing} {
		p := c.permissions()
		for name, level := range map[string]*string{"metadata": p.Metadata, "contents": p.Contents, "pull_requests": p.PullRequests, "checks": p.Checks,
			"statuses": p.Statuses, "deployments": p.Deployments, "members": p.Members} {
			if level != nil && asked[name] != "write" {
				asked[name] = *level
			}
		}
	}
	if !maps.Equal(listed, asked) {
		t.Errorf("listed: %v\nasked for: %v", listed, asked)
	}
	s := newScene(t)
	app, found := s.client.registered(t.Context())
	if found != nil || !maps.Equal(app.Permissions, listed) {
		t.Errorf("the simulated App has %v, %v", app.Permissions, found)
	}
}

// Every event that means something to us is in the list, and no other.
func TestEventsAreThoseThatAreRead(t *testing.T) {
	var listed []string
	for _, n := range Events() {
		listed = append(listed, n.Name)
	}
	always := []string{"installation", "installation_repositories"} // GitHub sends them to every App
	read := slices.DeleteFunc(slices.Sorted(maps.Keys(events)), func(e string) bool { return slices.Contains(always, e) })
	if !slices.Equal(slices.Sorted(slices.Values(listed)), read) {
		t.Errorf("listed: %v\nread: %v", listed, read)
	}
	if !slices.IsSortedFunc(Events(), func(a, b bot.Need) int { return strings.Compare(a.Title, b.Title) }) {
		t.Error("they are not in the order of the page")
	}
}

// with is a GitHub whose App is set up so, and what a client finds there.
func with(t *testing.T, cfg sim.Config, change ...func(*Config)) (*sim.Server, *Client) {
	t.Helper()
	cfg.PrivateKey = appKey()
	s := sim.Must(sim.New(cfg))
	t.Cleanup(func() { _ = s.Close() })
	sim.Must(s.Start())
	ours := Config{AppID: s.AppID(), PrivateKey: s.PrivateKeyPEM(), Slug: "shipmate", APIURL: s.APIURL()}
	for _, f := range change {
		f(&ours)
	}
	c, err := NewClient(ours)
	if err != nil {
		t.Fatal(err)
	}
	return s, c
}

// wants checks the kinds of what was found, and that sentences say each of the words.
func wants(t *testing.T, found []bot.Finding, kinds []string, says ...string) {
	t.Helper()
	var have []string
	text := ""
	for _, f := range found {
		have = append(have, f.Kind+" "+string(f.Gravity))
		text += f.Text + "\n"
	}
	if !slices.Equal(have, kinds) {
		t.Errorf("found %v, want %v\n%s", have, kinds, text)
	}
	for _, word := range says {
		if !strings.Contains(text, word) {
			t.Errorf("does not say %q:\n%s", word, text)
		}
	}
	if strings.Contains(text, "eyJ") {
		t.Errorf("a token is in:\n%s", text)
	}
}

func TestExamineFindsWhatIsMissing(t *testing.T) {
	_, c := with(t, sim.Config{})
	wants(t, c.Examine(t.Context()), nil)

	_, c = with(t, sim.Config{Permissions: map[string]string{"metadata": "read", "contents": "read", "pull_requests": "read", "issues": "write"}, Events: []string{"push", "issue_comment"}})
	wants(t, c.Examine(t.Context()), []string{"github_permissions lacking", "github_events lacking"},
		"Checks (Read and write)", "Pull requests (Read and write)", "Members (Read-only)", "nobody counts as a member", "Pull request review comment", "/settings/apps/shipmate/permissions")

	_, c = with(t, sim.Config{AppSlug: "acme-ship"})
	wants(t, c.Examine(t.Context()), []string{"github_other_slug wrong"}, `"acme-ship"`, "SHIPMATE_GITHUB_SLUG=acme-ship")

	for _, ahead := range []time.Duration{-time.Hour, time.Hour} {
		_, c = with(t, sim.Config{Now: func() time.Time { return time.Now().Add(ahead) }})
		wants(t, c.Examine(t.Context()), []string{"github_clock wrong"}, "clock", "timedatectl")
	}
}

// What may be over soon stops nobody.
func TestExamineTellsAwayFromWrong(t *testing.T) {
	for name, fault := range map[string]sim.Fault{
		"an answer of a proxy": {Path: "/app", Status: http.StatusBadGateway},
		"no answer":            {Path: "/app", Drop: true},
		"a limit":              {Path: "/app", Status: http.StatusTooManyRequests},
	} {
		s, c := with(t, sim.Config{})
		s.Inject(fault)
		t.Log(name)
		wants(t, c.Examine(t.Context()), []string{"github_unreachable unknown"}, "HTTPS_PROXY")
	}
}

func TestExamineInstallations(t *testing.T) {
	s, c := with(t, sim.Config{})
	wants(t, c.ExamineInstallations(t.Context()), []string{"github_not_installed lacking"}, "/installations/new")
	for _, org := range []string{"octo", "acme", "plain"} {
		sim.Must(s.AddOrg(sim.NewOrg{Login: org}))
		sim.Must(s.CreateRepo(sim.NewRepo{Owner: org, Name: "shop"}))
		sim.Must(s.Install(org + "/shop"))
	}
	if err := s.Grant("octo", map[string]string{"deployments": ""}); err != nil {
		t.Fatal(err)
	}
	if err := s.Suspend("acme"); err != nil {
		t.Fatal(err)
	}
	wants(t, c.ExamineInstallations(t.Context()), []string{"github_not_accepted lacking", "github_suspended lacking"}, "octo has not accepted", "Deployments (Read and write)", "suspended on acme")
}

func TestExamineWebhook(t *testing.T) {
	_, c := with(t, sim.Config{})
	wants(t, c.ExamineWebhook(t.Context(), "https://ship.example/"), []string{"github_no_webhook lacking"}, "https://ship.example/github/webhook", `"Active"`)

	const url = "https://ship.example/github/webhook"
	_, c = with(t, sim.Config{WebhookURL: url})
	wants(t, c.ExamineWebhook(t.Context(), "https://ship.example/"), nil)
	wants(t, c.ExamineWebhook(t.Context(), ""), nil)
	wants(t, c.ExamineWebhook(t.Context(), "https://other.example"), []string{"github_webhook_url lacking"}, "https://other.example/github/webhook", url)

	_, c = with(t, sim.Config{WebhookURL: "https://ship.example", NoWebhookSecret: true, WebhookForm: true})
	wants(t, c.ExamineWebhook(t.Context(), ""), []string{"github_webhook_url lacking", "github_webhook_secret lacking", "github_webhook_type lacking"}, "SHIPMATE_GITHUB_WEBHOOK_SECRET", "application/json")
}

func TestDeliveriesSayWhyTheyFailed(t *testing.T) {
	began := time.Now()
	for status, says := range map[int]string{401: "the secrets differ", 404: "Webhook URL", 502: "a proxy", 503: "Redis"} {
		mux := http.NewServeMux()
		mux.HandleFunc("/", func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(status) })
		c := delivering(t, mux)
		quiet, found := c.Deliveries(t.Context(), began)
		if quiet {
			t.Errorf("%d: nothing was delivered", status)
		}
		wants(t, found, []string{"github_deliveries lacking"}, says, "/settings/apps/shipmate/advanced")
		if quiet, found = c.Deliveries(t.Context(), time.Now().Add(time.Hour)); !quiet || found != nil {
			t.Errorf("%d: what was before counts: %v", status, found)
		}
	}
	c := delivering(t, http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(http.StatusAccepted) }))
	if quiet, found := c.Deliveries(t.Context(), began); quiet || found != nil {
		t.Errorf("all is well, and it says %v", found)
	}
}

// delivering is a GitHub that has delivered a webhook to h.
func delivering(t *testing.T, h http.Handler) *Client {
	t.Helper()
	receiver := httptest.NewServer(h)
	t.Cleanup(receiver.Close)
	s, c := with(t, sim.Config{WebhookURL: receiver.URL})
	sim.Must(s.AddOrg(sim.NewOrg{Login: "octo"}))
	sim.Must(s.CreateRepo(sim.NewRepo{Owner: "octo", Name: "shop"}))
	sim.Must(s.Install("octo/shop"))
	if err := s.WaitDelivered(t.Context()); err != nil {
		t.Fatal(err)
	}
	return c
}
