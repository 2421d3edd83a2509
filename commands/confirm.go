package commands

import (
	"fmt"

	"github.com/shipmate/shipmate/pipeline"
)

// confirmFirst: on Slack nothing shows that a commit was there before somebody
// spoke, so a protected environment gets none that the person has not seen in
// full. Who names the full id has seen it.
func confirmFirst(c *Call, req *pipeline.Request) (Reply, bool) {
	_, deploy := c.Line.Command.(Deploy)
	seen := c.Confirmed.SHA == req.SHA || fullSHA.MatchString(c.Line.Arg("ref"))
	if !deploy || c.Origin.Surface != "slack" || !req.Environment.Protected || req.DryRun || seen {
		return Reply{}, false
	}
	text := fmt.Sprintf("**%s** is protected. Is it this commit that you mean?\n`%s`", req.Environment.Name, req.SHA)
	if req.Title != "" {
		text += " " + Code(req.Title)
	}
	if req.Ref != "" {
		text += ", from " + Code(req.Ref)
	}
	line := c.Line.Text
	if !req.NotBefore.IsZero() {
		line = c.Line.at(moment(req.NotBefore))
		text += fmt.Sprintf("\nIt starts at %s.", req.NotBefore.UTC().Format("2006-01-02 15:04 MST"))
	}
	return Reply{
		Text: text,
		Ask:  &Ask{Environment: req.Environment.Name, Commit: pipeline.Commit{SHA: req.SHA, Title: req.Title, Branch: req.Ref}, Line: line},
	}, true
}
