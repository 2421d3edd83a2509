package github

import "time"

// MinimalRepository is a repository as it appears inside other things.
type MinimalRepository struct {
	ID          int64   `json:"id"`
	NodeID      string  `json:"node_id"`
	Name        string  `json:"name"`
	FullName    string  `json:"full_name"`
	Private     bool    `json:"private"`
	Owner       User    `json:"owner"`
	HTMLURL     string  `json:"html_url"`
	Description *string `json:"description"`
	Fork        bool    `json:"fork"`
	URL         string  `json:"url"`
	repositoryURLs
}

// repositoryURLs are the links that every view of a repository has.
type repositoryURLs struct {
	ArchiveURL       string `json:"archive_url"`
	AssigneesURL     string `json:"assignees_url"`
	BlobsURL         string `json:"blobs_url"`
	BranchesURL      string `json:"branches_url"`
	CollaboratorsURL string `json:"collaborators_url"`
	CommentsURL      string `json:"comments_url"`
	CommitsURL       string `json:"commits_url"`
	CompareURL       string `json:"compare_url"`
	ContentsURL      string `json:"contents_url"`
	ContributorsURL  string `json:"contributors_url"`
	DeploymentsURL   string `json:"deployments_url"`
	DownloadsURL     string `json:"downloads_url"`
	EventsURL        string `json:"events_url"`
	ForksURL         string `json:"forks_url"`
	GitCommitsURL    string `json:"git_commits_url"`
	GitRefsURL       string `json:"git_refs_url"`
	GitTagsURL       string `json:"git_tags_url"`
	HooksURL         string `json:"hooks_url"`
	IssueCommentURL  string `json:"issue_comment_url"`
	IssueEventsURL   string `json:"issue_events_url"`
	IssuesURL        string `json:"issues_url"`
	KeysURL          string `json:"keys_url"`
	LabelsURL        string `json:"labels_url"`
	LanguagesURL     string `json:"languages_url"`
	MergesURL        string `json:"merges_url"`
	MilestonesURL    string `json:"milestones_url"`
	NotificationsURL string `json:"notifications_url"`
	PullsURL         string `json:"pulls_url"`
	ReleasesURL      string `json:"releases_url"`
	StargazersURL    string `json:"stargazers_url"`
	StatusesURL      string `json:"statuses_url"`
	SubscribersURL   string `json:"subscribers_url"`
	SubscriptionURL  string `json:"subscription_url"`
	TagsURL          string `json:"tags_url"`
	TeamsURL         string `json:"teams_url"`
	TreesURL         string `json:"trees_url"`
}

func urlsOf(api string) repositoryURLs {
	return repositoryURLs{
		ArchiveURL:       api + "/{archive_format}{/ref}",
		AssigneesURL:     api + "/assignees{/user}",
		BlobsURL:         api + "/git/blobs{/sha}",
		BranchesURL:      api + "/branches{/branch}",
		CollaboratorsURL: api + "/collaborators{/collaborator}",
		CommentsURL:      api + "/comments{/number}",
		CommitsURL:       api + "/commits{/sha}",
		CompareURL:       api + "/compare/{base}...{head}",
		ContentsURL:      api + "/contents/{+path}",
		ContributorsURL:  api + "/contributors",
		DeploymentsURL:   api + "/deployments",
		DownloadsURL:     api + "/downloads",
		EventsURL:        api + "/events",
		ForksURL:         api + "/forks",
		GitCommitsURL:    api + "/git/commits{/sha}",
		GitRefsURL:       api + "/git/refs{/sha}",
		GitTagsURL:       api + "/git/tags{/sha}",
		HooksURL:         api + "/hooks",
		IssueCommentURL:  api + "/issues/comments{/number}",
		IssueEventsURL:   api + "/issues/events{/number}",
		IssuesURL:        api + "/issues{/number}",
		KeysURL:          api + "/keys{/key_id}",
		LabelsURL:        api + "/labels{/name}",
		LanguagesURL:     api + "/languages",
		MergesURL:        api + "/merges",
		MilestonesURL:    api + "/milestones{/number}",
		NotificationsURL: api + "/notifications{?since,all,participating}",
		PullsURL:         api + "/pulls{/number}",
		ReleasesURL:      api + "/releases{/id}",
		StargazersURL:    api + "/stargazers",
		StatusesURL:      api + "/statuses/{sha}",
		SubscribersURL:   api + "/subscribers",
		SubscriptionURL:  api + "/subscription",
		TagsURL:          api + "/tags",
		TeamsURL:         api + "/teams",
		TreesURL:         api + "/git/trees{/sha}",
	}
}

// Repository is a repository in lists, pull requests and webhooks.
type Repository struct {
	MinimalRepository
	CreatedAt                time.Time      `json:"created_at"`
	UpdatedAt                time.Time      `json:"updated_at"`
	PushedAt                 time.Time      `json:"pushed_at"`
	GitURL                   string         `json:"git_url"`
	SSHURL                   string         `json:"ssh_url"`
	CloneURL                 string         `json:"clone_url"`
	SVNURL                   string         `json:"svn_url"`
	Homepage                 *string        `json:"homepage"`
	Size                     int            `json:"size"`
	StargazersCount          int            `json:"stargazers_count"`
	WatchersCount            int            `json:"watchers_count"`
	Language                 *string        `json:"language"`
	HasIssues                bool           `json:"has_issues"`
	HasProjects              bool           `json:"has_projects"`
	HasDownloads             bool           `json:"has_downloads"`
	HasWiki                  bool           `json:"has_wiki"`
	HasPages                 bool           `json:"has_pages"`
	HasDiscussions           bool           `json:"has_discussions"`
	ForksCount               int            `json:"forks_count"`
	MirrorURL                *string        `json:"mirror_url"`
	Archived                 bool           `json:"archived"`
	Disabled                 bool           `json:"disabled"`
	OpenIssuesCount          int            `json:"open_issues_count"`
	License                  *struct{}      `json:"license"`
	AllowForking             bool           `json:"allow_forking"`
	IsTemplate               bool           `json:"is_template"`
	WebCommitSignoffRequired bool           `json:"web_commit_signoff_required"`
	Topics                   []string       `json:"topics"`
	Visibility               string         `json:"visibility"`
	Forks                    int            `json:"forks"`
	OpenIssues               int            `json:"open_issues"`
	Watchers                 int            `json:"watchers"`
	DefaultBranch            string         `json:"default_branch"`
	CustomProperties         map[string]any `json:"custom_properties"`
}

// FullRepository is the answer to GET /repos/{owner}/{repo}.
type FullRepository struct {
	Repository
	NetworkCount     int         `json:"network_count"`
	SubscribersCount int         `json:"subscribers_count"`
	Organization     *User       `json:"organization,omitempty"`
	Parent           *Repository `json:"parent,omitempty"`
	Source           *Repository `json:"source,omitempty"`
}

func (s *Server) minimalRepository(r *repository) MinimalRepository {
	url := s.api("/repos/%s", r.fullName())
	m := MinimalRepository{
		ID:             r.id,
		NodeID:         nodeID("R", r.id),
		Name:           r.name,
		FullName:       r.fullName(),
		Private:        r.private,
		Owner:          s.user(r.owner),
		HTMLURL:        s.page("%s", r.fullName()),
		Fork:           r.parent != nil,
		URL:            url,
		repositoryURLs: urlsOf(url),
	}
	if r.description != "" {
		m.Description = &r.description
	}
	return m
}

func (s *Server) repository(r *repository) Repository {
	html := s.page("%s", r.fullName())
	open := 0
	for _, p := range r.pulls {
		if p.state == "open" {
			open++
		}
	}
	forks := 0
	for _, other := range s.db.repos {
		if other.parent == r {
			forks++
		}
	}
	visibility := "public"
	if r.private {
		visibility = "private"
	}
	return Repository{
		MinimalRepository: s.minimalRepository(r),
		CreatedAt:         r.created,
		UpdatedAt:         r.pushed,
		PushedAt:          r.pushed,
		GitURL:            html + ".git",
		SSHURL:            "git@github.example:" + r.fullName() + ".git",
		CloneURL:          html + ".git",
		SVNURL:            html,
		Size:              12,
		HasIssues:         true,
		HasProjects:       true,
		HasDownloads:      true,
		HasWiki:           true,
		Archived:          r.archived,
		OpenIssuesCount:   open,
		OpenIssues:        open,
		AllowForking:      true,
		Topics:            []string{},
		Visibility:        visibility,
		Forks:             forks,
		ForksCount:        forks,
		DefaultBranch:     r.defaultBranch,
		CustomProperties:  map[string]any{},
	}
}

func (s *Server) fullRepository(r *repository) FullRepository {
	full := FullRepository{Repository: s.repository(r), SubscribersCount: 1}
	if r.owner.kind == "Organization" {
		full.Organization = s.userOrNil(r.owner)
	}
	if r.parent != nil {
		parent := s.repository(r.parent)
		full.Parent, full.Source = &parent, &parent
	}
	return full
}
