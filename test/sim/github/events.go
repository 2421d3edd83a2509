package github

import (
	"bytes"
	"encoding/json"
	"strings"
	"time"
)

func (s *Server) sendComment(action string, cm *comment, by *account, before *string) {
	payload := map[string]any{
		"issue":   s.issueInfo(cm.pull),
		"comment": s.issueComment(cm),
		"sender":  s.user(by),
	}
	if before != nil {
		payload["changes"] = map[string]any{"body": map[string]string{"from": *before}}
	}
	s.send(s.db.installationOf(cm.pull.repo), cm.pull.repo, "issue_comment", action, payload)
}

func (s *Server) sendPull(action string, p *pull, by *account, more map[string]any) {
	payload := map[string]any{"number": p.number, "pull_request": s.pullInfo(p), "sender": s.user(by)}
	for k, v := range more {
		payload[k] = v
	}
	s.send(s.db.installationOf(p.repo), p.repo, "pull_request", action, payload)
}

func (s *Server) sendReviewEdited(p *pull, re *review, by *account, before string) {
	payload := s.reviewPayload(p, re, by)
	payload["changes"] = map[string]any{"body": map[string]string{"from": before}}
	s.send(s.db.installationOf(p.repo), p.repo, "pull_request_review", "edited", payload)
}

func (s *Server) sendReview(action string, p *pull, re *review, by *account) {
	s.send(s.db.installationOf(p.repo), p.repo, "pull_request_review", action, s.reviewPayload(p, re, by))
}

func (s *Server) reviewPayload(p *pull, re *review, by *account) map[string]any {
	info := s.reviewInfo(p, re)
	return map[string]any{
		"review": map[string]any{ // webhooks write the state in lower case
			"id": info.ID, "node_id": info.NodeID, "user": info.User, "body": orNil(info.Body), "commit_id": info.CommitID,
			"submitted_at": info.SubmittedAt, "state": strings.ToLower(info.State), "html_url": info.HTMLURL,
			"pull_request_url": info.PullRequestURL, "author_association": info.AuthorAssociation, "_links": info.Links,
		},
		"pull_request": s.pullSimple(p),
		"sender":       s.user(by),
	}
}

func (s *Server) sendStatus(r *repository, st *status) {
	commit, err := r.git.read(st.sha)
	if err != nil {
		return
	}
	detail := fields(s.commit(r, commit))
	inner, _ := detail["commit"].(map[string]any)
	verification, _ := inner["verification"].(map[string]any)
	delete(verification, "verified_at")
	s.send(s.db.installationOf(r), r, "status", "", map[string]any{
		"id":          st.id,
		"sha":         st.sha,
		"name":        r.fullName(),
		"avatar_url":  s.user(st.creator).AvatarURL,
		"target_url":  st.target,
		"context":     st.context,
		"description": st.description,
		"state":       st.state,
		"commit":      detail,
		"branches":    s.branchesWith(r, st.sha),
		"created_at":  st.at,
		"updated_at":  st.at,
		"sender":      s.user(st.creator),
	})
}

// hookSuite is the check suite inside a check_run webhook.
type hookSuite struct {
	ID           int64                `json:"id"`
	NodeID       string               `json:"node_id"`
	HeadBranch   *string              `json:"head_branch"`
	HeadSHA      string               `json:"head_sha"`
	Status       string               `json:"status"`
	Conclusion   *string              `json:"conclusion"`
	URL          string               `json:"url"`
	Before       *string              `json:"before"`
	After        *string              `json:"after"`
	PullRequests []MinimalPullRequest `json:"pull_requests"`
	App          AppInfo              `json:"app"`
	CreatedAt    time.Time            `json:"created_at"`
	UpdatedAt    time.Time            `json:"updated_at"`
}

func (s *Server) sendCheckRun(action string, r *repository, run *checkRun, by *account, identifier string) {
	su := s.checkSuiteInfo(r, run.suite)
	payload := map[string]any{
		"check_run": struct {
			CheckRun
			CheckSuite hookSuite `json:"check_suite"`
		}{s.checkRunInfo(r, run), hookSuite{
			su.ID, su.NodeID, su.HeadBranch, su.HeadSHA, su.Status, su.Conclusion, su.URL, su.Before, su.After,
			su.PullRequests, su.App, su.CreatedAt, su.UpdatedAt,
		}},
		"sender": s.user(by),
	}
	if action == "requested_action" {
		payload["requested_action"] = map[string]string{"identifier": identifier}
	}
	s.send(s.db.installationOf(r), r, "check_run", action, payload)
}

func (s *Server) sendCheckSuite(action string, r *repository, suite *checkSuite, by *account) {
	if suite.app != s.db.own && action != "completed" {
		return // a request goes to the App whose suite it is
	}
	info := s.checkSuiteInfo(r, suite)
	info.Repository = nil
	s.send(s.db.installationOf(r), r, "check_suite", action, map[string]any{"check_suite": info, "sender": s.user(by)})
}

func (s *Server) sendDeployment(r *repository, d *deployment) {
	s.send(s.db.installationOf(r), r, "deployment", "created", map[string]any{
		"deployment": s.deploymentInfo(r, d), "workflow": nil, "workflow_run": nil, "sender": s.user(d.creator),
	})
}

func (s *Server) sendDeploymentStatus(r *repository, d *deployment, st *deploymentStatus) {
	status := s.deploymentStatusInfo(r, d, st)
	payload := map[string]any{"deployment_status": status, "deployment": s.deploymentInfo(r, d), "sender": s.user(st.creator)}
	if status.LogURL == "" { // left out when there is none
		without := fields(status)
		delete(without, "log_url")
		payload["deployment_status"] = without
	}
	s.send(s.db.installationOf(r), r, "deployment_status", "created", payload)
}

// push is one movement of a branch.
type push struct {
	branch, before, after string
	forced                bool
	by                    *account
}

// hookCommit is a commit inside a push webhook.
type hookCommit struct {
	ID        string    `json:"id"`
	TreeID    string    `json:"tree_id"`
	Distinct  bool      `json:"distinct"`
	Message   string    `json:"message"`
	Timestamp time.Time `json:"timestamp"`
	URL       string    `json:"url"`
	Author    hookUser  `json:"author"`
	Committer hookUser  `json:"committer"`
	Added     []string  `json:"added"`
	Removed   []string  `json:"removed"`
	Modified  []string  `json:"modified"`
}

type hookUser struct {
	Name     string `json:"name"`
	Email    string `json:"email"`
	Username string `json:"username,omitempty"`
}

// sendPush sends up to 2048 commits, as GitHub does.
func (s *Server) sendPush(r *repository, p push) {
	inst := s.db.installationOf(r)
	if inst == nil {
		return
	}
	commits := []hookCommit{}
	for _, c := range s.pushed(r, p) {
		commits = append(commits, s.hookCommit(r, c))
	}
	var head *hookCommit
	if c, err := r.git.read(p.after); err == nil {
		hc := s.hookCommit(r, c)
		head = &hc
	}
	compare := s.page("%s/compare/%.12s...%.12s", r.fullName(), p.before, p.after)
	if p.before == "" {
		compare = s.page("%s/commit/%.12s", r.fullName(), p.after)
	}
	s.send(inst, r, "push", "", map[string]any{
		"ref":         "refs/heads/" + p.branch,
		"before":      orZero(p.before),
		"after":       orZero(p.after),
		"created":     p.before == "",
		"deleted":     p.after == "",
		"forced":      p.forced,
		"base_ref":    nil,
		"compare":     compare,
		"commits":     commits[:min(2048, len(commits))],
		"head_commit": head,
		"repository":  s.pushRepository(r),
		"pusher":      map[string]any{"name": p.by.login, "email": p.by.email},
		"sender":      s.user(p.by),
	})
}

func (s *Server) pushed(r *repository, p push) []*gitCommit {
	if p.after == "" {
		return nil
	}
	from := p.before
	if from == "" && p.branch != r.defaultBranch {
		from = r.git.branches[r.defaultBranch]
	}
	args := []string{"--reverse", p.after}
	if from != "" {
		args = append(args, "^"+from)
	}
	list, err := r.git.log(args...)
	if err != nil {
		s.cfg.Logger.Error("pushed commits not listed", "repo", r.fullName(), "err", err)
	}
	return list
}

// pushRepository has times in seconds, as only push webhooks have.
func (s *Server) pushRepository(r *repository) map[string]any {
	out := fields(s.repository(r))
	out["created_at"] = r.created.Unix()
	out["pushed_at"] = r.pushed.Unix()
	out["stargazers"] = 0
	out["master_branch"] = r.defaultBranch
	if r.owner.kind == "Organization" {
		out["organization"] = r.owner.login
	}
	return out
}

// fields is a value as JSON has it, for the places where webhooks differ from the API.
func fields(v any) map[string]any {
	out := map[string]any{}
	d := json.NewDecoder(bytes.NewReader(encode(v)))
	d.UseNumber()
	_ = d.Decode(&out) // our own JSON
	return out
}

func (s *Server) hookCommit(r *repository, c *gitCommit) hookCommit {
	out := hookCommit{
		ID: c.sha, TreeID: c.tree, Distinct: true, Message: c.message, Timestamp: c.committer.at,
		URL:    s.page("%s/commit/%s", r.fullName(), c.sha),
		Author: s.hookUser(c.author), Committer: s.hookUser(c.committer),
		Added: []string{}, Removed: []string{}, Modified: []string{},
	}
	from := ""
	if len(c.parents) > 0 {
		from = c.parents[0]
	}
	files, err := r.git.diff(from, c.sha)
	if err != nil {
		return out
	}
	for _, f := range files {
		switch f.status {
		case "added":
			out.Added = append(out.Added, f.name)
		case "removed":
			out.Removed = append(out.Removed, f.name)
		case "renamed":
			out.Added, out.Removed = append(out.Added, f.name), append(out.Removed, f.previous)
		default:
			out.Modified = append(out.Modified, f.name)
		}
	}
	return out
}

func (s *Server) hookUser(sg signature) hookUser {
	out := hookUser{Name: sg.name, Email: sg.email}
	if a := s.accountByEmail(sg.email); a != nil {
		out.Username = a.login
	}
	return out
}

// simpleRepository is a repository inside an installation webhook.
type simpleRepository struct {
	ID       int64  `json:"id"`
	NodeID   string `json:"node_id"`
	Name     string `json:"name"`
	FullName string `json:"full_name"`
	Private  bool   `json:"private"`
}

func simpleRepositories(list []*repository) []simpleRepository {
	out := []simpleRepository{}
	for _, r := range list {
		out = append(out, simpleRepository{r.id, nodeID("R", r.id), r.name, r.fullName(), r.private})
	}
	return out
}

func (s *Server) sendInstallation(action string, in *installation, by *account) {
	s.send(in, nil, "installation", action, map[string]any{
		"installation": s.installationInfo(in), "repositories": simpleRepositories(in.repos), "sender": s.user(by),
	})
}

func (s *Server) sendInstallationRepositories(in *installation, added, removed []*repository, by *account) {
	action := "added"
	if len(removed) > 0 {
		action = "removed"
	}
	s.send(in, nil, "installation_repositories", action, map[string]any{
		"installation": s.installationInfo(in), "repository_selection": "selected", "requester": nil,
		"repositories_added": simpleRepositories(added), "repositories_removed": simpleRepositories(removed), "sender": s.user(by),
	})
}

func (s *Server) sendMergeGroup(action string, r *repository, group map[string]any, by *account) {
	payload := map[string]any{"merge_group": group, "sender": s.user(by)}
	if action == "destroyed" {
		payload["reason"] = "merged"
	}
	s.send(s.db.installationOf(r), r, "merge_group", action, payload)
}

// Ping sends the webhook that GitHub sends when an App is registered.
func (s *Server) Ping() {
	s.mu.Lock()
	defer s.mu.Unlock()
	now := s.now()
	url := s.api("/app/hook")
	payload := map[string]any{
		"zen": "Approachable is better than simple.", "hook_id": int64(firstID + 1),
		"hook": map[string]any{
			"type": "App", "id": int64(firstID + 1), "name": "web", "active": true, "app_id": s.cfg.AppID, "events": s.cfg.Events,
			"config":     map[string]any{"content_type": "json", "secret": "********", "url": s.cfg.WebhookURL, "insecure_ssl": "0"},
			"updated_at": now, "created_at": now, "url": url, "ping_url": url + "/pings", "deliveries_url": url + "/deliveries",
		},
	}
	dl := &Delivery{GUID: newGUID(), Event: "ping", Body: encode(payload)}
	dl.Header = s.hookHeader(dl.GUID, "ping", dl.Body)
	s.hooks.add(dl)
}
