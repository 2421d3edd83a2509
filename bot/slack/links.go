package slack

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"unicode/utf8"

	"github.com/shipmate/shipmate/pipeline"
)

const (
	tailLines = 12  // of a step that failed
	maxRef    = 100 // characters of a branch or tag
)

// links is one line of mrkdwn: what, from where, by whom, and the ways to all of it.
func (s *Sink) links(r *pipeline.Run) string {
	sha, ref := r.Brings()
	parts := []string{anchor(s.Web.Commit(r.Repo, sha), commitName(sha))}
	if ref != "" && ref != sha {
		parts = append(parts, "`"+escape(strings.ReplaceAll(short(oneLine(pipeline.Clean(ref)), maxRef), "`", "'"))+"`")
	}
	if r.PR != 0 {
		parts = append(parts, anchor(s.Web.Pull(r.Repo, r.PR), fmt.Sprintf("PR %d", r.PR)))
	}
	parts = append(parts, "by "+escape(r.Actor.Login), anchor(s.Web.Run(r), "run "+string(r.ID)), anchor(s.Web.Repo(r.Repo), r.Repo.String()))
	if r.Environment != nil && r.Environment.URL != "" {
		parts = append(parts, anchor(r.Environment.URL, r.Environment.Name)) // it was checked when the file was read
	}
	return strings.Join(parts, " · ")
}

// anchor is a text that leads to an address, if there is one.
func anchor(to, text string) string {
	text = escape(strings.ReplaceAll(text, "|", "/"))
	if to == "" || strings.ContainsAny(to, "|<>\"`\\") || !printable(to) {
		return text
	}
	return "<" + escape(to) + "|" + text + ">"
}

// lastLines are the last lines of a step's log in a block of code, as many as fit
// below a text of a note. A log that cannot be read is left out.
func (s *Sink) lastLines(ctx context.Context, r *pipeline.Run, step *pipeline.StepRun, below string) string {
	if step == nil || s.Logs == nil {
		return ""
	}
	lines, err := s.Logs.Tail(ctx, r.ID, step.FailureLog(), step.Attempt, tailLines)
	if err != nil && !errors.Is(err, pipeline.ErrNotFound) {
		s.Log.Warn("log of a failed step", "run", r.ID, "step", step.Name, "err", err)
	}
	return fencedLines(lines, maxSection-utf8.RuneCountInString(below))
}

// fencedLines are lines that anybody wrote, in a block of code that none of them
// closes: the newest, as many as take no more than so many characters on Slack,
// where some signs count for several.
func fencedLines(lines []string, most int) string {
	const around = "\n```\n\n```"
	most -= len(around)
	var out []string
	for _, l := range slices.Backward(lines) {
		l = strings.ReplaceAll(short(pipeline.Clean(l), maxTailLine), "```", "'''")
		if most -= utf8.RuneCountInString(escape(l)) + 1; most < 0 {
			break
		}
		out = append(out, l)
	}
	if len(out) == 0 {
		return ""
	}
	slices.Reverse(out)
	return "\n```\n" + strings.Join(out, "\n") + "\n```"
}
