package github

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"html"
	"slices"
	"strings"
	"time"

	"github.com/shipmate/shipmate/bot"
	"github.com/shipmate/shipmate/pipeline"
)

// ReportConfig says what is shown of runs, and how.
type ReportConfig struct {
	Client  *Client
	Runs    runs
	Blocked blocked // nil: what cannot be written is not said in other places
	Buttons buttons // nil: check runs have none
	Logs    tailer  // nil: no logs are shown
	BaseURL string  // of the dashboard; "": no links to it
	Report  Report  // default Both
}

// Report says which of the two kinds of checks show a run on its commit.
type Report string

const (
	Both     Report = "both"
	Checks   Report = "checks"
	Statuses Report = "statuses"
)

// runs finds the other runs of a pull request.
type runs interface {
	Runs(ctx context.Context, q pipeline.RunQuery) ([]*pipeline.Run, error)
}

// blocked lists the reports that are refused at the moment.
type blocked interface {
	BlockedJobs(ctx context.Context, repo int64) ([]pipeline.Job, error)
}

// buttons makes the ids behind buttons.
type buttons interface {
	ID(ctx context.Context, r *pipeline.Run, kind bot.ButtonKind, gate string) (string, error)
}

// Sinks are the places on GitHub that show runs.
func Sinks(c ReportConfig) []pipeline.Sink {
	c.BaseURL = strings.TrimRight(c.BaseURL, "/")
	var sinks []pipeline.Sink
	if c.Report != Checks {
		sinks = append(sinks, &statusSink{c})
	}
	if c.Report != Statuses {
		sinks = append(sinks, &checkSink{c})
	}
	return append(sinks, &deploymentSink{c}, &commentSink{c})
}

// runURL is the page of a run, "" without a dashboard.
func (c ReportConfig) runURL(r *pipeline.Run) string {
	return bot.Web{Pages: c.BaseURL}.Run(r)
}

// shownOn is the commit that a run is shown on: what it deploys.
func shownOn(r *pipeline.Run) string {
	sha, _ := r.Brings()
	return sha
}

// maxContext is the length of a check's name. GitHub takes 255.
const maxContext = 100

// checkName is what the check of a run is called on its commit, and its place in
// the comment. That of a dry run is no name of a pipeline or an environment, so
// it never stands for a deploy.
func checkName(r *pipeline.Run) string {
	const dry = " (dry run)"
	name, room := "shipmate/"+r.Pipeline.Name, maxContext
	if r.Environment != nil {
		name += "/" + r.Environment.Name
	}
	if r.DryRun {
		return cutRunes(name, room-len(dry)) + dry
	}
	return cutRunes(name, room)
}

// verdict is a run's state in the few words that GitHub has for it.
type verdict int

const (
	waits verdict = iota // queued, or for somebody
	works
	good
	bad
	ended // cancelled
	asks  // nobody knows how it ended
)

// verdictOf: a run that was asked to undo another one is good when it has.
func verdictOf(r *pipeline.Run) verdict {
	switch r.State {
	case pipeline.Queued, pipeline.Waiting:
		return waits
	case pipeline.Running, pipeline.RollingBack:
		return works
	case pipeline.Succeeded:
		return good
	case pipeline.RolledBack:
		if r.Reverts != "" {
			return good
		}
		return bad
	case pipeline.Failed:
		return bad
	case pipeline.Unknown:
		return asks
	}
	return ended
}

// What is over sooner than this after it began is shown once, when it is over.
// The comment is what people watch; the others are written as seldom as they can be.
const (
	settlesSoon = 2 * time.Second
	settles     = 5 * time.Second
)

// Settles: a check may be required, so people wait for it before they merge.
func (c ReportConfig) Settles(r *pipeline.Run) time.Duration {
	if r.Environment == nil {
		return settlesSoon
	}
	return settles
}

// reporting marks the calls that show a run: what stays is told before what passes.
func reporting(ctx context.Context, r *pipeline.Run) context.Context {
	if (r.State == pipeline.Queued || r.State == pipeline.Running) && len(r.OpenGates()) == 0 {
		return withUrgency(ctx, passing)
	}
	return withUrgency(ctx, lasting)
}

// first reports whether nothing of ours can stand there yet, so that there is
// nothing to look for. It keeps that from now on something may. The context it
// returns has paid for what is to be made.
func (c ReportConfig) first(ctx context.Context, r *pipeline.Run, shown pipeline.Shown) (context.Context, bool, error) {
	ctx, err := c.Client.prepay(ctx, r.Repo)
	if err != nil || shown.Data != nil || shown.Doubt != "" || shown.Save == nil {
		return ctx, false, err
	}
	return ctx, true, shown.Save(ctx, json.RawMessage(`{}`))
}

// digest tells whether what stands there is what should.
func digest(v any) string {
	b, err := json.Marshal(v)
	if err != nil {
		panic("digest: " + err.Error()) // our own structs always encode
	}
	sum := sha256.Sum256(b)
	return hex.EncodeToString(sum[:8])
}

// decodeShown reads what a sink saved. What cannot be read counts as lost.
func decodeShown[T any](shown pipeline.Shown) (s T) {
	if json.Unmarshal(shown.Data, &s) != nil {
		var none T
		return none
	}
	return s
}

// save is what a sink returns: the state to keep and the error, if any.
func save(s any, err error) (json.RawMessage, error) {
	b, encodeErr := json.Marshal(s)
	return b, errors.Join(err, encodeErr)
}

// unreachable: GitHub knows no such commit, pull request or comment.
func unreachable(err error) bool {
	return !pipeline.IsTemporary(err) && errors.Is(err, errMissing)
}

// lagging is for how long after a run was made GitHub may not have everywhere
// what it is about.
const lagging = 30 * time.Second

// lost is the error of a write to what GitHub says is not there, nil if that is
// for ever. It says so too while a commit is on its way to all of its servers,
// and of a repository that the App is not on any more.
func (c ReportConfig) lost(ctx context.Context, r *pipeline.Run, err error) error {
	switch {
	case !unreachable(err):
		return err
	case c.Client.cfg.Now().Sub(r.Created) < lagging:
		return pipeline.Temporary(&Patience{Wait: time.Second, Why: err.Error()})
	}
	c.Client.forgetInstallation(r.Repo)
	if _, gone := c.Client.installationOf(ctx, r.Repo); gone != nil {
		return gone
	}
	c.Client.cfg.Log.Warn("nothing to show a run on any more", "run", string(r.ID), "repo", r.Repo.String(), "err", err)
	return nil
}

// unshown says what cannot be written of the runs at the moment, in other places than self.
func (c ReportConfig) unshown(ctx context.Context, self pipeline.Sink, runs ...*pipeline.Run) ([]string, error) {
	if c.Blocked == nil || len(runs) == 0 {
		return nil, nil
	}
	jobs, err := c.Blocked.BlockedJobs(ctx, runs[0].Repo.ID)
	if err != nil {
		return nil, pipeline.Temporary(fmt.Errorf("blocked reports of %s: %w", runs[0].Repo, err))
	}
	const most = 5
	var out []string
	for _, r := range runs {
		for _, text := range pipeline.Unshown(r, jobs, self.Name()) {
			if text = "⚠️ " + inline(cutRunes(text, 600)); len(out) < most && !slices.Contains(out, text) {
				out = append(out, text)
			}
		}
	}
	return out, nil
}

// statusLine is how a run stands in one line of plain text.
func statusLine(r *pipeline.Run) string {
	v := bot.Show(r)
	line := v.Headline
	if v.Note != "" {
		line += ": " + v.Note
	}
	return oneLine(strings.ReplaceAll(line, "`", "")) // nobody renders Markdown there
}

// stepList is a table of the steps. Names come from the file, the rest from programs.
func stepList(v bot.View) string {
	if len(v.Steps) == 0 {
		return ""
	}
	var b strings.Builder
	b.WriteString("| | step | |\n|---|---|---|\n")
	for _, s := range v.Steps {
		fmt.Fprintf(&b, "| %s | %s | %s |\n", s.Icon, codeCell(s.Name), inline(cutRunes(oneLine(s.Text), 300)))
	}
	return b.String()
}

// codeCell is a code span in a table.
func codeCell(s string) string { return strings.ReplaceAll(codeSpan(s), "|", "¦") }

// fittingSummaries are the summaries in at most room bytes.
func fittingSummaries(r *pipeline.Run, room int) string {
	const least = 500
	for limit := maxText / 2; limit >= least; limit /= 2 {
		if text := summaries(r, limit); len(text) <= room {
			return text
		}
	}
	return cutMiddle(summaries(r, least), room)
}

// htmlText is text inside an HTML element, where Markdown is not read.
func htmlText(s string) string {
	s = strings.NewReplacer("#", "#"+zeroWidth, "@", "@"+zeroWidth, "://", ":"+zeroWidth+"//").Replace(oneLine(s))
	s = html.EscapeString(linking.ReplaceAllStringFunc(s, splitLast))
	return strings.NewReplacer("[", "&#91;", "]", "&#93;", "`", "&#96;").Replace(s)
}

// newest is the newest run that shows itself under the same name on the same
// commit: this one, as it stands, or another.
func (c ReportConfig) newest(ctx context.Context, r *pipeline.Run) (*pipeline.Run, error) {
	if c.Runs == nil {
		return r, nil
	}
	const recent = 10
	list, err := c.Runs.Runs(ctx, pipeline.RunQuery{Repo: r.Repo.ID, PR: r.PR, Environment: r.EnvironmentName(), Limit: recent, NoDryRuns: !r.DryRun})
	if err != nil {
		return nil, pipeline.Temporary(fmt.Errorf("find newer runs: %w", err))
	}
	for _, o := range list {
		if o.ID != r.ID && shownOn(o) == shownOn(r) && o.Created.After(r.Created) && checkName(o) == checkName(r) {
			r = o
		}
	}
	return r, nil
}
