package link

import (
	"crypto/sha256"
	"encoding/base64"
	"html/template"
	"net/http"
	"strings"

	"github.com/shipmate/shipmate/pipeline"
)

// page is all that people see here.
type page struct {
	Title  string
	Lines  []string
	Reason string // code of a refusal

	// A form with one button, if there is a Code.
	Action, Code, Button string
}

const style = `body{margin:0;background:#f6f8fa;color:#1f2937;font:16px/1.5 system-ui,sans-serif}` +
	`main{max-width:34rem;margin:10vh auto;padding:2rem;background:#fff;border:1px solid #d0d7de;border-radius:8px}` +
	`h1{margin:0 0 1rem;font-size:1.4rem}p{overflow-wrap:anywhere}` +
	`button{padding:.7rem 1.2rem;border:0;border-radius:6px;background:#1f2937;color:#fff;font:inherit;cursor:pointer}` +
	`button:focus-visible{outline:3px solid #2563eb;outline-offset:2px}`

var (
	styleHash = func() string {
		sum := sha256.Sum256([]byte(style))
		return "sha256-" + base64.StdEncoding.EncodeToString(sum[:])
	}()

	layout = template.Must(template.New("page").Parse(`<!doctype html>
<html lang="en">
<head><meta charset="utf-8"><meta name="viewport" content="width=device-width"><title>{{.Title}} - shipmate</title><style>` + style + `</style></head>
<body><main>
<h1>{{.Title}}</h1>
{{range .Lines}}<p>{{.}}</p>
{{end}}{{with .Reason}}<p><code>{{.}}</code></p>
{{end}}{{if .Code}}<form method="post" action="{{.Action}}"><input type="hidden" name="code" value="{{.Code}}"><button>{{.Button}}</button></form>
{{end}}</main></body>
</html>
`))
)

func write(w http.ResponseWriter, status int, p page) {
	w.Header().Set("Content-Type", "text/html; charset=utf-8")
	w.WriteHeader(status)
	_ = layout.Execute(w, p) // the browser is gone if this fails
}

// fail ends the way. A refusal of somebody known is kept; what is no refusal is
// a trouble of ours or of a platform.
func (h *handler) fail(w http.ResponseWriter, r *http.Request, who pipeline.Actor, err error) {
	if who.SlackUser != "" { // the cookie was this sign-in's
		h.setCookie(w, "", -1)
	}
	code := pipeline.Code(err)
	if code == "" || pipeline.IsTemporary(err) {
		h.trouble(w, r, err)
		return
	}
	if who.SlackUser != "" {
		if kept := h.People.Refused(r.Context(), digest(r.URL.Query().Get("state")), who, err); kept != nil {
			h.trouble(w, r, kept)
			return
		}
	}
	h.refuse(w, r, http.StatusForbidden, err)
}

func (h *handler) trouble(w http.ResponseWriter, r *http.Request, err error) {
	h.Log.Error("link accounts", "route", r.URL.Path, "err", err)
	write(w, http.StatusServiceUnavailable, page{Title: "Not linked", Reason: "unavailable",
		Lines: []string{"Slack, GitHub or the database of shipmate does not answer right now, so nobody was linked. Say /link on Slack again in a minute."}})
}

func (h *handler) refuse(w http.ResponseWriter, r *http.Request, status int, err error) {
	h.Log.Info("link refused", "route", r.URL.Path, "code", pipeline.Code(err), "err", err)
	write(w, status, page{Title: "Not linked", Lines: []string{plain(pipeline.Message(err))}, Reason: pipeline.Code(err)})
}

// plain takes the marks of code spans out of a sentence: here it stands in a
// page, where nothing in it is markup.
func plain(sentence string) string { return strings.ReplaceAll(sentence, "`", "") }
