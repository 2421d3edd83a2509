package github_test

import (
	"strings"
	"testing"

	gh "github.com/google/go-github/v60/github"

	sim "github.com/shipmate/shipmate/test/sim/github"
)

func TestWhatGitHubRefuses(t *testing.T) {
	s := newScene(t, sim.Config{Limits: sim.Unlimited()})
	bot, ctx, head := s.installation(nil, nil), within(t), s.pr.Head.SHA
	comment := func(body string) error {
		_, _, err := bot.Issues.CreateComment(ctx, "acme", "shop", s.pr.Number, &gh.IssueComment{Body: gh.String(body)})
		return err
	}
	set := func(st gh.RepoStatus) error {
		_, _, err := bot.Repositories.CreateStatus(ctx, "acme", "shop", head, &st)
		return err
	}
	check := func(o gh.CreateCheckRunOptions) error {
		o.HeadSHA = head
		_, _, err := bot.Checks.CreateCheckRun(ctx, "acme", "shop", o)
		return err
	}
	action := func(label string) []*gh.CheckRunAction {
		return []*gh.CheckRunAction{{Label: label, Description: "d", Identifier: "i"}}
	}
	var many []*gh.CheckRunAnnotation
	for range 51 {
		many = append(many, &gh.CheckRunAnnotation{Path: gh.String("a"), StartLine: gh.Int(1), EndLine: gh.Int(1), AnnotationLevel: gh.String("notice"), Message: gh.String("m")})
	}
	for name, tc := range map[string]struct {
		err  error
		want int
	}{
		"a comment of 65,536 characters":     {comment(strings.Repeat("ä", 65536)), 0},
		"a comment of 65,537 characters":     {comment(strings.Repeat("a", 65537)), 422},
		"a description of 140 characters":    {set(gh.RepoStatus{State: gh.String("success"), Description: gh.String(strings.Repeat("ä", 140))}), 0},
		"a description of 141 characters":    {set(gh.RepoStatus{State: gh.String("success"), Description: gh.String(strings.Repeat("a", 141))}), 422},
		"a context of 256 characters":        {set(gh.RepoStatus{State: gh.String("success"), Context: gh.String(strings.Repeat("a", 256))}), 422},
		"a check without a title":            {check(gh.CreateCheckRunOptions{Name: "x", Output: &gh.CheckRunOutput{Summary: gh.String("s")}}), 422},
		"a summary of 65,536 bytes":          {check(gh.CreateCheckRunOptions{Name: "x", Output: &gh.CheckRunOutput{Title: gh.String("t"), Summary: gh.String(strings.Repeat("a", 65536))}}), 422},
		"51 annotations":                     {check(gh.CreateCheckRunOptions{Name: "x", Output: &gh.CheckRunOutput{Title: gh.String("t"), Summary: gh.String("s"), Annotations: many}}), 422},
		"a button of 20 characters":          {check(gh.CreateCheckRunOptions{Name: "x", Actions: action(strings.Repeat("a", 20))}), 0},
		"a button of 21 characters":          {check(gh.CreateCheckRunOptions{Name: "x", Actions: action(strings.Repeat("a", 21))}), 422},
		"four buttons":                       {check(gh.CreateCheckRunOptions{Name: "x", Actions: append(append(action("a"), action("b")...), append(action("c"), action("d")...)...)}), 422},
		"a conclusion only GitHub may give":  {check(gh.CreateCheckRunOptions{Name: "x", Conclusion: gh.String("stale")}), 422},
		"completed without a conclusion":     {check(gh.CreateCheckRunOptions{Name: "x", Status: gh.String("completed")}), 422},
		"a conclusion makes a run completed": {check(gh.CreateCheckRunOptions{Name: "x", Conclusion: gh.String("success")}), 0},
	} {
		if status(tc.err) != tc.want {
			t.Errorf("%s: %v", name, tc.err)
		}
	}
}

func TestAContextTakesAThousandStatuses(t *testing.T) {
	s := newScene(t, sim.Config{Events: []string{"push"}})
	state := sim.StatusRequest{State: "pending"}
	for range 1000 {
		sim.Must(s.mona.CreateStatus(shop, s.pr.Head.SHA, state))
	}
	if _, err := s.mona.CreateStatus(shop, s.pr.Head.SHA, state); err == nil {
		t.Error("status 1001 was taken")
	}
}

func TestButtonsAppearWhenTheCheckIsCompleted(t *testing.T) {
	s := newScene(t, sim.Config{})
	bot, ctx := s.installation(nil, nil), within(t)
	run, _, err := bot.Checks.CreateCheckRun(ctx, "acme", "shop", gh.CreateCheckRunOptions{
		Name: "deploy", HeadSHA: s.pr.Head.SHA, Status: gh.String("in_progress"),
		Actions: []*gh.CheckRunAction{{Label: "Approve", Description: "Approve it", Identifier: "approve"}},
	})
	if err != nil {
		t.Fatal(err)
	}
	if err := s.mona.ClickCheckAction(shop, run.GetID(), "approve"); err == nil {
		t.Error("a button of a check in progress was clicked")
	}
	_, _, err = bot.Checks.UpdateCheckRun(ctx, "acme", "shop", run.GetID(), gh.UpdateCheckRunOptions{Name: "deploy", Conclusion: gh.String("action_required")})
	if err != nil {
		t.Fatal(err)
	}
	if err := s.mona.ClickCheckAction(shop, run.GetID(), "approve"); err != nil {
		t.Error(err)
	}
	if err := s.As("eve").ClickCheckAction(shop, run.GetID(), "approve"); err == nil {
		t.Error("a reader clicked")
	}
	snap := sim.Must(s.Snapshot(shop))
	if got := snap.PullRequests[0].CheckRuns[0].Buttons; len(got) != 1 {
		t.Errorf("buttons: %v", got)
	}
}

func TestADeploymentChecksAndMerges(t *testing.T) {
	s := newScene(t, sim.Config{})
	bot, ctx := s.installation(nil, nil), within(t)
	deploy := func(req gh.DeploymentRequest) (int, error) {
		_, resp, err := bot.Repositories.CreateDeployment(ctx, "acme", "shop", &req)
		if resp == nil {
			return 0, err
		}
		return resp.StatusCode, err
	}
	sim.Must(s.mona.CreateStatus(shop, s.pr.Head.SHA, sim.StatusRequest{State: "pending"}))
	if code, err := deploy(gh.DeploymentRequest{Ref: gh.String("feature/cart")}); code != 409 {
		t.Errorf("with a pending status: %d, %v", code, err)
	}
	if code, err := deploy(gh.DeploymentRequest{Ref: gh.String("feature/cart"), RequiredContexts: &[]string{}}); code != 201 {
		t.Errorf("with no required contexts: %d, %v", code, err)
	}
	sim.Must(s.As("lead").Push(sim.Push{Repo: shop, Branch: "main", Files: map[string]string{"other": "x"}}))
	before := s.Head(shop, "feature/cart")
	if code, err := deploy(gh.DeploymentRequest{Ref: gh.String("feature/cart"), RequiredContexts: &[]string{}}); code != 202 || s.Head(shop, "feature/cart") == before {
		t.Errorf("behind the default branch: %d, %v", code, err)
	}
	sim.Must(s.As("lead").Push(sim.Push{Repo: shop, Branch: "main", Files: map[string]string{"src/a.txt": "clash\n"}}))
	if code, err := deploy(gh.DeploymentRequest{Ref: gh.String("feature/cart"), RequiredContexts: &[]string{}}); code != 409 {
		t.Errorf("in conflict: %d, %v", code, err)
	}
	if code, err := deploy(gh.DeploymentRequest{Ref: gh.String("feature/cart"), RequiredContexts: &[]string{}, AutoMerge: gh.Bool(false)}); code != 201 {
		t.Errorf("without merging: %d, %v", code, err)
	}
}

func TestAForcePushLeavesTraces(t *testing.T) {
	s := newScene(t, sim.Config{MergeableAfter: 1})
	bot, ctx := s.installation(nil, nil), within(t)
	first := s.pr.Head.SHA
	second := sim.Must(s.mona.Push(sim.Push{Repo: shop, Branch: "feature/cart", Files: map[string]string{"x": "y"}, Parent: s.Head(shop, "main"), Force: true}))
	sim.Must(s.mona.Push(sim.Push{Repo: shop, Branch: "feature/cart", To: first, Force: true}))
	if s.Head(shop, "feature/cart") != first || second == first {
		t.Error("the head did not come back")
	}
	events, _, err := bot.Issues.ListIssueTimeline(ctx, "acme", "shop", s.pr.Number, nil)
	if err != nil {
		t.Fatal(err)
	}
	var forced int
	for _, e := range events {
		if e.GetEvent() == "head_ref_force_pushed" {
			forced++
		}
	}
	if forced != 2 {
		t.Errorf("%d force pushes in the timeline", forced)
	}
	pr, _, err := bot.PullRequests.Get(ctx, "acme", "shop", s.pr.Number)
	if err != nil || pr.Mergeable != nil {
		t.Errorf("the first read knows mergeable already: %v", err)
	}
	pr, _, err = bot.PullRequests.Get(ctx, "acme", "shop", s.pr.Number)
	if err != nil || !pr.GetMergeable() || pr.GetMergeableState() != "clean" {
		t.Errorf("mergeable %v, %s, %v", pr.Mergeable, pr.GetMergeableState(), err)
	}
}
