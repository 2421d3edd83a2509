package github

import (
	"fmt"
	"slices"
	"strings"
)

// NewUser describes a person or a bot.
type NewUser struct {
	Login string
	ID    int64  // 0: the next free one
	Name  string // as in commits; empty: the login
	Email string // as in commits; empty: made from id and login
	Type  string // User (default) or Bot
}

// AddUser signs a person up.
func (s *Server) AddUser(u NewUser) (User, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if u.Type == "" {
		u.Type = "User"
	}
	a, err := s.addAccount(u)
	if err != nil {
		return User{}, err
	}
	return s.user(a), nil
}

func (s *Server) addAccount(u NewUser) (*account, error) {
	if u.Login == "" || s.db.accounts[strings.ToLower(u.Login)] != nil {
		return nil, fmt.Errorf("login %q is taken or empty", u.Login)
	}
	if u.ID == 0 {
		u.ID = s.db.newID()
	}
	if s.db.accountByID(u.ID) != nil {
		return nil, fmt.Errorf("id %d is taken", u.ID)
	}
	if u.Email == "" {
		u.Email = fmt.Sprintf("%d+%s@users.noreply.github.com", u.ID, u.Login)
	}
	a := &account{
		id: u.ID, login: u.Login, name: u.Name, email: u.Email, kind: u.Type,
		owners: map[int64]bool{}, members: map[int64]bool{}, created: s.now(),
	}
	s.db.accounts[strings.ToLower(u.Login)] = a
	return a, nil
}

// RenameUser changes a login; the id stays.
func (s *Server) RenameUser(from, to string) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	a, err := s.db.account(from)
	if err != nil {
		return err
	}
	if s.db.accounts[strings.ToLower(to)] != nil {
		return fmt.Errorf("login %q is taken", to)
	}
	delete(s.db.accounts, strings.ToLower(from))
	a.login = to
	s.db.accounts[strings.ToLower(to)] = a
	return nil
}

// NewOrg describes an organization by the logins of people there are.
type NewOrg struct {
	Login   string
	ID      int64
	Owners  []string // have admin on every repository
	Members []string
}

// AddOrg makes an organization.
func (s *Server) AddOrg(o NewOrg) (User, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	org, err := s.addAccount(NewUser{Login: o.Login, ID: o.ID, Type: "Organization"})
	if err != nil {
		return User{}, err
	}
	for _, login := range o.Owners {
		a, err := s.db.account(login)
		if err != nil {
			return User{}, err
		}
		org.owners[a.id], org.members[a.id] = true, true
	}
	for _, login := range o.Members {
		a, err := s.db.account(login)
		if err != nil {
			return User{}, err
		}
		org.members[a.id] = true
	}
	return s.user(org), nil
}

// NewTeam describes a team of an organization.
type NewTeam struct {
	Org     string
	Slug    string
	Name    string            // empty: the slug
	Members []string          // become members of the organization
	Repos   map[string]string // full name -> read, triage, write, maintain, admin
}

// AddTeam makes a team.
func (s *Server) AddTeam(t NewTeam) (Team, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	org, err := s.db.account(t.Org)
	if err != nil {
		return Team{}, err
	}
	if t.Name == "" {
		t.Name = t.Slug
	}
	made := &team{id: s.db.newID(), org: org, slug: t.Slug, name: t.Name, members: map[int64]string{}, repos: map[int64]string{}, created: s.now()}
	for _, login := range t.Members {
		a, err := s.db.account(login)
		if err != nil {
			return Team{}, err
		}
		made.members[a.id], org.members[a.id] = "member", true
	}
	for name, permission := range t.Repos {
		r, err := s.db.repo(name)
		if err != nil {
			return Team{}, err
		}
		made.repos[r.id] = permission
	}
	s.db.teams = append(s.db.teams, made)
	return s.teamInfo(made), nil
}

// RenameTeam gives a team another slug; the id stays, and the old slug is free.
func (s *Server) RenameTeam(org, from, to string) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	t := s.db.team(org, from)
	if t == nil || s.db.team(org, to) != nil {
		return fmt.Errorf("no team %s/%s, or %s is taken", org, from, to)
	}
	t.slug, t.name = to, to
	return nil
}

// TeamMember names a person in a team.
type TeamMember struct{ Org, Team, Login string }

// JoinTeam puts a person into a team.
func (s *Server) JoinTeam(m TeamMember) error {
	return s.changeTeam(m, func(t *team, a *account) { t.members[a.id], t.org.members[a.id] = "member", true })
}

// LeaveTeam takes a person out of a team.
func (s *Server) LeaveTeam(m TeamMember) error {
	return s.changeTeam(m, func(t *team, a *account) { delete(t.members, a.id) })
}

func (s *Server) changeTeam(m TeamMember, change func(*team, *account)) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	t := s.db.team(m.Org, m.Team)
	if t == nil {
		return fmt.Errorf("no team %s/%s", m.Org, m.Team)
	}
	a, err := s.db.account(m.Login)
	if err != nil {
		return err
	}
	change(t, a)
	return nil
}

// rankOf orders the roles by what they may; what is no role is below all of them.
func rankOf(role string) int {
	return slices.Index([]string{"none", "read", "triage", "write", "maintain", "admin"}, role)
}

// role is what an account may do in a repository: the best of what it has as a
// collaborator, as an owner and through teams.
func (s *Server) role(r *repository, a *account) string {
	best := "none"
	if !r.private {
		best = "read"
	}
	better := func(role string) {
		if rankOf(role) > rankOf(best) {
			best = role
		}
	}
	better(r.collaborators[a.id])
	if r.owner == a || r.owner.owners[a.id] {
		better("admin")
	}
	if r.owner.members[a.id] {
		better("read")
	}
	for _, t := range s.db.teams {
		if t.members[a.id] != "" {
			better(t.repos[r.id])
		}
	}
	return best
}

// require refuses what the account may not do on the repository.
func (s *Server) require(r *repository, a *account, role string) error {
	if have := s.role(r, a); rankOf(have) < rankOf(role) {
		return fmt.Errorf("%s has %s on %s, this takes %s", a.login, have, r.fullName(), role)
	}
	return nil
}

func (s *Server) association(r *repository, a *account) string {
	switch {
	case r.owner == a:
		return "OWNER"
	case r.owner.members[a.id]:
		return "MEMBER"
	case r.collaborators[a.id] != "":
		return "COLLABORATOR"
	}
	for _, p := range r.pulls {
		if p.author == a && p.mergedAt != nil {
			return "CONTRIBUTOR"
		}
	}
	return "NONE"
}

// legacy is the permission as GitHub wrote it before there were roles.
func legacy(role string) string {
	switch role {
	case "maintain":
		return "write"
	case "triage":
		return "read"
	default:
		return role
	}
}

func (s *Server) getPermission(c *call) (*reply, error) {
	a, err := s.db.account(c.params["username"])
	if err != nil {
		return nil, &apiError{status: 404, message: c.params["username"] + " is not a user"}
	}
	role := s.role(c.repo, a)
	rank := rankOf(role)
	return ok(map[string]any{
		"permission": legacy(role),
		"role_name":  role,
		"user": struct {
			User
			RoleName    string          `json:"role_name"`
			Permissions map[string]bool `json:"permissions"`
		}{s.user(a), role, map[string]bool{"pull": rank >= 1, "triage": rank >= 2, "push": rank >= 3, "maintain": rank >= 4, "admin": rank >= 5}},
	}), nil
}

func (s *Server) isCollaborator(c *call) (*reply, error) {
	a, err := s.db.account(c.params["username"])
	if err != nil || s.role(c.repo, a) == "none" {
		return nil, notFound()
	}
	return noContent(), nil
}

// orgCall checks that the token belongs to the organization in the path.
func (s *Server) orgCall(c *call) error {
	if c.who.token == nil || !strings.EqualFold(c.who.token.installation.account.login, c.params["org"]) {
		return notFound()
	}
	return nil
}

func (s *Server) listTeams(c *call) (*reply, error) {
	if err := s.orgCall(c); err != nil {
		return nil, err
	}
	out := []Team{}
	for _, t := range s.db.teams {
		if t.org == c.who.token.installation.account {
			out = append(out, s.teamInfo(t))
		}
	}
	return ok(pageOf(c, out)), nil
}

func (s *Server) getTeam(c *call) (*reply, error) {
	if err := s.orgCall(c); err != nil {
		return nil, err
	}
	t := s.db.team(c.params["org"], c.params["slug"])
	if t == nil {
		return nil, notFound()
	}
	return ok(s.teamInfo(t)), nil
}

func (s *Server) getMembership(c *call) (*reply, error) {
	if err := s.orgCall(c); err != nil {
		return nil, err
	}
	t := s.db.team(c.params["org"], c.params["slug"])
	a, err := s.db.account(c.params["username"])
	if t == nil || err != nil || t.members[a.id] == "" {
		return nil, notFound()
	}
	url := s.api("/organizations/%d/team/%d/memberships/%s", t.org.id, t.id, a.login)
	return ok(Membership{URL: url, Role: t.members[a.id], State: "active"}), nil
}

func (s *Server) listTeamMembers(c *call) (*reply, error) {
	if err := s.orgCall(c); err != nil {
		return nil, err
	}
	t := s.db.team(c.params["org"], c.params["slug"])
	if t == nil {
		return nil, notFound()
	}
	out := []User{}
	for _, login := range sortedKeys(s.db.accounts) {
		if a := s.db.accounts[login]; t.members[a.id] != "" {
			out = append(out, s.user(a))
		}
	}
	return ok(pageOf(c, out)), nil
}

func (s *Server) isOrgMember(c *call) (*reply, error) {
	if err := s.orgCall(c); err != nil {
		return nil, err
	}
	a, err := s.db.account(c.params["username"])
	if err != nil || !c.who.token.installation.account.members[a.id] {
		return nil, &apiError{status: 404, message: "User does not exist or is not a member of the organization"}
	}
	return noContent(), nil
}

func (s *Server) getUser(c *call) (*reply, error) {
	a, err := s.db.account(c.params["username"])
	if err != nil {
		return nil, notFound()
	}
	return ok(s.profile(a)), nil
}

func (s *Server) getUserByID(c *call) (*reply, error) {
	a := s.db.accountByID(c.number("id"))
	if a == nil {
		return nil, notFound()
	}
	return ok(s.profile(a)), nil
}
