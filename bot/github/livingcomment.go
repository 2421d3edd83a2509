package github

import (
	"cmp"
	"context"
	"encoding/json"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/shipmate/shipmate/bot"
	"github.com/shipmate/shipmate/pipeline"
)

// commentSink is the living comment: one per pull request, a section per
// pipeline and environment with its newest run.
type commentSink struct{ ReportConfig }

type shownComment struct {
	ID     int64  `json:"id"`
	Digest string `json:"digest"`
}

func (s *commentSink) Name() string  { return "github-comment" }
func (s *commentSink) Shows() string { return "comment on the pull request" }

func (s *commentSink) Subject(r *pipeline.Run) string {
	if r.PR == 0 {
		return ""
	}
	return fmt.Sprintf("pr/%d", r.PR)
}

// maxSections is how many runs of a pull request are looked at.
const maxSections = 100

// Settles: the comment is what people watch.
func (s *commentSink) Settles(*pipeline.Run) time.Duration { return settlesSoon }

func (s *commentSink) Show(ctx context.Context, r *pipeline.Run, shown pipeline.Shown) (json.RawMessage, error) {
	was := decodeShown[shownComment](shown)
	ctx = reporting(ctx, r)
	all, err := s.pullRuns(ctx, r)
	if err != nil {
		return shown.Data, pipeline.Temporary(fmt.Errorf("runs of %s#%d: %w", r.Repo, r.PR, err))
	}
	p := post{repo: r.Repo, pr: r.PR, marker: marker("pr"), id: was.ID}
	list := newestOfEach(append(all, r))
	unshown, err := s.unshown(ctx, s, list...)
	if err != nil {
		return shown.Data, err
	}
	if note := s.Client.lateNote(r.Repo.Installation); note != "" {
		unshown = append(unshown, "\n⚠️ "+note+"\n")
	}
	p.body = strings.Join(append([]string{p.marker + "\n" + s.render(list, s.allTails(ctx, list))}, unshown...), "\n")
	now := shownComment{ID: was.ID, Digest: digest(p.body)}
	if now.ID != 0 && now.Digest == was.Digest && shown.Doubt == "" {
		return shown.Data, nil
	}
	if was.ID == 0 { // nothing is looked for that could not be written now
		if r.Environment != nil { // it is what a person who asked for a deploy sees of it first
			ctx = withUrgency(ctx, warning)
		}
		if ctx, err = s.Client.prepay(ctx, r.Repo); err != nil {
			return shown.Data, err
		}
	}
	if shown.Doubt != "" {
		p.id, err = s.Client.only(ctx, p)
	}
	if err == nil {
		now.ID, err = s.Client.write(ctx, p)
	}
	if err != nil {
		return shown.Data, s.lost(ctx, r, err)
	}
	return save(now, nil)
}

// pullRuns are the newest runs of the pull request. Many dry runs do not push the
// others out.
func (s *commentSink) pullRuns(ctx context.Context, r *pipeline.Run) ([]*pipeline.Run, error) {
	q := pipeline.RunQuery{Repo: r.Repo.ID, PR: r.PR, Limit: maxSections}
	all, err := s.Runs.Runs(ctx, q)
	if err != nil || len(all) < maxSections {
		return all, err
	}
	q.NoDryRuns = true
	others, err := s.Runs.Runs(ctx, q)
	return append(all, others...), err
}

// newestOfEach keeps the newest run of each pipeline and environment, and the
// run that failed below the one that was started because of it: checks first,
// then environments by name.
func newestOfEach(all []*pipeline.Run) []*pipeline.Run {
	newest := map[string]*pipeline.Run{}
	for _, r := range all {
		have := newest[checkName(r)]
		if have == nil || r.Created.After(have.Created) || r.ID == have.ID && r.Version > have.Version {
			newest[checkName(r)] = r
		}
	}
	var list []*pipeline.Run
	for _, r := range newest {
		list = append(list, r)
		failed := slices.IndexFunc(all, func(o *pipeline.Run) bool { return o.ID == r.Parent && o.RedeployedBy == r.ID })
		if failed >= 0 {
			list = append(list, all[failed])
		}
	}
	slices.SortFunc(list, func(a, b *pipeline.Run) int {
		return cmp.Or(cmp.Compare(rank(a), rank(b)), strings.Compare(checkName(a), checkName(b)), b.Created.Compare(a.Created))
	})
	return list
}

func rank(r *pipeline.Run) int {
	if r.Environment == nil {
		return 0
	}
	return 1
}

// detail is how much of each run is told; the most that fits is taken.
type detail int

const (
	headlines detail = iota
	steps
	everything
)

// allTails are the logs of what failed, of the newest runs first.
func (s *commentSink) allTails(ctx context.Context, list []*pipeline.Run) (all []logTail) {
	newest := slices.Clone(list)
	slices.SortFunc(newest, func(a, b *pipeline.Run) int { return b.Created.Compare(a.Created) })
	for _, r := range newest {
		all = append(all, s.tails(ctx, r, maxTails-len(all))...)
	}
	return all
}

// render never makes more than fits into a comment. Logs come before what steps
// wrote for people, and after everything else.
func (s *commentSink) render(list []*pipeline.Run, tails []logTail) string {
	room := maxText - 200 // marker, and what is said when runs are left out
	for d := everything; d >= headlines; d-- {
		text, fits := s.sections(list, d, room, nil)
		left := room - len(text)
		if !fits || d > headlines && left < min(len(tails)*minTail, room/3) {
			continue
		}
		shown := tails[:min(len(tails), left/minTail)]
		if text, fits := s.sections(list, d, room, sharing(shown, left)); fits {
			return text
		}
		return text
	}
	var b strings.Builder
	for i, r := range list {
		text := s.section(r, headlines, 0, "")
		if b.Len()+len(text) > room {
			fmt.Fprintf(&b, "\n...and %d more.\n", len(list)-i)
			break
		}
		b.WriteString(text)
	}
	return b.String()
}

// sharing is what is shown of the logs of each run.
func sharing(tails []logTail, room int) map[pipeline.RunID]string {
	logs := map[pipeline.RunID]string{}
	for i, t := range tails {
		text := t.render(room / (len(tails) - i))
		logs[t.run] += text
		room -= len(text)
	}
	return logs
}

func (s *commentSink) sections(list []*pipeline.Run, d detail, room int, logs map[pipeline.RunID]string) (text string, fits bool) {
	var b strings.Builder
	for _, r := range list {
		b.WriteString(s.section(r, d, room/len(list)/2, logs[r.ID]))
		if b.Len() > room {
			return "", false
		}
	}
	return b.String(), true
}

// section tells of one run: verdict, commit and approvers first.
func (s *commentSink) section(r *pipeline.Run, d detail, summaryRoom int, logs string) string {
	v := bot.Show(r)
	var b strings.Builder
	fmt.Fprintf(&b, "### %s %s\n", v.Icon, inline(cutRunes(v.Title, 200)))
	fmt.Fprintf(&b, "**%s** · `%.7s` · run %s · by %s\n", inline(cutRunes(v.Headline, 300)), shownOn(r), s.runLink(r), codeSpan(cmp.Or(r.Actor.Login, "shipmate")))
	if v.Note != "" {
		fmt.Fprintf(&b, "\n%s\n", inline(cutRunes(v.Note, 1000)))
	}
	if v.Lock != "" {
		fmt.Fprintf(&b, "\n%s\n", inline(v.Lock))
	}
	if r.Reason != "" {
		fmt.Fprintf(&b, "\nReason: %s\n", codeSpan(cutRunes(oneLine(r.Reason), 300)))
	}
	for _, w := range v.Warnings {
		fmt.Fprintf(&b, "\n⚠️ %s\n", inline(cutRunes(w, 600)))
	}
	b.WriteString(answers(r))
	if d >= steps && len(v.Steps) > 0 {
		b.WriteString("\n" + stepList(v))
	}
	if d >= everything {
		if text := summaries(r, max(summaryRoom, 500)); text != "" {
			b.WriteString("\n" + text)
		}
	}
	if logs != "" {
		b.WriteString("\n" + strings.TrimSuffix(logs, "\n"))
	}
	if len(v.Paste) > 0 {
		b.WriteString("\n" + pasteBlock(v.Paste))
	}
	b.WriteString("\n")
	return b.String()
}

func (s *commentSink) runLink(r *pipeline.Run) string {
	if u := s.runURL(r); u != "" {
		return fmt.Sprintf("[`%s`](%s)", r.ID, u)
	}
	return fmt.Sprintf("`%s`", r.ID)
}

// answers lists who said yes and no, by gate.
func answers(r *pipeline.Run) string {
	var b strings.Builder
	for _, a := range r.Approvals {
		if strings.HasPrefix(a.Gate, pipeline.OverrideOf("")) {
			continue // a warning, not an answer
		}
		word := "✔️ approved"
		if !a.Yes {
			word = "✖️ rejected"
		}
		fmt.Fprintf(&b, "\n- %s by %s for %s", word, codeSpan(a.By.Login), codeSpan(a.Gate))
		if a.Reason != "" {
			fmt.Fprintf(&b, ": %s", codeSpan(cutRunes(oneLine(a.Reason), 200)))
		}
	}
	if b.Len() > 0 {
		b.WriteString("\n")
	}
	return b.String()
}

// pasteBlock is the commands that make sense now, one a line. A block of code is
// not read for commands, so our comment never commands anybody.
func pasteBlock(lines []string) string {
	var b strings.Builder
	for _, line := range lines {
		b.WriteString(oneLine(line) + "\n")
	}
	return codeBlock("text", b.String())
}
