package pipeline_test

import (
	"context"
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/shipmate/shipmate/pipeline"
)

var guarded = &pipeline.Environment{Name: "staging", Approvals: &pipeline.ApprovalPolicy{Count: 1}}

// newPlanners is a stage with the runner "apply", which can plan.
func newPlanners(t *testing.T) *stage {
	s := newStage(t)
	s.engine.Runners["apply"] = pipeline.Uses{Name: "apply", Class: pipeline.Idempotent, Params: []pipeline.Param{{Name: "image", Type: "string"}, {Name: "file", Type: "string"}}, Runner: planner{s.runner}}
	s.plans("apply", "3 to add", "d1")
	return s
}

func (s *stage) plans(step, summary, digest string) {
	s.runner.do["plan "+step] = func(*pipeline.StepContext) pipeline.Result {
		return pipeline.Result{Done: true, Summary: summary, Digest: digest}
	}
}

func (s *stage) begin(req pipeline.Request) *pipeline.Run {
	s.t.Helper()
	req.Repo, req.SHA, req.Actor = pipeline.Repo{ID: 7, Owner: "acme", Name: "shop"}, strings.Repeat("a", 40), pipeline.Actor{ID: 1, Login: "mona"}
	r, err := s.engine.Start(context.Background(), req)
	if err != nil {
		s.t.Fatal(err)
	}
	return r
}

func (s *stage) approve(id pipeline.RunID, gate string) (*pipeline.Run, error) {
	return s.engine.Approve(context.Background(), id, pipeline.Approval{Gate: gate, By: pipeline.Actor{ID: 2, Login: "octavia"}, Yes: true})
}

func applying(names ...string) (out []pipeline.Step) {
	for i, n := range names {
		st := pipeline.Step{Name: n, Uses: "apply"}
		if i > 0 {
			st.Needs = []string{names[i-1]}
		}
		out = append(out, st)
	}
	return out
}

func TestWhatWouldBeDoneIsPlannedBeforePeopleAreAsked(t *testing.T) {
	s := newPlanners(t)
	var planned string
	s.runner.do["apply"] = func(c *pipeline.StepContext) pipeline.Result {
		planned = c.Planned
		return pipeline.Result{Done: true}
	}
	r := s.begin(pipeline.Request{Environment: guarded, Pipeline: pipeline.Pipeline{Steps: applying("apply")}})
	if r.Code != "planning" || r.Message != "Planning apply before people are asked." || len(r.OpenGates()) != 0 || !r.InFlight() {
		t.Errorf("at first it is %s: %s; open %v", r.Code, r.Message, r.OpenGates())
	}
	if _, err := s.approve(r.ID, pipeline.EnvironmentGate); pipeline.Code(err) != "planning" {
		t.Errorf("approved too early: %v", err)
	}
	s.work()
	r = s.load(r.ID)
	p := r.Planning(pipeline.EnvironmentGate)
	if r.Code != "approval" || p == nil || p.State != pipeline.Succeeded || p.Steps[0].Summary != "3 to add" || p.Digest == "" {
		t.Fatalf("it is %s, planned %+v", r.Code, p)
	}
	r, err := s.approve(r.ID, pipeline.EnvironmentGate)
	if err != nil || r.Approvals[0].Plan != p.Digest {
		t.Errorf("approved %+v, %v", r.Approvals, err)
	}
	s.work()
	s.want(s.load(r.ID), pipeline.Succeeded, "apply=succeeded")
	if got := strings.Join(s.runner.calls, ", "); got != "plan apply/1.1, apply/1.1" || planned != "d1" {
		t.Errorf("calls %s, the last with the plan %q", got, planned)
	}
}

func TestAnApprovalOfAnotherPlanDoesNotCount(t *testing.T) {
	r := &pipeline.Run{Request: pipeline.Request{SHA: "5a"}}
	r.Approvals = []pipeline.Approval{{Gate: "environment", SHA: "5a", Yes: true, Plan: "x"}}
	for digest, want := range map[string]int{"x": 1, "y": 0, "": 0} {
		r.Plans = []pipeline.Planning{{Gate: "environment", Digest: digest}}
		if got := len(r.Approved("environment")); got != want {
			t.Errorf("planned %q: %d count, want %d", digest, got, want)
		}
	}
}

func TestWhatCannotBePlannedIsNotAskedFor(t *testing.T) {
	s := newPlanners(t)
	s.runner.do["plan apply"] = func(*pipeline.StepContext) pipeline.Result {
		return pipeline.Result{Done: true, State: pipeline.Failed, Code: "bad_manifest", Message: "The Deployment has no selector."}
	}
	r := s.start(pipeline.Request{Environment: guarded, Pipeline: pipeline.Pipeline{Steps: applying("apply", "more")}})
	s.want(r, pipeline.Failed, "apply=skipped more=skipped")
	if r.Code != "bad_manifest" || r.Message != "apply cannot be planned, so nobody is asked: The Deployment has no selector." {
		t.Errorf("%s: %s", r.Code, r.Message)
	}
	if got := strings.Join(s.runner.calls, ", "); got != "plan apply/1.1" {
		t.Errorf("calls %s", got)
	}
}

// away is a planner whose system does not answer.
type away struct {
	planner
	err error
}

func (a *away) Plan(ctx context.Context, c *pipeline.StepContext) (pipeline.Result, error) {
	if a.err != nil {
		return pipeline.Result{}, a.err
	}
	return a.planner.Plan(ctx, c)
}

func TestAPlanIsTriedAgainAndSaysWhyItTakesLong(t *testing.T) {
	s := newPlanners(t)
	a := &away{planner{s.runner}, pipeline.Temporary(pipeline.Refuse("no_answer", "The cluster does not answer."))}
	s.engine.Runners["apply"] = pipeline.Uses{Name: "apply", Runner: a}
	r := s.start(pipeline.Request{Environment: guarded, Pipeline: pipeline.Pipeline{Steps: applying("apply")}})
	if r.Code != "planning" || r.Message != "Planning apply before people are asked. The cluster does not answer." {
		t.Errorf("it is %s: %s", r.Code, r.Message)
	}
	a.err = nil
	s.store.Advance(2 * time.Minute)
	s.work()
	if r = s.load(r.ID); r.Code != "approval" {
		t.Errorf("then it is %s: %s", r.Code, r.Message)
	}
}

func TestAWorkerDiesWhileItPlans(t *testing.T) {
	s := newPlanners(t)
	r := s.begin(pipeline.Request{Environment: guarded, Pipeline: pipeline.Pipeline{Steps: applying("apply", "more")}})
	w := s.cut()
	s.runner.do["plan more"] = func(*pipeline.StepContext) pipeline.Result {
		w.dies = len(s.runner.calls) == 2
		return pipeline.Result{Done: true}
	}
	if err := s.engine.Handlers()["plan"](context.Background(), s.store.Poll(pipeline.Steps, 1, time.Minute)[0]); !errors.Is(err, errKilled) {
		t.Fatal(err)
	}
	w.dies = false
	if len(s.store.Poll(pipeline.Steps, 1, time.Minute)) != 0 {
		t.Error("two plan at once")
	}
	s.store.Advance(2 * time.Minute)
	s.work()
	if r = s.load(r.ID); r.Code != "approval" {
		t.Errorf("it is %s: %s", r.Code, r.Message)
	}
	if got := strings.Join(s.runner.calls, ", "); got != "plan apply/1.1, plan more/1.1, plan more/1.1" {
		t.Errorf("calls %s", got)
	}
}

func TestALostJobOfAPlanIsFound(t *testing.T) {
	s := newPlanners(t)
	r := s.begin(pipeline.Request{Environment: guarded, Pipeline: pipeline.Pipeline{Steps: applying("apply")}})
	if err := s.store.Finish(context.Background(), s.store.Poll(pipeline.Steps, 1, time.Minute)[0]); err != nil {
		t.Fatal(err)
	}
	s.store.Advance(time.Minute)
	s.work()
	if r = s.load(r.ID); r.Code != "approval" {
		t.Errorf("it is %s: %s", r.Code, r.Message)
	}
}

func TestAPlanOfACancelledRunIsNotKept(t *testing.T) {
	s := newPlanners(t)
	s.runner.do["plan apply"] = func(c *pipeline.StepContext) pipeline.Result {
		if _, err := s.engine.Cancel(context.Background(), c.Run.ID, pipeline.Cancellation{By: pipeline.Actor{ID: 1}, Code: "cancelled"}); err != nil {
			t.Fatal(err)
		}
		return pipeline.Result{Done: true}
	}
	r := s.start(pipeline.Request{Environment: guarded, Pipeline: pipeline.Pipeline{Steps: applying("apply")}})
	s.want(r, pipeline.Cancelled, "apply=skipped")
}

func TestWhatIsKnownOnlyLaterIsSaidSo(t *testing.T) {
	s := newPlanners(t)
	p := pipeline.Pipeline{Steps: []pipeline.Step{
		{Name: "build", Run: "make"},
		{Name: "apply", Uses: "apply", Needs: []string{"build"}, With: map[string]any{"image": "${{ steps.build.outputs.image }}"}},
		{Name: "off", Uses: "apply", Needs: []string{"build"}, If: "env == 'prod'"},
		{Name: "plain", Uses: "apply", Needs: []string{"apply"}, With: map[string]any{"file": "x.yaml"}},
		{Name: "ask", Uses: "approval", Needs: []string{"plain"}},
		{Name: "late", Uses: "apply", Needs: []string{"ask"}, With: map[string]any{"image": "${{ steps[\"build\"].outputs.image }}"}},
	}}
	s.runner.do["build"] = func(*pipeline.StepContext) pipeline.Result {
		return pipeline.Result{Done: true, Outputs: map[string]string{"image": "shop:1"}}
	}
	var image any
	s.runner.do["plan late"] = func(c *pipeline.StepContext) pipeline.Result {
		image = c.With["image"]
		return pipeline.Result{Done: true, Summary: "late plan", Digest: "d2"}
	}
	r := s.start(pipeline.Request{Environment: guarded, Pipeline: p})
	var said []string
	for _, st := range r.Planning(pipeline.EnvironmentGate).Steps {
		said = append(said, st.Step+" "+string(st.State)+" "+st.Message)
	}
	want := "apply skipped What it does is known only after build.; off skipped Skipped by its condition.; plain succeeded ; late skipped What it does is known only after build."
	if got := strings.Join(said, "; "); got != want {
		t.Errorf("said %s\nwant %s", got, want)
	}
	if _, err := s.approve(r.ID, pipeline.EnvironmentGate); err != nil {
		t.Fatal(err)
	}
	s.work()
	r = s.load(r.ID)
	if open := r.OpenGates(); len(open) != 1 || open[0] != "ask" || image != "shop:1" || r.Planning("ask").Steps[0].Summary != "late plan" || len(r.Planning("ask").Steps) != 1 {
		t.Fatalf("open %v, planned with %v: %+v", open, image, r.Planning("ask"))
	}
	if got := r.Step("ask").Message; got != "Waiting for 1 approval." {
		t.Errorf("the step says %q", got)
	}
	var planned string
	s.runner.do["late"] = func(c *pipeline.StepContext) pipeline.Result {
		planned = c.Planned
		return pipeline.Result{Done: true}
	}
	if _, err := s.approve(r.ID, "ask"); err != nil {
		t.Fatal(err)
	}
	s.work()
	if r = s.load(r.ID); r.State != pipeline.Succeeded || planned != "d2" {
		t.Errorf("it is %s (%s), applied with %q", r.State, r.Message, planned)
	}
}

func TestAQuestionInTheMiddleThatCannotBePlannedFails(t *testing.T) {
	s := newPlanners(t)
	s.runner.do["plan late"] = func(*pipeline.StepContext) pipeline.Result {
		return pipeline.Result{Done: true, State: pipeline.Failed, Message: "No such cluster."}
	}
	p := pipeline.Pipeline{Steps: []pipeline.Step{{Name: "ask", Uses: "approval"}, {Name: "late", Uses: "apply", Needs: []string{"ask"}}}}
	r := s.start(pipeline.Request{Pipeline: p})
	s.want(r, pipeline.Failed, "ask=failed late=skipped")
	if r.Code != "plan_failed" || r.Message != "late cannot be planned, so nobody is asked: No such cluster." {
		t.Errorf("%s: %s", r.Code, r.Message)
	}
}

func TestALongPlanIsCut(t *testing.T) {
	s := newPlanners(t)
	digests := map[string]bool{}
	for _, end := range []string{"a", "b"} {
		s.plans("apply", strings.Repeat("ä", 40_000)+end, "")
		r := s.start(pipeline.Request{Environment: guarded, Pipeline: pipeline.Pipeline{Steps: applying("apply")}})
		p := r.Planning(pipeline.EnvironmentGate)
		if n := len(p.Steps[0].Summary); n > 16<<10 || n < 15<<10 || strings.Contains(p.Steps[0].Summary, "\uFFFD") {
			t.Errorf("%d bytes are kept", n)
		}
		digests[p.Digest] = true
	}
	if len(digests) != 2 {
		t.Error("what was cut off is not in the digest")
	}
}

func TestAStepWithSecretsIsNotPlannedBeforePeopleSaidYes(t *testing.T) {
	s := newPlanners(t)
	s.engine.Secrets = vault{}
	p := pipeline.Pipeline{Steps: []pipeline.Step{
		{Name: "early", Uses: "apply", Secrets: []string{"TOKEN"}},
		{Name: "ask", Uses: "approval", Needs: []string{"early"}},
		{Name: "late", Uses: "apply", Secrets: []string{"TOKEN"}, Needs: []string{"ask"}},
	}}
	r := s.start(pipeline.Request{Environment: guarded, Pipeline: p})
	if r.Code != "approval" || len(s.runner.calls) != 0 || !strings.HasPrefix(r.Planning(pipeline.EnvironmentGate).Steps[0].Message, "It is given secrets") {
		t.Errorf("it is %s, calls %v", r.Code, s.runner.calls)
	}
	if _, err := s.approve(r.ID, pipeline.EnvironmentGate); err != nil {
		t.Fatal(err)
	}
	s.work()
	if got := strings.Join(s.runner.calls, ", "); got != "early/1.1, plan late/1.1" {
		t.Errorf("calls %s", got)
	}
}

type vault struct{}

func (vault) Resolve(context.Context, pipeline.SecretRequest) (map[string]pipeline.Secret, error) {
	return map[string]pipeline.Secret{"TOKEN": pipeline.NewSecret("hush-hush")}, nil
}

func TestWhatIsPromotedIsKnownBeforehand(t *testing.T) {
	s := newPlanners(t)
	var image any
	s.runner.do["plan apply"] = func(c *pipeline.StepContext) pipeline.Result {
		image = c.With["image"]
		return pipeline.Result{Done: true}
	}
	p := pipeline.Pipeline{Steps: []pipeline.Step{{Name: "build", Run: "make", Reuse: true},
		{Name: "apply", Uses: "apply", Needs: []string{"build"}, With: map[string]any{"image": "${{ steps.build.outputs.image }}"}}}}
	s.start(pipeline.Request{Environment: guarded, Pipeline: p, Promotes: &pipeline.Deployment{Run: "r-0", Artifacts: map[string]string{"build.image": "shop:7"}}})
	if image != "shop:7" {
		t.Errorf("planned with %v", image)
	}
}

func TestAnOverrideDoesNotWaitForThePlan(t *testing.T) {
	s := newPlanners(t)
	r := s.begin(pipeline.Request{Environment: guarded, Pipeline: pipeline.Pipeline{Steps: applying("apply")}})
	if _, err := s.engine.Approve(context.Background(), r.ID, pipeline.Approval{Gate: pipeline.OverrideOf(pipeline.GateApproval), By: pipeline.Actor{ID: 2, Login: "octavia"}, Yes: true}); err != nil {
		t.Fatal(err)
	}
	s.work()
	s.want(s.load(r.ID), pipeline.Succeeded, "apply=succeeded")
	if got := strings.Join(s.runner.calls, ", "); got != "apply/1.1" {
		t.Errorf("calls %s", got)
	}
}

func TestAScheduledRunIsPlannedWhenItIsAskedFor(t *testing.T) {
	s := newPlanners(t)
	at := s.clock.Now().Add(time.Hour)
	r := s.start(pipeline.Request{Environment: guarded, Pipeline: pipeline.Pipeline{Steps: applying("apply")}, NotBefore: at})
	if r.Code != "approval" || r.Planning(pipeline.EnvironmentGate) == nil {
		t.Fatalf("it is %s: %s", r.Code, r.Message)
	}
	if _, err := s.approve(r.ID, pipeline.EnvironmentGate); err != nil {
		t.Fatal(err)
	}
	s.work()
	if r = s.load(r.ID); r.Code != "scheduled" {
		t.Errorf("then it is %s: %s", r.Code, r.Message)
	}
	s.store.Advance(time.Hour)
	s.work()
	s.want(s.load(r.ID), pipeline.Succeeded, "apply=succeeded")
	if got := strings.Join(s.runner.calls, ", "); got != "plan apply/1.1, apply/1.1" {
		t.Errorf("calls %s", got)
	}
}
