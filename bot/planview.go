package bot

import (
	"strings"

	"github.com/shipmate/shipmate/pipeline"
)

// PlanView is what a step would do, shown to those who are asked whether it may.
type PlanView struct {
	Step string
	Note string // one sentence: what it comes to, or why nothing is known yet
	Text string // the plan itself, Markdown by whoever wrote the step's program; "" if there is none
}

// plansOf shows what was planned for a question.
func plansOf(r *pipeline.Run, gate string) (views []PlanView) {
	p := r.Planning(gate)
	if p == nil {
		return nil
	}
	for _, s := range p.Steps {
		v := PlanView{Step: s.Step, Note: s.Message, Text: strings.TrimSpace(s.Summary)}
		if v.Note == "" && v.Text == "" {
			v.Note = "Nothing is said of what it would do."
		}
		views = append(views, v)
	}
	return views
}
