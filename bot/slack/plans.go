package slack

import (
	"fmt"
	"strings"

	slackgo "github.com/slack-go/slack"

	"github.com/shipmate/shipmate/bot"
	"github.com/shipmate/shipmate/pipeline"
)

// What is shown of plans here: enough to see whether one has to look closer.
const (
	maxPlans     = 4
	maxPlanLines = 6
	maxPlanText  = 600
)

// plans are the first lines of what steps would do, as plain text, and where
// the whole of it is.
func plans(r *pipeline.Run, v bot.View) []slackgo.Block {
	var blocks []slackgo.Block
	for i, p := range v.Plans {
		if i == maxPlans {
			blocks = append(blocks, slackgo.NewContextBlock("", plainText(fmt.Sprintf("… and plans of %d more steps.", len(v.Plans)-i))))
			break
		}
		text := strings.TrimSpace(fmt.Sprintf("Plan of %s: %s", p.Step, oneLine(pipeline.Clean(p.Note))))
		blocks = append(blocks, slackgo.NewSectionBlock(plainText(short(text+beginning(p.Text), maxPlanText)), nil, nil))
	}
	if len(blocks) == 0 {
		return nil
	}
	where := "in the check on the commit"
	if r.PR != 0 {
		where = "in the comment on the pull request"
	}
	return append(blocks, slackgo.NewContextBlock("", plainText("The whole of it is "+where+".")))
}

// beginning is the first lines of a text.
func beginning(text string) string {
	if text == "" {
		return ""
	}
	lines := strings.Split(pipeline.Clean(text), "\n")
	if len(lines) > maxPlanLines {
		lines = append(lines[:maxPlanLines:maxPlanLines], "…")
	}
	return "\n" + strings.Join(lines, "\n")
}
