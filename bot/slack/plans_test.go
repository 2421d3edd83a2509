package slack

import (
	"strings"
	"testing"

	"github.com/shipmate/shipmate/bot"
)

// Diffs and tables are preformatted, also where they are cut; nothing ends the block or is live in it.
func TestPlansArePreformatted(t *testing.T) {
	diff := "- a\n+ `````` <!here> <@U1> @team <img> & |\n+ b"
	table := "| object | |\n|---|---|\n| Deployment shop | 1/1 |\n| Job x | there |"
	for plan, want := range map[string]string{
		"All:\n````````diff\n" + diff + "\n````````": "```\nAll:\n- a\n+ '''''' &lt;!here&gt; &lt;@U1&gt; @team &lt;img&gt; &amp; |\n+ b\n```",
		table: "```\nobject\nDeployment shop  1/1\nJob x            there\n```",
		"```diff\n" + strings.Repeat("+ <<<<\n", 5) + strings.Repeat("+ "+strings.Repeat("&", 80)+"\n", 50): "```\n" + strings.Repeat("+ &lt;&lt;&lt;&lt;\n", 5) + "+ " + strings.Repeat("&amp;", 80) + "\n```\n…",
	} {
		if got := beginning(bot.Document(plan)); got != want {
			t.Errorf("got\n%s\nwant\n%s", got, want)
		}
	}
}
