package bot_test

import (
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/shipmate/shipmate/bot/github"
	"github.com/shipmate/shipmate/pipeline"
	sim "github.com/shipmate/shipmate/test/sim/github"
)

const lagFile = `
service: shop
environments:
  staging: {slack: "#shop"}
  prod: {slack: "#shop", approvals: {count: 1, by: ["team:leads"]}}
pipelines:
  checks:
    on: {pull_request: {}}
    steps:
      - {name: build, run: make}
  deploy:
    on:
      command: deploy
      push: {branches: [main], environment: staging}
    steps:
      - {name: build, run: make}
`

// later gives the bot some seconds, one by one.
func (p *asker) later(n int) {
	p.t.Helper()
	for range n {
		p.clock.Advance(time.Second)
		p.work()
	}
}

// ended lists all runs and how they ended, by the names of their commits.
func (p *asker) ended() string {
	p.t.Helper()
	runs, err := p.store.Runs(p.t.Context(), pipeline.RunQuery{Repo: p.repo.ID})
	p.must(err)
	var out []string
	for _, r := range runs {
		out = append(out, strings.TrimSpace(fmt.Sprintf("%s %s %s: %s %s", r.Pipeline.Name, r.EnvironmentName(), p.names[r.SHA], r.State, r.Code)))
	}
	slices.Sort(out)
	return strings.Join(out, "\n")
}

// TestWhileGitHubLags: whether GitHub shows what happens at once or some seconds
// later, the same becomes of it.
func TestWhileGitHubLags(t *testing.T) {
	for name, c := range map[string]struct {
		story func(p *asker)
		want  string
	}{
		"a deploy right after a push": {func(p *asker) {
			p.push("B", sim.Push{})
			p.clock.Advance(time.Second)
			p.comment("mona", "/deploy staging")
			p.hear()
		}, "checks  B: succeeded\ndeploy staging B: succeeded"},
		"a push while a deploy waits": {func(p *asker) {
			p.comment("mona", "/deploy prod "+p.sim.Head(pushedRepo, "topic"))
			p.hear()
			p.later(10)
			p.push("B", sim.Push{})
			p.hear()
		}, "checks  B: succeeded\ndeploy prod A: cancelled head_moved"},
		"two pushes, one after the other": {func(p *asker) {
			p.push("B", sim.Push{})
			p.clock.Advance(time.Second)
			p.push("C", sim.Push{})
			p.hear()
		}, "checks  B: cancelled head_moved\nchecks  C: succeeded"},
		"a deploy by a push to the default branch": {func(p *asker) {
			p.push("M", sim.Push{Branch: "main"})
			p.hear()
		}, "deploy staging M: succeeded"},
		"a deploy by the push that brings the file": {func(p *asker) {
			p.file("M", strings.ReplaceAll(lagFile, "checks", "tests"))
			p.clock.Advance(time.Second)
			p.push("B", sim.Push{})
			p.hear()
		}, "deploy staging M: succeeded\ntests  B: succeeded"},
		"a command while there is no file, and again when there is": {func(p *asker) {
			sim.Must(p.sim.As("hubot").Push(sim.Push{Repo: pushedRepo, Branch: "main", Remove: []string{github.ConfigFile}}))
			p.hear()
			p.later(10)
			p.comment("mona", "/deploy staging")
			p.hear()
			p.later(10)
			if said := p.talk.answers(); len(said) != 1 || said[0].Code != "no_config" {
				p.t.Errorf("without a file: %+v", said)
			}
			p.file("M", strings.ReplaceAll(lagFile, "push: {branches: [main], environment: staging}", ""))
			p.clock.Advance(time.Second)
			p.comment("mona", "/deploy staging")
			p.hear()
		}, "deploy staging A: succeeded"},
		"closed while a deploy waits": {func(p *asker) {
			p.comment("mona", "/deploy prod "+p.sim.Head(pushedRepo, "topic"))
			p.hear()
			p.later(10)
			p.must(p.sim.As("mona").ClosePR(pushedRepo, 1))
			p.hear()
		}, "deploy prod A: cancelled closed"},
		"an edited comment": {func(p *asker) {
			p.comment("mona", "/deploy staging")
			p.must(p.sim.As("mona").EditComment(pushedRepo, p.mine[0], "/deploy prod"))
			p.hear()
		}, ""},
	} {
		for _, lag := range []time.Duration{0, time.Second, 5 * time.Second} {
			t.Run(name+"/"+lag.String(), func(t *testing.T) {
				t.Parallel()
				w := newPushed(t)
				w.file("first", lagFile)
				w.tell(w.asker(ways[0], false), lag, c.story, c.want)
			})
		}
	}
}

// file puts a .shipmate.yaml on the default branch.
func (p *pushed) file(name, text string) {
	p.names[sim.Must(p.sim.As("hubot").Push(sim.Push{Repo: pushedRepo, Branch: "main", Files: map[string]string{github.ConfigFile: text}}))] = name
}

// tell plays a story to a bot.
func (p *pushed) tell(a *asker, lag time.Duration, story func(*asker), want string) {
	p.t.Helper()
	a.occupy("")
	a.heard = len(p.sim.Deliveries())
	_, err := a.bot.GitHub.Config(p.t.Context(), p.repo) // GitHub knows the token that this takes
	p.must(err)
	p.clock.Advance(6 * time.Second)
	p.sim.SetLag(lag)
	story(a)
	a.later(25)
	if got := a.ended(); got != want {
		p.t.Errorf("it came to\n%s\nwant\n%s\nsaid %+v", got, want, a.talk.answers())
	}
}
