package bot_test

import (
	"cmp"
	"context"
	"fmt"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/shipmate/shipmate/pipeline"
	"github.com/shipmate/shipmate/pipeline/auditlog"
)

// gameForge is a GitHub with two pull requests that move.
type gameForge struct {
	*forge
	p     *player
	pulls [3]pipeline.PullRequest // by number
	main  string                  // head of the default branch
	wrote map[string][]int64      // commit -> who had a part in it
	made  int
}

func newGameForge(p *player) *gameForge {
	f := &gameForge{forge: &forge{rights: map[int64]pipeline.Permission{}}, p: p, wrote: map[string][]int64{}}
	for id := range int64(gamePeople) {
		f.rights[id+1] = oneOf(p, pipeline.Read, pipeline.Write, pipeline.Write, pipeline.Maintain, pipeline.Admin)
	}
	f.main = f.commit(6)
	for n := 1; n <= 2; n++ {
		author := int64(n)
		f.pulls[n] = pipeline.PullRequest{Number: n, Branch: fmt.Sprint("topic-", n), Head: f.commit(author), Into: "main", Author: author, Open: true, Merge: pipeline.MergeClean}
	}
	return f
}

func (f *gameForge) commit(by int64) string {
	f.made++
	sha := strings.Repeat(fmt.Sprintf("%02x", f.made%256), 20)
	f.wrote[sha] = []int64{by}
	return sha
}

// hadPart lists who wrote or pushed the commit, and whose pull request it is.
func (f *gameForge) hadPart(sha string, pr int) []int64 {
	all := slices.Clone(f.wrote[sha])
	if pr != 0 {
		all = append(all, f.pulls[pr].Author)
	}
	return all
}

func (f *gameForge) CommentUnchanged(context.Context, pipeline.Repo, pipeline.Origin, string) (bool, error) {
	return true, nil
}

func (f *gameForge) Config(context.Context, pipeline.Repo) (*pipeline.Config, error) {
	return gameConfig(), nil
}

func (f *gameForge) PullRequest(_ context.Context, _ pipeline.Repo, n int) (pipeline.PullRequest, error) {
	return f.pulls[n], nil
}

func (f *gameForge) Commit(context.Context, pipeline.Repo, string) (pipeline.Commit, error) {
	return pipeline.Commit{SHA: f.main, Branch: "main", OnDefault: true}, nil
}

func (f *gameForge) Contributors(_ context.Context, _ pipeline.Repo, _, sha string, pr int, _ string) ([]int64, error) {
	return f.hadPart(sha, pr), nil
}

func (f *gameForge) Live(_ context.Context, r *pipeline.Run) (pipeline.Live, error) {
	if !f.p.calm && f.p.chance(3) {
		return pipeline.Live{}, pipeline.Temporary(fmt.Errorf("502"))
	}
	live := pipeline.Live{People: map[int64]pipeline.Standing{}, OnDefault: r.SHA == f.main}
	for _, who := range append([]pipeline.Actor{r.Actor}, approvers(r)...) {
		live.People[who.ID] = pipeline.Standing{Login: who.Login, Permission: f.rights[who.ID]}
	}
	if r.PR != 0 {
		pr := f.pulls[r.PR]
		live.PullRequest = &pr
	}
	return live, nil
}

func approvers(r *pipeline.Run) []pipeline.Actor {
	var out []pipeline.Actor
	for _, a := range r.Approvals {
		out = append(out, a.By)
	}
	return out
}

// committed is asked after every commit: it compares what there is now with
// what there was.
func (p *player) committed(c pipeline.Change) {
	if c.Environment != nil {
		p.checkLock(c.Environment)
	}
	if c.Run != nil {
		r, err := p.store.Load(context.Background(), c.Run.ID)
		p.must(err)
		old := cmp.Or(p.runs[r.ID], &pipeline.Run{})
		if old.State.Terminal() {
			p.fail("run %s was %s and was changed to %s", r.ID, old.State, r.State)
		}
		p.checkSaid(old, r)
		if r.Admitted && !old.Admitted {
			p.checkAdmitted(r)
			p.admitted++
		}
		p.runs[r.ID] = r
		p.note("  %s to %q at %.7s is %s %s", r.ID, r.EnvironmentName(), r.SHA, r.State, r.Code)
	}
	if c.Environment != nil {
		e, err := p.store.Environment(context.Background(), shop.ID, c.Environment.Name)
		p.must(err)
		p.checkQueue(e)
		p.envs[e.Name] = e
	}
}

// checkAdmitted: nothing begins but what may, at this moment.
func (p *player) checkAdmitted(r *pipeline.Run) {
	env := r.Environment
	switch {
	case env == nil:
		p.checkPull(r)
		return
	case r.Parent != "": // it serves a failed run, which holds the environment
		if e := p.environment(env.Name); e.Active != r.Parent {
			p.fail("%s helps %s, and %q holds %s", r.ID, r.Parent, e.Active, env.Name)
		}
		return
	case !r.Actor.IsBot() && p.forge.rights[r.Actor.ID] < pipeline.Write:
		p.fail("%s began for %s, who has %s", r.ID, r.Actor.Login, p.forge.rights[r.Actor.ID])
	}
	rollback := r.Trigger == pipeline.ByRollback
	if !rollback && r.Promotes == nil {
		p.checkPull(r)
	}
	if r.DryRun {
		return
	}
	e := p.environment(env.Name)
	if e.Active != "" && e.Active != r.ID {
		p.fail("%s began on %s while %s holds it", r.ID, env.Name, e.Active)
	}
	if i := slices.Index(e.Queue, r.ID); !rollback && (i > 0 || i < 0 && len(e.Queue) > 0) {
		p.fail("%s began on %s before its turn: %v", r.ID, env.Name, e.Queue)
	}
	if rollback {
		return
	}
	for gate, holds := range map[string]bool{"approval": p.missing(r) > 0, "freeze": p.frozen(env), "lock": p.lockHolds(e) || p.lockHolds(p.environment(pipeline.Everywhere))} {
		if holds && !p.overridden(r, gate) {
			p.fail("%s began on %s against %s", r.ID, env.Name, gate)
		}
	}
	if pr := p.forge.pulls[r.PR]; r.PR != 0 && env.Protected && pr.Draft {
		p.fail("%s began on %s, and #%d is a draft", r.ID, env.Name, r.PR)
	}
}

// checkPull: the pull request is still about what is to run.
func (p *player) checkPull(r *pipeline.Run) {
	if r.PR == 0 {
		return
	}
	pr := p.forge.pulls[r.PR]
	switch {
	case !pr.Merged && (!pr.Open || pr.Head != r.SHA):
		p.fail("%s began with %.7s of #%d, which is open: %t, at %.7s", r.ID, r.SHA, r.PR, pr.Open, pr.Head)
	case r.Base != "" && pr.Into != r.Base:
		p.fail("%s began for %s, and #%d goes into %s", r.ID, r.Base, r.PR, pr.Into)
	}
}

// environment is one as it was before the commit that is looked at.
func (p *player) environment(name string) *pipeline.EnvironmentState {
	if e := p.envs[name]; e != nil {
		return e
	}
	return &pipeline.EnvironmentState{Name: name}
}

// missing is how many approvals lack, of people who may approve now.
func (p *player) missing(r *pipeline.Run) int {
	if r.Environment.Approvals == nil {
		return 0
	}
	part := p.forge.hadPart(r.SHA, r.PR)
	valid := map[int64]bool{}
	for _, a := range r.Approvals {
		if a.Gate == "environment" && a.Yes && a.SHA == r.SHA && a.By.ID != r.Actor.ID && !slices.Contains(part, a.By.ID) && p.forge.rights[a.By.ID] >= pipeline.Write {
			valid[a.By.ID] = true
		}
	}
	return r.Environment.Approvals.Count - len(valid)
}

func (p *player) frozen(env *pipeline.Environment) bool {
	hour := p.clock.Now().UTC().Hour()
	return len(env.Freeze) > 0 && (hour == 13 || hour == 14)
}

func (p *player) lockHolds(e *pipeline.EnvironmentState) bool {
	return e.Lock != nil && (e.Lock.Expires.IsZero() || p.clock.Now().Before(e.Lock.Expires))
}

// overridden: by a maintainer in the last half hour, where it is protected by two.
func (p *player) overridden(r *pipeline.Run, gate string) bool {
	by := map[int64]bool{}
	for _, a := range r.Approvals {
		if a.Gate == "override:"+gate && a.SHA == r.SHA && p.clock.Now().Sub(a.At) < 30*time.Minute && p.forge.rights[a.By.ID] >= pipeline.Maintain {
			by[a.By.ID] = true
		}
	}
	return len(by) >= 2 || len(by) == 1 && !r.Environment.Protected
}

// checkSaid: what people said to a run they might say.
func (p *player) checkSaid(old, r *pipeline.Run) {
	if len(r.Approvals) < len(old.Approvals) {
		p.fail("an approval of %s is gone", r.ID)
	}
	for _, a := range r.Approvals[len(old.Approvals):] {
		right := p.forge.rights[a.By.ID]
		switch {
		case a.Gate != "environment" && right < pipeline.Maintain:
			p.fail("%s gave %s of %s with %s", a.By.Login, a.Gate, r.ID, right)
		case right < pipeline.Write, a.Gate == "environment" && (a.By.ID == r.Actor.ID || slices.Contains(p.forge.hadPart(r.SHA, r.PR), a.By.ID)):
			p.fail("%s answered %s of %s of %s, with %s", a.By.Login, a.Gate, r.ID, r.Actor.Login, right)
		}
	}
	if c := r.Cancel; c != nil && old.Cancel == nil && c.Code == "cancelled" {
		right := p.forge.rights[c.By.ID]
		if c.By.ID != r.Actor.ID && right < pipeline.Maintain && !r.Actor.IsBot() || right < pipeline.Write {
			p.fail("%s cancelled %s of %s with %s", c.By.Login, r.ID, r.Actor.Login, right)
		}
	}
}

// checkLock: a lock is set by who may, and somebody else's taken over by maintainers only.
func (p *player) checkLock(e *pipeline.EnvironmentState) {
	old, now := p.environment(e.Name).Lock, e.Lock
	if now == nil || now.Run != "" || old != nil && old.At.Equal(now.At) && old.By == now.By {
		return
	}
	right, need := p.forge.rights[now.By.ID], pipeline.Write
	if e.Name == pipeline.Everywhere {
		need = pipeline.Admin
	} else if old.Holds(p.clock.Now()) && old.Run == "" && old.By.ID != now.By.ID {
		need = pipeline.Maintain
	}
	if right < need {
		p.fail("%s locked %s with %s", now.By.Login, e.Name, right)
	}
}

// checkQueue: one at a time, who waits is open, and nobody is overtaken.
func (p *player) checkQueue(e *pipeline.EnvironmentState) {
	for i, id := range e.Queue {
		if r := p.runs[id]; r == nil || r.State.Terminal() || r.Admitted || slices.Index(e.Queue, id) != i {
			p.fail("%s is in the queue of %s: %v", id, e.Name, e.Queue)
		}
	}
	for id, r := range p.runs {
		if r.Admitted && !r.State.Terminal() && !r.DryRun && r.EnvironmentName() == e.Name && id != e.Active && (r.Parent == "" || r.Parent != e.Active) {
			p.fail("%s works on %s, which %q holds", id, e.Name, e.Active)
		}
	}
	var before, after []pipeline.RunID // those who waited and still do, in both orders
	for _, id := range p.environment(e.Name).Queue {
		if slices.Contains(e.Queue, id) {
			before = append(before, id)
		}
	}
	for _, id := range e.Queue {
		if slices.Contains(before, id) {
			after = append(after, id)
		}
	}
	if !slices.Equal(before, after) {
		p.fail("the queue of %s went from %v to %v", e.Name, p.environment(e.Name).Queue, e.Queue)
	}
}

// checkOpen: every open run is looked at again some day.
func (p *player) checkOpen() {
	for _, r := range p.runs {
		if at, ok := r.Wakes(p.clock.Now(), time.Minute); !r.State.Terminal() && (!ok || at.IsZero()) {
			p.fail("nobody looks at %s again, which is %s", r.ID, r.State)
		}
		if !r.State.Terminal() && r.State == pipeline.Waiting && (r.Code == "" || r.Message == "") {
			p.fail("%s waits, and does not say for what", r.ID)
		}
	}
}

// checkAudit: the log is a whole chain, with each event of each run once, in
// order, and each command once.
func (p *player) checkAudit() {
	v := auditlog.Verifier{}
	of := map[pipeline.RunID][]string{}
	heard := 0
	for _, line := range p.paper.lines {
		p.must(v.Line(line))
		switch e := v.Last; e.Kind {
		case "command", "refused":
			heard++
		default:
			of[e.Run] = append(of[e.Run], e.Kind+" "+e.Code)
		}
	}
	if want := p.said - p.flooded; heard != want {
		p.fail("%d commands were said and %d are in the log", want, heard)
	}
	for id := range p.runs {
		events, err := p.store.History(context.Background(), id)
		p.must(err)
		var want []string
		for _, ev := range events {
			if ev.Kind != "step" {
				want = append(want, ev.Kind+" "+cmp.Or(ev.Code, string(ev.State)))
			}
		}
		if !slices.Equal(of[id], want) {
			p.fail("%s went through %q, and in the log are %q", id, want, of[id])
		}
	}
}

// paper is where the audit log is kept.
type paper struct {
	mu    sync.Mutex
	lines [][]byte
	known map[string]bool
}

func (k *paper) AppendAudit(_ context.Context, id string, seq int64, entry []byte) (bool, []byte, error) {
	k.mu.Lock()
	defer k.mu.Unlock()
	switch {
	case k.known[id]:
		return false, nil, nil
	case int64(len(k.lines))+1 != seq:
		return false, slices.Clone(k.lines[len(k.lines)-1]), nil
	}
	k.known[id] = true
	k.lines = append(k.lines, entry)
	return true, nil, nil
}
