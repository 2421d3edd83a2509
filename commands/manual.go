package commands

import (
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
		b.WriteString("\n\n```\n" + strings.Join(h.Examples, "\n") + "\n```\n")
	}
	b.WriteString("\n## Reason codes\n\nA refusal, a wait and an end carry one of these. They do not change; the sentences may.\n\n| code | meaning |\n|---|---|\n")
	for _, r := range Reasons() {
		fmt.Fprintf(&b, "| `%s` | %s |\n", r.Code, r.Meaning)
	}
	return b.String()
}

const manualHead = `# Commands

Say them in a comment on a pull request or in Slack; the words are the same. On Slack name the service first, ` + "`/deploy shop prod`" + `,
unless the channel belongs to one repository alone. There its environments come first: where one is called like another service, the
environment is meant, and ` + "`--service`" + ` says otherwise.

A command starts a line. Quotes, code blocks and HTML comments are not read. Up to five commands in one comment are read first, then done
in order and answered together; if one of them is wrong, none is done. Only new comments of people count, and a comment that was
edited before its turn is refused. ` + "`@shipmate deploy prod`" + ` works too. Commands of other bots are left alone.

A reaction says how it stands: 👀 seen, 🚀 done, 👎 refused. A refusal says why, with a code in brackets that does not change, and what to
type instead. An accepted command whose run the pull request's living comment shows has no answer of its own there, only the reaction and that
comment; questions, locks, and commands about other commits are answered. If one of several commands needs an answer, all of them are in it.

A command that changes something is refused if its turn comes more than ten minutes after it was written or its button was pressed; the answer says how old it
is and has the line to paste. Questions are answered however late they come.

` + "`" + `--at` + "`" + ` is a time of the day, the next there is (` + "`" + `22:00` + "`" + `), or a day and a time (` + "`" + `2026-03-31T22:00` + "`" + `). It is in UTC, or in the time zone that
stands after it: ` + "`" + `"22:00 Europe/Berlin"` + "`" + `, ` + "`" + `22:00+02:00` + "`" + `. The answer says the moment in UTC. Abbreviations (` + "`" + `EST` + "`" + `) are refused with the zones that may be
meant, and so is a time that the clocks of the zone show twice or never, with the moments that may be meant and the lines to paste.
`
