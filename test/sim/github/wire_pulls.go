package github

import "time"

// PullRequestSimple is a pull request in lists and in review webhooks.
type PullRequestSimple struct {
	URL                string     `json:"url"`
	ID                 int64      `json:"id"`
	NodeID             string     `json:"node_id"`
	HTMLURL            string     `json:"html_url"`
	DiffURL            string     `json:"diff_url"`
	PatchURL           string     `json:"patch_url"`
	IssueURL           string     `json:"issue_url"`
	Number             int        `json:"number"`
	State              string     `json:"state"`
	Locked             bool       `json:"locked"`
	Title              string     `json:"title"`
	User               User       `json:"user"`
	Body               *string    `json:"body"`
	CreatedAt          time.Time  `json:"created_at"`
	UpdatedAt          time.Time  `json:"updated_at"`
	ClosedAt           *time.Time `json:"closed_at"`
	MergedAt           *time.Time `json:"merged_at"`
	MergeCommitSHA     *string    `json:"merge_commit_sha"`
	Assignee           *User      `json:"assignee"`
	Assignees          []User     `json:"assignees"`
	RequestedReviewers []User     `json:"requested_reviewers"`
	RequestedTeams     []Team     `json:"requested_teams"`
	Labels             []struct{} `json:"labels"`
	Milestone          *struct{}  `json:"milestone"`
	Draft              bool       `json:"draft"`
	CommitsURL         string     `json:"commits_url"`
	ReviewCommentsURL  string     `json:"review_comments_url"`
	ReviewCommentURL   string     `json:"review_comment_url"`
	CommentsURL        string     `json:"comments_url"`
	StatusesURL        string     `json:"statuses_url"`
	Head               PullRef    `json:"head"`
	Base               PullRef    `json:"base"`
	Links              PullLinks  `json:"_links"`
	AuthorAssociation  string     `json:"author_association"`
	AutoMerge          *struct{}  `json:"auto_merge"`
	ActiveLockReason   *string    `json:"active_lock_reason"`
}

// PullRef is the head or the base of a pull request.
type PullRef struct {
	Label string      `json:"label"`
	Ref   string      `json:"ref"`
	SHA   string      `json:"sha"`
	User  User        `json:"user"`
	Repo  *Repository `json:"repo"`
}

// PullLinks repeats the links of a pull request.
type PullLinks struct {
	Self           Link `json:"self"`
	HTML           Link `json:"html"`
	Issue          Link `json:"issue"`
	Comments       Link `json:"comments"`
	ReviewComments Link `json:"review_comments"`
	ReviewComment  Link `json:"review_comment"`
	Commits        Link `json:"commits"`
	Statuses       Link `json:"statuses"`
}

// Link is a link.
type Link struct {
	Href string `json:"href"`
}

// PullRequest is the answer to GET /repos/{o}/{r}/pulls/{number}.
type PullRequest struct {
	PullRequestSimple
	Merged              bool   `json:"merged"`
	Mergeable           *bool  `json:"mergeable"`
	Rebaseable          *bool  `json:"rebaseable"`
	MergeableState      string `json:"mergeable_state"`
	MergedBy            *User  `json:"merged_by"`
	Comments            int    `json:"comments"`
	ReviewComments      int    `json:"review_comments"`
	MaintainerCanModify bool   `json:"maintainer_can_modify"`
	Commits             int    `json:"commits"`
	Additions           int    `json:"additions"`
	Deletions           int    `json:"deletions"`
	ChangedFiles        int    `json:"changed_files"`
}

// Review is a review of a pull request.
type Review struct {
	ID                int64       `json:"id"`
	NodeID            string      `json:"node_id"`
	User              User        `json:"user"`
	Body              string      `json:"body"`
	State             string      `json:"state"`
	HTMLURL           string      `json:"html_url"`
	PullRequestURL    string      `json:"pull_request_url"`
	AuthorAssociation string      `json:"author_association"`
	Links             ReviewLinks `json:"_links"`
	SubmittedAt       time.Time   `json:"submitted_at"`
	CommitID          string      `json:"commit_id"`
}

// ReviewLinks repeats the links of a Review.
type ReviewLinks struct {
	HTML        Link `json:"html"`
	PullRequest Link `json:"pull_request"`
}

// Issue is the issue side of a pull request.
type Issue struct {
	URL                   string     `json:"url"`
	RepositoryURL         string     `json:"repository_url"`
	LabelsURL             string     `json:"labels_url"`
	CommentsURL           string     `json:"comments_url"`
	EventsURL             string     `json:"events_url"`
	HTMLURL               string     `json:"html_url"`
	ID                    int64      `json:"id"`
	NodeID                string     `json:"node_id"`
	Number                int        `json:"number"`
	Title                 string     `json:"title"`
	User                  User       `json:"user"`
	Labels                []struct{} `json:"labels"`
	State                 string     `json:"state"`
	Locked                bool       `json:"locked"`
	Assignee              *User      `json:"assignee"`
	Assignees             []User     `json:"assignees"`
	Milestone             *struct{}  `json:"milestone"`
	Comments              int        `json:"comments"`
	CreatedAt             time.Time  `json:"created_at"`
	UpdatedAt             time.Time  `json:"updated_at"`
	ClosedAt              *time.Time `json:"closed_at"`
	AuthorAssociation     string     `json:"author_association"`
	ActiveLockReason      *string    `json:"active_lock_reason"`
	Draft                 bool       `json:"draft"`
	PullRequest           IssueLinks `json:"pull_request"`
	Body                  *string    `json:"body"`
	Reactions             Reactions  `json:"reactions"`
	TimelineURL           string     `json:"timeline_url"`
	PerformedViaGithubApp *AppInfo   `json:"performed_via_github_app"`
	StateReason           *string    `json:"state_reason"`
}

// IssueLinks tells that an issue is a pull request.
type IssueLinks struct {
	URL      string     `json:"url"`
	HTMLURL  string     `json:"html_url"`
	DiffURL  string     `json:"diff_url"`
	PatchURL string     `json:"patch_url"`
	MergedAt *time.Time `json:"merged_at"`
}

func (s *Server) pullSimple(p *pull) PullRequestSimple {
	r := p.repo
	url := s.api("/repos/%s/pulls/%d", r.fullName(), p.number)
	issue := s.api("/repos/%s/issues/%d", r.fullName(), p.number)
	html := s.page("%s/pull/%d", r.fullName(), p.number)
	out := PullRequestSimple{
		URL:                url,
		ID:                 p.id,
		NodeID:             nodeID("PR", p.id),
		HTMLURL:            html,
		DiffURL:            html + ".diff",
		PatchURL:           html + ".patch",
		IssueURL:           issue,
		Number:             p.number,
		State:              p.state,
		Locked:             p.locked,
		Title:              p.title,
		User:               s.user(p.author),
		Body:               orNil(p.body),
		CreatedAt:          p.created,
		UpdatedAt:          p.updated,
		ClosedAt:           p.closedAt,
		MergedAt:           p.mergedAt,
		MergeCommitSHA:     orNil(p.mergeCommit),
		Assignees:          []User{},
		RequestedReviewers: []User{},
		RequestedTeams:     []Team{},
		Labels:             []struct{}{},
		Draft:              p.draft,
		CommitsURL:         url + "/commits",
		ReviewCommentsURL:  url + "/comments",
		ReviewCommentURL:   s.api("/repos/%s/pulls/comments{/number}", r.fullName()),
		CommentsURL:        issue + "/comments",
		StatusesURL:        s.api("/repos/%s/statuses/%s", r.fullName(), p.headSHA),
		Head:               s.pullRef(p.headRepo, p.headOwner(), p.headRef, p.headSHA, p.author),
		Base:               s.pullRef(r, r.owner.login, p.baseRef, p.baseSHA, r.owner),
		AuthorAssociation:  s.association(r, p.author),
	}
	out.Links = PullLinks{
		Self:           Link{url},
		HTML:           Link{html},
		Issue:          Link{issue},
		Comments:       Link{out.CommentsURL},
		ReviewComments: Link{out.ReviewCommentsURL},
		ReviewComment:  Link{out.ReviewCommentURL},
		Commits:        Link{out.CommitsURL},
		Statuses:       Link{out.StatusesURL},
	}
	return out
}

func (s *Server) pullRef(r *repository, owner, ref, sha string, fallback *account) PullRef {
	out := PullRef{Label: owner + ":" + ref, Ref: ref, SHA: sha, User: s.user(fallback)}
	if r != nil { // a fork may be gone
		info := s.repository(r)
		out.Repo, out.User = &info, info.Owner
	}
	return out
}

func (s *Server) pullInfo(p *pull) PullRequest {
	mergeable, state := s.mergeable(p)
	out := PullRequest{
		PullRequestSimple: s.pullSimple(p),
		Merged:            p.mergedAt != nil,
		Mergeable:         mergeable,
		Rebaseable:        mergeable,
		MergeableState:    state,
		MergedBy:          s.userOrNil(p.mergedBy),
		Comments:          len(p.comments),
	}
	if list, err := p.commits(); err == nil {
		out.Commits = len(list)
	}
	if files, err := p.files(); err == nil {
		out.ChangedFiles = len(files)
		for _, f := range files {
			out.Additions += f.additions
			out.Deletions += f.deletions
		}
	}
	return out
}

func (s *Server) reviewInfo(p *pull, re *review) Review {
	html := s.page("%s/pull/%d#pullrequestreview-%d", p.repo.fullName(), p.number, re.id)
	url := s.api("/repos/%s/pulls/%d", p.repo.fullName(), p.number)
	return Review{
		ID:                re.id,
		NodeID:            nodeID("PRR", re.id),
		User:              s.user(re.by),
		Body:              re.body,
		State:             re.state,
		HTMLURL:           html,
		PullRequestURL:    url,
		AuthorAssociation: s.association(p.repo, re.by),
		Links:             ReviewLinks{Link{html}, Link{url}},
		SubmittedAt:       re.at,
		CommitID:          re.commit,
	}
}

func (s *Server) issueInfo(p *pull) Issue {
	r := p.repo
	url := s.api("/repos/%s/issues/%d", r.fullName(), p.number)
	simple := s.pullSimple(p)
	return Issue{
		URL:               url,
		RepositoryURL:     s.api("/repos/%s", r.fullName()),
		LabelsURL:         url + "/labels{/name}",
		CommentsURL:       url + "/comments",
		EventsURL:         url + "/events",
		HTMLURL:           simple.HTMLURL,
		ID:                p.id + 1,
		NodeID:            simple.NodeID,
		Number:            p.number,
		Title:             p.title,
		User:              simple.User,
		Labels:            []struct{}{},
		State:             p.state,
		Locked:            p.locked,
		Assignees:         []User{},
		Comments:          len(p.comments),
		CreatedAt:         p.created,
		UpdatedAt:         p.updated,
		ClosedAt:          p.closedAt,
		AuthorAssociation: simple.AuthorAssociation,
		Draft:             p.draft,
		PullRequest:       IssueLinks{simple.URL, simple.HTMLURL, simple.DiffURL, simple.PatchURL, p.mergedAt},
		Body:              simple.Body,
		Reactions:         s.reactionSummary(url, nil),
		TimelineURL:       url + "/timeline",
	}
}
