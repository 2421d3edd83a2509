package github

import (
	"context"
	"crypto/rand"
	"crypto/rsa"
	"crypto/x509"
	"encoding/pem"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/shipmate/shipmate/bot"
	"github.com/shipmate/shipmate/pipeline"
	"github.com/shipmate/shipmate/pipeline/pipelinetest"
	sim "github.com/shipmate/shipmate/test/sim/github"
)

const testConfig = `
environments:
  staging: {}
  prod:
    url: https://shop.example
    after: [staging]
    deployers: ["team:backend"]
    approvals: {count: 1, by: ["team:leads"]}
pipelines:
  checks:
    on: {pull_request: {}}
    steps:
      - {name: build, run: make}
  deploy:
    on: {command: deploy}
    steps:
      - {name: build, run: make}
      - {name: rollout, run: make deploy}
`

// clock is time as a test wants it. App tokens are signed by the real clock, so
// it may be at most half a minute behind and a minute and a half ahead.
type clock struct {
	mu  sync.Mutex
	now time.Time
}

func (c *clock) Now() time.Time {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.now
}

func (c *clock) add(d time.Duration) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.now = c.now.Add(d)
}

// scene is a simulated GitHub with octo/shop, where mona opened pull request 1.
type scene struct {
	t      *testing.T
	sim    *sim.Server
	clock  *clock
	client *Client
	repo   pipeline.Repo
	mona   pipeline.Actor
	pr     int
	sha    string // head of the pull request
	wrote  []string
	runs   *runList
	store  *pipelinetest.Store // of the replies
	pass   func(time.Duration) // lets time go by, for it as well
}

// appKey is the App's key, made once: that takes longer than most tests.
var appKey = sync.OnceValue(func() []byte {
	key, err := rsa.GenerateKey(rand.Reader, 2048)
	if err != nil {
		panic(err)
	}
	return pem.EncodeToMemory(&pem.Block{Type: "RSA PRIVATE KEY", Bytes: x509.MarshalPKCS1PrivateKey(key)})
})

func newScene(t *testing.T, change ...func(*Config)) *scene {
	t.Helper()
	c := &clock{now: time.Now().Add(-20 * time.Second).Truncate(time.Second)}
	s := sim.Must(sim.New(sim.Config{Now: c.Now, PrivateKey: appKey()}))
	t.Cleanup(func() {
		if err := s.Close(); err != nil {
			t.Error(err)
		}
	})
	sim.Must(s.Start())
	sim.Must(s.AddOrg(sim.NewOrg{Login: "octo"}))
	mona := sim.Must(s.AddUser(sim.NewUser{Login: "mona"}))
	sim.Must(s.AddUser(sim.NewUser{Login: "hubot"}))
	sim.Must(s.AddUser(sim.NewUser{Login: "eve"}))
	repo := sim.Must(s.CreateRepo(sim.NewRepo{Owner: "octo", Name: "shop", Collaborators: map[string]string{"mona": "write", "hubot": "maintain"},
		Files: map[string]string{ConfigFile: testConfig, "README.md": "shop"}}))
	sim.Must(s.AddTeam(sim.NewTeam{Org: "octo", Slug: "backend", Members: []string{"mona"}}))
	sim.Must(s.AddTeam(sim.NewTeam{Org: "octo", Slug: "leads", Members: []string{"hubot"}}))
	installation := sim.Must(s.Install("octo/shop"))
	sha := sim.Must(s.As("mona").Push(sim.Push{Repo: "octo/shop", Branch: "topic", Files: map[string]string{"src/a.go": "package a"}, Message: "Add a\n\nbody"}))
	pr := sim.Must(s.As("mona").OpenPR(sim.NewPR{Repo: "octo/shop", Head: "topic", Title: "Add a"}))
	c.add(10 * time.Second)
	sc := &scene{t: t, sim: s, clock: c, mona: pipeline.Actor{ID: mona.ID, Login: "mona"}, pr: pr.Number, sha: sha, runs: &runList{},
		repo: pipeline.Repo{ID: repo.ID, Installation: installation, Owner: "octo", Name: "shop"}}
	sc.client = sc.newClient(change...)
	s.ForgetRequests()
	return sc
}

// newClient is a client that knows nothing yet, as after a restart.
func (s *scene) newClient(change ...func(*Config)) *Client {
	s.t.Helper()
	cfg := Config{AppID: s.sim.AppID(), PrivateKey: s.sim.PrivateKeyPEM(), Slug: "shipmate", APIURL: s.sim.APIURL(), Now: s.clock.Now}
	for _, f := range change {
		f(&cfg)
	}
	c, err := NewClient(cfg)
	if err != nil {
		s.t.Fatal(err)
	}
	return c
}

func (s *scene) ctx() context.Context { return s.t.Context() }

// runList is the store's runs, newest last.
type runList struct {
	mu  sync.Mutex
	all []*pipeline.Run
}

func (l *runList) Runs(_ context.Context, q pipeline.RunQuery) ([]*pipeline.Run, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	var out []*pipeline.Run
	for _, r := range slices.Backward(l.all) {
		if r.Repo.ID == q.Repo && (q.PR == 0 || r.PR == q.PR) && (q.Environment == "" || r.EnvironmentName() == q.Environment) && len(out) < q.Limit {
			out = append(out, r)
		}
	}
	return out, nil
}

// idButtons makes ids that say what they are.
type idButtons struct{}

func (idButtons) ID(_ context.Context, _ *pipeline.Run, kind bot.ButtonKind, gate string) (string, error) {
	return string(kind) + ":" + gate[:min(4, len(gate))], nil
}

// sink is one of the sinks with what it saved, as the engine keeps it.
type sink struct {
	pipeline.Sink
	shown map[string]pipeline.Shown
}

func (s *scene) sink(name string, change ...func(*ReportConfig)) *sink {
	s.t.Helper()
	cfg := ReportConfig{Client: s.client, Runs: s.runs, Buttons: idButtons{}, BaseURL: "https://shipmate.example/"}
	for _, f := range change {
		f(&cfg)
	}
	for _, k := range Sinks(cfg) {
		if k.Name() == name {
			return &sink{k, map[string]pipeline.Shown{}}
		}
	}
	s.t.Fatalf("no sink %s", name)
	return nil
}

// show does what the engine does.
func (k *sink) show(ctx context.Context, r *pipeline.Run) error {
	subject := k.Subject(r)
	if subject == "" {
		return nil
	}
	now, err := k.Show(ctx, r, k.shown[subject])
	if now != nil {
		k.shown[subject] = pipeline.Shown{Data: now}
	}
	return err
}

// writes counts requests that change something, tokens aside.
func (s *scene) writes() int {
	n := 0
	for _, r := range s.sim.Requests() {
		if r.Method != "GET" && !r.App {
			n++
		}
	}
	return n
}

// run is a deploy to prod of the pull request, not started yet.
func (s *scene) run() *pipeline.Run {
	r := &pipeline.Run{Request: pipeline.Request{
		ID: "r-0000abcd", Repo: s.repo, Service: "shop", SHA: s.sha, Ref: "topic", PR: s.pr, Title: "Add a", Trigger: pipeline.ByCommand, Actor: s.mona,
		Pipeline:    pipeline.Pipeline{Name: "deploy", Steps: []pipeline.Step{{Name: "build", Run: "make"}, {Name: "rollout", Run: "make deploy", Needs: []string{"build"}}}},
		Environment: &pipeline.Environment{Name: "prod", URL: "https://shop.example", After: []string{"staging"}, Deployers: []string{"team:backend"}, Approvals: &pipeline.ApprovalPolicy{Count: 1, By: []string{"team:leads"}}},
		Origin:      pipeline.Origin{Surface: "github", PR: s.pr}, Created: testNow,
	}}
	r.State = pipeline.Queued
	r.Steps = []pipeline.StepRun{{Name: "build", State: pipeline.Queued}, {Name: "rollout", State: pipeline.Queued}}
	s.runs.all = append(s.runs.all, r)
	return r
}

// The moments in the life of a run.

func waitForApproval(r *pipeline.Run) {
	r.State, r.Code, r.Message = pipeline.Waiting, "approval", "Waiting for 1 approval (leads)."
}

func start(r *pipeline.Run) {
	r.State, r.Code, r.Message, r.Admitted, r.Started = pipeline.Running, "", "", true, testNow.Add(time.Minute)
	r.Steps[0].State, r.Steps[0].Attempt, r.Steps[0].Started = pipeline.Running, 1, r.Started
}

func nextStep(r *pipeline.Run) {
	r.Steps[0].State, r.Steps[0].Ended, r.Steps[0].Summary = pipeline.Succeeded, testNow.Add(2*time.Minute), "**42** tests, see [report](https://evil.example)"
	r.Steps[1].State, r.Steps[1].Attempt, r.Steps[1].Started = pipeline.Running, 1, testNow.Add(2*time.Minute)
}

func finish(r *pipeline.Run, state pipeline.State, code, message string) {
	r.State, r.Code, r.Message, r.Ended = state, code, message, testNow.Add(3*time.Minute)
	last := &r.Steps[1]
	last.State, last.Code, last.Message, last.Ended = state, code, message, r.Ended
}
