package pipeline

import (
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"regexp"
	"slices"
	"strings"
	"time"
	"unicode/utf8"
)

// Planning is what a run would do, found out before people are asked whether
// it may. There is one for each question, made once.
type Planning struct {
	Gate    string     `json:"gate"`           // the question, as in Approval
	State   State      `json:"state"`          // Running, Succeeded, Failed
	Code    string     `json:"code,omitempty"` // of a failure
	Message string     `json:"message,omitempty"`
	Steps   []StepPlan `json:"steps"`
	Digest  string     `json:"digest,omitempty"` // of all plans; an approval is bound to it
}

// StepPlan is what one step would do.
type StepPlan struct {
	Step       string          `json:"step"`
	State      State           `json:"state"` // Queued, Succeeded, or Skipped: it cannot be said beforehand
	With       Values          `json:"with,omitempty"`
	Message    string          `json:"message,omitempty"`
	Summary    string          `json:"summary,omitempty"` // markdown, capped
	Digest     string          `json:"digest,omitempty"`  // the runner's, of what it would apply
	Sum        string          `json:"sum,omitempty"`     // of the whole plan, also of what was cut off
	Call       int             `json:"call,omitempty"`
	Checkpoint json.RawMessage `json:"checkpoint,omitempty"`
	Lagging    time.Time       `json:"lagging,omitzero"` // as in StepRun
}

const (
	maxPlan  = 16 << 10 // bytes of one step's plan that are kept
	maxPlans = 48 << 10 // and of all
)

// Planning returns what was planned for a question, or nil.
func (r *Run) Planning(gate string) *Planning {
	i := slices.IndexFunc(r.Plans, func(p Planning) bool { return p.Gate == gate })
	if i < 0 {
		return nil
	}
	return &r.Plans[i]
}

// planDigest is what a yes to the question says yes to; "" where nothing was
// planned.
func (r *Run) planDigest(gate string) string {
	if p := r.Planning(gate); p != nil {
		return p.Digest
	}
	return ""
}

// plannedDigest is what the runner said it would apply when people were asked
// last; "" if it did not.
func (r *Run) plannedDigest(step string) string {
	for _, p := range slices.Backward(r.Plans) {
		for _, s := range p.Steps {
			if s.Step == step && s.State == Succeeded && p.State == Succeeded {
				return s.Digest
			}
		}
	}
	return ""
}

// PlanPending returns the planning that is to go on now, or nil.
func (r *Run) PlanPending() *Planning {
	if r.State.Terminal() || r.Cancel != nil {
		return nil
	}
	for i := range r.Plans {
		p := &r.Plans[i]
		asked := p.Gate == EnvironmentGate && !r.Admitted
		if s := r.Step(p.Gate); s != nil && s.State == Waiting {
			asked = true
		}
		if asked && p.State == Running {
			return p
		}
	}
	return nil
}

// toPlan lists the steps that can be planned before a question is asked: those
// that it holds up, and that a run does not only take over.
func toPlan(r *Run, f Facts, gate string) (steps []*Step) {
	order := newScope(&r.Pipeline)
	for i := range r.Pipeline.Steps {
		def := r.definition(i)
		waits := gate == EnvironmentGate || order.upstream(def.Name)[gate]
		if waits && !r.taken(def) && !def.builtIn() && r.Steps[i].State == Queued && f.Plans != nil && f.Plans(def) {
			steps = append(steps, def)
		}
	}
	return steps
}

// planFirst decides about a run that people are to be asked about: what it
// would do is found out first. It holds as h until then; ready says that people
// can be asked.
func planFirst(r *Run, f Facts, h Hold) (ds []Decision, ready bool) {
	p := r.Planning(EnvironmentGate)
	switch {
	case p == nil && len(toPlan(r, f, EnvironmentGate)) > 0:
		return []Decision{MakePlan{EnvironmentGate}}, false
	case p == nil || p.State == Succeeded:
		return nil, true
	case p.State == Failed:
		return append(skipAll(r, "plan_failed", "Not started."), Finish{State: Failed, Code: p.Code, Message: p.Message}), false
	}
	h.Code, h.Message = "planning", p.Message
	return hold(r, f, h), false
}

// planStep is the same for a step that asks; nil, false: wait.
func planStep(r *Run, f Facts, gate string) (d Decision, ready bool) {
	p := r.Planning(gate)
	switch {
	case p == nil && len(toPlan(r, f, gate)) > 0:
		return MakePlan{gate}, false
	case p == nil || p.State == Succeeded:
		return nil, true
	case p.State == Failed:
		return Settle{gate, Failed, p.Code, p.Message}, false
	}
	return nil, false
}

// next is the step to plan now, or nil.
func (p *Planning) next() *StepPlan {
	i := slices.IndexFunc(p.Steps, func(s StepPlan) bool { return s.State == Queued })
	if i < 0 {
		return nil
	}
	return &p.Steps[i]
}

// fail ends the planning: the run will not do what cannot be planned.
func (p *Planning) fail(step, code, message string) {
	p.State, p.Code, p.Message = Failed, code, fmt.Sprintf("%s cannot be planned, so nobody is asked: %s", step, message)
}

// settle ends the planning if all is planned, else it says what is planned now.
func (p *Planning) settle() {
	if p.State != Running {
		return
	}
	if s := p.next(); s != nil {
		p.Message = fmt.Sprintf("Planning %s before people are asked.", s.Step)
		return
	}
	p.State, p.Message, p.Digest = Succeeded, "", sum(p.Steps)
}

// keep records a step's plan, and cuts it to what is kept.
func (p *Planning) keep(s *StepPlan, res Result) {
	s.State, s.With, s.Checkpoint = Succeeded, nil, nil
	s.Sum = sum([]string{res.Message, res.Summary, res.Digest})
	s.Message, s.Digest = cutBytes(res.Message, 1000), res.Digest
	left := maxPlans
	for _, other := range p.Steps {
		left -= len(other.Summary)
	}
	s.Summary = cutBytes(res.Summary, min(maxPlan, left))
}

// cutBytes keeps the beginning of a text, at most so many bytes.
func cutBytes(text string, most int) string {
	const note = "\n… the rest is left out."
	if len(text) <= most {
		return text
	}
	text = text[:max(0, most-len(note))]
	for len(text) > 0 && !utf8.ValidString(text[max(0, len(text)-utf8.UTFMax):]) {
		text = text[:len(text)-1]
	}
	return text + note
}

func sum(v any) string {
	b := sha256.Sum256(payload(v))
	return hex.EncodeToString(b[:])
}

// known leaves of what expressions see of steps what is known already.
func (r *Run) known(v *Vars) {
	for i := range r.Steps {
		s := &r.Steps[i]
		switch {
		case s.State.Terminal():
		case r.taken(r.definition(i)):
			v.Steps[s.Name] = StepVars{Outputs: r.recorded(s.Name), State: string(Succeeded)}
		default:
			delete(v.Steps, s.Name)
		}
	}
}

// knownAfter names the steps that a step's condition and parameters speak of
// and that have not ended.
func knownAfter(r *Run, def *Step) (names []string) {
	text := def.If + string(payload(def.With))
	for _, s := range r.Steps {
		name := regexp.QuoteMeta(s.Name)
		speaks := regexp.MustCompile(`steps\s*(\.\s*` + name + `\b|\[\s*\\?["']` + name + `\\?["'])`)
		if !s.State.Terminal() && speaks.MatchString(text) {
			names = append(names, s.Name)
		}
	}
	return names
}

// unplanned is the plan of a step of which nothing can be said yet.
func unplanned(r *Run, def *Step) StepPlan {
	s := StepPlan{Step: def.Name, State: Skipped, Message: "What it does is not known beforehand."}
	if after := knownAfter(r, def); len(after) > 0 {
		s.Message = fmt.Sprintf("What it does is known only after %s.", strings.Join(after, ", "))
	}
	return s
}

// comeBack is the error of a plan that is not made yet.
type comeBack time.Duration

func (comeBack) Error() string               { return "the plan is not made yet" }
func (c comeBack) RetryAfter() time.Duration { return max(time.Duration(c), time.Millisecond) }
