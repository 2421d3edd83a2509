package github

import (
	"slices"
	"time"
	"unicode/utf8"
)

// DeploymentStatus is one state a deployment was in.
type DeploymentStatus struct {
	URL                   string    `json:"url"`
	ID                    int64     `json:"id"`
	NodeID                string    `json:"node_id"`
	State                 string    `json:"state"`
	Creator               User      `json:"creator"`
	Description           string    `json:"description"`
	Environment           string    `json:"environment"`
	TargetURL             string    `json:"target_url"`
	CreatedAt             time.Time `json:"created_at"`
	UpdatedAt             time.Time `json:"updated_at"`
	DeploymentURL         string    `json:"deployment_url"`
	RepositoryURL         string    `json:"repository_url"`
	EnvironmentURL        string    `json:"environment_url"`
	LogURL                string    `json:"log_url"`
	PerformedViaGithubApp *AppInfo  `json:"performed_via_github_app"`
}

// DeploymentStatusRequest is what an integration sends to move a deployment on.
type DeploymentStatusRequest struct {
	State          *string `json:"state"`
	TargetURL      *string `json:"target_url"`
	LogURL         *string `json:"log_url"`
	Description    *string `json:"description"`
	Environment    *string `json:"environment"`
	EnvironmentURL *string `json:"environment_url"`
	AutoInactive   *bool   `json:"auto_inactive"`
}

func (in DeploymentStatusRequest) check() error {
	if in.State == nil {
		return required(map[string]bool{"state": false})
	}
	if !slices.Contains([]string{"error", "failure", "inactive", "in_progress", "queued", "pending", "success"}, *in.State) {
		return custom("DeploymentStatus", "state", "state is not included in the list")
	}
	if utf8.RuneCountInString(value(in.Description, "")) > 140 {
		return custom("DeploymentStatus", "description", "description is too long (maximum is 140 characters)")
	}
	for name, url := range map[string]*string{"target_url": in.TargetURL, "log_url": in.LogURL, "environment_url": in.EnvironmentURL} {
		if u := value(url, ""); u != "" && !isWebURL(u) {
			return custom("DeploymentStatus", name, name+" must use http(s) scheme")
		}
	}
	return nil
}

func (s *Server) createDeploymentStatus(c *call) (*reply, error) {
	d, err := c.deployment()
	if err != nil {
		return nil, err
	}
	var in DeploymentStatusRequest
	if err := c.decode(&in); err != nil {
		return nil, err
	}
	if err := in.check(); err != nil {
		return nil, err
	}
	st := &deploymentStatus{
		id:             s.db.newID(),
		state:          *in.State,
		description:    value(in.Description, ""),
		environment:    value(in.Environment, d.environment),
		environmentURL: value(in.EnvironmentURL, ""),
		logURL:         value(in.LogURL, value(in.TargetURL, "")),
		creator:        c.actor(),
		at:             s.now(),
	}
	d.environment = st.environment
	s.moveDeployment(c.repo, d, st)
	if st.state == "success" && value(in.AutoInactive, true) {
		s.deactivateOthers(c, d)
	}
	return created(s.deploymentStatusInfo(c.repo, d, st)), nil
}

// deactivateOthers marks the earlier deployments to the environment inactive;
// transient and production environments are left alone.
func (s *Server) deactivateOthers(c *call, d *deployment) {
	for _, other := range c.repo.deployments {
		if other == d || other.environment != d.environment || other.transient || other.production || other.id > d.id {
			continue
		}
		if n := len(other.statuses); n == 0 || other.statuses[n-1].state != "success" {
			continue
		}
		s.moveDeployment(c.repo, other, &deploymentStatus{id: s.db.newID(), state: "inactive", environment: other.environment, creator: c.actor(), at: s.now()})
	}
}

func (s *Server) moveDeployment(r *repository, d *deployment, st *deploymentStatus) {
	d.statuses = append(d.statuses, st)
	d.updated = st.at
	if st.state != "inactive" { // GitHub sends no webhook for these
		s.sendDeploymentStatus(r, d, st)
	}
	s.notify(Change{Kind: "deployment", Repo: r.fullName(), SHA: d.sha, ID: d.id})
}

func (s *Server) deploymentStatusInfo(r *repository, d *deployment, st *deploymentStatus) DeploymentStatus {
	url := s.api("/repos/%s/deployments/%d", r.fullName(), d.id)
	return DeploymentStatus{
		URL:                   s.api("/repos/%s/deployments/%d/statuses/%d", r.fullName(), d.id, st.id),
		ID:                    st.id,
		NodeID:                nodeID("DES", st.id),
		State:                 st.state,
		Creator:               s.user(st.creator),
		Description:           st.description,
		Environment:           st.environment,
		TargetURL:             st.logURL,
		CreatedAt:             st.at,
		UpdatedAt:             st.at,
		DeploymentURL:         url,
		RepositoryURL:         s.api("/repos/%s", r.fullName()),
		EnvironmentURL:        st.environmentURL,
		LogURL:                st.logURL,
		PerformedViaGithubApp: s.appOrNil(st.creator),
	}
}

func (s *Server) listDeploymentStatuses(c *call) (*reply, error) {
	d, err := c.deployment()
	if err != nil {
		return nil, err
	}
	return ok(pageOf(c, s.deploymentInfo(c.repo, d).Statuses)), nil
}

func (s *Server) getDeploymentStatus(c *call) (*reply, error) {
	d, err := c.deployment()
	if err != nil {
		return nil, err
	}
	for _, st := range d.statuses {
		if st.id == c.number("status") {
			return ok(s.deploymentStatusInfo(c.repo, d, st)), nil
		}
	}
	return nil, notFound()
}
