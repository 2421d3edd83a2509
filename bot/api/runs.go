package api

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"time"

	"github.com/shipmate/shipmate/bot"
	"github.com/shipmate/shipmate/pipeline"
)

// Run is what programs see of a run.
type Run struct {
	ID          string            `json:"id"`
	Version     int64             `json:"version"` // grows with every change
	Title       string            `json:"title"`   // "Deploy of shop to prod"
	Repo        string            `json:"repo"`
	Service     string            `json:"service,omitempty"`
	Pipeline    string            `json:"pipeline"`
	Environment string            `json:"environment,omitempty"`
	SHA         string            `json:"sha"`
	Ref         string            `json:"ref,omitempty"`
	PR          int               `json:"pr,omitempty"`
	Subject     string            `json:"subject,omitempty"` // of the commit or pull request
	Trigger     string            `json:"trigger"`
	Actor       string            `json:"actor"`
	Reason      string            `json:"reason,omitempty"`
	DryRun      bool              `json:"dry_run,omitempty"`
	Command     string            `json:"command,omitempty"` // the command of this API that started it
	State       string            `json:"state"`
	Ended       bool              `json:"ended"` // the state will not change again
	Code        string            `json:"code,omitempty"`
	Message     string            `json:"message,omitempty"`
	Asks        []string          `json:"asks,omitempty"` // approvals it waits for
	Next        []string          `json:"next,omitempty"` // commands that make sense now
	Steps       []Step            `json:"steps"`
	Images      []string          `json:"images,omitempty"` // what its steps deployed: full references
	Plans       []Plan            `json:"plans,omitempty"`  // what people are told before they approve
	Approvals   []Approval        `json:"approvals,omitempty"`
	Links       map[string]string `json:"links"`
	CreatedAt   time.Time         `json:"created_at"`
	StartedAt   time.Time         `json:"started_at,omitzero"`
	EndedAt     time.Time         `json:"ended_at,omitzero"`
}

// Step is how far one step has come.
type Step struct {
	Name      string    `json:"name"`
	State     string    `json:"state"`
	Code      string    `json:"code,omitempty"`
	Message   string    `json:"message,omitempty"`
	Attempt   int       `json:"attempt,omitempty"`
	StartedAt time.Time `json:"started_at,omitzero"`
	EndedAt   time.Time `json:"ended_at,omitzero"`
	Log       string    `json:"log,omitempty"` // where its output is, once it has begun
}

// Plan is what a step would do.
type Plan struct {
	Gate    string `json:"gate"` // the approval it was made for
	Step    string `json:"step"`
	State   string `json:"state"` // queued, succeeded, skipped: it cannot be said beforehand
	Message string `json:"message,omitempty"`
	Summary string `json:"summary,omitempty"` // Markdown
}

// Approval is one person's yes or no.
type Approval struct {
	Gate string    `json:"gate"`
	By   string    `json:"by"`
	Yes  bool      `json:"yes"`
	Via  string    `json:"via"`
	At   time.Time `json:"at"`
}

func describe(r *pipeline.Run, web string) Run {
	out := Run{ID: string(r.ID), Version: r.Version, Title: bot.Title(r), Repo: r.Repo.String(), Service: r.Service, Pipeline: r.Pipeline.Name,
		Environment: r.EnvironmentName(), SHA: r.SHA, Ref: r.Ref, PR: r.PR, Subject: r.Title, Trigger: string(r.Trigger), Actor: r.Actor.Login,
		Reason: r.Reason, DryRun: r.DryRun, State: string(r.State), Ended: r.State.Terminal(), Code: r.Code, Message: r.Message,
		Asks: r.OpenGates(), Next: bot.Show(r).Paste, Steps: []Step{}, Images: r.Images(), Links: links(r, web), Command: r.Origin.Command,
		CreatedAt: r.Created.UTC(), StartedAt: r.Started.UTC(), EndedAt: r.Ended.UTC()}
	for _, s := range r.Steps {
		step := Step{Name: s.Name, State: string(s.State), Code: s.Code, Message: s.Message, Attempt: s.Attempt, StartedAt: s.Started.UTC(), EndedAt: s.Ended.UTC()}
		if s.Attempt > 0 {
			step.Log = out.Links["self"] + "/logs/" + url.PathEscape(s.Name)
		}
		out.Steps = append(out.Steps, step)
	}
	for _, p := range r.Plans {
		for _, s := range p.Steps {
			out.Plans = append(out.Plans, Plan{Gate: p.Gate, Step: s.Step, State: string(s.State), Message: s.Message, Summary: s.Summary})
		}
	}
	for _, a := range r.Approvals {
		out.Approvals = append(out.Approvals, Approval{Gate: a.Gate, By: a.By.Login, Yes: a.Yes, Via: a.Via, At: a.At.UTC()})
	}
	return out
}

func links(r *pipeline.Run, web string) map[string]string {
	repo := strings.TrimRight(web, "/") + "/" + r.Repo.String()
	out := map[string]string{"self": "/api/v1/runs/" + string(r.ID), "commit": repo + "/commit/" + r.SHA}
	if r.PR != 0 {
		out["pull_request"] = repo + "/pull/" + strconv.Itoa(r.PR)
	}
	if r.Environment != nil && r.Environment.URL != "" {
		out["environment"] = r.Environment.URL
	}
	return out
}

// run shows a run; with since and wait, as soon as it is another version.
func (h *handler) run(w http.ResponseWriter, r *http.Request) {
	most, ok := patience(w, r)
	if !ok {
		return
	}
	run, ok := h.readable(w, r)
	if !ok {
		return
	}
	if since := r.URL.Query().Get("since"); since != "" && since == fmt.Sprint(run.Version) && !run.State.Terminal() {
		before := run.Version
		err := h.wait(r.Context(), most, func(ctx context.Context) (bool, error) {
			now, err := h.Runs.Load(ctx, run.ID)
			if err == nil {
				run = now
			}
			return err == nil && now.Version != before, err
		})
		if err != nil {
			h.failed(w, r, err)
			return
		}
	}
	write(w, http.StatusOK, describe(run, h.Web))
}

// readable loads the run that is named, and answers for itself if there is
// none for the eyes of the token's person.
func (h *handler) readable(w http.ResponseWriter, r *http.Request) (*pipeline.Run, bool) {
	run, err := h.Runs.Load(r.Context(), pipeline.RunID(strings.ToLower(r.PathValue("id"))))
	may := false
	if err == nil {
		may, err = h.mayRead(r.Context(), run.Repo)
	}
	switch {
	case err != nil && !errors.Is(err, pipeline.ErrNotFound):
		h.failed(w, r, err)
	case !may:
		fail(w, http.StatusNotFound, "unknown_run", "There is no run with this id. GET /api/v1/runs lists those there are.")
	}
	return run, may
}

const maxRuns = 200

// list shows the newest runs, of all repositories unless one is named.
func (h *handler) list(w http.ResponseWriter, r *http.Request) {
	limit, ok := number(w, r, "limit", 50, maxRuns)
	if !ok {
		return
	}
	q := pipeline.RunQuery{Environment: r.URL.Query().Get("environment")}
	var err error
	if open := r.URL.Query().Get("open"); open != "" {
		if q.Open, err = strconv.ParseBool(open); err != nil {
			fail(w, http.StatusBadRequest, "bad_open", "open is true or false.")
			return
		}
	}
	if r.URL.Query().Has("repo") {
		s, ok := h.service(w, r)
		if !ok {
			return
		}
		q.Repo = s.Repo.ID
	}
	found, err := h.newest(r.Context(), q, limit)
	if err != nil {
		h.failed(w, r, err)
		return
	}
	out := []Run{}
	for _, run := range found {
		out = append(out, describe(run, h.Web))
	}
	write(w, http.StatusOK, map[string]any{"runs": out})
}

// newest returns up to limit runs that the token's person may see. Those of
// other repositories may come before them, but no more than deep.
func (h *handler) newest(ctx context.Context, q pipeline.RunQuery, limit int) ([]*pipeline.Run, error) {
	const deep = 1000
	for q.Limit = limit; ; q.Limit = min(4*q.Limit, deep) {
		all, err := h.Runs.Runs(ctx, q)
		if err != nil {
			return nil, err
		}
		var seen []*pipeline.Run
		for _, run := range all {
			may, err := h.mayRead(ctx, run.Repo)
			if err != nil {
				return nil, err
			}
			if may {
				seen = append(seen, run)
			}
		}
		if len(seen) >= limit || len(all) < q.Limit || q.Limit == deep {
			return seen[:min(limit, len(seen))], nil
		}
	}
}

// Log is the end of what a step wrote.
type Log struct {
	Run     string   `json:"run"`
	Step    string   `json:"step"`
	Attempt int      `json:"attempt"`
	Lines   []string `json:"lines"`
}

const maxLines = 2000

// log shows the end of a step's last attempt or, with undo=true, of its undoing.
func (h *handler) log(w http.ResponseWriter, r *http.Request) {
	n, ok := number(w, r, "lines", 100, maxLines)
	if !ok {
		return
	}
	run, ok := h.readable(w, r)
	if !ok {
		return
	}
	step := run.Step(r.PathValue("step"))
	if step == nil {
		fail(w, http.StatusNotFound, "unknown_step", "The run has no such step. GET /api/v1/runs/"+string(run.ID)+" lists its steps.")
		return
	}
	out := Log{Run: string(run.ID), Step: step.Name, Attempt: step.Attempt, Lines: []string{}}
	if step.Attempt > 0 {
		lines, err := h.Logs.Tail(r.Context(), run.ID, step.LogName(r.URL.Query().Get("undo") == "true"), step.Attempt, n)
		if err != nil && !errors.Is(err, pipeline.ErrNotFound) {
			h.failed(w, r, err)
			return
		}
		out.Lines = append(out.Lines, lines...)
	}
	write(w, http.StatusOK, out)
}
