package test

import (
	"fmt"
	"html"
	"os"
	"regexp"
	"slices"
	"strings"

	"github.com/shipmate/shipmate/test/sim/github"
	"github.com/shipmate/shipmate/test/sim/slack"
	"github.com/shipmate/shipmate/test/world"
)

// news lists what people see now and did not see before.
func (s *stage) news() []string {
	var out []string
	show := func(key, text string) {
		if s.seen[key] != text {
			out = append(out, text)
		}
		s.seen[key] = text
	}
	for i, a := range s.answers {
		show(fmt.Sprint("answer ", i), said(a.to+" hears", s.plain(a.text)))
	}
	for i, p := range s.pages {
		show(fmt.Sprint("page ", i), s.plain(p))
	}
	s.comments(show)
	s.checks(show)
	for _, c := range s.w.Slack.Snapshot().Channels {
		s.channel(c, show)
	}
	for _, p := range world.People {
		if v := s.w.Slack.OpenView(p.Login); v != nil {
			show("form "+v.ID, said("form for "+p.Login, s.plain(html.UnescapeString(v.Rendered+wrong(v)))))
		}
		if v := s.w.Slack.Home(p.Login); v != nil {
			show("home "+v.ID, said("home of "+p.Login, s.plain(html.UnescapeString(v.Rendered))))
		}
	}
	return out
}

// wrong is what the form says below inputs that were not accepted.
func wrong(v *slack.View) string {
	out := ""
	for _, in := range v.Inputs {
		if sentence := v.Errors[in.BlockID]; sentence != "" {
			out += "\n! " + in.Label + ": " + sentence
		}
	}
	return out
}

var marker = regexp.MustCompile(`(?s)^<!-- shipmate:(.*?) -->\n`)

// comments are the reactions, the answers, and the sections of the living comment.
func (s *stage) comments(show func(key, text string)) {
	var living string
	for number := 1; number <= s.pr; number++ {
		all := s.w.GitHub.Comments(s.repo, number)
		s.othersFirst(all)
		for _, c := range all {
			if c.User.Login != "shipmate[bot]" {
				s.reactions(c, show)
				continue
			}
			m := marker.FindStringSubmatch(c.Body)
			switch {
			case m == nil:
				show(fmt.Sprint(c.ID), said("bot without a marker", s.plain(c.Body)))
			case m[1] == "pr":
				living = strings.TrimPrefix(c.Body, m[0])
			case waitedAMinute.MatchString(c.Body):
			default:
				show(fmt.Sprint(c.ID), said("bot", s.plain(strings.TrimPrefix(c.Body, m[0]))))
			}
		}
		for section := range strings.SplitSeq(living, "### ") {
			if title, body, ok := strings.Cut(section, "\n"); ok && strings.TrimSpace(title) != "" {
				_, what, _ := strings.Cut(title, " ")
				show(fmt.Sprint(number, what), said("comment", s.plain(title+"\n"+condensed(body))))
			}
		}
		living = ""
		for _, c := range s.w.GitHub.LineComments(s.repo, number) {
			if words := s.reactionsTo(c.ID); words != "" {
				show(fmt.Sprint("reactions ", c.ID), "bot reacts to the line: "+words)
			}
		}
	}
}

// waitedAMinute is what is told to whoever has waited for a minute. A story that
// uses up what GitHub allows in a minute waits for the next, and another run of
// it just does not.
var waitedAMinute = regexp.MustCompile(`starts now; it waited 1m `)

// othersFirst puts what is told to somebody else before the answer to who spoke:
// which of them is there first is a matter of luck.
func (s *stage) othersFirst(comments []github.IssueComment) {
	rank := func(c github.IssueComment) int {
		_, text, _ := strings.Cut(c.Body, "-->\n")
		switch {
		case c.User.Login != "shipmate[bot]" || s.seen[fmt.Sprint(c.ID)] != "":
			return 0
		case s.speaker != "" && strings.HasPrefix(text, "@"+s.speaker+" "):
			return 2
		}
		return 1
	}
	slices.SortStableFunc(comments, func(a, b github.IssueComment) int { return rank(a) - rank(b) })
}

func (s *stage) reactions(c github.IssueComment, show func(key, text string)) {
	key, text := fmt.Sprint("reactions ", c.ID), s.reactionsTo(c.ID)
	if s.seen[key] == text {
		return
	}
	line := "bot reacts: " + text
	if c.ID != s.last.ID {
		line += " (to an earlier comment)"
	}
	show(key+" ", line)
	s.seen[key] = text
}

func (s *stage) reactionsTo(comment int64) string {
	var words []string
	for _, r := range s.w.GitHub.Reactions(s.repo, comment) {
		words = append(words, r.Content)
	}
	return strings.Join(words, ", ")
}

// condensed leaves out what only makes Markdown of it.
func condensed(body string) string {
	var out []string
	for line := range strings.SplitSeq(body, "\n") {
		switch strings.TrimSpace(line) {
		case "", "| | step | |", "|---|---|---|", "```text", "```":
			continue
		}
		out = append(out, line)
	}
	return strings.Join(out, "\n")
}

// checks are the statuses, check runs and deployments of all commits.
func (s *stage) checks(show func(key, text string)) {
	newest := ""
	if pr, ok := s.w.GitHub.PullRequest(s.repo, s.pr); ok {
		newest = pr.Head.SHA
	}
	for _, sha := range s.commits {
		on := ""
		if sha != newest {
			on = " of " + sha[:7]
		}
		statuses := s.w.GitHub.Statuses(s.repo, sha)
		slices.SortFunc(statuses, func(a, b github.CommitStatus) int { return strings.Compare(a.Context, b.Context) })
		for _, st := range statuses {
			line := s.plain(fmt.Sprintf("status %s%s: %s - %s", st.Context, on, st.State, text(st.Description)))
			show("status "+sha+st.Context, shortened(line, 100))
		}
		runs := s.w.GitHub.CheckRuns(s.repo, sha)
		slices.SortFunc(runs, func(a, b github.CheckRun) int { return strings.Compare(a.Name, b.Name) })
		for _, run := range runs {
			state := run.Status
			if run.Conclusion != nil {
				state = *run.Conclusion
			}
			line := shortened(s.plain(fmt.Sprintf("check %s%s: %s - %s", run.Name, on, state, text(run.Output.Title))), 200)
			for _, b := range run.Actions {
				if run.Status == "completed" {
					line += " [" + b.Label + "]"
				}
			}
			show("check "+sha+run.Name, line)
			s.remarks(run, show)
		}
	}
	deployments := s.w.GitHub.Deployments(s.repo)
	slices.Reverse(deployments)
	for _, d := range deployments {
		key, state := fmt.Sprint("deployment ", d.ID), "pending"
		if len(d.Statuses) > 0 {
			state = d.Statuses[0].State
		}
		if state == "inactive" && s.seen[key] == "" {
			continue // another one took its place meanwhile; whether there is one at all depends on who is faster
		}
		show(key, s.plain(fmt.Sprintf("deployment of %s to %s: %s", d.SHA[:7], d.Environment, state)))
	}
}

// shortened is a line that the bot has cut, cut a little more: where it does that
// depends on the length of times.
func shortened(line string, most int) string {
	if r := []rune(line); strings.HasSuffix(line, "…") {
		return string(r[:min(most, len(r))]) + "…"
	}
	return line
}

// remarks are what a check says of the file, and of lines.
func (s *stage) remarks(run github.CheckRun, show func(key, text string)) {
	if run.Name == "shipmate/config" && *run.Conclusion != "neutral" {
		show(fmt.Sprint("summary ", run.ID), "    "+strings.ReplaceAll(s.plain(condensed(text(run.Output.Summary))), "\n", "\n    "))
	}
	for i, a := range s.w.GitHub.Annotations(s.repo, run.ID) {
		show(fmt.Sprint("remark ", run.ID, i), s.plain(fmt.Sprintf("    at %s:%d %s: %s", a.Path, a.StartLine, a.Level, a.Message)))
	}
}

func text(s *string) string {
	if s == nil {
		return ""
	}
	return *s
}

// channel is what the bot said on Slack.
func (s *stage) channel(c slack.ChannelState, show func(key, text string)) {
	name := "#" + c.Name
	if c.Direct {
		name = "direct"
		if slices.Contains(c.Members, "U0ZOE") {
			name += " with zoe"
		}
		for _, p := range world.People {
			if slices.Contains(c.Members, p.Slack) {
				name += " with " + p.Login
			}
		}
	}
	s.inOrder(c.Messages)
	for _, m := range c.Messages {
		s.message(name, m, show)
		s.inOrder(m.Replies)
		for _, reply := range m.Replies {
			s.message(name+" (thread)", reply, show)
		}
	}
}

// inOrder puts the answer to a request first, then what only one person sees,
// then what is told of a run, then what is told of a lock: which of them is there
// first is a matter of luck. What was there before comes first in any case.
func (s *stage) inOrder(messages []slack.Message) {
	rank := func(m slack.Message) int {
		switch {
		case s.seen["slack "+m.Channel+m.TS] != "":
			return 0
		case strings.HasPrefix(m.Rendered, "On it: "):
			return 1
		case strings.HasPrefix(m.Rendered, "🔒 "), strings.HasPrefix(m.Rendered, "🔓 "):
			return 4
		case m.Metadata == nil:
			return 2
		}
		return 3
	}
	slices.SortStableFunc(messages, func(a, b slack.Message) int { return rank(a) - rank(b) })
}

func (s *stage) message(where string, m slack.Message, show func(key, text string)) {
	if !m.Bot || m.Rendered == "Started." || strings.HasPrefix(m.Rendered, "Undoing run ") {
		return // whether that is said depends on who is faster
	}
	key := "slack " + m.Channel + m.TS
	if m.Ephemeral() {
		where += " (only " + m.VisibleTo + ")"
		for _, p := range world.People {
			where = strings.ReplaceAll(where, p.Slack, p.Login)
		}
		where = strings.ReplaceAll(where, "U0ZOE", "zoe")
	} else if s.seen[key] != "" && !strings.HasSuffix(where, "(thread)") {
		where += " (changed)"
	}
	text := s.plain(html.UnescapeString(m.Rendered))
	if s.seen[key] != text {
		show(key+" ", said(where, text))
	}
	s.seen[key] = text
}

// said puts a name before a text of several lines.
func said(who, text string) string {
	lines := strings.Split(strings.TrimSpace(text), "\n")
	for i := range lines {
		if i > 0 && lines[i] != "" {
			lines[i] = strings.Repeat(" ", len(who)+2) + lines[i]
		}
	}
	return who + "> " + strings.Join(lines, "\n")
}

var (
	runID    = regexp.MustCompile(`r-[0-9a-hjkmnp-tv-z]{8}\b`)
	duration = regexp.MustCompile(`\b(after|in) [0-9][0-9.]*(ms|s|m[0-9]*s?)\b`)
	moment   = regexp.MustCompile(`\b((Mon|Tue|Wed|Thu|Fri|Sat|Sun) )?20\d\d-\d\d-\d\d \d\d:\d\d UTC`)
	message  = regexp.MustCompile(`https://sim\.slack\.com/archives/[A-Z0-9]+/p\d+(\?[^>\s]*)?`)
	linkCode = regexp.MustCompile(`/link\?code=[A-Z2-7]{26}`)
	clock    = regexp.MustCompile(`\b\d\d:\d\d:\d\d UTC`)
	zero     = "\u200b" // keeps names from becoming links
)

// plain takes out of a text what differs from one time to the next.
func (s *stage) plain(text string) string {
	text = strings.ReplaceAll(text, zero, "")
	text = runID.ReplaceAllStringFunc(text, s.run)
	for i, sha := range s.commits {
		text = strings.ReplaceAll(text, sha, name(i, 40))
		text = strings.ReplaceAll(text, sha[:7], name(i, 7))
	}
	text = duration.ReplaceAllString(text, "$1 1s")
	text = message.ReplaceAllString(text, "https://sim.slack.com/archives/C/p")
	text = moment.ReplaceAllString(text, "2026-01-02 15:04 UTC")
	text = linkCode.ReplaceAllString(text, "/link?code=CODE")
	text = clock.ReplaceAllString(text, "15:04:05 UTC")
	if host, err := os.Hostname(); err == nil {
		text = strings.ReplaceAll(text, "machine "+host, "machine host")
	}
	text = strings.ReplaceAll(text, s.w.URL, "https://shipmate.example")
	return strings.ReplaceAll(text, s.w.GitHub.URL(), "https://github.example")
}

// run is what a transcript calls a run: r-1, r-2, ... as they are met. The one
// in the examples of the manual stays.
func (s *stage) run(id string) string {
	if id == "r-1a2b3c4d" || strings.Contains(s.typed, id) {
		return id
	}
	i := slices.Index(s.runs, id)
	if i < 0 {
		s.runs = append(s.runs, id)
		i = len(s.runs) - 1
	}
	return fmt.Sprintf("r-%d", i+1)
}
