package bot

import "github.com/shipmate/shipmate/pipeline"

// PlanView is what a step would do, shown to those who are asked whether it may.
type PlanView struct {
	Step string
	Note string // one sentence: what it comes to, or why nothing is known yet
	Plan []Part // the plan itself; none if there is none
}

// plansOf shows what was planned for a question.
func plansOf(r *pipeline.Run, gate string) (views []PlanView) {
	p := r.Planning(gate)
	if p == nil {
		return nil
	}
	for _, s := range p.Steps {
		v := PlanView{Step: s.Step, Note: s.Message, Plan: Document(s.Summary)}
		if v.Note == "" && len(v.Plan) == 0 {
			v.Note = "Nothing is said of what it would do."
		}
		views = append(views, v)
	}
	return views
}
