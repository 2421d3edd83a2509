package github

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"net/http"
	"net/http/httptest"
	"os/exec"
	"reflect"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/shipmate/shipmate/pipeline"
	sim "github.com/shipmate/shipmate/test/sim/github"
)

func TestConfig(t *testing.T) {
	s := newScene(t)
	head := s.sim.Head("octo/shop", "main")
	cfg, err := s.client.Config(s.ctx(), s.repo)
	if err != nil {
		t.Fatal(err)
	}
	if cfg.SHA != head || cfg.Service != "shop" || len(cfg.Environments) != 2 {
		t.Errorf("config %+v", cfg)
	}
	again, err := s.client.Config(s.ctx(), s.repo)
	if err != nil || again != cfg {
		t.Errorf("not kept: %v", err)
	}
	contents := 0
	for _, r := range s.sim.Requests() {
		if strings.Contains(r.Path, "/contents/") {
			contents++
		}
		if r.App || r.Method != http.MethodGet {
			continue
		}
		if strings.HasSuffix(r.Path, "/branches/main") && contents == 1 && r.Status != 304 {
			t.Errorf("%s answered %d the second time", r.Path, r.Status)
		}
	}
	if contents != 1 {
		t.Errorf("the file was read %d times", contents)
	}
}

func TestNoGoodConfig(t *testing.T) {
	for name, c := range map[string]struct {
		push       sim.Push
		code, says string
	}{
		"none":        {sim.Push{Remove: []string{ConfigFile}}, "no_config", "There is no `.shipmate.yaml` on the default branch of octo/shop."},
		"a directory": {sim.Push{Remove: []string{ConfigFile}, Files: map[string]string{ConfigFile + "/x": "y"}}, "no_config", "There is no"},
		"a wrong one": {sim.Push{Files: map[string]string{ConfigFile: "pipelines:\n  a:\n    stepz: []\n"}}, "bad_config", "- `.shipmate.yaml:3:5: "},
	} {
		t.Run(name, func(t *testing.T) {
			s := newScene(t)
			c.push.Repo, c.push.Branch = "octo/shop", "main"
			sim.Must(s.sim.As("hubot").Push(c.push))
			for range 2 {
				_, err := s.client.Config(s.ctx(), s.repo)
				if pipeline.Code(err) != c.code || !strings.Contains(pipeline.Message(err), c.says) {
					t.Errorf("error %s: %s", pipeline.Code(err), pipeline.Message(err))
				}
			}
		})
	}
}

func TestCommit(t *testing.T) {
	s := newScene(t)
	main := s.sim.Head("octo/shop", "main")
	if err := s.sim.Tag("octo/shop", "v1.0", main); err != nil {
		t.Fatal(err)
	}
	sim.Must(s.sim.As("mona").Push(sim.Push{Repo: "octo/shop", Branch: "feature/x", To: s.sha}))
	for ref, want := range map[string]pipeline.Commit{
		"":          {SHA: main, Title: "Initial commit", Branch: "main", OnDefault: true},
		"main":      {SHA: main, Title: "Initial commit", Branch: "main", OnDefault: true},
		"topic":     {SHA: s.sha, Title: "Add a", Branch: "topic"},
		"feature/x": {SHA: s.sha, Title: "Add a", Branch: "feature/x"},
		"v1.0":      {SHA: main, Title: "Initial commit", OnDefault: true},
		main:        {SHA: main, Title: "Initial commit", OnDefault: true},
		s.sha:       {SHA: s.sha, Title: "Add a"},
		s.sha[:7]:   {SHA: s.sha, Title: "Add a"},
	} {
		got, err := s.client.Commit(s.ctx(), s.repo, ref)
		if err != nil || got != want {
			t.Errorf("%q: %+v, %v, want %+v", ref, got, err, want)
		}
	}
	for _, ref := range []string{"nope", "-x", "a b", "../../orgs/octo", "main..topic", strings.Repeat("0", 40), "topic~1", "a?ref=b", strings.Repeat("x", 300)} {
		if _, err := s.client.Commit(s.ctx(), s.repo, ref); pipeline.Code(err) != "unknown_ref" {
			t.Errorf("%q: %v", ref, err)
		}
	}
}

func TestPullRequest(t *testing.T) {
	s := newScene(t)
	got, err := s.client.PullRequest(s.ctx(), s.repo, s.pr)
	want := pipeline.PullRequest{Number: s.pr, Title: "Add a", Branch: "topic", Head: s.sha, Base: s.sim.Head("octo/shop", "main"), Into: "main", Merge: pipeline.MergeClean, Author: s.mona.ID, Open: true}
	if err != nil || got != want {
		t.Errorf("%+v, %v, want %+v", got, err, want)
	}
	if _, err := s.client.PullRequest(s.ctx(), s.repo, 99); pipeline.Code(err) != "unknown_pull_request" {
		t.Errorf("no such one: %v", err)
	}
}

func TestFork(t *testing.T) {
	s := newScene(t)
	if err := s.sim.SetCollaborator("octo/shop", sim.Collaborator{Login: "eve", Role: "read"}); err != nil {
		t.Fatal(err)
	}
	fork := sim.Must(s.sim.As("eve").ForkPR(sim.NewPR{Repo: "octo/shop", Head: "topic", Title: "evil"}, map[string]string{"x": "y"}))
	theirs := sim.Must(s.client.PullRequest(s.ctx(), s.repo, fork.Number)).Head
	for ref, code := range map[string]string{
		theirs: "foreign_commit", theirs[:8]: "foreign_commit", "refs/pull/2/head": "unknown_ref", "pull/2/head": "unknown_ref", "pull/2/merge": "unknown_ref", "refs/tags/main": "unknown_ref",
	} {
		if got, err := s.client.Commit(s.ctx(), s.repo, ref); pipeline.Code(err) != code {
			t.Errorf("%s: %+v, %v, want %s", ref, got, err, code)
		}
	}
	got, err := s.client.PullRequest(s.ctx(), s.repo, fork.Number)
	if err != nil || !got.Fork || got.Author == s.mona.ID {
		t.Errorf("%+v, %v", got, err)
	}
	was, err := s.client.WasHead(s.ctx(), s.repo, fork.Number, got.Head, s.clock.Now().Add(time.Minute))
	if was || err != nil {
		t.Errorf("the head of a fork is never certain: %v", err)
	}
}

func TestStanding(t *testing.T) {
	s := newScene(t)
	person := func(login string) pipeline.Actor {
		a, err := s.client.user(s.ctx(), s.repo, "users/"+login)
		if err != nil {
			t.Fatal(err)
		}
		return pipeline.Actor{ID: a.GetID(), Login: login}
	}
	hubot, eve := person("hubot"), person("eve")
	teams := pipeline.Roster{Entries: []string{"team:backend", "team:leads", "team:no-such-team"}}
	for name, c := range map[string]struct {
		who  pipeline.Actor
		want pipeline.Standing
	}{
		"a member of a team":        {s.mona, pipeline.Standing{Login: "mona", Permission: pipeline.Write, Teams: []string{"backend"}}},
		"a role only role_name has": {hubot, pipeline.Standing{Login: "hubot", Permission: pipeline.Maintain, Teams: []string{"leads"}}},
		"an outsider":               {eve, pipeline.Standing{Login: "eve", Permission: pipeline.NoAccess}},
		"somebody else's login":     {pipeline.Actor{ID: eve.ID, Login: "mona"}, pipeline.Standing{Login: "eve"}},
		"nobody":                    {pipeline.Actor{ID: 9_999_999_999, Login: "mona"}, pipeline.Standing{}},
		"the bot":                   {pipeline.Bot(), pipeline.Standing{Login: "shipmate"}},
		"a person known by id only": {pipeline.Actor{ID: s.mona.ID}, pipeline.Standing{Login: "mona", Permission: pipeline.Write, Teams: []string{"backend"}}},
	} {
		got, err := s.client.Standing(s.ctx(), s.repo, c.who, teams)
		if err != nil || !reflect.DeepEqual(got, c.want) {
			t.Errorf("%s: %+v, %v, want %+v", name, got, err, c.want)
		}
	}
	if err := s.sim.RenameUser("mona", "lisa"); err != nil {
		t.Fatal(err)
	}
	got, err := s.client.Standing(s.ctx(), s.repo, s.mona, pipeline.Roster{})
	if err != nil || got.Login != "lisa" || got.Permission != pipeline.Write {
		t.Errorf("renamed: %+v, %v", got, err)
	}
}

func TestStandingFailsClosed(t *testing.T) {
	for name, c := range map[string]struct {
		fault     sim.Fault
		temporary bool
	}{
		"500":                        {sim.Fault{Status: 500}, true},
		"the connection is lost":     {sim.Fault{Drop: true}, true},
		"half an answer":             {sim.Fault{Status: 200, Body: `{"permission":"adm`}, true},
		"403":                        {sim.Fault{Status: 403}, false},
		"a permission of the future": {sim.Fault{Status: 200, Body: `{"permission":"future_role","role_name":"admin","user":{"id":%d,"login":"mona"}}`}, false},
		"nobody":                     {sim.Fault{Status: 200, Body: `{"permission":"admin","role_name":"admin"}`}, false},
		"somebody else":              {sim.Fault{Status: 200, Body: `{"permission":"admin","role_name":"admin","user":{"id":1,"login":"mona"}}`}, false},
	} {
		t.Run(name, func(t *testing.T) {
			s := newScene(t)
			c.fault.Path = "/repos/octo/shop/collaborators/**"
			if strings.Contains(c.fault.Body, "%d") {
				c.fault.Body = fmt.Sprintf(c.fault.Body, s.mona.ID)
			}
			s.sim.Inject(c.fault)
			got, err := s.client.Standing(s.ctx(), s.repo, s.mona, pipeline.Roster{})
			if err == nil || got.Permission != pipeline.NoAccess {
				t.Fatalf("%+v, %v", got, err)
			}
			if pipeline.IsTemporary(err) != c.temporary {
				t.Errorf("temporary: %v", err)
			}
		})
	}
}

func TestCommentUnchanged(t *testing.T) {
	s := newScene(t)
	cm := sim.Must(s.sim.As("mona").Comment("octo/shop", s.pr, "/deploy prod"))
	check := func(when string, id int64, body string, want bool) {
		t.Helper()
		if got, err := s.client.CommentUnchanged(s.ctx(), s.repo, pipeline.Origin{PR: s.pr, Comment: id}, body); got != want || err != nil {
			t.Errorf("%s: %v, %v", when, got, err)
		}
	}
	check("as it was", cm.ID, "/deploy prod", true)
	check("another text", cm.ID, "/deploy staging", false)
	check("with other line ends and blanks at them", cm.ID, "/deploy prod  \r\n\r\n", true)
	check("with a blank before it", cm.ID, " /deploy prod", false)
	if err := s.sim.As("hubot").React("octo/shop", cm.ID, "rocket"); err != nil {
		t.Fatal(err)
	}
	s.clock.add(2 * time.Second)
	for body, want := range map[string]bool{"/deploy prod\n": true, "/deploy  prod": false, "/deploy prod\n\nplease": false} {
		if err := s.sim.As("hubot").EditComment("octo/shop", cm.ID, body); err != nil {
			t.Fatal(err)
		}
		check("edited to "+body, cm.ID, "/deploy prod", want)
	}
	if err := s.sim.As("mona").DeleteComment("octo/shop", cm.ID); err != nil {
		t.Fatal(err)
	}
	check("deleted", cm.ID, "/deploy prod", false)
}

// TestWasHead: the comment is written at second 10; the head is asked for after
// everything has happened.
func TestWasHead(t *testing.T) {
	const repo = "octo/shop"
	next := func(s *scene, file string) string {
		return sim.Must(s.sim.As("mona").Push(sim.Push{Repo: repo, Branch: "topic", Files: map[string]string{file: "x"}}))
	}
	side := func(s *scene) string {
		return sim.Must(s.sim.As("mona").Push(sim.Push{Repo: repo, Branch: "side", Parent: s.sha, Force: true, Files: map[string]string{"evil": "x"}, AuthoredAt: time.Unix(1e9, 0)}))
	}
	moveTo := func(s *scene, sha string) {
		sim.Must(s.sim.As("mona").Push(sim.Push{Repo: repo, Branch: "topic", To: sha, Force: true}))
	}
	for name, c := range map[string]struct {
		before, same, after func(s *scene)
		sha                 func(s *scene) string // default the head
		want                bool
	}{
		"nothing moved":             {want: true},
		"pushed before":             {before: func(s *scene) { next(s, "b") }, want: true},
		"pushed in the same second": {same: func(s *scene) { next(s, "b") }},
		"pushed after":              {after: func(s *scene) { next(s, "b") }},
		"pushed after, with a forged date": {after: func(s *scene) {
			sim.Must(s.sim.As("mona").Push(sim.Push{Repo: repo, Branch: "topic", Files: map[string]string{"b": "x"}, AuthoredAt: time.Unix(1e9, 0)}))
		}},
		"on a side branch before, the head after":              {before: func(s *scene) { side(s) }, after: func(s *scene) { moveTo(s, s.sim.Head(repo, "side")) }},
		"on a side branch before, the head in the same second": {before: func(s *scene) { side(s) }, same: func(s *scene) { moveTo(s, s.sim.Head(repo, "side")) }},
		"on a side branch and the head before":                 {before: func(s *scene) { side(s); moveTo(s, s.sim.Head(repo, "side")) }, want: true},
		"forced away and back after":                           {after: func(s *scene) { moveTo(s, side(s)); moveTo(s, s.sha) }},
		"forced away before, back after":                       {before: func(s *scene) { moveTo(s, side(s)) }, after: func(s *scene) { moveTo(s, s.sha) }},
		"forced away and back before":                          {before: func(s *scene) { moveTo(s, side(s)); moveTo(s, s.sha) }, want: true},
		"an earlier head":                                      {before: func(s *scene) { next(s, "b") }, sha: func(s *scene) string { return s.sha }},
		"another branch moved after":                           {after: func(s *scene) { side(s) }, want: true},
		"the base moved after": {after: func(s *scene) {
			sim.Must(s.sim.As("hubot").Push(sim.Push{Repo: repo, Branch: "main", Files: map[string]string{"z": "x"}}))
		}, want: true},
	} {
		t.Run(name, func(t *testing.T) {
			s := newScene(t)
			if c.before != nil {
				c.before(s)
			}
			s.clock.add(5 * time.Second)
			written := s.clock.Now()
			if c.same != nil {
				c.same(s)
			}
			s.clock.add(5 * time.Second)
			if c.after != nil {
				c.after(s)
			}
			sha := s.sim.Head(repo, "topic")
			if c.sha != nil {
				sha = c.sha(s)
			}
			got, err := s.client.WasHead(s.ctx(), s.repo, s.pr, sha, written)
			if err != nil || got != c.want {
				t.Errorf("got %v, %v", got, err)
			}
		})
	}
}

func TestContributors(t *testing.T) {
	s := newScene(t)
	id := func(login string) int64 {
		u, err := s.client.user(s.ctx(), s.repo, "users/"+login)
		if err != nil {
			t.Fatal(err)
		}
		return u.GetID()
	}
	co := sim.Must(s.sim.AddUser(sim.NewUser{Login: "co"}))
	old := sim.Must(s.sim.AddUser(sim.NewUser{Login: "old", Email: "old@corp.example"}))
	message := fmt.Sprintf("Pair\n\nCo-authored-by: Co <%d+co@users.noreply.github.com>\nco-authored-by: Old <OLD@corp.example>\nCo-authored-by: X <x@unknown.example>", co.ID)
	pushed := sim.Must(s.sim.As("hubot").Push(sim.Push{Repo: "octo/shop", Branch: "topic", Files: map[string]string{"b": "1"}, AuthorName: "Old", AuthorEmail: "old@corp.example"}))
	head := sim.Must(s.sim.As("hubot").Push(sim.Push{Repo: "octo/shop", Branch: "topic", Files: map[string]string{"b": "2"}, Message: message}))
	sim.Must(s.sim.As("mona").Push(sim.Push{Repo: "octo/shop", Branch: "side", To: pushed}))
	for name, c := range map[string]struct {
		base, sha string
		pr        int
		branch    string
		want      []int64
	}{
		"the pull request":        {"", head, s.pr, "", []int64{s.mona.ID, old.ID, id("hubot"), co.ID}},
		"since what runs":         {pushed, head, s.pr, "", []int64{id("hubot"), co.ID, s.mona.ID}},
		"a commit alone":          {"", pushed, 0, "", []int64{old.ID, id("hubot")}},
		"a branch somebody moved": {"", pushed, 0, "side", []int64{old.ID, id("hubot"), s.mona.ID}},
		"a tag":                   {"", pushed, 0, "v1", []int64{old.ID, id("hubot")}},
		"a base that is gone":     {strings.Repeat("0", 40), pushed, 0, "", []int64{old.ID, id("hubot")}},
		"nothing since what runs": {head, head, 0, "", nil},
		"an older revision":       {head, s.sha, 0, "", nil},
		"without a base, on a PR": {s.sim.Head("octo/shop", "main"), s.sha, s.pr, "", []int64{s.mona.ID}},
	} {
		got, err := s.client.Contributors(s.ctx(), s.repo, c.base, c.sha, c.pr, c.branch)
		slices.Sort(got)
		slices.Sort(c.want)
		if name == "without a base, on a PR" { // hubot pushed the head
			c.want = append(c.want, id("hubot"))
			slices.Sort(c.want)
		}
		if err != nil || !slices.Equal(got, c.want) {
			t.Errorf("%s: %v, %v, want %v", name, got, err, c.want)
		}
	}
}

type envs map[string]string // name -> SHA that runs there

func (e envs) Environment(_ context.Context, repo int64, name string) (*pipeline.EnvironmentState, error) {
	st := &pipeline.EnvironmentState{Repo: repo, Name: name}
	if e[name] != "" {
		st.Current = &pipeline.Deployment{SHA: e[name]}
	}
	return st, nil
}

func (envs) Runs(context.Context, pipeline.RunQuery) ([]*pipeline.Run, error) { return nil, nil }

func TestLive(t *testing.T) {
	running := envs{}
	s := newScene(t, func(c *Config) { c.Environments = running })
	running["staging"] = s.sha
	r := s.run()
	r.Environment.DeployFrom = []string{"default_branch"}
	hubot, err := s.client.user(s.ctx(), s.repo, "users/hubot")
	if err != nil {
		t.Fatal(err)
	}
	r.Approvals = []pipeline.Approval{{Gate: pipeline.EnvironmentGate, By: pipeline.Actor{ID: hubot.GetID(), Login: "hubot"}, Yes: true, SHA: r.SHA}}
	l, err := s.client.Live(s.ctx(), r)
	if err != nil || l.Unverified != "" {
		t.Fatal(l.Unverified, err)
	}
	if l.OnDefault || !l.AfterOK["staging"] || l.PullRequest == nil || l.PullRequest.Head != s.sha {
		t.Errorf("%+v", l)
	}
	if got := l.People[hubot.GetID()]; !got.In([]string{"team:leads"}) || got.In([]string{"team:backend"}) {
		t.Errorf("approver %+v", got)
	}
	if got := l.People[s.mona.ID]; !got.In([]string{"team:backend"}) {
		t.Errorf("requester %+v", got)
	}
	if err := s.sim.As("hubot").MergePR("octo/shop", s.pr, "merge"); err != nil {
		t.Fatal(err)
	}
	if l, err = s.client.Live(s.ctx(), r); err != nil || !l.OnDefault || !l.PullRequest.Merged {
		t.Errorf("merged: %+v, %v", l, err)
	}
}

func TestLiveFailsClosed(t *testing.T) {
	s := newScene(t)
	r := s.run()
	remove := s.sim.Inject(sim.Fault{Path: "/repos/octo/shop/pulls/*", Status: 502})
	if _, err := s.client.Live(s.ctx(), r); !pipeline.IsTemporary(err) {
		t.Errorf("502: %v", err)
	}
	remove()
	r.PR = 99
	if l, err := s.client.Live(s.ctx(), r); err != nil || l.Unverified == "" {
		t.Errorf("no such pull request: %+v, %v", l, err)
	}
	r.PR, r.Repo.Installation = s.pr, s.repo.Installation
	if err := s.sim.Uninstall("octo/shop"); err != nil {
		t.Fatal(err)
	}
	s.client = s.newClient()
	if l, err := s.client.Live(s.ctx(), r); err != nil || !strings.Contains(l.Unverified, "not installed") {
		t.Errorf("uninstalled: %+v, %v", l, err)
	}
}

func TestChanged(t *testing.T) {
	s := newScene(t)
	r := s.run()
	check := func(when string, want ...string) {
		t.Helper()
		got, err := s.client.Changed(s.ctx(), r)
		if err != nil || !slices.Equal(got, want) {
			t.Errorf("%s: %v, %v, want %v", when, got, err, want)
		}
	}
	check("the pull request's", "src/a.go")
	r.PR = 0
	check("the commit's", "src/a.go")
	r.PR = s.pr
	sim.Must(s.sim.As("mona").Push(sim.Push{Repo: "octo/shop", Branch: "topic", Files: map[string]string{"b": "x"}}))
	check("before the head moved", "src/a.go")
	r.PR, r.Before = 0, r.SHA
	sim.Must(s.sim.As("mona").Push(sim.Push{Repo: "octo/shop", Branch: "topic", Files: map[string]string{"c": "x"}}))
	r.SHA = sim.Must(s.sim.As("mona").Push(sim.Push{Repo: "octo/shop", Branch: "topic", Files: map[string]string{"d": "x"}}))
	check("those of all commits of a push", "b", "c", "d")
	r.Before = ""
	check("those of the last, where it is not known where the branch was", "d")
	r.Before = strings.Repeat("1", 40)
	check("those of the last, where the branch was is gone", "d")
	r.SHA = strings.Repeat("0", 40)
	for _, pr := range []int{0, s.pr} {
		r.PR = pr
		if _, err := s.client.Changed(s.ctx(), r); pipeline.Code(err) != "commit_not_found" || !pipeline.IsLagging(err) {
			t.Errorf("of a commit that GitHub does not know: %v", err)
		}
	}
}

func TestRepositoryAndInstallations(t *testing.T) {
	s := newScene(t)
	got, err := s.client.Repository(s.ctx(), "OCTO", "Shop")
	if err != nil || got != s.repo {
		t.Errorf("%+v, %v, want %+v", got, err, s.repo)
	}
	if _, err := s.client.Repository(s.ctx(), "octo", "nope"); pipeline.Code(err) != "not_installed" {
		t.Errorf("no such repository: %v", err)
	}
	all, err := s.client.Installations(s.ctx())
	if err != nil || len(all) != 1 || all[0].Installation != s.repo.Installation || !slices.Equal(all[0].Added, []pipeline.Repo{s.repo}) {
		t.Errorf("%+v, %v", all, err)
	}
	for _, m := range s.sim.Mints() {
		if m.RepositoryIDs == nil && !reflect.DeepEqual(m.Permissions, map[string]string{"metadata": "read"}) {
			t.Errorf("a token for everything may %v", m.Permissions)
		}
	}
}

// TestTokensAreNarrow: one repository, and what the calls of a class need.
func TestTokensAreNarrow(t *testing.T) {
	s := newScene(t)
	r := s.run()
	start(r)
	for _, name := range []string{"github-status", "github-check", "github-deployment", "github-comment"} {
		if err := s.sink(name).show(s.ctx(), r); err != nil {
			t.Fatal(err)
		}
	}
	if _, err := s.client.Live(s.ctx(), r); err != nil {
		t.Fatal(err)
	}
	if _, err := s.client.Token(s.ctx(), s.repo); err != nil {
		t.Fatal(err)
	}
	var got []string
	for _, m := range s.sim.Mints() {
		if !slices.Equal(m.RepositoryIDs, []int64{s.repo.ID}) {
			t.Errorf("a token for %v", m.RepositoryIDs)
		}
		got = append(got, strings.TrimPrefix(fmt.Sprint(m.Permissions), "map"))
	}
	slices.Sort(got)
	want := []string{
		"[checks:read contents:read metadata:read pull_requests:read statuses:read]", "[checks:write metadata:read]", "[contents:read metadata:read]",
		"[deployments:write metadata:read]", "[members:read metadata:read]", "[metadata:read pull_requests:write]", "[metadata:read statuses:write]",
	}
	if !slices.Equal(got, want) {
		t.Errorf("tokens for\n%s\nwant\n%s", strings.Join(got, "\n"), strings.Join(want, "\n"))
	}
}

func TestTokensAreKeptAndRenewed(t *testing.T) {
	s := newScene(t)
	read := func() {
		t.Helper()
		if _, err := s.client.PullRequest(s.ctx(), s.repo, s.pr); err != nil {
			t.Fatal(err)
		}
	}
	mints := func(when string, want int) {
		t.Helper()
		if n := len(s.sim.Mints()); n != want {
			t.Errorf("%s: %d tokens, want %d", when, n, want)
		}
	}
	var wg sync.WaitGroup
	for range 10 {
		wg.Go(read)
	}
	wg.Wait()
	mints("many at once", 1)
	s.sim.RevokeTokens()
	read()
	mints("after the token was revoked", 2)
	s.client.cfg.Now = func() time.Time { return s.clock.Now().Add(54 * time.Minute) }
	read()
	mints("after 54 minutes", 2)
	s.client.cfg.Now = func() time.Time { return s.clock.Now().Add(56 * time.Minute) }
	read()
	mints("after 56 minutes", 4) // GitHub's own clock stood still, so each use makes a new one
}

func TestInstalledAgain(t *testing.T) {
	s := newScene(t)
	old := s.repo
	if err := s.sim.Uninstall("octo/shop"); err != nil {
		t.Fatal(err)
	}
	sim.Must(s.sim.Install("octo/shop"))
	if _, err := s.client.PullRequest(s.ctx(), old, s.pr); err != nil {
		t.Errorf("a run that waited meanwhile: %v", err)
	}
}

// TestRedirects: credentials never leave for another host.
func TestRedirects(t *testing.T) {
	s := newScene(t)
	var stolen []string
	thief := httptest.NewServer(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) { stolen = append(stolen, r.Header.Get("Authorization")) }))
	defer thief.Close()
	s.sim.Inject(sim.Fault{Path: "/repos/**", Status: 302, Header: map[string]string{"Location": thief.URL + "/x"}})
	if _, err := s.client.PullRequest(s.ctx(), s.repo, s.pr); err == nil {
		t.Error("a redirect to another host worked")
	}
	s.sim.Inject(sim.Fault{Path: "/app/**", Status: 307, Header: map[string]string{"Location": thief.URL + "/x"}})
	s.client = s.newClient()
	if _, err := s.client.PullRequest(s.ctx(), s.repo, s.pr); err == nil {
		t.Error("a redirect of the App's own call worked")
	}
	if len(stolen) != 0 {
		t.Errorf("another host was asked: %v", stolen)
	}
}

func TestErrorsHoldNoTokens(t *testing.T) {
	s := newScene(t)
	token, err := s.client.Token(s.ctx(), s.repo)
	if err != nil {
		t.Fatal(err)
	}
	for _, code := range []int{400, 401, 403, 404, 422, 500} {
		remove := s.sim.Inject(sim.Fault{Path: "/repos/**", Status: code, Body: fmt.Sprintf(`{"message":"you sent %s"}`, token.Reveal())})
		_, err := s.client.Commit(s.ctx(), s.repo, "topic")
		if err == nil || strings.Contains(err.Error(), token.Reveal()) {
			t.Errorf("%d: %v", code, err)
		}
		remove()
	}
}

// TestPatience: no request before the time GitHub names, then one that finds out.
func TestPatience(t *testing.T) {
	reset := func(s *scene) string { return fmt.Sprint(s.clock.Now().Add(30 * time.Second).Unix()) }
	for name, c := range map[string]struct {
		fault func(*scene) sim.Fault
		wait  time.Duration
	}{
		"403 with Retry-After":    {func(*scene) sim.Fault { return sim.SecondaryLimit("20") }, 20 * time.Second},
		"403 without Retry-After": {func(*scene) sim.Fault { f := sim.SecondaryLimit(""); f.Header = nil; return f }, time.Minute},
		"429":                     {func(*scene) sim.Fault { return sim.Fault{Status: 429} }, time.Minute},
		"the hour is spent": {func(s *scene) sim.Fault {
			return sim.Fault{Status: 403, Header: map[string]string{"X-RateLimit-Remaining": "0", "X-RateLimit-Reset": reset(s)}}
		}, 31 * time.Second},
	} {
		t.Run(name, func(t *testing.T) {
			s := newScene(t)
			f := c.fault(s)
			f.Path, f.Times = "/repos/**", 1
			s.sim.Inject(f)
			read := func() error {
				_, err := s.client.PullRequest(s.ctx(), s.repo, s.pr)
				return err
			}
			var p *Patience
			if err := read(); !pipeline.IsTemporary(err) || !errors.As(err, &p) || p.RetryAfter() != c.wait {
				t.Fatalf("first: %v", err)
			}
			asked := len(s.sim.Requests())
			s.clock.add(c.wait - time.Second)
			if err := read(); !errors.As(err, &p) || p.RetryAfter() != time.Second {
				t.Errorf("too early: %v", err)
			}
			if n := len(s.sim.Requests()); n != asked {
				t.Errorf("%d requests before it was time", n-asked)
			}
			s.clock.add(2 * time.Second)
			if err := read(); err != nil {
				t.Errorf("in time: %v", err)
			}
		})
	}
}

func TestOneProbe(t *testing.T) {
	l := &limits{}
	now := testNow
	refused := func() *http.Response {
		return &http.Response{StatusCode: 429, Header: http.Header{}, Body: http.NoBody}
	}
	for i, wait := range []time.Duration{1, 2, 4, 8, 15, 15} {
		probe, err := l.enter(now)
		if err != nil || probe != (i > 0) {
			t.Fatalf("round %d: %v, %v", i, probe, err)
		}
		if i > 0 {
			if _, err := l.enter(now); err == nil {
				t.Errorf("round %d: a second probe", i)
			}
		}
		if err := l.heed(refused(), probe, now); err == nil {
			t.Errorf("round %d: no error", i)
		}
		if _, err := l.enter(now.Add(wait*time.Minute - 1)); err == nil {
			t.Errorf("round %d: entered before %d minutes", i, wait)
		}
		now = now.Add(wait * time.Minute)
	}
	probe, _ := l.enter(now)
	if err := l.heed(&http.Response{StatusCode: 200, Header: http.Header{}, Body: http.NoBody}, probe, now); err != nil {
		t.Fatal(err)
	}
	if probe, err := l.enter(now); probe || err != nil {
		t.Errorf("after it is over: %v, %v", probe, err)
	}
}

// ledger is a shared budget that is spent after so many bookings of a name.
type ledger struct {
	mu    sync.Mutex
	left  map[string]int
	spent map[string]int
	wait  time.Duration // default an hour
}

func (l *ledger) Budget(_ context.Context, key string, limit int, per time.Duration, cost int) (bool, time.Duration, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	name := key[strings.LastIndexByte(key, ':')+1:]
	if left, limited := l.left[name]; limited && left < cost {
		return false, cmp.Or(l.wait, time.Hour), nil
	}
	l.left[name] -= cost
	l.spent[name] += cost
	return true, 0, nil
}

func TestBudgets(t *testing.T) {
	l := &ledger{left: map[string]int{"content-minute": 2, "content-hour": 100, "points": 1000}, spent: map[string]int{}}
	s := newScene(t, func(c *Config) { c.Budget = l })
	k := s.sink("github-status")
	r := s.run()
	if err := k.show(s.ctx(), r); err != nil {
		t.Fatal(err)
	}
	waitForApproval(r)
	if err := k.show(s.ctx(), r); err != nil {
		t.Fatal(err)
	}
	if l.spent["content-minute"] != 2 || l.spent["content-hour"] != 2 || l.spent["points"] != 10 {
		t.Errorf("booked %v", l.spent)
	}
	start(r)
	var p *Patience
	if err := k.show(s.ctx(), r); !pipeline.IsTemporary(err) || !errors.As(err, &p) || p.Wait != time.Hour {
		t.Errorf("spent: %v", err)
	}
	if l.spent["content-hour"] != 2 || l.spent["points"] != 10 {
		t.Errorf("what was booked in vain is not given back: %v", l.spent)
	}
	if n := s.writes(); n != 2 {
		t.Errorf("%d statuses", n)
	}
}

func TestGitFetch(t *testing.T) {
	s := newScene(t)
	token, err := s.client.Token(s.ctx(), s.repo)
	if err != nil {
		t.Fatal(err)
	}
	if got := fmt.Sprintf("%v %+v", token, token); strings.Contains(got, "ghs_") {
		t.Errorf("the token shows itself: %s", got)
	}
	cmd := exec.Command("git", "-c", "credential.helper=", "-c", "http.extraHeader=Authorization: Bearer "+token.Reveal(), "ls-remote", s.client.CloneURL(s.repo), "refs/heads/topic")
	cmd.Env = []string{"GIT_TERMINAL_PROMPT=0", "GIT_CONFIG_NOSYSTEM=1", "HOME=" + t.TempDir(), "PATH=/usr/bin:/bin:/usr/local/bin"}
	out, err := cmd.CombinedOutput()
	if err != nil || !strings.HasPrefix(string(out), s.sha) {
		t.Errorf("%v: %s", err, out)
	}
}

func TestURLs(t *testing.T) {
	key := newScene(t).sim.PrivateKeyPEM()
	for api, clone := range map[string]string{
		"":                                 "https://github.com/octo/shop.git",
		"https://api.github.com":           "https://github.com/octo/shop.git",
		"https://ghe.example/api/v3":       "https://ghe.example/octo/shop.git",
		"https://ghe.example:8443/api/v3/": "https://ghe.example:8443/octo/shop.git",
	} {
		c, err := NewClient(Config{AppID: 1, PrivateKey: key, APIURL: api})
		if err != nil {
			t.Fatal(err)
		}
		if got := c.CloneURL(pipeline.Repo{Owner: "octo", Name: "shop"}); got != clone {
			t.Errorf("%q: %s", api, got)
		}
	}
	for _, bad := range []string{"ghe.example", "ftp://ghe.example", "://", "https://"} {
		if _, err := NewClient(Config{AppID: 1, PrivateKey: key, APIURL: bad}); err == nil {
			t.Errorf("%q was taken", bad)
		}
	}
	if _, err := NewClient(Config{AppID: 1, PrivateKey: []byte("no key")}); err == nil {
		t.Error("a key that is none was taken")
	}
}
