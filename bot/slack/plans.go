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
	maxPlanLines = 12 // a diff begins with three, and three that stay
	maxPlanText  = 800
)

// plans are the first lines of what steps would do, in which nothing is markup, and where
// the whole of it is.
func plans(r *pipeline.Run, v bot.View) []slackgo.Block {
	var blocks []slackgo.Block
	for i, p := range v.Plans {
		if i == maxPlans {
			blocks = append(blocks, slackgo.NewContextBlock("", plainText(fmt.Sprintf("… and plans of %d more steps.", len(v.Plans)-i))))
			break
		}
		title := strings.TrimSpace(fmt.Sprintf("Plan of %s: %s", p.Step, oneLine(pipeline.Clean(p.Note))))
		blocks = append(blocks, slackgo.NewSectionBlock(plainText(short(title, maxPlain)), nil, nil))
		if text := beginning(p.Plan); text != "" {
			blocks = append(blocks, slackgo.NewSectionBlock(markdown(text), nil, nil))
		}
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

// beginning is the first lines of a plan, in one preformatted block.
func beginning(plan []bot.Part) string {
	var lines []string
	for _, p := range plan {
		lines = append(lines, p.Lines()...)
	}
	if len(lines) == 0 {
		return ""
	}
	if len(lines) > maxPlanLines {
		lines = append(lines[:maxPlanLines:maxPlanLines], "…")
	}
	text := strings.ReplaceAll(pipeline.Clean(strings.Join(lines, "\n")), "```", "'''")
	return cut("```\n"+escape(text)+"\n```", maxPlanText, "…")
}
