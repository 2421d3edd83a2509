package pipeline_test

import (
	"testing"
	"time"

	"github.com/shipmate/shipmate/pipeline"
)

// askedCase is what is asked for while these runs are open, the newest first.
type askedCase struct {
	req  pipeline.Request
	open []*pipeline.Run
}

func (c *askedCase) first() *pipeline.Run { return c.open[len(c.open)-1] }

// behind puts another run behind the first.
func (c *askedCase) behind(change func(r *pipeline.Run)) {
	r := *c.first()
	r.ID = "r-2"
	change(&r)
	c.open = append([]*pipeline.Run{&r}, c.open...)
}

func TestWhatIsTheSame(t *testing.T) {
	now := time.Date(2026, 1, 2, 15, 4, 5, 0, time.UTC)
	says := func(c *askedCase, script string) {
		steps := []pipeline.Step{{Name: "release", Run: script}}
		c.req.Pipeline.Steps, c.first().Pipeline.Steps = steps, steps
	}
	for name, c := range map[string]struct {
		change func(c *askedCase)
		want   pipeline.RunID
	}{
		"nothing differs":     {func(*askedCase) {}, "r-1"},
		"another commit":      {func(c *askedCase) { c.req.SHA = "b" }, ""},
		"another parameter":   {func(c *askedCase) { c.req.Params = pipeline.Values{"size": "big"} }, ""},
		"later":               {func(c *askedCase) { c.req.NotBefore = now.Add(time.Hour) }, ""},
		"a dry run":           {func(c *askedCase) { c.first().DryRun = true }, ""},
		"another service":     {func(c *askedCase) { c.first().Service = "carts" }, ""},
		"another person":      {func(c *askedCase) { c.req.Actor = pipeline.Actor{ID: 2} }, "r-1"},
		"another environment": {func(c *askedCase) { c.req.Environment = &pipeline.Environment{Name: "prod"} }, ""},

		"the environment has other rules by now": {func(c *askedCase) {
			c.req.Environment = &pipeline.Environment{Name: "staging", Deployers: []string{"user:mona"}}
		}, ""},
		"another commit comes after it": {func(c *askedCase) { c.behind(func(r *pipeline.Run) { r.SHA = "b" }) }, ""},
		"another commit is looked at after it": {func(c *askedCase) {
			c.behind(func(r *pipeline.Run) { r.SHA, r.DryRun = "b", true })
		}, "r-1"},
		"another commit comes tomorrow": {func(c *askedCase) {
			c.behind(func(r *pipeline.Run) { r.SHA, r.NotBefore = "b", now.Add(24*time.Hour) })
		}, "r-1"},
		"another commit came after it and was cancelled": {func(c *askedCase) {
			c.behind(func(r *pipeline.Run) { r.SHA, r.Cancel = "b", &pipeline.Cancellation{} })
		}, "r-1"},
		"it will fail": {func(c *askedCase) {
			c.first().Steps = []pipeline.StepRun{{Name: "release", State: pipeline.Failed}}
		}, ""},

		"from Slack, of a pull request's run": {func(c *askedCase) { c.first().PR = 1 }, "r-1"},
		"from another pull request":           {func(c *askedCase) { c.first().PR, c.req.PR = 1, 2 }, ""},
		"by another name":                     {func(c *askedCase) { c.req.Ref = "v1.4.0" }, "r-1"},
		"by another name, which an expression reads": {func(c *askedCase) {
			c.req.Ref = "v1.4.0"
			says(c, "push ${{ ref }}")
		}, ""},
		"by another name, which a script reads": {func(c *askedCase) {
			c.req.Ref = "v1.4.0"
			says(c, "push $SHIPMATE_REF")
		}, ""},
		"a push of a tag":           {func(c *askedCase) { c.req.Trigger, c.req.Ref = pipeline.ByPush, "v1.4.0" }, ""},
		"a push of the same branch": {func(c *askedCase) { c.req.Trigger = pipeline.ByPush }, "r-1"},
		"by schedule, which an expression reads": {func(c *askedCase) {
			c.req.Trigger = pipeline.BySchedule
			says(c, `${{ event == "schedule" }}`)
		}, ""},
	} {
		t.Run(name, func(t *testing.T) {
			req := pipeline.Request{Repo: pipeline.Repo{ID: 7}, Service: "shop", SHA: "a", Ref: "main", Trigger: pipeline.ByCommand,
				Environment: &pipeline.Environment{Name: "staging"}, Actor: pipeline.Actor{ID: 1},
				Pipeline: pipeline.Pipeline{Name: "deploy", Steps: []pipeline.Step{{Name: "release", Run: "make"}}}}
			first := &pipeline.Run{Request: req}
			first.ID, first.State = "r-1", pipeline.Running
			ask := askedCase{req, []*pipeline.Run{first}}
			c.change(&ask)
			got := pipeline.RunID("")
			if r := pipeline.AskedBefore(ask.open, &ask.req, now); r != nil {
				got = r.ID
			}
			if got != c.want {
				t.Errorf("answered with %q, want %q", got, c.want)
			}
		})
	}
}
