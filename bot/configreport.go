package bot

import (
	"errors"
	"fmt"
	"strings"

	"github.com/shipmate/shipmate/commands"
	"github.com/shipmate/shipmate/pipeline"
)

// configChange is a change of a repository's file, or the lack of one.
type configChange struct {
	head, base ConfigFile
	inForce    ConfigFile // on the default branch
	pushed     bool       // the head is what the default branch was moved to
}

func (f ConfigFile) there() bool  { return f.Digest != "" }
func (f ConfigFile) broken() bool { return f.Err != nil }

const (
	notInEffect = "The change is not in effect until it is merged into the default branch: what runs, who may deploy and who may approve is read there, and nowhere else."
	nothingNew  = "As long as that is so, no pipeline starts, and of the commands only those work that bring nothing new, such as `/cancel`, `/status` and `/rollback`. Runs that have begun go on as they were defined, and the services and schedules known before are kept."
)

// report is the verdict, pure. say is false where there is nothing to be said:
// the repository has no such file, or a push left a good one good. On a pull
// request it says something in any case: the check may be required, and must
// not be waited for in vain.
func (c configChange) report() (r ConfigReport, say bool) {
	if c.pushed {
		return c.pushReport(), c.head.broken() || c.base.broken()
	}
	switch {
	case c.head.Digest == c.base.Digest && c.inForce.broken():
		return c.brokenAlready(), true
	case c.head.Digest == c.base.Digest:
		return ConfigReport{Conclusion: "neutral", Title: "`.shipmate.yaml` is not changed", Summary: "`.shipmate.yaml` is not changed here."}, c.head.there() || c.inForce.there()
	case !c.head.there():
		return ConfigReport{Conclusion: "neutral", Title: "`.shipmate.yaml` is deleted",
			Summary: "`.shipmate.yaml` is deleted. Without it on the default branch no pipeline starts and nothing can be deployed by command.\n\n" + notInEffect}, true
	case c.head.broken():
		return problemsReport(c.head, notInEffect), true
	}
	return c.goodReport(), true
}

func (c configChange) pushReport() ConfigReport {
	if c.head.broken() {
		return problemsReport(c.head, nothingNew)
	}
	return ConfigReport{Conclusion: "success", Title: "The file is good again", Summary: "`.shipmate.yaml` is good again, and in effect from this commit on."}
}

// brokenAlready: this pull request did nothing, but what should check it could not start.
func (c configChange) brokenAlready() ConfigReport {
	r := problemsReport(c.inForce, nothingNew)
	r.Title = "`.shipmate.yaml` on the default branch has errors, so no pipeline starts"
	r.Summary = "This change does not touch `.shipmate.yaml`. The one on the default branch has errors, so the pipelines that should check this change could not start. As soon as it is mended there, they do.\n\n" + r.Summary
	if c.head.Digest != c.inForce.Digest {
		r.Problems = nil // the lines are others here
	}
	return r
}

func problemsReport(f ConfigFile, after string) ConfigReport {
	const listed = 20
	r := ConfigReport{Conclusion: "failure", Title: "The file has errors"}
	var problems pipeline.Problems
	if errors.As(f.Err, &problems) {
		r.Problems = problems
	}
	lines := []string{"`.shipmate.yaml` has errors:", ""}
	for i, p := range r.Problems {
		if i == listed {
			lines = append(lines, fmt.Sprintf("- and %d more", len(r.Problems)-listed))
			break
		}
		lines = append(lines, "- "+commands.Code(p.String()))
	}
	if n := len(r.Problems); n > 0 {
		r.Title = fmt.Sprintf("%d errors, the first in line %d", n, r.Problems[0].Line)
		if n == 1 {
			r.Title = fmt.Sprintf("1 error, in line %d", r.Problems[0].Line)
		}
	}
	r.Summary = strings.Join(append(lines, "", after), "\n")
	return r
}

func (c configChange) goodReport() ConfigReport {
	r := ConfigReport{Conclusion: "success", Title: "The file is good"}
	blocks := []string{"The file is good."}
	if c.inForce.broken() {
		blocks = append(blocks, "The one on the default branch has errors, and no pipeline starts until it is mended.")
	}
	var was pipeline.Config
	switch {
	case c.base.Config != nil:
		was = *c.base.Config
	case c.base.broken():
		blocks = append(blocks, "The file before this change has errors, so what changes cannot be said: everything below counts as new.")
	}
	rights, rest := diffConfigs(&was, c.head.Config)
	if wider := widened(rights); wider > 0 {
		r.Title = fmt.Sprintf("The file is good; it gives rights: %d changes to read with care", wider)
		if wider == 1 {
			r.Title = "The file is good; it gives rights: 1 change to read with care"
		}
	}
	if len(rights) > 0 {
		blocks = append(blocks, "**Who may deploy and approve, and what must hold before, changes:**\n\n"+rightsList(rights))
	}
	if len(rest) > 0 {
		blocks = append(blocks, "**What else changes:**\n\n- "+strings.Join(rest, "\n- "))
	}
	if len(rights)+len(rest) == 0 {
		blocks = append(blocks, "Nothing that counts changes: only comments, order or form.")
	}
	r.Summary = strings.Join(append(blocks, notInEffect), "\n\n")
	return r
}

func rightsList(rights []right) string {
	var lines []string
	for _, r := range rights {
		line := "- " + r.text
		if r.wider {
			line = "- ⚠️ " + r.text
		}
		lines = append(lines, line)
	}
	return strings.Join(lines, "\n")
}

func widened(rights []right) (n int) {
	for _, r := range rights {
		if r.wider {
			n++
		}
	}
	return n
}
