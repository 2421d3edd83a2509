package github_test

import (
	"errors"
	"net/http"
	"strings"
	"testing"
	"time"

	gh "github.com/google/go-github/v60/github"

	sim "github.com/shipmate/shipmate/test/sim/github"
	"github.com/shipmate/shipmate/test/sim/github/openapi"
)

// TestEveryEndpointIsAsDescribed drives the simulator with the real client and
// holds every request and answer against GitHub's OpenAPI description, then
// every webhook against the schemas of octokit.
func TestEveryEndpointIsAsDescribed(t *testing.T) {
	spec, hooks := openapi.ForTest(t)
	s := newScene(t, sim.Config{Limits: sim.Unlimited()})
	wire := spec.Transport(http.DefaultTransport, func(err error) { t.Error(err) })
	d := &drive{scene: s, app: s.app(wire), bot: s.installation(wire, nil)}

	d.asApp()
	d.repository()
	d.people()
	d.commits()
	d.statuses()
	d.checks()
	d.deployments()
	d.comments()
	d.pulls()
	d.webhooks()

	if err := s.WaitDelivered(within(t)); err != nil {
		t.Fatal(err)
	}
	d.deliveries()
	seen := map[string]bool{}
	for _, dl := range s.Deliveries() {
		seen[strings.TrimSuffix(dl.Event+"."+dl.Action, ".")] = true
		if err := hooks.Check(dl.Event, dl.Body); err != nil {
			t.Error(err)
		}
	}
	for _, want := range []string{
		"installation.created", "installation.suspend", "installation.unsuspend", "installation.deleted", "installation.new_permissions_accepted",
		"installation_repositories.added", "installation_repositories.removed", "ping", "push", "status",
		"check_run.created", "check_run.completed", "check_run.requested_action", "check_run.rerequested",
		"check_suite.requested", "check_suite.completed", "check_suite.rerequested",
		"deployment.created", "deployment_status.created", "merge_group.checks_requested",
		"issue_comment.created", "issue_comment.edited", "issue_comment.deleted",
		"pull_request.opened", "pull_request.synchronize", "pull_request.closed", "pull_request.reopened", "pull_request.edited",
		"pull_request.ready_for_review", "pull_request.converted_to_draft",
		"pull_request_review.submitted", "pull_request_review.dismissed",
		"pull_request_review_comment.created", "pull_request_review_comment.edited", "pull_request_review_comment.deleted",
	} {
		if !seen[want] {
			t.Errorf("no webhook %s was sent", want)
		}
	}
}

// drive calls every endpoint; the transport judges.
type drive struct {
	*scene
	app, bot *gh.Client
}

// got fails the test unless the call succeeded, and returns its result.
func got[T any](d *drive) func(T, *gh.Response, error) T {
	return func(v T, _ *gh.Response, err error) T {
		d.t.Helper()
		if err != nil {
			d.t.Error(err)
		}
		return v
	}
}

func (d *drive) done(_ *gh.Response, err error) {
	d.t.Helper()
	if err != nil {
		d.t.Error(err)
	}
}

// refused fails the test unless the call was refused with the status.
func (d *drive) refused(status int, err error) {
	d.t.Helper()
	var fail *gh.ErrorResponse
	if !errors.As(err, &fail) || fail.Response.StatusCode != status {
		d.t.Errorf("got %v, want a refusal with %d", err, status)
	}
}

// get calls an endpoint that the client does not know.
func (d *drive) get(path string) *gh.Response {
	d.t.Helper()
	req, err := d.bot.NewRequest(http.MethodGet, path, nil)
	if err != nil {
		d.t.Fatal(err)
	}
	resp, err := d.bot.Do(d.t.Context(), req, nil)
	if err != nil {
		d.t.Error(err)
	}
	return resp
}

func (d *drive) asApp() {
	ctx := d.t.Context()
	got[*gh.App](d)(d.app.Apps.Get(ctx, ""))
	got[[]*gh.Installation](d)(d.app.Apps.ListInstallations(ctx, nil))
	got[*gh.Installation](d)(d.app.Apps.GetInstallation(ctx, d.id))
	got[*gh.Installation](d)(d.app.Apps.FindRepositoryInstallation(ctx, "acme", "shop"))
	got[*gh.Installation](d)(d.app.Apps.FindOrganizationInstallation(ctx, "acme"))
	_, _, err := d.app.Apps.GetInstallation(ctx, 1)
	d.refused(404, err)
	repo := got[*gh.Repository](d)(d.bot.Repositories.Get(ctx, "acme", "shop"))
	got[*gh.InstallationToken](d)(d.app.Apps.CreateInstallationToken(ctx, d.id, &gh.InstallationTokenOptions{
		RepositoryIDs: []int64{repo.GetID()}, Permissions: &gh.InstallationPermissions{Statuses: gh.String("write")},
	}))
	_, _, err = d.app.Apps.CreateInstallationToken(ctx, d.id, &gh.InstallationTokenOptions{
		Permissions: &gh.InstallationPermissions{Administration: gh.String("write")},
	})
	d.refused(422, err)
	got[*gh.RateLimits](d)(d.bot.RateLimit.Get(ctx))
}

func (d *drive) repository() {
	ctx := d.t.Context()
	repo := got[*gh.Repository](d)(d.bot.Repositories.Get(ctx, "acme", "shop"))
	got[*gh.Repository](d)(d.bot.Repositories.GetByID(ctx, repo.GetID()))
	got[*gh.ListRepositories](d)(d.bot.Apps.ListRepos(ctx, nil))
	_, _, err := d.bot.Repositories.Get(ctx, "acme", "nothing")
	d.refused(404, err)
	file, _, _, err := d.bot.Repositories.GetContents(ctx, "acme", "shop", ".shipmate.yaml", &gh.RepositoryContentGetOptions{Ref: "main"})
	if err != nil {
		d.t.Fatal(err)
	}
	if text, err := file.GetContent(); err != nil || text != "service: shop\n" {
		d.t.Errorf("content is %q, %v", text, err)
	}
	if _, dir, _, err := d.bot.Repositories.GetContents(ctx, "acme", "shop", "src", nil); err != nil || len(dir) != 1 {
		d.t.Errorf("directory has %d entries, %v", len(dir), err)
	}
	_, _, _, err = d.bot.Repositories.GetContents(ctx, "acme", "shop", "absent", nil)
	d.refused(404, err)
	got[[]*gh.Branch](d)(d.bot.Repositories.ListBranches(ctx, "acme", "shop", nil))
	got[*gh.Branch](d)(d.bot.Repositories.GetBranch(ctx, "acme", "shop", "feature/cart", 0))
	got[*gh.Reference](d)(d.bot.Git.GetRef(ctx, "acme", "shop", "heads/feature/cart"))
	got[[]*gh.Reference](d)(d.bot.Git.ListMatchingRefs(ctx, "acme", "shop", &gh.ReferenceListOptions{Ref: "heads/"}))
	if err := d.Tag(shop, "v1", d.pr.Head.SHA); err != nil {
		d.t.Error(err)
	}
	got[[]*gh.RepositoryTag](d)(d.bot.Repositories.ListTags(ctx, "acme", "shop", nil))
	got[[]*sim.Activity](d)(d.activity())
}

func (d *drive) activity() ([]*sim.Activity, *gh.Response, error) {
	req, err := d.bot.NewRequest(http.MethodGet, "repos/acme/shop/activity?ref=refs/heads/feature/cart&per_page=1", nil)
	if err != nil {
		return nil, nil, err
	}
	var out []*sim.Activity
	resp, err := d.bot.Do(d.t.Context(), req, &out)
	return out, resp, err
}

func (d *drive) people() {
	ctx := d.t.Context()
	level := got[*gh.RepositoryPermissionLevel](d)(d.bot.Repositories.GetPermissionLevel(ctx, "acme", "shop", "mona"))
	if level.GetPermission() != "write" || level.User.GetRoleName() != "maintain" {
		d.t.Errorf("mona has %s, %s", level.GetPermission(), level.User.GetRoleName())
	}
	_, _, err := d.bot.Repositories.GetPermissionLevel(ctx, "acme", "shop", "nobody")
	d.refused(404, err)
	mona := got[*gh.User](d)(d.bot.Users.Get(ctx, "mona"))
	got[*gh.User](d)(d.bot.Users.GetByID(ctx, mona.GetID()))
	got[*gh.Team](d)(d.bot.Teams.GetTeamBySlug(ctx, "acme", "release-leads"))
	got[*gh.Membership](d)(d.bot.Teams.GetTeamMembershipBySlug(ctx, "acme", "release-leads", "lead"))
	_, _, err = d.bot.Teams.GetTeamMembershipBySlug(ctx, "acme", "release-leads", "mona")
	d.refused(404, err)
	got[[]*gh.User](d)(d.bot.Teams.ListTeamMembersBySlug(ctx, "acme", "release-leads", nil))
	got[bool](d)(d.bot.Organizations.IsMember(ctx, "acme", "mona"))
}

func (d *drive) commits() {
	ctx, head := d.t.Context(), d.pr.Head.SHA
	got[*gh.RepositoryCommit](d)(d.bot.Repositories.GetCommit(ctx, "acme", "shop", head, nil))
	got[*gh.Commit](d)(d.bot.Git.GetCommit(ctx, "acme", "shop", head))
	sha, _, err := d.bot.Repositories.GetCommitSHA1(ctx, "acme", "shop", "feature/cart", "")
	if err != nil || sha != head {
		d.t.Errorf("sha is %s, %v", sha, err)
	}
	_, _, err = d.bot.Repositories.GetCommit(ctx, "acme", "shop", strings.Repeat("0", 40), nil)
	d.refused(422, err)
	got[[]*gh.RepositoryCommit](d)(d.bot.Repositories.ListCommits(ctx, "acme", "shop", &gh.CommitsListOptions{SHA: "feature/cart", Path: "src"}))
	cmp := got[*gh.CommitsComparison](d)(d.bot.Repositories.CompareCommits(ctx, "acme", "shop", "main", "feature/cart", nil))
	if cmp.GetAheadBy() != 1 || len(cmp.Files) != 2 || cmp.Files[0].GetPatch() == "" {
		d.t.Errorf("compare: ahead %d, files %v", cmp.GetAheadBy(), cmp.Files)
	}
	_, _, err = d.bot.Repositories.CompareCommits(ctx, "acme", "shop", "main", "absent", nil)
	d.refused(404, err)
}

func (d *drive) statuses() {
	ctx, head := d.t.Context(), d.pr.Head.SHA
	got[*gh.RepoStatus](d)(d.bot.Repositories.CreateStatus(ctx, "acme", "shop", head, &gh.RepoStatus{
		State: gh.String("pending"), Context: gh.String("shipmate/deploy"), Description: gh.String("Waiting"), TargetURL: gh.String("https://bot.example/r-1"),
	}))
	got[*gh.RepoStatus](d)(d.bot.Repositories.CreateStatus(ctx, "acme", "shop", head, &gh.RepoStatus{State: gh.String("success")}))
	_, _, err := d.bot.Repositories.CreateStatus(ctx, "acme", "shop", head, &gh.RepoStatus{State: gh.String("done")})
	d.refused(422, err)
	got[[]*gh.RepoStatus](d)(d.bot.Repositories.ListStatuses(ctx, "acme", "shop", head, nil))
	if list := got[[]*gh.RepoStatus](d)(d.bot.Repositories.ListStatuses(ctx, "acme", "shop", head, &gh.ListOptions{PerPage: 1, Page: 2})); len(list) != 1 || list[0].GetState() != "pending" {
		d.t.Errorf("second page of statuses: %v", list)
	}
	combined := got[*gh.CombinedStatus](d)(d.bot.Repositories.GetCombinedStatus(ctx, "acme", "shop", "feature/cart", nil))
	if combined.GetState() != "pending" || combined.GetTotalCount() != 2 {
		d.t.Errorf("combined status: %s of %d", combined.GetState(), combined.GetTotalCount())
	}
}

func (d *drive) checks() {
	ctx, head := d.t.Context(), d.pr.Head.SHA
	run := got[*gh.CheckRun](d)(d.bot.Checks.CreateCheckRun(ctx, "acme", "shop", gh.CreateCheckRunOptions{
		Name: "shipmate/deploy", HeadSHA: head, ExternalID: gh.String("r-1"), Status: gh.String("in_progress"), StartedAt: &gh.Timestamp{Time: time.Now()},
		Output: &gh.CheckRunOutput{Title: gh.String("Deploying"), Summary: gh.String("to staging")},
	}))
	got[*gh.CheckRun](d)(d.bot.Checks.UpdateCheckRun(ctx, "acme", "shop", run.GetID(), gh.UpdateCheckRunOptions{
		Name: "shipmate/deploy", Status: gh.String("completed"), Conclusion: gh.String("action_required"),
		Output: &gh.CheckRunOutput{Title: gh.String("Waits"), Summary: gh.String("for approval"), Annotations: []*gh.CheckRunAnnotation{{
			Path: gh.String("src/a.txt"), StartLine: gh.Int(1), EndLine: gh.Int(1), AnnotationLevel: gh.String("notice"), Message: gh.String("here"),
		}}},
		Actions: []*gh.CheckRunAction{{Label: "Approve", Description: "Approve the deploy", Identifier: "approve"}},
	}))
	got[*gh.CheckRun](d)(d.bot.Checks.GetCheckRun(ctx, "acme", "shop", run.GetID()))
	got[[]*gh.CheckRunAnnotation](d)(d.bot.Checks.ListCheckRunAnnotations(ctx, "acme", "shop", run.GetID(), nil))
	got[*gh.ListCheckRunsResults](d)(d.bot.Checks.ListCheckRunsForRef(ctx, "acme", "shop", "feature/cart", nil))
	suites := got[*gh.ListCheckSuiteResults](d)(d.bot.Checks.ListCheckSuitesForRef(ctx, "acme", "shop", head, nil))
	got[*gh.CheckSuite](d)(d.bot.Checks.GetCheckSuite(ctx, "acme", "shop", suites.CheckSuites[0].GetID()))
	got[*gh.ListCheckRunsResults](d)(d.bot.Checks.ListCheckRunsCheckSuite(ctx, "acme", "shop", suites.CheckSuites[0].GetID(), nil))
	_, _, err := d.bot.Checks.CreateCheckRun(ctx, "acme", "shop", gh.CreateCheckRunOptions{Name: "x", HeadSHA: head, Status: gh.String("completed")})
	d.refused(422, err)

	for _, err := range []error{
		d.mona.ClickCheckAction(shop, run.GetID(), "approve"),
		d.mona.Rerequest(shop, run.GetID()),
		d.mona.RerequestSuite(shop, head),
	} {
		if err != nil {
			d.t.Error(err)
		}
	}
	ci := sim.Must(d.AddApp("ci", 0))
	got[*gh.App](d)(d.bot.Apps.Get(ctx, "ci"))
	name, sha := "build", head
	sim.Must(ci.CreateCheckRun(shop, sim.CheckRunRequest{Name: &name, HeadSHA: &sha}))
	sim.Must(ci.CreateCheckRun(shop, sim.CheckRunRequest{Name: &name, HeadSHA: &sha}))
	for filter, want := range map[string]int{"latest": 1, "all": 2} {
		o := &gh.ListCheckRunsOptions{CheckName: &name, Filter: &filter, ListOptions: gh.ListOptions{PerPage: 1}}
		page := got[*gh.ListCheckRunsResults](d)(d.bot.Checks.ListCheckRunsForRef(ctx, "acme", "shop", head, o))
		if page.GetTotal() != want || len(page.CheckRuns) != 1 {
			d.t.Errorf("%s: %d of %d check runs", filter, len(page.CheckRuns), page.GetTotal())
		}
	}
}

func (d *drive) deployments() {
	ctx, head := d.t.Context(), d.pr.Head.SHA
	_, _, err := d.bot.Repositories.CreateDeployment(ctx, "acme", "shop", &gh.DeploymentRequest{Ref: gh.String(head), Environment: gh.String("staging")})
	d.refused(409, err)
	_, _, err = d.bot.Repositories.CreateDeployment(ctx, "acme", "shop", &gh.DeploymentRequest{Ref: gh.String("absent")})
	d.refused(422, err)
	dep := got[*gh.Deployment](d)(d.bot.Repositories.CreateDeployment(ctx, "acme", "shop", &gh.DeploymentRequest{
		Ref: gh.String(head), Environment: gh.String("staging"), Description: gh.String("r-1"), AutoMerge: gh.Bool(false), RequiredContexts: &[]string{},
		Payload: map[string]string{"run": "r-1"},
	}))
	st := got[*gh.DeploymentStatus](d)(d.bot.Repositories.CreateDeploymentStatus(ctx, "acme", "shop", dep.GetID(), &gh.DeploymentStatusRequest{
		State: gh.String("in_progress"), LogURL: gh.String("https://bot.example/r-1"),
	}))
	got[*gh.DeploymentStatus](d)(d.bot.Repositories.CreateDeploymentStatus(ctx, "acme", "shop", dep.GetID(), &gh.DeploymentStatusRequest{State: gh.String("success"), EnvironmentURL: gh.String("https://staging.example")}))
	_, _, err = d.bot.Repositories.CreateDeploymentStatus(ctx, "acme", "shop", dep.GetID(), &gh.DeploymentStatusRequest{State: gh.String("done")})
	d.refused(422, err)
	got[[]*gh.Deployment](d)(d.bot.Repositories.ListDeployments(ctx, "acme", "shop", &gh.DeploymentsListOptions{SHA: head, Environment: "staging"}))
	got[*gh.Deployment](d)(d.bot.Repositories.GetDeployment(ctx, "acme", "shop", dep.GetID()))
	got[[]*gh.DeploymentStatus](d)(d.bot.Repositories.ListDeploymentStatuses(ctx, "acme", "shop", dep.GetID(), nil))
	got[*gh.DeploymentStatus](d)(d.bot.Repositories.GetDeploymentStatus(ctx, "acme", "shop", dep.GetID(), st.GetID()))
}

func (d *drive) comments() {
	ctx, number := d.t.Context(), d.pr.Number
	mine := got[*gh.IssueComment](d)(d.bot.Issues.CreateComment(ctx, "acme", "shop", number, &gh.IssueComment{Body: gh.String("Deploying <b> & co")}))
	got[*gh.IssueComment](d)(d.bot.Issues.EditComment(ctx, "acme", "shop", mine.GetID(), &gh.IssueComment{Body: gh.String("Deployed")}))
	got[*gh.IssueComment](d)(d.bot.Issues.GetComment(ctx, "acme", "shop", mine.GetID()))
	got[[]*gh.IssueComment](d)(d.bot.Issues.ListComments(ctx, "acme", "shop", number, nil))
	_, _, err := d.bot.Issues.CreateComment(ctx, "acme", "shop", number, &gh.IssueComment{Body: gh.String("")})
	d.refused(422, err)
	_, _, err = d.bot.Issues.CreateComment(ctx, "acme", "shop", 99, &gh.IssueComment{Body: gh.String("x")})
	d.refused(404, err)

	theirs := sim.Must(d.mona.Comment(shop, number, "/deploy staging"))
	re := got[*gh.Reaction](d)(d.bot.Reactions.CreateIssueCommentReaction(ctx, "acme", "shop", theirs.ID, "eyes"))
	_, resp, err := d.bot.Reactions.CreateIssueCommentReaction(ctx, "acme", "shop", theirs.ID, "eyes")
	if err != nil || resp.StatusCode != http.StatusOK {
		d.t.Errorf("a second reaction: %v", err)
	}
	got[[]*gh.Reaction](d)(d.bot.Reactions.ListIssueCommentReactions(ctx, "acme", "shop", theirs.ID, nil))
	d.done(d.bot.Reactions.DeleteIssueCommentReaction(ctx, "acme", "shop", theirs.ID, re.GetID()))
	d.done(d.bot.Issues.DeleteComment(ctx, "acme", "shop", mine.GetID()))
	got[*gh.Issue](d)(d.bot.Issues.Get(ctx, "acme", "shop", number))
}

// lines are comments on lines of the diff.
func (d *drive) lines() {
	ctx, number, hubot := d.t.Context(), d.pr.Number, d.As("hubot")
	file := got[[]*gh.CommitFile](d)(d.bot.PullRequests.ListFiles(ctx, "acme", "shop", number, nil))[0].GetFilename()
	cm := sim.Must(hubot.CommentOnLine(shop, number, file, "/deploy staging"))
	if _, err := hubot.CommentOnLine(shop, number, "no/such/file", "x"); err == nil {
		d.t.Error("a comment on a file that is no part of the diff")
	}
	if again := got[*gh.PullRequestComment](d)(d.bot.PullRequests.GetComment(ctx, "acme", "shop", cm.ID)); again.GetBody() != cm.Body || !again.GetUpdatedAt().After(again.GetCreatedAt().Time) {
		d.t.Errorf("read again: %v", again)
	}
	got[[]*gh.PullRequestComment](d)(d.bot.PullRequests.ListComments(ctx, "acme", "shop", number, nil))
	re := got[*gh.Reaction](d)(d.bot.Reactions.CreatePullRequestCommentReaction(ctx, "acme", "shop", cm.ID, "eyes"))
	got[[]*gh.Reaction](d)(d.bot.Reactions.ListPullRequestCommentReactions(ctx, "acme", "shop", cm.ID, nil))
	d.done(d.bot.Reactions.DeletePullRequestCommentReaction(ctx, "acme", "shop", cm.ID, re.GetID()))
	_, _, err := d.bot.Issues.GetComment(ctx, "acme", "shop", cm.ID)
	d.refused(404, err) // it is not one of the conversation
	if err := hubot.EditLineComment(shop, cm.ID, "fine"); err != nil {
		d.t.Error(err)
	}
	if err := hubot.DeleteLineComment(shop, cm.ID); err != nil {
		d.t.Error(err)
	}
	_, _, err = d.bot.PullRequests.GetComment(ctx, "acme", "shop", cm.ID)
	d.refused(404, err)
}

func (d *drive) pulls() {
	ctx, number := d.t.Context(), d.pr.Number
	hubot := d.As("hubot")
	re := sim.Must(hubot.Review(shop, number, sim.NewReview{State: "APPROVED", Body: "ok"}))
	sim.Must(hubot.Review(shop, number, sim.NewReview{State: "CHANGES_REQUESTED"}))
	if err := hubot.EditReview(shop, number, re.ID, "fine"); err != nil {
		d.t.Error(err)
	}
	if list := got[[]*gh.PullRequestReview](d)(d.bot.PullRequests.ListReviews(ctx, "acme", "shop", number, &gh.ListOptions{PerPage: 1, Page: 2})); len(list) != 1 || list[0].GetState() != "CHANGES_REQUESTED" {
		d.t.Errorf("second page of reviews: %v", list)
	}
	if err := d.mona.DismissReview(shop, number, re.ID); err != nil {
		d.t.Error(err)
	}
	got[*gh.PullRequestReview](d)(d.bot.PullRequests.GetReview(ctx, "acme", "shop", number, re.ID))
	_, _, err := d.bot.PullRequests.GetReview(ctx, "acme", "shop", number, 99)
	d.refused(404, err)
	d.lines()
	sim.Must(d.mona.Push(sim.Push{Repo: shop, Branch: "feature/cart", Files: map[string]string{"c": "c"}}))
	sim.Must(d.mona.Push(sim.Push{Repo: shop, Branch: "feature/cart", Files: map[string]string{"d": "d"}, Parent: d.pr.Head.SHA, Force: true}))
	got[*gh.PullRequest](d)(d.bot.PullRequests.Get(ctx, "acme", "shop", number))
	got[[]*gh.PullRequest](d)(d.bot.PullRequests.List(ctx, "acme", "shop", &gh.PullRequestListOptions{State: "all"}))
	got[[]*gh.PullRequest](d)(d.bot.PullRequests.ListPullRequestsWithCommit(ctx, "acme", "shop", d.pr.Head.SHA, nil))
	got[[]*gh.CommitFile](d)(d.bot.PullRequests.ListFiles(ctx, "acme", "shop", number, nil))
	got[[]*gh.RepositoryCommit](d)(d.bot.PullRequests.ListCommits(ctx, "acme", "shop", number, nil))
	got[[]*gh.PullRequestReview](d)(d.bot.PullRequests.ListReviews(ctx, "acme", "shop", number, nil))
	got[[]*gh.Timeline](d)(d.bot.Issues.ListIssueTimeline(ctx, "acme", "shop", number, nil))
	_, _, err = d.bot.PullRequests.Get(ctx, "acme", "shop", 99)
	d.refused(404, err)
	_, _, err = d.bot.PullRequests.Merge(ctx, "acme", "shop", number, "", nil)
	d.refused(403, err) // the App has contents:read

	fork := sim.Must(d.As("eve").ForkPR(sim.NewPR{Repo: shop, Head: "mine"}, map[string]string{"eve": "was here"}))
	got[*gh.PullRequest](d)(d.bot.PullRequests.Get(ctx, "acme", "shop", fork.Number))
	for _, err := range []error{
		d.mona.ConvertToDraft(shop, number),
		d.mona.MarkReady(shop, number),
		d.mona.ClosePR(shop, number),
		d.mona.ReopenPR(shop, number),
		d.mona.Retarget(shop, number, "main"),
	} {
		if err != nil {
			d.t.Error(err)
		}
	}
}

func (d *drive) webhooks() {
	ctx, number := d.t.Context(), d.pr.Number
	cm := sim.Must(d.mona.Comment(shop, number, "hello"))
	sim.Must(d.mona.CommentBefore(shop, number, time.Hour, "hello from before"))
	sim.Must(d.mona.MergeGroup(shop, number))
	sim.Must(d.CreateRepo(sim.NewRepo{Owner: "acme", Name: "other"}))
	sim.Must(d.Install("acme/other"))
	for _, err := range []error{
		d.mona.EditComment(shop, cm.ID, "goodbye"),
		d.mona.DeleteComment(shop, cm.ID),
		d.Uninstall("acme/other"),
		d.Suspend("acme"),
		d.Unsuspend("acme"),
		d.Grant("acme", map[string]string{"contents": "write"}),
	} {
		if err != nil {
			d.t.Error(err)
		}
	}
	writer := d.installation(http.DefaultTransport, nil)
	got[*gh.PullRequestMergeResult](d)(writer.PullRequests.Merge(ctx, "acme", "shop", number, "", nil))
	d.get("repos/acme/shop/pulls/1/merge")
	d.get("repos/acme/shop/issues/1/timeline")
	d.Ping()
}

func (d *drive) deliveries() {
	ctx := d.t.Context()
	list := got[[]*gh.HookDelivery](d)(d.app.Apps.ListHookDeliveries(ctx, &gh.ListCursorOptions{PerPage: 2}))
	got[*gh.HookDelivery](d)(d.app.Apps.GetHookDelivery(ctx, list[0].GetID()))
	_, _, err := d.app.Apps.RedeliverHookDelivery(ctx, list[0].GetID())
	var accepted *gh.AcceptedError
	if err != nil && !errors.As(err, &accepted) {
		d.t.Error(err)
	}
	if err := d.Uninstall(shop); err != nil {
		d.t.Error(err)
	}
	if err := d.WaitDelivered(within(d.t)); err != nil {
		d.t.Error(err)
	}
}
