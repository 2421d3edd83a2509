package pipeline_test

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"log/slog"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/shipmate/shipmate/pipeline"
)

// door is a sink whose platform can be shut.
type door struct {
	*board
	name  string
	err   error // while it is shut
	tries int
}

func (d *door) Name() string  { return d.name }
func (d *door) Shows() string { return "notice on " + d.name }

func (d *door) Show(ctx context.Context, r *pipeline.Run, shown pipeline.Shown) (json.RawMessage, error) {
	d.tries++
	if d.err != nil {
		return shown.Data, d.err
	}
	return d.board.Show(ctx, r, shown)
}

func suspended() error {
	return &pipeline.Refused{Reason: pipeline.Refuse("app_suspended", "The App is suspended."), LiftedBy: []string{pipeline.AtInstallation(5), pipeline.AtRepo(7)}}
}

// house is an engine with its worker, and the doors its runs are shown on.
type house struct {
	*crew
	engine *pipeline.Engine
	log    *bytes.Buffer
}

func inHouse(t *testing.T, test func(t *testing.T, h *house), doors ...*door) {
	inBubble(t, func(t *testing.T, c *crew) {
		h := &house{crew: c, log: &bytes.Buffer{}}
		log := slog.New(slog.NewTextHandler(h.log, nil))
		h.engine = &pipeline.Engine{Store: c.store, Queue: c.store, GitHub: &stage{}, Logs: quiet{}, Now: c.clock.Now, Log: log}
		for _, d := range doors {
			d.board = newBoard()
			h.engine.Sinks = append(h.engine.Sinks, d)
		}
		c.worker.Handlers, c.worker.Log = h.engine.Handlers(), log
		c.run(time.Second)
		test(t, h)
	})
}

func (h *house) start(env string) *pipeline.Run {
	h.t.Helper()
	r, err := h.engine.Start(context.Background(), pipeline.Request{Repo: pipeline.Repo{ID: 7, Owner: "acme", Name: "shop"}, SHA: "5a", PR: 12, Pipeline: pipeline.Pipeline{Name: "p", Steps: steps("build")},
		Environment: &pipeline.Environment{Name: env, Approvals: &pipeline.ApprovalPolicy{Count: 1}}})
	if err != nil {
		h.t.Fatal(err)
	}
	h.pass(time.Second)
	return r
}

func (h *house) end(r *pipeline.Run) {
	h.t.Helper()
	if _, err := h.engine.Cancel(context.Background(), r.ID, pipeline.Cancellation{By: pipeline.Actor{ID: 1, Login: "mona"}, Code: "cancelled"}); err != nil {
		h.t.Fatal(err)
	}
	h.pass(time.Second)
}

func (h *house) lift(places ...string) {
	h.enqueue(pipeline.Lifted{Places: places}.Job())
	synctest.Wait()
	h.pass(time.Second)
}

func (h *house) blocked() []pipeline.Job {
	h.t.Helper()
	jobs, err := h.store.BlockedJobs(context.Background(), 7)
	if err != nil {
		h.t.Fatal(err)
	}
	return jobs
}

func TestARefusedReportWaitsAndIsSaidOnce(t *testing.T) {
	shut, open := &door{name: "shut", err: suspended()}, &door{name: "open"}
	inHouse(t, func(t *testing.T, h *house) {
		r, other := h.start("prod"), h.start("staging")
		h.end(r)
		h.pass(3 * time.Hour)
		if got := open.lines[string(r.ID)]; got != "cancelled" {
			t.Errorf("the other sink shows %q", got)
		}
		if len(h.dead()) != 0 || len(h.blocked()) != 2 {
			t.Errorf("%d buried, %d blocked", len(h.dead()), len(h.blocked()))
		}
		if n := shut.tries; n < 20 || n > 40 {
			t.Errorf("tried %d times in three hours, for two runs", n)
		}
		if n := strings.Count(h.log.String(), "refused for now"); n != 1 || strings.Contains(h.log.String(), "level=ERROR") {
			t.Errorf("said %d times:\n%s", n, h.log)
		}
		told := pipeline.Unshown(r, h.blocked(), "open")
		if len(told) != 1 || told[0] != "The notice on shut cannot be written now: The App is suspended." {
			t.Errorf("told of the run: %q", told)
		}
		if told := pipeline.Unshown(r, h.blocked(), "shut"); len(told) != 0 {
			t.Errorf("the sink tells of itself: %q", told)
		}
		shut.err = nil
		h.lift(pipeline.AtRepo(8))
		if len(shut.lines) != 0 {
			t.Errorf("an event elsewhere had it tried: %v", shut.lines)
		}
		tries := open.tries
		h.lift(pipeline.AtInstallation(5))
		if shut.lines[string(r.ID)] != "cancelled" || shut.lines[string(other.ID)] != "waiting" {
			t.Errorf("after the event it shows %v", shut.lines)
		}
		if len(h.blocked()) != 0 || open.tries == tries {
			t.Errorf("%d blocked, and the others were told %d times", len(h.blocked()), open.tries-tries)
		}
		if n := strings.Count(h.log.String(), "accepted again"); n != 1 {
			t.Errorf("its end was said %d times", n)
		}
	}, shut, open)
}

// What a platform allows again some of its servers still refuse for some seconds.
func TestALiftedReportIsTriedAgainSoon(t *testing.T) {
	shut := &door{name: "shut", err: suspended()}
	inHouse(t, func(t *testing.T, h *house) {
		r := h.start("prod")
		h.pass(2 * time.Hour)
		h.lift(pipeline.AtInstallation(5))
		h.pass(4 * time.Second)
		shut.err = nil
		h.pass(5 * time.Second)
		if shut.lines[string(r.ID)] != "waiting" {
			t.Errorf("it shows %v and waits: %+v", shut.lines, h.blocked())
		}
	}, shut)
}

func TestABlockedReportStaysSoWhileNobodyAnswers(t *testing.T) {
	shut := &door{name: "shut", err: suspended()}
	inHouse(t, func(t *testing.T, h *house) {
		h.start("prod")
		shut.err = pipeline.Temporary(errors.New("bad gateway"))
		h.pass(time.Minute)
		if jobs := h.blocked(); len(jobs) != 1 || jobs[0].Blocked.Code != "app_suspended" {
			t.Errorf("blocked: %+v", jobs)
		}
		shut.err = suspended()
		h.pass(time.Minute)
		if n := strings.Count(h.log.String(), "refused for now"); n != 1 {
			t.Errorf("said %d times", n)
		}
	}, shut)
}

// Other jobs than reports are not kept for ever.
func TestARefusedJobIsGivenUpQuietly(t *testing.T) {
	inHouse(t, func(t *testing.T, h *house) {
		h.worker.Handlers["said"] = func(context.Context, *pipeline.Lease) error { return suspended() }
		h.enqueue(pipeline.Job{ID: "said:1", Kind: "said", Repo: 7})
		h.pass(30 * time.Hour)
		if len(h.dead())+len(h.blocked()) != 0 || !strings.Contains(h.log.String(), "given up") || strings.Contains(h.log.String(), "level=ERROR") {
			t.Errorf("%d buried, %d blocked, log:\n%s", len(h.dead()), len(h.blocked()), h.log)
		}
	})
}
