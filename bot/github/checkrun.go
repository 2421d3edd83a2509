package github

import (
	"cmp"
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"time"

	"github.com/google/go-github/v60/github"
	"github.com/shipmate/shipmate/bot"
	"github.com/shipmate/shipmate/pipeline"
)

// checkSink shows a run as a check run, with steps, summaries, annotations and
// buttons. One run, one check run: its external id is the run's id.
type checkSink struct{ ReportConfig }

type shownCheck struct {
	ID        int64  `json:"id"`
	Digest    string `json:"digest"`
	Annotated int    `json:"annotated,omitempty"`
}

// Limits of the checks API. Source: docs.github.com, "Create a check run".
const (
	maxActions     = 3
	maxAnnotations = 50  // in one request; further ones are added by updates
	allAnnotations = 500 // ten requests; what is left is said
)

func (s *checkSink) Name() string                   { return "github-check" }
func (s *checkSink) Shows() string                  { return "check" }
func (s *checkSink) Subject(r *pipeline.Run) string { return string(r.ID) }

func (s *checkSink) Show(ctx context.Context, r *pipeline.Run, shown pipeline.Shown) (json.RawMessage, error) {
	was := decodeShown[shownCheck](shown)
	ctx = reporting(ctx, r)
	if shown.Data == nil && r.State.Terminal() {
		// Only the newest of a name is looked at, so an older one that was not shown in time never is.
		if newest, err := s.newest(ctx, r); err != nil || newest.ID != r.ID {
			return shown.Data, err
		}
	}
	want, err := s.check(ctx, r)
	if err != nil {
		return shown.Data, err
	}
	notes := annotations(r)
	if shown.Doubt == "" && was.Digest == digest(want) && was.Annotated >= len(notes) {
		return shown.Data, nil
	}
	if was.ID == 0 || shown.Doubt != "" {
		var first bool
		if ctx, first, err = s.first(ctx, r, shown); err != nil {
			return shown.Data, err
		}
		if !first {
			was, err = s.adopt(ctx, r)
		}
		if err != nil {
			return shown.Data, s.lost(ctx, r, err)
		}
	}
	now, err := s.Client.bringCheck(ctx, commitOf(r), was, want, notes)
	state, saveErr := save(now, nil)
	if err != nil {
		return state, s.lost(ctx, r, err)
	}
	return state, saveErr
}

// commit is where a check stands.
type commit struct {
	repo pipeline.Repo
	sha  string
}

func commitOf(r *pipeline.Run) commit { return commit{r.Repo, shownOn(r)} }

// bringCheck creates or updates a check run, with a batch of annotations each
// time. What it returns with an error is how far it came.
func (c *Client) bringCheck(ctx context.Context, at commit, now shownCheck, want checkRequest, notes []*github.CheckRunAnnotation) (shownCheck, error) {
	d := digest(want)
	for now.ID == 0 || now.Digest != d || now.Annotated < len(notes) {
		batch := notes[min(now.Annotated, len(notes)):]
		batch = batch[:min(len(batch), maxAnnotations)]
		full := want
		output := *want.Output
		output.Annotations = batch
		full.Output = &output
		id, err := c.sendCheck(ctx, at, now.ID, full)
		if err != nil {
			return now, err
		}
		now.ID, now.Digest, now.Annotated = id, d, now.Annotated+len(batch)
	}
	return now, nil
}

// checkRequest is the body of both requests. go-github's own types lack
// started_at in an update and cannot take buttons away.
type checkRequest struct {
	Name        string                   `json:"name,omitempty"`
	HeadSHA     string                   `json:"head_sha,omitempty"`
	ExternalID  string                   `json:"external_id"`
	DetailsURL  string                   `json:"details_url,omitempty"`
	Status      string                   `json:"status,omitempty"`
	Conclusion  string                   `json:"conclusion,omitempty"`
	StartedAt   *time.Time               `json:"started_at,omitempty"`
	CompletedAt *time.Time               `json:"completed_at,omitempty"`
	Output      *github.CheckRunOutput   `json:"output"`
	Actions     []*github.CheckRunAction `json:"actions"`
}

func (c *Client) sendCheck(ctx context.Context, at commit, id int64, body checkRequest) (int64, error) {
	gh := c.as(at.repo, forChecks)
	method, path := http.MethodPost, repoPath(at.repo, "check-runs")
	if id != 0 {
		method, path = http.MethodPatch, repoPath(at.repo, "check-runs", fmt.Sprint(id))
		body.HeadSHA = ""
	}
	req, err := gh.NewRequest(method, path, body)
	if err != nil {
		return 0, err
	}
	var made struct {
		ID int64 `json:"id"`
	}
	_, err = gh.Do(ctx, req, &made)
	if err == nil {
		c.wrote(ctx, at.repo, aboutCheckRun(fmt.Sprint(made.ID)))
	}
	return made.ID, fail(fmt.Sprintf("check run of %.7s in %s", at.sha, at.repo), err)
}

// adopt looks for the check run made before its id was saved. If two were made,
// GitHub shows the newer, and the other is ended.
func (s *checkSink) adopt(ctx context.Context, r *pipeline.Run) (shownCheck, error) {
	list, err := s.Client.ownChecks(ctx, commitOf(r), checkName(r))
	list = slices.DeleteFunc(list, func(c *github.CheckRun) bool { return c.GetExternalID() != string(r.ID) })
	if err != nil || len(list) == 0 {
		return shownCheck{}, err
	}
	newest := slices.MaxFunc(list, func(a, b *github.CheckRun) int { return cmp.Compare(a.GetID(), b.GetID()) })
	for _, other := range list {
		if other == newest || other.GetConclusion() != "" {
			continue
		}
		text := "Another check run of the same name shows this run."
		_, err := s.Client.sendCheck(ctx, commitOf(r), other.GetID(), checkRequest{ExternalID: string(r.ID), Status: "completed", Conclusion: "neutral",
			Output: &github.CheckRunOutput{Title: &text, Summary: &text}, Actions: []*github.CheckRunAction{}})
		if err != nil {
			return shownCheck{}, err
		}
	}
	return shownCheck{ID: newest.GetID(), Annotated: newest.GetOutput().GetAnnotationsCount()}, nil
}

// ownChecks lists the check runs of a name on a commit that this App made.
func (c *Client) ownChecks(ctx context.Context, at commit, name string) ([]*github.CheckRun, error) {
	gh := c.as(at.repo, forReading)
	list, err := pages(func(o github.ListOptions) ([]*github.CheckRun, *github.Response, error) {
		query := url.Values{"check_name": {name}, "filter": {"all"}, "app_id": {fmt.Sprint(c.cfg.AppID)}}
		path := fmt.Sprintf("%s?%s&per_page=%d&page=%d", repoPath(at.repo, "commits", at.sha, "check-runs"), query.Encode(), o.PerPage, max(o.Page, 1))
		req, err := gh.NewRequest(http.MethodGet, path, nil)
		if err != nil {
			return nil, nil, err
		}
		var page github.ListCheckRunsResults
		resp, err := gh.Do(ctx, req, &page)
		return page.CheckRuns, resp, err
	})
	if err != nil {
		return nil, fail(fmt.Sprintf("list check runs of %.7s in %s", at.sha, at.repo), err)
	}
	return slices.DeleteFunc(list, func(k *github.CheckRun) bool { return k.GetApp().GetID() != c.cfg.AppID }), nil
}

// check is the check run as it should be, but for annotations.
func (s *checkSink) check(ctx context.Context, r *pipeline.Run) (checkRequest, error) {
	v := bot.Show(r)
	unshown, err := s.unshown(ctx, s, r)
	if err != nil {
		return checkRequest{}, err
	}
	c := checkRequest{
		Name: checkName(r), HeadSHA: shownOn(r), ExternalID: string(r.ID), DetailsURL: s.runURL(r),
		Output:  s.output(r, v, s.tails(ctx, r, maxTails), unshown),
		Actions: []*github.CheckRunAction{},
	}
	c.Status, c.Conclusion = checkState(r)
	c.StartedAt = second(r.Started)
	if c.Conclusion != "" {
		c.CompletedAt = second(r.Ended)
	}
	if s.Buttons == nil {
		return c, nil
	}
	kinds := slices.DeleteFunc(v.Buttons, func(k bot.ButtonKind) bool { return k == bot.ButtonRetry }) // GitHub has its own "Re-run"
	for _, kind := range kinds[:min(len(kinds), maxActions)] {
		gate := ""
		if kind == bot.ButtonApprove || kind == bot.ButtonReject {
			gate = v.Gate
		}
		id, err := s.Buttons.ID(ctx, r, kind, gate)
		if err != nil {
			return c, pipeline.Temporary(fmt.Errorf("button %s of run %s: %w", kind, r.ID, err))
		}
		c.Actions = append(c.Actions, &github.CheckRunAction{Label: kind.Label(), Description: describe(kind), Identifier: id})
	}
	return c, nil
}

// second is a time as GitHub keeps it, nil for none.
func second(t time.Time) *time.Time {
	if t.IsZero() {
		return nil
	}
	t = t.UTC().Truncate(time.Second)
	return &t
}

// describe is what a button does, at most 40 characters.
func describe(kind bot.ButtonKind) string {
	return map[bot.ButtonKind]string{
		bot.ButtonApprove: "Say yes to this run", bot.ButtonReject: "Say no: the run is cancelled", bot.ButtonCancel: "Stop this run",
		bot.ButtonRetry: "Start it again", bot.ButtonRollback: "Bring the previous revision back",
	}[kind]
}

// checkState is a run's state in GitHub's words.
func checkState(r *pipeline.Run) (status, conclusion string) {
	if r.DryRun && r.State.Terminal() { // it says nothing of the commit, however it went
		return "completed", "neutral"
	}
	switch verdictOf(r) {
	case waits:
		return "queued", ""
	case good:
		if r.Nothing != "" && !r.Admitted { // it passes where it is required, and claims nothing
			return "completed", "neutral"
		}
		return "completed", "success"
	case works:
		return "in_progress", ""
	case bad:
		return "completed", "failure"
	case asks:
		return "completed", "action_required"
	}
	if r.Code == "deadline" || r.Cancel != nil && r.Cancel.Code == "deadline" {
		return "completed", "timed_out"
	}
	return "completed", "cancelled"
}

func (s *checkSink) output(r *pipeline.Run, v bot.View, tails []logTail, unshown []string) *github.CheckRunOutput {
	var b strings.Builder
	sha, ref := r.Brings()
	fmt.Fprintf(&b, "%s **%s** of `%.7s`", v.Icon, inline(v.Title), sha)
	if ref != "" {
		fmt.Fprintf(&b, " (%s)", codeSpan(ref))
	}
	fmt.Fprintf(&b, ", run `%s`, asked for by %s.\n\n", r.ID, codeSpan(cmp.Or(r.Actor.Login, "shipmate")))
	if v.Note != "" {
		b.WriteString(inline(v.Note) + "\n\n")
	}
	if v.Lock != "" {
		b.WriteString(inline(v.Lock) + "\n\n")
	}
	for _, text := range unshown {
		b.WriteString(text + "\n\n")
	}
	b.WriteString(stepList(v))
	if extra := len(allNotes(r)) - allAnnotations; extra > 0 {
		fmt.Fprintf(&b, "\n%d more annotations are not shown.\n", extra)
	}
	out := &github.CheckRunOutput{Title: github.String(cutRunes(statusLine(r), 250)), Summary: github.String(cutMiddle(b.String(), maxText))}
	logs := renderTails(tails, maxText/2)
	if text := logs + fittingSummaries(r, maxText-len(logs)); text != "" {
		out.Text = &text
	}
	return out
}

// annotations are sent when the run has ended: GitHub only ever adds to them.
func annotations(r *pipeline.Run) []*github.CheckRunAnnotation {
	if !r.State.Terminal() {
		return nil
	}
	all := allNotes(r)
	return all[:min(len(all), allAnnotations)]
}

func allNotes(r *pipeline.Run) []*github.CheckRunAnnotation {
	var all []*github.CheckRunAnnotation
	for _, s := range r.Steps {
		for _, a := range s.Annotations {
			all = append(all, note(s.Name, a))
		}
	}
	return all
}

func note(step string, a pipeline.Annotation) *github.CheckRunAnnotation {
	level := a.Level
	if level != "notice" && level != "warning" {
		level = "failure"
	}
	line := max(a.Line, 1)
	return &github.CheckRunAnnotation{
		Path:      github.String(cmp.Or(oneLine(a.Path), ConfigFile)),
		StartLine: &line, EndLine: &line, AnnotationLevel: &level,
		Title:   github.String(cutRunes(oneLine(step), 255)),
		Message: github.String(cmp.Or(cutAt(clean(a.Message), 8<<10), "(no message)")),
	}
}
