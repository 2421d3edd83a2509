package bot

import (
	"crypto/sha256"
	"encoding/base64"
	"fmt"
	"html/template"
	"net/http"
	"slices"
	"strings"
	"sync"
	"time"
)

// Front is the page at "/": what shipmate is connected to, and what to do next.
// Everybody can read it, so it names no account and no setting's value.
type Front struct {
	GitHub, Slack, API bool // configured
	Arrivals           *Arrivals
	Ready              func(r *http.Request) error // whether Redis answers
	Now                func() time.Time

	mu    sync.Mutex
	found map[string][]Finding // by platform
}

// The platforms that findings are about.
const (
	OnGitHub = "GitHub"
	OnSlack  = "Slack"
)

// Found keeps what the last look at a platform found, in place of what an
// earlier one did.
func (f *Front) Found(platform string, all []Finding) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.found == nil {
		f.found = map[string][]Finding{}
	}
	f.found[platform] = all
}

// Findings are those of the last look at a platform.
func (f *Front) Findings(platform string) []Finding {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.found[platform]
}

// front is what the page shows.
type front struct {
	Title string
	Parts []part
	Next  []string
	Links []frontLink
}

// part is a line about one of the things that shipmate is connected to.
type part struct{ Name, State string }

type frontLink struct{ Text, URL string }

func (f *Front) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	page := f.page(r)
	h := w.Header()
	h.Set("Cache-Control", "no-store")
	h.Set("X-Content-Type-Options", "nosniff")
	h.Set("Referrer-Policy", "no-referrer")
	h.Set("Vary", "Accept")
	if !strings.Contains(r.Header.Get("Accept"), "text/html") {
		h.Set("Content-Type", "text/plain; charset=utf-8")
		_, _ = w.Write([]byte(page.text())) // the client is gone if this fails
		return
	}
	h.Set("Content-Security-Policy", "default-src 'none'; style-src '"+frontStyleHash+"'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'")
	h.Set("Content-Type", "text/html; charset=utf-8")
	_ = frontLayout.Execute(w, page) // likewise
}

func (f *Front) page(r *http.Request) front {
	p := front{Title: "shipmate is running", Links: []frontLink{{"Is it alive?", "/healthz"}, {"Is it ready?", "/readyz"}}}
	redis := "answers"
	if f.Ready(r) != nil {
		p.Title, redis = "shipmate waits for Redis", "cannot be reached"
	}
	p.Parts = []part{{"Redis", redis},
		{OnGitHub, f.state(OnGitHub, f.GitHub)},
		{OnSlack, f.state(OnSlack, f.Slack)},
		{"API and command line", map[bool]string{true: "on", false: "off"}[f.API]}}
	p.Next = f.next()
	if !f.GitHub {
		p.Links = append(p.Links, frontLink{"Make a GitHub App", "https://github.com/settings/apps/new"})
	}
	if !f.Slack {
		p.Links = append(p.Links, frontLink{"Make a Slack app", "https://api.slack.com/apps?new_app=1"})
	}
	return p
}

func (f *Front) state(platform string, configured bool) string {
	if !configured {
		return "not configured"
	}
	var kinds []string
	state := "configured"
	for _, x := range f.Findings(platform) {
		if x.Gravity == Unknown {
			state = "cannot be reached for now"
			continue
		}
		if kinds = append(kinds, x.Kind); state == "configured" {
			state = "needs attention"
		}
	}
	if len(kinds) > 0 {
		slices.Sort(kinds)
		state += " (" + strings.Join(slices.Compact(kinds), ", ") + ")"
	}
	at := f.Arrivals.Of(platform)
	if !at.Good.IsZero() {
		state += "; last heard of " + f.ago(at.Good)
	} else if platform == OnGitHub {
		state += "; no webhook has come since the start"
	}
	if at.Refused > 0 {
		state += fmt.Sprintf("; %d requests refused for their signature, the last %s", at.Refused, f.ago(at.Bad))
	}
	return state
}

func (f *Front) ago(t time.Time) string {
	d := f.Now().Sub(t)
	switch {
	case d < time.Minute:
		return "less than a minute ago"
	case d < 2*time.Hour:
		return fmt.Sprintf("%d minutes ago", int(d.Minutes()))
	}
	return fmt.Sprintf("%d hours ago", int(d.Hours()))
}

// next is what to do, the most needed first.
func (f *Front) next() (steps []string) {
	if !f.GitHub {
		steps = append(steps, "Connect GitHub: make a GitHub App as docs/configuration.md says, set SHIPMATE_GITHUB_APP_ID, "+
			"SHIPMATE_GITHUB_PRIVATE_KEY_FILE and SHIPMATE_GITHUB_WEBHOOK_SECRET, and start shipmate again.")
	}
	if !f.Slack {
		steps = append(steps, "Connect Slack, if people are to talk to shipmate there: make the app from what \"shipmate slack-manifest\" "+
			"prints, and set SHIPMATE_SLACK_BOT_TOKEN with SHIPMATE_SLACK_APP_TOKEN or SHIPMATE_SLACK_SIGNING_SECRET.")
	}
	if len(f.Findings(OnGitHub)) > 0 || len(f.Findings(OnSlack)) > 0 {
		steps = append(steps, "The log of the bot, and \"shipmate doctor\", say what needs attention and what to do.")
	}
	if f.Arrivals.Of(OnGitHub).Refused > 0 || f.Arrivals.Of(OnSlack).Refused > 0 {
		steps = append(steps, "Requests were refused for their signature: if they came from GitHub or Slack, enter the same secret there "+
			"and in shipmate's settings.")
	}
	if len(steps) == 0 {
		steps = []string{"Write /help on a pull request of a repository that the GitHub App is installed on."}
	}
	return steps
}

func (p front) text() string {
	var b strings.Builder
	b.WriteString(p.Title + "\n\n")
	for _, x := range p.Parts {
		fmt.Fprintf(&b, "%s: %s\n", x.Name, x.State)
	}
	b.WriteString("\n")
	for _, s := range p.Next {
		b.WriteString("- " + s + "\n")
	}
	b.WriteString("\n")
	for _, l := range p.Links {
		fmt.Fprintf(&b, "%s %s\n", l.Text, l.URL)
	}
	return b.String()
}

const frontStyle = `:root{color-scheme:light dark}` +
	`body{margin:0;background:#f6f8fa;color:#1f2937;font:16px/1.5 system-ui,sans-serif}` +
	`main{max-width:40rem;margin:8vh auto;padding:2rem;background:#fff;border:1px solid #d0d7de;border-radius:8px}` +
	`h1{margin:0 0 1rem;font-size:1.4rem}dt{font-weight:600}dd{margin:0 0 .6rem}p,li,dd{overflow-wrap:anywhere}a{color:#1d4ed8}` +
	`@media(max-width:700px){main{margin:0;border:0;border-radius:0;min-height:100vh;box-sizing:border-box}}` +
	`@media(prefers-color-scheme:dark){body{background:#0d1117;color:#e6edf3}main{background:#161b22;border-color:#30363d}a{color:#79b8ff}}`

var (
	frontStyleHash = func() string {
		sum := sha256.Sum256([]byte(frontStyle))
		return "sha256-" + base64.StdEncoding.EncodeToString(sum[:])
	}()

	frontLayout = template.Must(template.New("front").Parse(`<!doctype html>
<html lang="en">
<head><meta charset="utf-8"><meta name="viewport" content="width=device-width"><title>{{.Title}}</title><style>` + frontStyle + `</style></head>
<body><main>
<h1>{{.Title}}</h1>
<dl>{{range .Parts}}<dt>{{.Name}}</dt><dd>{{.State}}</dd>{{end}}</dl>
<ul>{{range .Next}}<li>{{.}}</li>{{end}}</ul>
<p>{{range $i, $l := .Links}}{{if $i}} · {{end}}<a href="{{$l.URL}}">{{$l.Text}}</a>{{end}}</p>
</main></body>
</html>
`))
)
