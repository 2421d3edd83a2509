package github

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"slices"
	"strings"

	"github.com/google/go-github/v60/github"
	"github.com/shipmate/shipmate/pipeline"
)

// deploymentSink shows a run that has its environment as a GitHub deployment.
type deploymentSink struct{ ReportConfig }

type shownDeployment struct {
	ID    int64  `json:"id"`
	State string `json:"state,omitempty"` // of the last status
}

func (s *deploymentSink) Name() string  { return "github-deployment" }
func (s *deploymentSink) Shows() string { return "deployment" }

// Subject: what was never admitted did not touch the environment.
func (s *deploymentSink) Subject(r *pipeline.Run) string {
	if !r.Deploys() || !r.Admitted {
		return ""
	}
	return string(r.ID)
}

func (s *deploymentSink) Show(ctx context.Context, r *pipeline.Run, shown pipeline.Shown) (json.RawMessage, error) {
	now := decodeShown[shownDeployment](shown)
	ctx = reporting(ctx, r)
	if shown.Data == nil && r.State.Terminal() {
		if over, err := s.overtaken(ctx, r); err != nil || over {
			return shown.Data, err
		}
	}
	state := deploymentState(r)
	if now.ID != 0 && now.State == state && shown.Doubt == "" {
		return shown.Data, nil
	}
	if now.ID == 0 || shown.Doubt != "" {
		ctx, first, err := s.first(ctx, r, shown)
		if err != nil {
			return shown.Data, err
		}
		if !first {
			now, err = s.adopt(ctx, r)
		}
		if err == nil && now.ID == 0 {
			now.ID, err = s.create(ctx, r)
		}
		if err != nil {
			return shown.Data, s.lost(ctx, r, err)
		}
	}
	if now.State == state {
		return save(now, nil)
	}
	err := s.move(ctx, r, now.ID, state)
	if errors.Is(err, errMissing) { // somebody deleted it
		err = nil
	}
	if err == nil {
		now.State = state
	}
	return save(now, err)
}

// overtaken reports whether another run deploys to the environment after this
// one. GitHub takes what is made last for what stands there, so one that has
// ended and was not shown in time is not shown any more.
func (s *deploymentSink) overtaken(ctx context.Context, r *pipeline.Run) (bool, error) {
	if s.Runs == nil {
		return false, nil
	}
	const recent = 10
	list, err := s.Runs.Runs(ctx, pipeline.RunQuery{Repo: r.Repo.ID, Environment: r.EnvironmentName(), Limit: recent, NoDryRuns: true})
	if err != nil {
		return false, pipeline.Temporary(fmt.Errorf("find newer runs: %w", err))
	}
	return slices.ContainsFunc(list, func(o *pipeline.Run) bool {
		return o.ID != r.ID && o.Admitted && o.Created.After(r.Created)
	}), nil
}

// deploymentState: "error" is for what nobody knows or wants, "failure" for
// what did not work.
func deploymentState(r *pipeline.Run) string {
	return []string{waits: "queued", works: "in_progress", good: "success", bad: "failure", ended: "error", asks: "error"}[verdictOf(r)]
}

// payload leads from a deployment back to its run.
type payload struct {
	Run pipeline.RunID `json:"run"`
}

func (s *deploymentSink) create(ctx context.Context, r *pipeline.Run) (int64, error) {
	doing := fmt.Sprintf("deployment of %.7s to %s in %s", shownOn(r), r.Environment.Name, r.Repo)
	made, _, err := s.Client.as(r.Repo, forDeployments).Repositories.CreateDeployment(ctx, r.Repo.Owner, r.Repo.Name, &github.DeploymentRequest{
		Ref:              github.String(shownOn(r)),
		Task:             github.String("deploy"),
		AutoMerge:        github.Bool(false),
		RequiredContexts: &[]string{}, // our gates have decided
		Payload:          payload{r.ID},
		Environment:      &r.Environment.Name,
		Description:      github.String(cutRunes(fmt.Sprintf("%s, run %s, by %s", checkName(r), r.ID, r.Actor.Login), maxDescription)),
		// GitHub then marks earlier deployments inactive by itself; it leaves
		// those of production environments active for ever.
		ProductionEnvironment: github.Bool(false),
		TransientEnvironment:  github.Bool(false),
	})
	if err == nil {
		s.Client.wrote(ctx, r.Repo, aboutDeployment(fmt.Sprint(made.GetID())))
	}
	return made.GetID(), fail(doing, err)
}

// adopt looks for the deployment made before its id was saved. If two were
// made, GitHub shows the newer, and the other is ended.
func (s *deploymentSink) adopt(ctx context.Context, r *pipeline.Run) (shownDeployment, error) {
	list, err := s.find(ctx, r)
	if err != nil || len(list) == 0 {
		return shownDeployment{}, err
	}
	newest := slices.Max(list)
	for _, other := range list {
		if other == newest {
			continue
		}
		if err := s.move(ctx, r, other, "inactive"); notMissing(err) != nil {
			return shownDeployment{}, err
		}
	}
	state, err := s.lastState(ctx, r, newest)
	return shownDeployment{ID: newest, State: state}, err
}

// find lists the deployments of the run.
func (s *deploymentSink) find(ctx context.Context, r *pipeline.Run) (ids []int64, err error) {
	gh := s.Client.as(r.Repo, forDeployments)
	list, err := pages(func(o github.ListOptions) ([]*github.Deployment, *github.Response, error) {
		return gh.Repositories.ListDeployments(ctx, r.Repo.Owner, r.Repo.Name, &github.DeploymentsListOptions{SHA: shownOn(r), Environment: r.Environment.Name, ListOptions: o})
	})
	if err != nil {
		return nil, fail(fmt.Sprintf("list deployments of %.7s in %s", shownOn(r), r.Repo), err)
	}
	for _, d := range list {
		var p payload
		if json.Unmarshal(unquoted(d.Payload), &p) == nil && p.Run == r.ID && s.Client.isUs(d.GetCreator()) {
			ids = append(ids, d.GetID())
		}
	}
	return ids, nil
}

// unquoted: some servers give a payload back as a text that holds JSON.
func unquoted(raw json.RawMessage) []byte {
	var text string
	if json.Unmarshal(raw, &text) == nil {
		return []byte(text)
	}
	return raw
}

func (s *deploymentSink) lastState(ctx context.Context, r *pipeline.Run, id int64) (string, error) {
	list, _, err := s.Client.as(r.Repo, forDeployments).Repositories.ListDeploymentStatuses(ctx, r.Repo.Owner, r.Repo.Name, id, &github.ListOptions{PerPage: 1})
	if err != nil || len(list) == 0 {
		return "", fail(fmt.Sprintf("list statuses of deployment %d in %s", id, r.Repo), err)
	}
	return list[0].GetState(), nil
}

// deploymentStatus has what go-github's type lacks: no empty URLs.
type deploymentStatus struct {
	State          string `json:"state"`
	Description    string `json:"description"`
	Environment    string `json:"environment"`
	EnvironmentURL string `json:"environment_url,omitempty"`
	LogURL         string `json:"log_url,omitempty"`
	AutoInactive   bool   `json:"auto_inactive"`
}

func (s *deploymentSink) move(ctx context.Context, r *pipeline.Run, id int64, state string) error {
	gh := s.Client.as(r.Repo, forDeployments)
	body := deploymentStatus{State: state, Description: cutRunes(statusLine(r), maxDescription), Environment: r.Environment.Name, LogURL: s.runURL(r), AutoInactive: true}
	if isWebURL(r.Environment.URL) {
		body.EnvironmentURL = r.Environment.URL
	}
	req, err := gh.NewRequest(http.MethodPost, repoPath(r.Repo, "deployments", fmt.Sprint(id), "statuses"), body)
	if err != nil {
		return err
	}
	_, err = gh.Do(ctx, req, nil)
	return fail(fmt.Sprintf("status of deployment %d in %s", id, r.Repo), err)
}

func isWebURL(u string) bool {
	return strings.HasPrefix(u, "https://") || strings.HasPrefix(u, "http://")
}
