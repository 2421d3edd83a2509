package pipeline_test

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"log/slog"
	"maps"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/shipmate/shipmate/pipeline"
	"github.com/shipmate/shipmate/pipeline/pipelinetest"
)

var (
	schedules = flag.Int("schedules", 400, "random schedules to play")
	seed      = flag.Uint64("seed", 0, "play this schedule alone")
)

// TestRandomSchedules plays random pipelines in two environments while workers
// die, pause and come back late, answers and jobs get lost, GitHub goes away,
// clocks jump, and people cancel, approve, resolve and lock. What must hold at
// every commit is in check, what must hold in the end in settleDown.
func TestRandomSchedules(t *testing.T) {
	if *seed != 0 {
		w := playWorld(*seed)
		for _, line := range w.history {
			t.Log(line)
		}
		if w.broken != "" {
			t.Fatal(w.broken)
		}
		return
	}
	n := *schedules
	if testing.Short() {
		n /= 10
	}
	var worst *world
	failed := 0
	for s := range uint64(n) {
		w := playWorld(s + 1)
		if w.broken == "" {
			continue
		}
		failed++
		if worst == nil || len(w.history) < len(worst.history) {
			worst = w
		}
	}
	if worst != nil {
		t.Fatalf("%d of %d schedules broke; the shortest is -seed %d: %s\n%s", failed, n, worst.seed, worst.broken, strings.Join(worst.history, "\n"))
	}
}

// world is one schedule: everything in it is decided by the seed.
type world struct {
	seed    uint64
	rng     *rand.Rand
	clock   *pipelinetest.Clock
	store   *pipelinetest.Store
	live    pipeline.Live
	down    bool // GitHub
	history []string
	broken  string
	depth   int
	calm    bool // no more faults
	made    int

	runs    map[pipeline.RunID]*pipeline.Run // as last committed
	fences  map[string]int64                 // environment -> highest taken
	called  map[string]int64                 // environment -> highest given to a runner
	effects map[string]int                   // call of a once step -> times made
}

const leaseLength = time.Minute

// broke ends the schedule; the first fault counts.
type broke string

func (w *world) fail(format string, args ...any) {
	if w.broken == "" {
		w.broken = fmt.Sprintf(format, args...)
	}
	panic(broke(w.broken))
}

func (w *world) note(format string, args ...any) {
	w.history = append(w.history, fmt.Sprintf("%s%s ", strings.Repeat("  ", w.depth), w.clock.Now().Format("02 15:04:05"))+fmt.Sprintf(format, args...))
}

func playWorld(seed uint64) (w *world) {
	w = &world{seed: seed, rng: rand.New(rand.NewPCG(seed, 1)), clock: pipelinetest.NewClock(time.Date(2026, 3, 2, 12, 0, 0, 0, time.UTC)),
		runs: map[pipeline.RunID]*pipeline.Run{}, fences: map[string]int64{}, called: map[string]int64{}, effects: map[string]int{}}
	w.store = pipelinetest.NewStore(w.clock)
	w.live.People = map[int64]pipeline.Standing{}
	for id := range int64(5) {
		w.live.People[id+1] = pipeline.Standing{Login: person(id + 1).Login, Permission: pipeline.Write}
	}
	defer func() {
		if p := recover(); p != nil {
			if _, ok := p.(broke); !ok {
				panic(fmt.Sprintf("seed %d: %v", seed, p))
			}
		}
	}()
	for range 20 + w.rng.IntN(100) {
		w.act()
	}
	w.settleDown()
	return w
}

func person(id int64) pipeline.Actor { return pipeline.Actor{ID: id, Login: fmt.Sprintf("p%d", id)} }

func (w *world) chance(percent int) bool { return w.rng.IntN(100) < percent }

// act does one random thing.
func (w *world) act() {
	switch n := w.rng.IntN(100); {
	case n < 8 && w.made < 6:
		w.startRun()
	case n < 55:
		w.workOnce()
	case n < 70:
		w.jump(time.Duration(w.rng.IntN(90)) * time.Second)
	case n < 73:
		w.jump(time.Duration(w.rng.IntN(5*3600)) * time.Second)
	case n < 83:
		w.approve()
	case n < 86:
		w.cancel()
	case n < 92:
		w.resolve()
	case n < 94:
		w.loseJob()
	case n < 97:
		w.lock()
	case n < 98:
		w.down = !w.down
		w.note("GitHub down: %t", w.down)
	default:
		w.revoke()
	}
}

func (w *world) jump(d time.Duration) {
	w.note("clock +%s", d)
	w.clock.Advance(d)
}

var concurrencies = []pipeline.Concurrency{pipeline.Enqueue, pipeline.Enqueue, pipeline.Supersede, pipeline.RefuseNew}

// policies never change within a schedule.
func (w *world) policy() *pipeline.Environment {
	r := rand.New(rand.NewPCG(w.seed, 2))
	envs := []*pipeline.Environment{{Name: "staging"}, {Name: "prod"}}
	for _, e := range envs {
		e.Concurrency = concurrencies[r.IntN(len(concurrencies))]
		if r.IntN(3) == 0 {
			e.Approvals = &pipeline.ApprovalPolicy{Count: 1 + r.IntN(2), Expires: pipeline.Duration(4 * time.Hour)}
		}
		if r.IntN(4) == 0 {
			e.Freeze = []pipeline.Freeze{{Cron: "0 13 * * *", For: pipeline.Duration(2 * time.Hour)}}
		}
	}
	return envs[w.rng.IntN(2)]
}

func (w *world) startRun() {
	w.made++
	req := pipeline.Request{Repo: pipeline.Repo{ID: 7, Owner: "acme", Name: "shop"}, SHA: strings.Repeat(fmt.Sprint(w.made), 40), Actor: person(1), Pipeline: w.pipeline()}
	if w.chance(85) {
		req.Environment = w.policy()
	}
	req.DryRun = w.chance(5)
	if w.chance(10) {
		req.Trigger = pipeline.ByRollback
	}
	if w.chance(10) {
		req.NotBefore = w.clock.Now().Add(time.Hour)
	}
	id := w.runID()
	req.ID = id
	e, _ := w.worker()
	r, err := e.Start(context.Background(), req)
	if err != nil {
		w.note("start %s: %v", id, err)
		return
	}
	w.note("start %s in %q %s, on failure %s, dry %t: %s", id, r.EnvironmentName(), r.Trigger, r.Pipeline.OnFailure, r.DryRun, progress(r))
	for _, s := range r.Pipeline.Steps {
		w.note("    %s %s needs %v retry %d continue %t timeout %s undo %q if %q", s.Name, s.Runner(), s.Needs, s.Retry.Attempts, s.ContinueOnError, s.Timeout, s.Undo, s.If)
	}
}

func (w *world) pipeline() pipeline.Pipeline {
	p := pipeline.Pipeline{Name: "deploy"}
	if w.chance(50) {
		p.OnFailure = pipeline.Rollback
	}
	for i := range 1 + w.rng.IntN(8) {
		s := pipeline.Step{Name: fmt.Sprintf("s%d", i), Uses: []string{"", "once", "once", "idempotent", "approval", "wait"}[w.rng.IntN(6)]}
		for j := range i {
			if w.chance(30) {
				s.Needs = append(s.Needs, fmt.Sprintf("s%d", j))
			}
		}
		switch {
		case s.Uses == "wait":
			s.With = map[string]any{"for": "10m"}
		case s.Uses == "":
			s.Run = "true"
		}
		if w.chance(20) {
			s.Retry.Attempts = 2
		}
		if w.chance(40) {
			s.Undo = "true"
		}
		if w.chance(30) {
			s.Timeout = pipeline.Duration(3 * time.Minute)
		}
		if w.chance(10) {
			s.If = "actor == 'nobody'"
		}
		s.ContinueOnError = w.chance(15)
		p.Steps = append(p.Steps, s)
	}
	return p
}

func (w *world) runID() pipeline.RunID {
	return pipeline.RunID(fmt.Sprintf("r-%03d", len(w.runs)+1+w.rng.IntN(1000)*1000))
}

// open picks a run that has not ended.
func (w *world) open(want func(*pipeline.Run) bool) *pipeline.Run {
	var found []*pipeline.Run
	for _, r := range w.runs {
		if !r.State.Terminal() && want(r) {
			found = append(found, r)
		}
	}
	if len(found) == 0 {
		return nil
	}
	slices.SortFunc(found, func(a, b *pipeline.Run) int { return strings.Compare(string(a.ID), string(b.ID)) })
	return found[w.rng.IntN(len(found))]
}

func (w *world) approve() {
	r := w.open(func(r *pipeline.Run) bool { return len(r.OpenGates()) > 0 })
	if r == nil {
		return
	}
	gates := r.OpenGates()
	a := pipeline.Approval{Gate: gates[w.rng.IntN(len(gates))], By: person(int64(1 + w.rng.IntN(5))), Yes: w.chance(90)}
	e, _ := w.worker()
	_, err := e.Approve(context.Background(), r.ID, a)
	w.note("%s answers %s of %s with %t: %v", a.By.Login, a.Gate, r.ID, a.Yes, err)
}

func (w *world) cancel() {
	if r := w.open(func(*pipeline.Run) bool { return true }); r != nil {
		e, _ := w.worker()
		_, err := e.Cancel(context.Background(), r.ID, pipeline.Cancellation{By: person(2), Code: "cancelled"})
		w.note("cancel %s: %v", r.ID, err)
	}
}

func (w *world) resolve() {
	r := w.open(unresolved)
	if r == nil {
		return
	}
	i := slices.IndexFunc(r.Steps, func(s pipeline.StepRun) bool { return s.State == pipeline.Unknown })
	e, _ := w.worker()
	yes := w.chance(50)
	_, err := e.Resolve(context.Background(), r.ID, r.Steps[i].Name, yes, person(3), "looked")
	w.note("resolve %s %s %t: %v", r.ID, r.Steps[i].Name, yes, err)
}

func unresolved(r *pipeline.Run) bool {
	return slices.ContainsFunc(r.Steps, func(s pipeline.StepRun) bool { return s.State == pipeline.Unknown })
}

func (w *world) lock() {
	env, _ := w.store.Environment(context.Background(), 7, w.policy().Name)
	if env.Lock == nil {
		env.Lock = &pipeline.Lock{By: person(1), Reason: "audit", At: w.clock.Now()}
		if w.chance(60) {
			env.Lock.Expires = w.clock.Now().Add(time.Hour)
		}
	} else {
		env.Lock = nil
	}
	w.note("lock of %s: %+v", env.Name, env.Lock)
	w.must(w.store.Commit(context.Background(), pipeline.Change{Environment: env, Jobs: pipeline.WakeQueue(env)}))
}

func (w *world) must(err error) {
	if err != nil {
		w.fail("%v", err)
	}
}

func (w *world) revoke() {
	id := int64(2 + w.rng.IntN(4))
	s := w.live.People[id]
	s.Permission = pipeline.Write + pipeline.Read - s.Permission
	w.live.People[id] = s
	w.note("%s has %s", s.Login, s.Permission)
}

func (w *world) lease() *pipeline.Lease {
	pools := []pipeline.Pool{pipeline.Control, pipeline.Steps}
	first := w.rng.IntN(2)
	for i := range pools {
		if ls := w.store.Poll(pools[(first+i)%2], 1, leaseLength); len(ls) > 0 {
			return ls[0]
		}
	}
	return nil
}

func (w *world) loseJob() {
	if l := w.lease(); l != nil && l.Kind != "later" { // no sweep looks at a run that has ended
		w.note("job lost: %s", l.ID)
		w.must(w.store.Finish(context.Background(), l))
	}
}

// workOnce has a new worker do one job, and perhaps die in the middle of it.
func (w *world) workOnce() bool {
	l := w.lease()
	if l == nil {
		return false
	}
	e, edge := w.worker()
	w.note("job %s, handed out the %d. time", l.ID, l.Fence)
	w.depth++
	ctx, cancel := context.WithCancelCause(context.Background())
	edge.stop = func() { cancel(pipeline.ErrHandedOver) }
	err := e.Handlers()[l.Kind](ctx, l)
	cancel(nil)
	w.depth--
	if w.broken != "" {
		panic(broke(w.broken)) // again: the engine takes a panic in a runner for the runner's
	}
	switch {
	case edge.dead, errors.Is(err, pipeline.ErrLeaseLost), l.Done:
	case err == nil:
		w.must(w.store.Finish(context.Background(), l))
	case pipeline.IsTemporary(err):
		w.note("again: %v", err)
		if err := w.store.Retry(context.Background(), l, w.clock.Now().Add(time.Second)); !errors.Is(err, pipeline.ErrLeaseLost) {
			w.must(err)
		}
	default:
		w.fail("job %s is buried: %v", l.ID, err)
	}
	return true
}

// edge is the world as one worker sees it. It may die before or after a commit,
// and lose the answer to one.
type edge struct {
	*pipelinetest.Store
	w      *world
	dead   bool
	deaf   bool // the last answer was lost
	stop   func()
	runner recording
	heard  pipeline.Live // what GitHub said last
}

func (w *world) worker() (*pipeline.Engine, *edge) {
	d := &edge{Store: w.store, w: w, stop: func() {}}
	d.runner.edge = d
	return &pipeline.Engine{Store: d, Queue: d, GitHub: d, Logs: quiet{}, Now: w.clock.Now, Log: slog.New(slog.DiscardHandler), Runners: map[string]pipeline.Uses{
		"run":        {Name: "run", Class: pipeline.Queryable, Runner: d.runner},
		"idempotent": {Name: "idempotent", Class: pipeline.Idempotent, SavesFirst: true, Runner: d.runner},
		"once":       {Name: "once", Runner: d.runner},
	}}, d
}

var errDead = errors.New("this process is dead")

func (d *edge) NewRunID(int64) pipeline.RunID { return d.w.runID() }

func (d *edge) Load(ctx context.Context, id pipeline.RunID) (*pipeline.Run, error) {
	if d.dead {
		return nil, errDead
	}
	return d.Store.Load(ctx, id)
}

func (d *edge) Commit(ctx context.Context, c pipeline.Change) error {
	if !d.dead && !d.w.calm && d.w.chance(2) {
		d.w.note("dies before a commit")
		d.dead = true
	}
	if d.dead {
		return errDead
	}
	if !d.w.calm && d.w.chance(2) {
		d.w.pause("a commit")
	}
	if err := d.Store.Commit(ctx, c); err != nil {
		return err
	}
	d.check(c)
	switch {
	case d.w.calm:
	case d.w.chance(2):
		d.w.note("dies after a commit")
		d.dead = true
		return errDead
	case !d.deaf && d.w.chance(3):
		d.w.note("an answer is lost")
		d.deaf = true
		return pipeline.Temporary(errors.New("connection reset"))
	}
	d.deaf = false
	return nil
}

func (d *edge) Live(context.Context, *pipeline.Run) (pipeline.Live, error) {
	switch {
	case d.w.down && d.w.chance(50):
		return pipeline.Live{}, pipeline.Temporary(errors.New("502"))
	case d.w.down:
		return pipeline.Live{Unverified: "it refused to answer"}, nil
	}
	d.heard.People = maps.Clone(d.w.live.People)
	return d.heard, nil
}

func (d *edge) Changed(context.Context, *pipeline.Run) ([]string, error) { return nil, nil }

// recording is a runner that counts what it does and ends as chance has it.
type recording struct{ edge *edge }

func (r recording) Run(ctx context.Context, c *pipeline.StepContext) (pipeline.Result, error) {
	w := r.edge.w
	what := fmt.Sprintf("%s/%s/%d.%d", c.Run.ID, c.Step.Name, c.Attempt, c.Call)
	if c.Step.Uses == "once" {
		w.effects[what]++
		if w.effects[what] > 1 {
			w.fail("once step called twice: %s", what)
		}
	}
	if env := c.Run.EnvironmentName(); env != "" {
		if c.Fence <= w.called[env] {
			w.fail("%s was called with fence %d, after %d", what, c.Fence, w.called[env])
		}
		w.called[env] = c.Fence
	}
	return r.end(c, what)
}

func (r recording) CanRevert(c *pipeline.StepContext) bool { return c.Step.Undo != "" }

func (r recording) Revert(_ context.Context, c *pipeline.StepContext) (pipeline.Result, error) {
	return r.end(c, fmt.Sprintf("%s/%s/undo %d", c.Run.ID, c.Step.Name, c.Call))
}

func (r recording) Cancel(context.Context, *pipeline.StepContext) error {
	if w := r.edge.w; !w.calm && w.chance(30) {
		return pipeline.Temporary(errors.New("not yet"))
	}
	return nil
}

// Plan is asked for before anybody is, or in a dry run.
func (r recording) Plan(_ context.Context, c *pipeline.StepContext) (pipeline.Result, error) {
	if c.Step.Uses == "idempotent" {
		return r.end(c, fmt.Sprintf("%s/%s/plan", c.Run.ID, c.Step.Name))
	}
	return pipeline.Result{Done: true, Summary: "It runs."}, nil
}

// Later must find the run as it ended well.
func (r recording) Later(_ context.Context, c *pipeline.StepContext) (pipeline.Result, error) {
	if now := r.edge.w.runs[c.Run.ID]; now.State != pipeline.Succeeded || now.Step(c.Step.Name).State != pipeline.Succeeded {
		r.edge.w.fail("%s of %s, which is %s, was called later", c.Step.Name, c.Run.ID, now.State)
	}
	return r.end(c, fmt.Sprintf("%s/%s/later", c.Run.ID, c.Step.Name))
}

func (r recording) end(c *pipeline.StepContext, what string) (pipeline.Result, error) {
	w := r.edge.w
	n := w.rng.IntN(100)
	if w.calm {
		n = min(n, 79)
	}
	w.note("call %s, fence %d, die %d", what, c.Fence, n)
	switch {
	case n < 25:
		return pipeline.Result{Done: true, Later: time.Minute}, nil
	case n < 50:
		return pipeline.Result{Done: true}, nil
	case n < 62:
		return pipeline.Result{Done: true, State: pipeline.Failed, Message: "exit 1."}, nil
	case n < 74:
		return pipeline.Result{RetryAfter: time.Minute}, nil
	case n < 80:
		return pipeline.Result{}, pipeline.Temporary(errors.New("busy"))
	case n < 83:
		return pipeline.Result{Done: true, State: pipeline.Unknown}, nil
	case n < 86:
		r.edge.dead = true
		return pipeline.Result{}, errDead
	case n < 90:
		r.edge.stop()
		return pipeline.Result{}, errors.New("cut short")
	case n < 92:
		panic("a fault in the runner")
	case n < 95:
		if err := c.Save(context.Background(), []byte(`{"id":1}`)); err != nil && !r.edge.dead && !pipeline.IsTemporary(err) {
			return pipeline.Result{}, err
		}
		return pipeline.Result{Done: true}, nil
	}
	w.pause(what)
	return pipeline.Result{Done: true}, nil
}

// pause stops a worker for a while, as the kernel might. Others go on, and when
// it comes back its lease may have lapsed.
func (w *world) pause(what string) {
	if w.depth >= 4 {
		return
	}
	w.depth++
	w.jump(time.Duration(w.rng.IntN(2)) * 2 * leaseLength)
	for range 1 + w.rng.IntN(6) {
		w.act()
	}
	w.depth--
	w.note("%s goes on", what)
}

// check is what must hold after every commit.
func (d *edge) check(c pipeline.Change) {
	if c.Run != nil {
		d.checkRun(c.Run)
	}
	if c.Environment != nil {
		d.w.checkEnvironment(c.Environment)
	}
}

func (d *edge) checkRun(now *pipeline.Run) {
	w := d.w
	r, err := w.store.Load(context.Background(), now.ID)
	w.must(err)
	old := w.runs[r.ID]
	if old != nil && old.State.Terminal() && (r.State != old.State || progress(r) != progress(old)) { // what was left for later may still be done
		w.fail("run %s was %s and was changed to %s", r.ID, old.State, r.State)
	}
	if r.Admitted && (old == nil || !old.Admitted) {
		d.checkAdmitted(r)
	}
	for _, s := range r.Steps {
		if s.State == pipeline.Running && s.Attempt == 0 {
			w.fail("%s of %s runs without an attempt", s.Name, r.ID)
		}
		def, _ := r.Pipeline.Step(s.Name)
		if s.State == pipeline.Running && r.Trigger != pipeline.ByRollback {
			w.checkApproved(r, def)
		}
	}
	w.runs[r.ID] = r
	w.note("  %s is %s %s: %s", r.ID, r.State, r.Code, progress(r))
}

// checkAdmitted: nothing began without its approvals, of people who still had
// the right when GitHub was asked.
func (d *edge) checkAdmitted(r *pipeline.Run) {
	if r.Environment == nil || r.Environment.Approvals == nil || r.Trigger == pipeline.ByRollback || r.DryRun {
		return
	}
	who := map[int64]bool{}
	for _, a := range r.Approvals {
		if p := r.Planning(a.Gate); p != nil && (p.State != pipeline.Succeeded || p.Digest != a.Plan) {
			d.w.fail("%s of run %s approved %q, planned is %+v", a.By.Login, r.ID, a.Plan, p)
		}
		if a.Gate == pipeline.EnvironmentGate && a.Yes && a.By.ID != r.Actor.ID && d.heard.People[a.By.ID].Permission >= pipeline.Write {
			who[a.By.ID] = true
		}
	}
	if len(who) < r.Environment.Approvals.Count {
		d.w.fail("run %s began with approvals of %v", r.ID, who)
	}
}

func (w *world) checkApproved(r *pipeline.Run, def pipeline.Step) {
	for _, need := range def.Needs {
		gate, _ := r.Pipeline.Step(need)
		if gate.Uses == "approval" && r.Step(need).State == pipeline.Succeeded && len(r.Approved(need)) == 0 {
			w.fail("%s of %s runs without the approval of %s", def.Name, r.ID, need)
		}
	}
}

func (w *world) checkEnvironment(e *pipeline.EnvironmentState) {
	if e.Fence < w.fences[e.Name] {
		w.fail("fence of %s went from %d to %d", e.Name, w.fences[e.Name], e.Fence)
	}
	w.fences[e.Name] = e.Fence
	for _, id := range e.Queue {
		if r := w.runs[id]; r == nil || r.State.Terminal() || r.Admitted {
			w.fail("%s is in the queue of %s", id, e.Name)
		}
	}
	if r := w.runs[e.Active]; e.Active != "" && (r == nil || !r.Admitted || r.State.Terminal()) {
		w.fail("%s holds %s", e.Active, e.Name)
	}
	for id, r := range w.runs {
		if r.Admitted && !r.State.Terminal() && !r.DryRun && r.EnvironmentName() == e.Name && id != e.Active && (r.Parent == "" || r.Parent != e.Active) {
			w.fail("%s works on %s, which %q holds", id, e.Name, e.Active)
		}
	}
}

// settleDown ends the faults and looks whether every run ends, or waits for
// somebody or something.
func (w *world) settleDown() {
	w.calm, w.down = true, false
	for range 4 { // leases lapse, lost jobs are found
		w.workAll()
		w.jump(2 * leaseLength)
	}
	w.workAll()
	for id, r := range w.runs {
		if !r.State.Terminal() && !unresolved(r) && r.RedeployedBy == "" && !r.NextTimer().After(w.clock.Now()) {
			w.fail("run %s is %s, and neither a job nor a timer moves it (%s)", id, r.State, r.NextTimer())
		}
	}
	for range 60 {
		for w.open(unresolved) != nil {
			w.resolve()
		}
		w.workAll()
		if w.open(func(*pipeline.Run) bool { return true }) == nil && !w.left() {
			return
		}
		w.jump(7 * time.Hour)
	}
	r := w.open(func(*pipeline.Run) bool { return true })
	if r == nil {
		w.fail("what was left for later is never done")
		return
	}
	w.fail("run %s never ends: it is %s (%s %s): %s", r.ID, r.State, r.Code, r.Message, progress(r))
}

// left reports whether something that was left for later is not done yet.
func (w *world) left() bool {
	for _, r := range w.runs {
		for _, s := range r.Steps {
			if !s.Later.IsZero() {
				return true
			}
		}
	}
	return false
}

// workAll does jobs until there are none. Jobs that only make each other again
// are a fault.
func (w *world) workAll() {
	for range 2000 {
		if !w.workOnce() {
			return
		}
	}
	w.fail("the work never comes to an end")
}

func progress(r *pipeline.Run) string {
	var out []string
	for _, s := range r.Steps {
		text := fmt.Sprintf("%s=%s", s.Name, s.State)
		if s.Calling {
			text += "!"
		}
		out = append(out, text)
	}
	return strings.Join(out, " ")
}
