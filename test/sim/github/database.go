package github

import (
	"encoding/base64"
	"fmt"
	"strings"
	"time"
)

// database is the state behind the API. The Server's lock guards it.
type database struct {
	lastID        int64
	accounts      map[string]*account // by lower-case login
	teams         []*team
	repos         []*repository
	moved         map[string]int64 // old lower-case full name -> id, for redirects
	own           *app
	apps          map[string]*app // by slug
	installations []*installation
	tokens        map[string]*token
	mints         []Mint
}

// account is a user, a bot or an organization.
type account struct {
	id      int64
	login   string
	name    string
	email   string
	kind    string // User, Bot, Organization
	app     *app   // of a Bot
	owners  map[int64]bool
	members map[int64]bool
	created time.Time
}

type team struct {
	id      int64
	org     *account
	slug    string
	name    string
	members map[int64]string // role
	repos   map[int64]string // repository id -> permission
	created time.Time
}

type app struct {
	id          int64
	slug        string
	bot         *account
	owner       *account
	permissions map[string]string
	events      []string
	created     time.Time
	private     bool // its owner alone is told of it
}

type installation struct {
	id          int64
	account     *account
	repos       []*repository
	permissions map[string]string
	events      []string
	created     time.Time
	updated     time.Time
	suspended   *time.Time
	suspendedBy *account
}

type repository struct {
	id            int64
	owner         *account
	name          string
	description   string
	private       bool
	archived      bool
	parent        *repository
	large         map[string]string // objects of Git LFS
	defaultBranch string
	collaborators map[int64]string
	protection    map[string]Protection
	git           *gitRepo
	created       time.Time
	pushed        time.Time

	lastNumber  int
	pulls       []*pull
	statuses    []*status
	suites      []*checkSuite
	runs        []*checkRun
	deployments []*deployment
	activities  []*activity

	past []past // oldest first, see Server.SetLag
}

func (r *repository) fullName() string { return r.owner.login + "/" + r.name }

type activity struct {
	id            int64
	before, after string
	ref           string
	kind          string
	actor         *account
	at            time.Time
}

// firstID is past 2^31, so that a client that keeps ids in 32 bits is found out.
const firstID = 3_000_000_000

func newDatabase() database {
	return database{
		lastID:   firstID,
		accounts: map[string]*account{},
		moved:    map[string]int64{},
		apps:     map[string]*app{},
		tokens:   map[string]*token{},
	}
}

func (d *database) newID() int64 {
	d.lastID += 7
	return d.lastID
}

func (d *database) account(login string) (*account, error) {
	if a := d.accounts[strings.ToLower(login)]; a != nil {
		return a, nil
	}
	return nil, fmt.Errorf("no account %q", login)
}

func (d *database) accountByID(id int64) *account {
	for _, a := range d.accounts {
		if a.id == id {
			return a
		}
	}
	return nil
}

func (d *database) repo(fullName string) (*repository, error) {
	for _, r := range d.repos {
		if strings.EqualFold(r.fullName(), fullName) {
			return r, nil
		}
	}
	return nil, fmt.Errorf("no repository %q", fullName)
}

func (d *database) repoByID(id int64) *repository {
	for _, r := range d.repos {
		if r.id == id {
			return r
		}
	}
	return nil
}

func (d *database) team(org, slug string) *team {
	for _, t := range d.teams {
		if strings.EqualFold(t.org.login, org) && strings.EqualFold(t.slug, slug) {
			return t
		}
	}
	return nil
}

func (d *database) installationOf(r *repository) *installation {
	for _, in := range d.installations {
		if in.has(r.id) {
			return in
		}
	}
	return nil
}

func (d *database) installation(id int64) *installation {
	for _, in := range d.installations {
		if in.id == id {
			return in
		}
	}
	return nil
}

func (in *installation) has(repo int64) bool {
	for _, r := range in.repos {
		if r.id == repo {
			return true
		}
	}
	return false
}

func nodeID(prefix string, id int64) string {
	return prefix + "_" + base64.RawURLEncoding.EncodeToString(fmt.Appendf(nil, "%s:%d", prefix, id))
}
