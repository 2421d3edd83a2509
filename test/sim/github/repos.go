package github

import (
	"fmt"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
)

// NewRepo describes a repository.
type NewRepo struct {
	Owner         string
	Name          string
	ID            int64 // 0: the next free one
	Public        bool  // default private
	DefaultBranch string
	Description   string
	Collaborators map[string]string // login -> read, triage, write, maintain, admin
	Files         map[string]string // of the first commit; none: a README
}

// CreateRepo makes a repository with one commit by its owner.
func (s *Server) CreateRepo(n NewRepo) (Repository, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	owner, err := s.db.account(n.Owner)
	if err != nil {
		return Repository{}, err
	}
	if _, err := s.db.repo(n.Owner + "/" + n.Name); err == nil || n.Name == "" {
		return Repository{}, fmt.Errorf("repository %s/%s exists or has no name", n.Owner, n.Name)
	}
	r, err := s.newRepository(owner, n)
	if err != nil {
		return Repository{}, err
	}
	for login, role := range n.Collaborators {
		a, err := s.db.account(login)
		if err != nil {
			return Repository{}, err
		}
		if rankOf(role) < 0 {
			return Repository{}, fmt.Errorf("no role %q", role)
		}
		r.collaborators[a.id] = role
	}
	if n.Files == nil {
		n.Files = map[string]string{"README.md": "# " + n.Name + "\n"}
	}
	by := s.signature(owner)
	sha, err := r.git.commit(newCommit{branch: r.defaultBranch, files: n.Files, author: by, committer: by, message: "Initial commit"})
	if err != nil {
		return Repository{}, err
	}
	s.db.repos = append(s.db.repos, r)
	delete(s.db.moved, strings.ToLower(r.fullName()))
	s.branchMoved(r, r.defaultBranch, "", sha, owner, "branch_creation")
	s.notify(Change{Kind: "repository", Repo: r.fullName(), ID: r.id})
	return s.repository(r), nil
}

func (s *Server) newRepository(owner *account, n NewRepo) (*repository, error) {
	r := &repository{
		id:            n.ID,
		owner:         owner,
		name:          n.Name,
		description:   n.Description,
		private:       !n.Public,
		defaultBranch: n.DefaultBranch,
		collaborators: map[int64]string{},
		protection:    map[string]Protection{},
		created:       s.now(),
		pushed:        s.now(),
	}
	if r.id == 0 {
		r.id = s.db.newID()
	}
	if r.defaultBranch == "" {
		r.defaultBranch = "main"
	}
	var err error
	r.git, err = initGit(filepath.Join(s.cfg.Root, strconv.FormatInt(r.id, 10)+".git"), r.defaultBranch)
	return r, err
}

// SetCollaborator gives a person a role in a repository; "none" takes it away.
func (s *Server) SetCollaborator(repo string, c Collaborator) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	r, err := s.db.repo(repo)
	if err != nil {
		return err
	}
	a, err := s.db.account(c.Login)
	if err != nil {
		return err
	}
	if rankOf(c.Role) < 0 {
		return fmt.Errorf("no role %q", c.Role)
	}
	r.collaborators[a.id] = c.Role
	return nil
}

// Collaborator is a person and what the person may do.
type Collaborator struct{ Login, Role string }

// Protect sets what a branch asks of pull requests.
func (s *Server) Protect(repo, branch string, p Protection) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	r, err := s.db.repo(repo)
	if err != nil {
		return err
	}
	r.protection[branch] = p
	return nil
}

// RenameRepo changes owner or name; the id stays, and the old name redirects.
func (s *Server) RenameRepo(from, to string) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	r, err := s.db.repo(from)
	if err != nil {
		return err
	}
	login, name, _ := strings.Cut(to, "/")
	owner, err := s.db.account(login)
	if err != nil {
		return err
	}
	was := r.owner
	changes := map[string]any{"repository": map[string]any{"name": map[string]string{"from": r.name}}}
	s.db.moved[strings.ToLower(r.fullName())] = r.id
	if owner != r.owner { // a transfer leaves the installation behind
		if inst := s.db.installationOf(r); inst != nil {
			inst.repos = slices.DeleteFunc(inst.repos, func(have *repository) bool { return have == r })
			s.sendInstallationRepositories(inst, nil, []*repository{r}, r.owner)
		}
	}
	r.owner, r.name = owner, name
	delete(s.db.moved, strings.ToLower(r.fullName()))
	action := "renamed"
	if owner != was {
		kind := "user"
		if was.kind == "Organization" {
			kind = "organization"
		}
		action, changes = "transferred", map[string]any{"owner": map[string]any{"from": map[string]any{kind: s.user(was)}}}
	}
	s.send(s.db.installationOf(r), r, "repository", action, map[string]any{"changes": changes, "sender": s.user(was)})
	s.notify(Change{Kind: "repository", Repo: r.fullName(), ID: r.id})
	return nil
}

// DeleteRepo removes a repository; a new one of its name gets another id.
func (s *Server) DeleteRepo(repo string) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	r, err := s.db.repo(repo)
	if err != nil {
		return err
	}
	if inst := s.db.installationOf(r); inst != nil {
		inst.repos = slices.DeleteFunc(inst.repos, func(have *repository) bool { return have == r })
		s.sendInstallationRepositories(inst, nil, []*repository{r}, r.owner)
	}
	s.db.repos = slices.DeleteFunc(s.db.repos, func(have *repository) bool { return have == r })
	for _, other := range s.db.repos {
		for _, p := range other.pulls {
			if p.headRepo == r {
				p.headRepo = nil
			}
		}
	}
	s.notify(Change{Kind: "repository", Repo: repo, ID: r.id})
	return nil
}

// Tag makes a lightweight tag.
func (s *Server) Tag(repo, tag, sha string) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	r, err := s.db.repo(repo)
	if err != nil {
		return err
	}
	if _, err := r.git.read(sha); err != nil {
		return err
	}
	r.git.tags[tag] = sha
	return r.git.setRef("refs/tags/"+tag, sha)
}

func (s *Server) getRepository(c *call) (*reply, error) {
	return ok(s.fullRepository(c.repo)), nil
}

func (s *Server) listInstallationRepositories(c *call) (*reply, error) {
	all := []Repository{}
	for _, r := range c.who.token.installation.repos {
		if c.who.token.sees(r) {
			all = append(all, s.repository(r))
		}
	}
	return ok(map[string]any{"total_count": len(all), "repository_selection": "selected", "repositories": pageOf(c, all)}), nil
}
