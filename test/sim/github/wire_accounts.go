package github

import "time"

// User is an account as the API shows it: a person, a bot or an organization.
type User struct {
	Login             string `json:"login"`
	ID                int64  `json:"id"`
	NodeID            string `json:"node_id"`
	AvatarURL         string `json:"avatar_url"`
	GravatarID        string `json:"gravatar_id"`
	URL               string `json:"url"`
	HTMLURL           string `json:"html_url"`
	FollowersURL      string `json:"followers_url"`
	FollowingURL      string `json:"following_url"`
	GistsURL          string `json:"gists_url"`
	StarredURL        string `json:"starred_url"`
	SubscriptionsURL  string `json:"subscriptions_url"`
	OrganizationsURL  string `json:"organizations_url"`
	ReposURL          string `json:"repos_url"`
	EventsURL         string `json:"events_url"`
	ReceivedEventsURL string `json:"received_events_url"`
	Type              string `json:"type"`
	SiteAdmin         bool   `json:"site_admin"`
}

// Profile is what GET /users/{login} answers.
type Profile struct {
	User
	Name        *string   `json:"name"`
	Company     *string   `json:"company"`
	Blog        *string   `json:"blog"`
	Location    *string   `json:"location"`
	Email       *string   `json:"email"`
	Hireable    *bool     `json:"hireable"`
	Bio         *string   `json:"bio"`
	PublicRepos int       `json:"public_repos"`
	PublicGists int       `json:"public_gists"`
	Followers   int       `json:"followers"`
	Following   int       `json:"following"`
	CreatedAt   time.Time `json:"created_at"`
	UpdatedAt   time.Time `json:"updated_at"`
}

// Organization is what webhooks of an organization's repository carry.
type Organization struct {
	Login            string  `json:"login"`
	ID               int64   `json:"id"`
	NodeID           string  `json:"node_id"`
	URL              string  `json:"url"`
	ReposURL         string  `json:"repos_url"`
	EventsURL        string  `json:"events_url"`
	HooksURL         string  `json:"hooks_url"`
	IssuesURL        string  `json:"issues_url"`
	MembersURL       string  `json:"members_url"`
	PublicMembersURL string  `json:"public_members_url"`
	AvatarURL        string  `json:"avatar_url"`
	Description      *string `json:"description"`
}

// TeamOrganization is the organization inside a Team.
type TeamOrganization struct {
	Organization
	HTMLURL                 string     `json:"html_url"`
	HasOrganizationProjects bool       `json:"has_organization_projects"`
	HasRepositoryProjects   bool       `json:"has_repository_projects"`
	PublicRepos             int        `json:"public_repos"`
	PublicGists             int        `json:"public_gists"`
	Followers               int        `json:"followers"`
	Following               int        `json:"following"`
	CreatedAt               time.Time  `json:"created_at"`
	UpdatedAt               time.Time  `json:"updated_at"`
	ArchivedAt              *time.Time `json:"archived_at"`
	Type                    string     `json:"type"`
}

// Team is a team as GET /orgs/{org}/teams/{slug} answers it.
type Team struct {
	ID              int64            `json:"id"`
	NodeID          string           `json:"node_id"`
	URL             string           `json:"url"`
	HTMLURL         string           `json:"html_url"`
	Name            string           `json:"name"`
	Slug            string           `json:"slug"`
	Description     *string          `json:"description"`
	Privacy         string           `json:"privacy"`
	Permission      string           `json:"permission"`
	MembersURL      string           `json:"members_url"`
	RepositoriesURL string           `json:"repositories_url"`
	Type            string           `json:"type"`
	OrganizationID  int64            `json:"organization_id"`
	Parent          *Team            `json:"parent"`
	MembersCount    int              `json:"members_count"`
	ReposCount      int              `json:"repos_count"`
	CreatedAt       time.Time        `json:"created_at"`
	UpdatedAt       time.Time        `json:"updated_at"`
	Organization    TeamOrganization `json:"organization"`
}

// Membership is a person's place in a team.
type Membership struct {
	URL   string `json:"url"`
	Role  string `json:"role"`
	State string `json:"state"`
}

// AppInfo is a GitHub App.
type AppInfo struct {
	ID          int64             `json:"id"`
	Slug        string            `json:"slug"`
	NodeID      string            `json:"node_id"`
	Owner       User              `json:"owner"`
	Name        string            `json:"name"`
	Description *string           `json:"description"`
	ExternalURL string            `json:"external_url"`
	HTMLURL     string            `json:"html_url"`
	CreatedAt   time.Time         `json:"created_at"`
	UpdatedAt   time.Time         `json:"updated_at"`
	Permissions map[string]string `json:"permissions"`
	Events      []string          `json:"events"`
}

// Installation is an installation of the App on an account.
type Installation struct {
	ID                  int64             `json:"id"`
	Account             User              `json:"account"`
	RepositorySelection string            `json:"repository_selection"`
	AccessTokensURL     string            `json:"access_tokens_url"`
	RepositoriesURL     string            `json:"repositories_url"`
	HTMLURL             string            `json:"html_url"`
	AppID               int64             `json:"app_id"`
	AppSlug             string            `json:"app_slug"`
	TargetID            int64             `json:"target_id"`
	TargetType          string            `json:"target_type"`
	Permissions         map[string]string `json:"permissions"`
	Events              []string          `json:"events"`
	CreatedAt           time.Time         `json:"created_at"`
	UpdatedAt           time.Time         `json:"updated_at"`
	SingleFileName      *string           `json:"single_file_name"`
	HasMultipleFiles    bool              `json:"has_multiple_single_files"`
	SingleFilePaths     []string          `json:"single_file_paths"`
	SuspendedBy         *User             `json:"suspended_by"`
	SuspendedAt         *time.Time        `json:"suspended_at"`
}

func (s *Server) user(a *account) User {
	url := s.api("/users/%s", a.login)
	html := s.page("%s", a.login)
	if a.app != nil {
		html = s.page("apps/%s", a.app.slug)
	}
	return User{
		Login:             a.login,
		ID:                a.id,
		NodeID:            nodeID("U", a.id),
		AvatarURL:         s.page("avatars/u/%d?v=4", a.id),
		URL:               url,
		HTMLURL:           html,
		FollowersURL:      url + "/followers",
		FollowingURL:      url + "/following{/other_user}",
		GistsURL:          url + "/gists{/gist_id}",
		StarredURL:        url + "/starred{/owner}{/repo}",
		SubscriptionsURL:  url + "/subscriptions",
		OrganizationsURL:  url + "/orgs",
		ReposURL:          url + "/repos",
		EventsURL:         url + "/events{/privacy}",
		ReceivedEventsURL: url + "/received_events",
		Type:              a.kind,
	}
}

func (s *Server) userOrNil(a *account) *User {
	if a == nil {
		return nil
	}
	u := s.user(a)
	return &u
}

func (s *Server) profile(a *account) Profile {
	p := Profile{User: s.user(a), CreatedAt: a.created, UpdatedAt: a.created}
	if a.name != "" {
		p.Name = &a.name
	}
	if a.email != "" {
		p.Email = &a.email
	}
	return p
}

func (s *Server) organization(a *account) Organization {
	url := s.api("/orgs/%s", a.login)
	return Organization{
		Login:            a.login,
		ID:               a.id,
		NodeID:           nodeID("O", a.id),
		URL:              url,
		ReposURL:         url + "/repos",
		EventsURL:        url + "/events",
		HooksURL:         url + "/hooks",
		IssuesURL:        url + "/issues",
		MembersURL:       url + "/members{/member}",
		PublicMembersURL: url + "/public_members{/member}",
		AvatarURL:        s.page("avatars/u/%d?v=4", a.id),
	}
}

func (s *Server) teamInfo(t *team) Team {
	url := s.api("/organizations/%d/team/%d", t.org.id, t.id)
	return Team{
		ID:              t.id,
		NodeID:          nodeID("T", t.id),
		URL:             url,
		HTMLURL:         s.page("orgs/%s/teams/%s", t.org.login, t.slug),
		Name:            t.name,
		Slug:            t.slug,
		Privacy:         "closed",
		Permission:      "pull",
		MembersURL:      url + "/members{/member}",
		RepositoriesURL: url + "/repos",
		Type:            "organization",
		OrganizationID:  t.org.id,
		MembersCount:    len(t.members),
		ReposCount:      len(t.repos),
		CreatedAt:       t.created,
		UpdatedAt:       t.created,
		Organization: TeamOrganization{
			Organization: s.organization(t.org),
			HTMLURL:      s.page("%s", t.org.login),
			CreatedAt:    t.org.created,
			UpdatedAt:    t.org.created,
			Type:         "Organization",
		},
	}
}

func (s *Server) appInfo(a *app) AppInfo {
	html := s.page("apps/%s", a.slug)
	return AppInfo{
		ID:          a.id,
		Slug:        a.slug,
		NodeID:      nodeID("A", a.id),
		Owner:       s.user(a.owner),
		Name:        a.slug,
		ExternalURL: html,
		HTMLURL:     html,
		CreatedAt:   a.created,
		UpdatedAt:   a.created,
		Permissions: a.permissions,
		Events:      a.events,
	}
}

func (s *Server) appOrNil(a *account) *AppInfo {
	if a == nil || a.app == nil {
		return nil
	}
	info := s.appInfo(a.app)
	return &info
}

func (s *Server) installationInfo(in *installation) Installation {
	return Installation{
		ID:                  in.id,
		Account:             s.user(in.account),
		RepositorySelection: "selected",
		AccessTokensURL:     s.api("/app/installations/%d/access_tokens", in.id),
		RepositoriesURL:     s.api("/installation/repositories"),
		HTMLURL:             s.page("settings/installations/%d", in.id),
		AppID:               s.db.own.id,
		AppSlug:             s.db.own.slug,
		TargetID:            in.account.id,
		TargetType:          in.account.kind,
		Permissions:         in.permissions,
		Events:              in.events,
		CreatedAt:           in.created,
		UpdatedAt:           in.updated,
		SingleFilePaths:     []string{},
		SuspendedBy:         s.userOrNil(in.suspendedBy),
		SuspendedAt:         in.suspended,
	}
}
