package github

import "time"

// CheckRun is a check run as the API shows it.
type CheckRun struct {
	ID           int64                `json:"id"`
	NodeID       string               `json:"node_id"`
	HeadSHA      string               `json:"head_sha"`
	ExternalID   string               `json:"external_id"`
	URL          string               `json:"url"`
	HTMLURL      string               `json:"html_url"`
	DetailsURL   string               `json:"details_url"`
	Status       string               `json:"status"`
	Conclusion   *string              `json:"conclusion"`
	StartedAt    time.Time            `json:"started_at"`
	CompletedAt  *time.Time           `json:"completed_at"`
	Output       CheckRunOutput       `json:"output"`
	Name         string               `json:"name"`
	CheckSuite   CheckSuiteID         `json:"check_suite"`
	App          AppInfo              `json:"app"`
	PullRequests []MinimalPullRequest `json:"pull_requests"`

	// Actions are the buttons; GitHub shows them on the page, not in the API.
	Actions []CheckAction `json:"-"`
}

// CheckRunOutput is the output of a CheckRun.
type CheckRunOutput struct {
	Title            *string `json:"title"`
	Summary          *string `json:"summary"`
	Text             *string `json:"text"`
	AnnotationsCount int     `json:"annotations_count"`
	AnnotationsURL   string  `json:"annotations_url"`
}

// CheckSuiteID is the suite of a CheckRun.
type CheckSuiteID struct {
	ID int64 `json:"id"`
}

// MinimalPullRequest is a pull request as checks show it.
type MinimalPullRequest struct {
	URL    string     `json:"url"`
	ID     int64      `json:"id"`
	Number int        `json:"number"`
	Head   MinimalRef `json:"head"`
	Base   MinimalRef `json:"base"`
}

// MinimalRef is an end of a MinimalPullRequest.
type MinimalRef struct {
	Ref  string `json:"ref"`
	SHA  string `json:"sha"`
	Repo struct {
		ID   int64  `json:"id"`
		URL  string `json:"url"`
		Name string `json:"name"`
	} `json:"repo"`
}

// CheckSuite is a check suite as the API shows it.
type CheckSuite struct {
	ID                   int64                `json:"id"`
	NodeID               string               `json:"node_id"`
	HeadBranch           *string              `json:"head_branch"`
	HeadSHA              string               `json:"head_sha"`
	Status               string               `json:"status"`
	Conclusion           *string              `json:"conclusion"`
	URL                  string               `json:"url"`
	Before               *string              `json:"before"`
	After                *string              `json:"after"`
	PullRequests         []MinimalPullRequest `json:"pull_requests"`
	App                  AppInfo              `json:"app"`
	CreatedAt            time.Time            `json:"created_at"`
	UpdatedAt            time.Time            `json:"updated_at"`
	LatestCheckRunsCount int                  `json:"latest_check_runs_count"`
	CheckRunsURL         string               `json:"check_runs_url"`
	HeadCommit           SimpleCommit         `json:"head_commit"`
	Repository           *MinimalRepository   `json:"repository,omitempty"`
}

// SimpleCommit is a commit inside a check suite or a merge group.
type SimpleCommit struct {
	ID        string     `json:"id"`
	TreeID    string     `json:"tree_id"`
	Message   string     `json:"message"`
	Timestamp time.Time  `json:"timestamp"`
	Author    SimpleUser `json:"author"`
	Committer SimpleUser `json:"committer"`
}

// SimpleUser is who made a SimpleCommit.
type SimpleUser struct {
	Name  string `json:"name"`
	Email string `json:"email"`
}

func simpleCommit(c *gitCommit) SimpleCommit {
	return SimpleCommit{
		ID:        c.sha,
		TreeID:    c.tree,
		Message:   c.message,
		Timestamp: c.committer.at,
		Author:    SimpleUser{c.author.name, c.author.email},
		Committer: SimpleUser{c.committer.name, c.committer.email},
	}
}

// pullsAt lists the open pull requests of this repository whose head is the
// commit; those of forks are left out, as GitHub does.
func (s *Server) pullsAt(r *repository, sha string) []MinimalPullRequest {
	out := []MinimalPullRequest{}
	for _, p := range r.pulls {
		if p.state != "open" || p.headSHA != sha || p.headRepo != r {
			continue
		}
		m := MinimalPullRequest{URL: s.api("/repos/%s/pulls/%d", r.fullName(), p.number), ID: p.id, Number: p.number}
		m.Head.Ref, m.Head.SHA = p.headRef, p.headSHA
		m.Base.Ref, m.Base.SHA = p.baseRef, r.git.branches[p.baseRef]
		m.Head.Repo.ID, m.Head.Repo.URL, m.Head.Repo.Name = r.id, s.api("/repos/%s", r.fullName()), r.name
		m.Base.Repo = m.Head.Repo
		out = append(out, m)
	}
	return out
}

func (s *Server) checkRunInfo(r *repository, run *checkRun) CheckRun {
	url := s.api("/repos/%s/check-runs/%d", r.fullName(), run.id)
	return CheckRun{
		ID:          run.id,
		NodeID:      nodeID("CR", run.id),
		HeadSHA:     run.suite.sha,
		ExternalID:  run.externalID,
		URL:         url,
		HTMLURL:     s.page("%s/runs/%d", r.fullName(), run.id),
		DetailsURL:  run.details,
		Status:      run.status,
		Conclusion:  orNil(run.conclusion),
		StartedAt:   run.started,
		CompletedAt: run.completed,
		Output: CheckRunOutput{
			Title:            run.title,
			Summary:          run.summary,
			Text:             run.text,
			AnnotationsCount: len(run.annotations),
			AnnotationsURL:   url + "/annotations",
		},
		Name:         run.name,
		CheckSuite:   CheckSuiteID{run.suite.id},
		App:          s.appInfo(run.suite.app),
		PullRequests: s.pullsAt(r, run.suite.sha),
		Actions:      run.actions,
	}
}

func (s *Server) checkSuiteInfo(r *repository, su *checkSuite) CheckSuite {
	status, conclusion := r.suiteState(su)
	url := s.api("/repos/%s/check-suites/%d", r.fullName(), su.id)
	minimal := s.minimalRepository(r)
	out := CheckSuite{
		ID:                   su.id,
		NodeID:               nodeID("CS", su.id),
		HeadBranch:           orNil(su.branch),
		HeadSHA:              su.sha,
		Status:               status,
		Conclusion:           orNil(conclusion),
		URL:                  url,
		Before:               orNil(su.before),
		After:                &su.sha,
		PullRequests:         s.pullsAt(r, su.sha),
		App:                  s.appInfo(su.app),
		CreatedAt:            su.created,
		UpdatedAt:            su.updated,
		LatestCheckRunsCount: len(r.latestRuns(func(run *checkRun) bool { return run.suite == su })),
		CheckRunsURL:         url + "/check-runs",
		Repository:           &minimal,
	}
	if c, err := r.git.read(su.sha); err == nil {
		out.HeadCommit = simpleCommit(c)
	}
	return out
}

func orNil(text string) *string {
	if text == "" {
		return nil
	}
	return &text
}
