package github

import (
	"context"
	"fmt"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/shipmate/shipmate/pipeline"
	sim "github.com/shipmate/shipmate/test/sim/github"
)

// kept are records in memory.
type kept struct {
	mu  sync.Mutex
	all map[string][]byte
}

func (k *kept) Get(_ context.Context, repo int64, key string) ([]byte, error) {
	k.mu.Lock()
	defer k.mu.Unlock()
	if v, ok := k.all[fmt.Sprint(repo, key)]; ok {
		return v, nil
	}
	return nil, pipeline.ErrNotFound
}

func (k *kept) PutNew(_ context.Context, repo int64, key string, value []byte, _ time.Duration) (bool, error) {
	k.mu.Lock()
	defer k.mu.Unlock()
	key = fmt.Sprint(repo, key)
	if _, ok := k.all[key]; ok {
		return false, nil
	}
	if k.all == nil {
		k.all = map[string][]byte{}
	}
	k.all[key] = value
	return true, nil
}

const namesConfig = `
environments:
  staging: {}
  prod:
    deployers: ["user:eve", "user:later", "team:backend"]
    approvals: {count: 1, by: ["team:leads", "user:hubot"]}
pipelines:
  deploy:
    on: {command: deploy}
    steps:
      - {name: ask, uses: approval, with: {by: ["user:mona"]}}
      - {name: build, run: make}
`

// rules is a scene whose file names people and was read once.
func rules(t *testing.T, config string) (*scene, *pipeline.Config, *kept) {
	t.Helper()
	records := &kept{}
	s := newScene(t, func(c *Config) {
		c.Names = records
		c.Uses = append(c.Uses, pipeline.Uses{Name: "approval", Params: []pipeline.Param{{Name: "by", Type: "people"}}})
	})
	sim.Must(s.sim.As("mona").Push(sim.Push{Repo: "octo/shop", Branch: "main", Files: map[string]string{ConfigFile: config}, Message: "Name people"}))
	cfg, err := s.client.Config(s.ctx(), s.repo)
	if err != nil {
		t.Fatal(err)
	}
	return s, cfg, records
}

// restarted is the scene's client after a restart, with the same records.
func (s *scene) restarted(records *kept) *Client {
	return s.newClient(func(c *Config) {
		c.Names, c.Uses = records, []pipeline.Uses{{Name: "run"}, {Name: "approval", Params: []pipeline.Param{{Name: "by", Type: "people"}}}}
	})
}

// signUp is somebody new on GitHub.
func (s *scene) signUp(login string) pipeline.Actor {
	s.t.Helper()
	u := sim.Must(s.sim.AddUser(sim.NewUser{Login: login}))
	return pipeline.Actor{ID: u.ID, Login: login}
}

func (s *scene) standing(who pipeline.Actor, asked pipeline.Roster) pipeline.Standing {
	s.t.Helper()
	got, err := s.client.Standing(s.ctx(), s.repo, who, asked)
	if err != nil {
		s.t.Fatal(err)
	}
	return got
}

func TestALoginThatWasTakenOver(t *testing.T) {
	s, cfg, records := rules(t, namesConfig)
	prod, _ := cfg.Environment("prod")
	asked := cfg.Roster(cfg.Names())
	eve := pipeline.Actor{Login: "eve"}
	u, err := s.client.user(s.ctx(), s.repo, "users/eve")
	if err != nil {
		t.Fatal(err)
	}
	eve.ID = u.GetID()
	if err := s.sim.RenameUser("eve", "evelyn"); err != nil {
		t.Fatal(err)
	}
	stranger, later := s.signUp("eve"), s.signUp("later")
	for _, client := range []*Client{s.client, s.restarted(records)} {
		s.client = client
		if got := s.standing(eve, asked); !got.In(prod.Deployers) || got.NameTaken(prod.Deployers) != "" {
			t.Errorf("who is meant, under another login: %+v", got)
		}
		for who, want := range map[pipeline.Actor]string{
			stranger: fmt.Sprintf("`user:eve` means the user with the id %d, which had that name when `.shipmate.yaml` was first read with this rule; another has it now. "+
				"If the one who has it now is meant, write `user:%d`.", eve.ID, stranger.ID),
			later: fmt.Sprintf("`user:later` means nobody: no user had that name when `.shipmate.yaml` was first read with this rule. "+
				"If the one who has it now is meant, write `user:%d`.", later.ID),
		} {
			if got := s.standing(who, asked); got.In(prod.Deployers) || got.NameTaken(prod.Deployers) != want {
				t.Errorf("%s may: %t, %q", who.Login, got.In(prod.Deployers), got.NameTaken(prod.Deployers))
			}
		}
	}

	// The same file at a later commit says the same; one that names the id means it.
	sim.Must(s.sim.As("mona").Push(sim.Push{Repo: "octo/shop", Branch: "main", Files: map[string]string{"README.md": "more"}, Message: "Write more"}))
	if cfg, err = s.client.Config(s.ctx(), s.repo); err != nil {
		t.Fatal(err)
	}
	if got := s.standing(stranger, cfg.Roster(prod.Deployers)); got.In(prod.Deployers) {
		t.Error("a push that leaves the file as it is made a stranger a deployer")
	}
	byID := strings.Replace(namesConfig, "user:eve", fmt.Sprintf("user:%d", stranger.ID), 1)
	sim.Must(s.sim.As("mona").Push(sim.Push{Repo: "octo/shop", Branch: "main", Files: map[string]string{ConfigFile: byID}, Message: "Mean the new one"}))
	if cfg, err = s.client.Config(s.ctx(), s.repo); err != nil {
		t.Fatal(err)
	}
	prod, _ = cfg.Environment("prod")
	if got := s.standing(stranger, cfg.Roster(prod.Deployers)); !got.In(prod.Deployers) {
		t.Errorf("who is named by id may not: %+v", got)
	}
	if got := s.standing(eve, cfg.Roster(prod.Deployers)); got.In(prod.Deployers) {
		t.Error("who is named no more may")
	}
}

func TestATeamWhoseSlugWasTakenOver(t *testing.T) {
	s, cfg, records := rules(t, namesConfig)
	prod, _ := cfg.Environment("prod")
	u, err := s.client.user(s.ctx(), s.repo, "users/hubot")
	if err != nil {
		t.Fatal(err)
	}
	hubot := pipeline.Actor{ID: u.GetID(), Login: "hubot"}
	if err := s.sim.RenameTeam("octo", "backend", "platform"); err != nil {
		t.Fatal(err)
	}
	other := sim.Must(s.sim.AddTeam(sim.NewTeam{Org: "octo", Slug: "backend", Members: []string{"hubot"}}))
	for _, client := range []*Client{s.client, s.restarted(records)} {
		s.client = client
		if got := s.standing(s.mona, cfg.Roster(prod.Deployers)); !got.In(prod.Deployers) {
			t.Errorf("the team that is meant, under another slug: %+v", got)
		}
		got := s.standing(hubot, cfg.Roster(prod.Deployers))
		if got.In(prod.Deployers) || !strings.HasSuffix(got.NameTaken(prod.Deployers), fmt.Sprintf("If the one who has it now is meant, write `team:%d`.", other.ID)) {
			t.Errorf("another team has the slug: %+v", got)
		}
		byID := []string{fmt.Sprintf("team:%d", other.ID)}
		if got := s.standing(hubot, pipeline.Roster{Entries: byID}); !got.In(byID) {
			t.Errorf("a team by its id: %+v", got)
		}
	}
}

// Two replicas read the file for the first time: both go by what one wrote down.
func TestTheFirstReadingCounts(t *testing.T) {
	s, cfg, records := rules(t, namesConfig)
	for k := range records.all {
		records.all[k] = []byte(strings.Replace(string(records.all[k]), `"user:eve":`, `"user:eve":1`, 1)) // somebody else was faster
	}
	p, err := s.client.parsedAt(s.ctx(), s.repo, cfg.SHA)
	if err != nil {
		t.Fatal(err)
	}
	got, err := s.client.record(s.ctx(), s.repo, namesKey(p.digest), map[string]int64{"user:eve": 7})
	if err != nil || got["user:eve"] == 7 {
		t.Errorf("%v, %v", got, err)
	}
}

// Where the App may not read teams nobody gets a right by one, and the rules of
// people hold all the same.
func TestTeamsThatMayNotBeRead(t *testing.T) {
	s := newScene(t, func(c *Config) { c.Names = &kept{} })
	if err := s.sim.Grant("octo", map[string]string{"members": ""}); err != nil {
		t.Fatal(err)
	}
	cfg, err := s.client.Config(s.ctx(), s.repo)
	if err != nil {
		t.Fatalf("the file: %v", err)
	}
	prod, _ := cfg.Environment("prod")
	if _, err := s.client.Standing(s.ctx(), s.repo, s.mona, cfg.Roster(prod.Deployers)); pipeline.Code(err) != "no_access" {
		t.Errorf("%v", err)
	}
}

// A team that may not be read leaves its own rule open, and no other.
func TestALoginIsKeptWhileATeamMayNotBeRead(t *testing.T) {
	records := &kept{}
	s := newScene(t)
	s.client = s.restarted(records)
	if err := s.sim.Grant("octo", map[string]string{"members": ""}); err != nil {
		t.Fatal(err)
	}
	sim.Must(s.sim.As("mona").Push(sim.Push{Repo: "octo/shop", Branch: "main", Files: map[string]string{ConfigFile: namesConfig}, Message: "Name people"}))
	cfg, err := s.client.Config(s.ctx(), s.repo)
	if err != nil {
		t.Fatal(err)
	}
	u, err := s.client.user(s.ctx(), s.repo, "users/eve")
	if err != nil {
		t.Fatal(err)
	}
	eve := pipeline.Actor{ID: u.GetID(), Login: "eve"}
	if err := s.sim.RenameUser("eve", "evelyn"); err != nil {
		t.Fatal(err)
	}
	stranger, rule := s.signUp("eve"), []string{"user:eve"}
	for _, client := range []*Client{s.client, s.restarted(records)} {
		s.client = client
		if got := s.standing(eve, cfg.Roster(rule)); !got.In(rule) {
			t.Errorf("who is meant: %+v", got)
		}
		if got := s.standing(stranger, cfg.Roster(rule)); got.In(rule) {
			t.Errorf("who took the login over: %+v", got)
		}
	}
	if err := s.sim.Grant("octo", map[string]string{"members": "read"}); err != nil {
		t.Fatal(err)
	}
	p, err := s.client.parsedAt(s.ctx(), s.repo, cfg.SHA)
	if err != nil {
		t.Fatal(err)
	}
	for _, client := range []*Client{s.client, s.restarted(&kept{})} {
		if known, err := client.meanings(s.ctx(), s.repo, p); err != nil || known["team:backend"] == 0 || known["team:leads"] == 0 {
			t.Errorf("once teams may be read: %v, %v", known, err)
		}
	}
	if later, err := s.client.recorded(s.ctx(), s.repo, namesKey(p.digest)+":team:backend"); err != nil || later["team:backend"] == 0 {
		t.Errorf("written down later: %v, %v", later, err)
	}
}
