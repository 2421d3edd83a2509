package github

import "time"

// Snapshot is a repository as a page shows it.
type Snapshot struct {
	Repo         string            `json:"repo"`
	URL          string            `json:"url"`
	Default      string            `json:"default_branch"`
	Branches     map[string]string `json:"branches"`
	PullRequests []PullView        `json:"pull_requests"` // newest first
	Deployments  []DeploymentView  `json:"deployments"`   // newest first
}

// PullView is a pull request with everything on its page.
type PullView struct {
	Number    int           `json:"number"`
	Title     string        `json:"title"`
	Body      string        `json:"body"`
	Author    string        `json:"author"`
	State     string        `json:"state"` // open, closed, merged
	Draft     bool          `json:"draft"`
	Head      string        `json:"head"`
	HeadSHA   string        `json:"head_sha"`
	Base      string        `json:"base"`
	Mergeable string        `json:"mergeable"`
	Comments  []CommentView `json:"comments"`
	Reviews   []ReviewView  `json:"reviews"`
	Statuses  []StatusView  `json:"statuses"`
	CheckRuns []CheckView   `json:"check_runs"`
}

// CommentView is a comment; its body is markdown as it was written.
type CommentView struct {
	ID        int64          `json:"id"`
	Author    string         `json:"author"`
	Bot       bool           `json:"bot"`
	Body      string         `json:"body"`
	At        time.Time      `json:"at"`
	Edited    bool           `json:"edited"`
	Reactions map[string]int `json:"reactions"`
}

// ReviewView is a review.
type ReviewView struct {
	Author string    `json:"author"`
	State  string    `json:"state"`
	Commit string    `json:"commit"`
	Body   string    `json:"body"`
	At     time.Time `json:"at"`
}

// StatusView is the latest commit status of a context.
type StatusView struct {
	Context     string `json:"context"`
	State       string `json:"state"`
	Description string `json:"description"`
	URL         string `json:"url"`
}

// CheckView is a check run; its buttons are empty until it is completed.
type CheckView struct {
	ID         int64         `json:"id"`
	App        string        `json:"app"`
	Name       string        `json:"name"`
	Status     string        `json:"status"`
	Conclusion string        `json:"conclusion"`
	Title      string        `json:"title"`
	Summary    string        `json:"summary"`
	Text       string        `json:"text"`
	URL        string        `json:"url"`
	Buttons    []CheckAction `json:"buttons"`
}

// DeploymentView is a deployment with where it stands.
type DeploymentView struct {
	ID          int64     `json:"id"`
	Environment string    `json:"environment"`
	Ref         string    `json:"ref"`
	SHA         string    `json:"sha"`
	State       string    `json:"state"` // pending until there is a status
	Description string    `json:"description"`
	URL         string    `json:"url"`
	LogURL      string    `json:"log_url"`
	At          time.Time `json:"at"`
}

// Snapshot shows a repository; it encodes to JSON.
func (s *Server) Snapshot(repo string) (Snapshot, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	r, err := s.db.repo(repo)
	if err != nil {
		return Snapshot{}, err
	}
	out := Snapshot{
		Repo: r.fullName(), URL: s.page("%s", r.fullName()), Default: r.defaultBranch,
		Branches: map[string]string{}, PullRequests: []PullView{}, Deployments: []DeploymentView{},
	}
	for name, sha := range r.git.branches {
		out.Branches[name] = sha
	}
	for i := range r.pulls {
		out.PullRequests = append(out.PullRequests, s.pullView(r.pulls[len(r.pulls)-1-i]))
	}
	for i := range r.deployments {
		out.Deployments = append(out.Deployments, deploymentView(r.deployments[len(r.deployments)-1-i]))
	}
	return out, nil
}

func (s *Server) pullView(p *pull) PullView {
	_, mergeable := s.mergeable(p)
	v := PullView{
		Number: p.number, Title: p.title, Body: p.body, Author: p.author.login, State: p.state, Draft: p.draft,
		Head: p.headOwner() + ":" + p.headRef, HeadSHA: p.headSHA, Base: p.baseRef, Mergeable: mergeable,
		Comments: []CommentView{}, Reviews: []ReviewView{}, Statuses: []StatusView{}, CheckRuns: []CheckView{},
	}
	if p.mergedAt != nil {
		v.State = "merged"
	}
	for _, cm := range p.comments {
		cv := CommentView{
			ID: cm.id, Author: cm.author.login, Bot: cm.author.kind == "Bot", Body: cm.body, At: cm.created,
			Edited: !cm.updated.Equal(cm.created), Reactions: map[string]int{},
		}
		for _, re := range cm.reactions {
			cv.Reactions[re.content]++
		}
		v.Comments = append(v.Comments, cv)
	}
	for _, re := range p.reviews {
		v.Reviews = append(v.Reviews, ReviewView{re.by.login, re.state, re.commit, re.body, re.at})
	}
	for _, st := range p.repo.latestStatuses(p.headSHA) {
		v.Statuses = append(v.Statuses, StatusView{st.context, st.state, value(st.description, ""), value(st.target, "")})
	}
	for _, run := range p.repo.latestRuns(func(run *checkRun) bool { return run.suite.sha == p.headSHA }) {
		v.CheckRuns = append(v.CheckRuns, checkView(run))
	}
	return v
}

func checkView(run *checkRun) CheckView {
	v := CheckView{
		ID: run.id, App: run.suite.app.slug, Name: run.name, Status: run.status, Conclusion: run.conclusion,
		Title: value(run.title, ""), Summary: value(run.summary, ""), Text: value(run.text, ""), URL: run.details,
		Buttons: []CheckAction{},
	}
	if run.status == "completed" {
		v.Buttons = append(v.Buttons, run.actions...)
	}
	return v
}

func deploymentView(d *deployment) DeploymentView {
	v := DeploymentView{ID: d.id, Environment: d.environment, Ref: d.ref, SHA: d.sha, State: "pending", Description: d.description, At: d.updated}
	if n := len(d.statuses); n > 0 {
		last := d.statuses[n-1]
		v.State, v.URL, v.LogURL = last.state, last.environmentURL, last.logURL
		if last.description != "" {
			v.Description = last.description
		}
	}
	return v
}
