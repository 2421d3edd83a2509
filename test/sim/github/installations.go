package github

import (
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"
)

// addOwnApp makes the App under test with its bot account.
func (s *Server) addOwnApp() {
	a, err := s.addApp(s.cfg.AppSlug, s.cfg.AppID)
	if err != nil {
		panic(err) // the database is empty
	}
	a.permissions, a.events = s.cfg.Permissions, s.cfg.Events
	s.db.own = a
}

func (s *Server) addApp(slug string, id int64) (*app, error) {
	if s.db.apps[slug] != nil {
		return nil, fmt.Errorf("app %q exists", slug)
	}
	owner, err := s.addAccount(NewUser{Login: slug + "-inc", Type: "Organization"})
	if err != nil {
		return nil, err
	}
	bot, err := s.addAccount(NewUser{Login: slug + "[bot]", Type: "Bot"})
	if err != nil {
		return nil, err
	}
	if id == 0 {
		id = s.db.newID()
	}
	a := &app{
		id: id, slug: slug, bot: bot, owner: owner, created: s.now(), events: []string{},
		permissions: map[string]string{"checks": "write", "statuses": "write", "metadata": "read"},
	}
	bot.app = a
	s.db.apps[slug] = a
	return a, nil
}

// Install installs the App on repositories of one owner, who does it; an
// installation that is there grows. It returns the installation's id.
func (s *Server) Install(repos ...string) (int64, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	list, err := s.sameOwner(repos)
	if err != nil {
		return 0, err
	}
	owner := list[0].owner
	for _, in := range s.db.installations {
		if in.account == owner {
			list = slices.DeleteFunc(list, func(r *repository) bool { return in.has(r.id) })
			in.repos = append(in.repos, list...)
			in.updated = s.now()
			s.sendInstallationRepositories(in, list, nil, owner)
			s.notify(Change{Kind: "installation", ID: in.id})
			return in.id, nil
		}
	}
	in := &installation{
		id: s.db.newID(), account: owner, repos: list, permissions: maps.Clone(s.cfg.Permissions),
		events: slices.Clone(s.cfg.Events), created: s.now(), updated: s.now(),
	}
	s.db.installations = append(s.db.installations, in)
	s.sendInstallation("created", in, owner)
	s.notify(Change{Kind: "installation", ID: in.id})
	return in.id, nil
}

func (s *Server) sameOwner(names []string) ([]*repository, error) {
	var list []*repository
	for _, name := range names {
		r, err := s.db.repo(name)
		if err != nil {
			return nil, err
		}
		if len(list) > 0 && list[0].owner != r.owner {
			return nil, errors.New("repositories of different owners need an installation each")
		}
		list = append(list, r)
	}
	if len(list) == 0 {
		return nil, errors.New("no repositories to install on")
	}
	return list, nil
}

// Uninstall takes the App off repositories; when none is left, the installation is deleted.
func (s *Server) Uninstall(repos ...string) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	list, err := s.sameOwner(repos)
	if err != nil {
		return err
	}
	in := s.db.installationOf(list[0])
	if in == nil {
		return fmt.Errorf("%s has no installation", list[0].fullName())
	}
	in.repos = slices.DeleteFunc(in.repos, func(r *repository) bool { return slices.Contains(list, r) })
	if len(in.repos) > 0 {
		s.sendInstallationRepositories(in, nil, list, in.account)
		s.notify(Change{Kind: "installation", ID: in.id})
		return nil
	}
	in.repos = list // the webhook names what it was on
	s.sendInstallation("deleted", in, in.account)
	in.repos = nil
	s.db.installations = slices.DeleteFunc(s.db.installations, func(have *installation) bool { return have == in })
	for name, t := range s.db.tokens {
		if t.installation == in {
			delete(s.db.tokens, name)
		}
	}
	s.notify(Change{Kind: "installation", ID: in.id})
	return nil
}

// Suspend suspends the installation of an account; Unsuspend ends that.
func (s *Server) Suspend(login string) error {
	return s.changeInstallation(login, "suspend", func(in *installation) {
		now := s.now()
		in.suspended, in.suspendedBy = &now, in.account
	})
}

// Unsuspend ends Suspend.
func (s *Server) Unsuspend(login string) error {
	return s.changeInstallation(login, "unsuspend", func(in *installation) { in.suspended, in.suspendedBy = nil, nil })
}

// Grant changes the permissions of an installation, as an owner who accepts new
// ones; an empty level takes a permission away.
func (s *Server) Grant(login string, permissions map[string]string) error {
	return s.changeInstallation(login, "new_permissions_accepted", func(in *installation) {
		granted := maps.Clone(in.permissions)
		for name, level := range permissions {
			granted[name] = level
			if level == "" {
				delete(granted, name)
			}
		}
		in.permissions = granted
	})
}

func (s *Server) changeInstallation(login, action string, change func(*installation)) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, in := range s.db.installations {
		if strings.EqualFold(in.account.login, login) {
			change(in)
			in.updated = s.now()
			s.sendInstallation(action, in, in.account)
			s.notify(Change{Kind: "installation", ID: in.id})
			return nil
		}
	}
	return fmt.Errorf("%s has no installation", login)
}

func (s *Server) getApp(*call) (*reply, error) {
	info := s.appInfo(s.db.own)
	return ok(struct {
		AppInfo
		InstallationsCount int `json:"installations_count"`
	}{info, len(s.db.installations)}), nil
}

func (s *Server) listInstallations(c *call) (*reply, error) {
	out := []Installation{}
	for _, in := range pageOf(c, s.db.installations) {
		out = append(out, s.installationInfo(in))
	}
	return ok(out), nil
}

func (s *Server) getInstallation(c *call) (*reply, error) {
	in, err := c.installation()
	if err != nil {
		return nil, err
	}
	return ok(s.installationInfo(in)), nil
}

func (s *Server) getRepositoryInstallation(c *call) (*reply, error) {
	in := s.db.installationOf(c.repo)
	if in == nil {
		return nil, notFound()
	}
	return ok(s.installationInfo(in)), nil
}

func (s *Server) getAccountInstallation(c *call) (*reply, error) {
	for _, in := range s.db.installations {
		if strings.EqualFold(in.account.login, c.params["login"]) {
			return ok(s.installationInfo(in)), nil
		}
	}
	return nil, notFound()
}
