package commands

import (
	_ "embed"
	"fmt"
	"strings"

	"github.com/shipmate/shipmate/pipeline"
)

// Manual is docs/commands.md: what can be said, in Markdown. A test keeps the
// file the same as this.
func (s Set) Manual() string {
	var b strings.Builder
	b.WriteString(manualHead)
	for _, c := range s {
		h := c.Help()
		fmt.Fprintf(&b, "\n## `%s`\n\n%s", h.Usage(), h.Summary)
		if h.Needs > pipeline.NoAccess {
			fmt.Fprintf(&b, " Needs %s access, or what the environment's policy says.", h.Needs)
		}
		if said := Spelled("slack", h.Name); said != h.Name {
			fmt.Fprintf(&b, " On Slack: `%s`.", said)
		}
		b.WriteString("\n\n```\n" + strings.Join(h.Examples, "\n") + "\n```\n")
	}
	b.WriteString("\n## Reason codes\n\nA refusal, a wait and an end carry one of these. They do not change; the sentences may.\n\n| code | meaning |\n|---|---|\n")
	for _, r := range Reasons() {
		fmt.Fprintf(&b, "| `%s` | %s |\n", r.Code, r.Meaning)
	}
	return b.String()
}

// manualHead says what holds for every command.
//
//go:embed manual.md
var manualHead string
