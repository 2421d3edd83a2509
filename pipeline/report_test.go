package pipeline_test

import (
	"context"
	"encoding/json"
	"errors"
	"testing"
	"time"

	"github.com/shipmate/shipmate/pipeline"
)

// board is a sink that keeps one line for each subject, as a platform does.
type board struct {
	subject func(*pipeline.Run) string
	lines   map[string]string
	writes  int
	pause   func() // before the next write
	fail    error  // of the next write, which is made all the same
}

func newBoard() *board {
	return &board{lines: map[string]string{}, subject: func(r *pipeline.Run) string { return string(r.ID) }}
}

func (b *board) Name() string                   { return "board" }
func (b *board) Subject(r *pipeline.Run) string { return b.subject(r) }

func (b *board) Show(_ context.Context, r *pipeline.Run, shown pipeline.Shown) (json.RawMessage, error) {
	line, _ := json.Marshal(r.State)
	if string(line) == string(shown.Data) && shown.Doubt == "" {
		return line, nil
	}
	if pause := b.pause; pause != nil {
		b.pause = nil
		pause()
	}
	b.lines[b.Subject(r)] = string(r.State)
	b.writes++
	err := b.fail
	b.fail = nil
	return line, err
}

// waits is a run that is open until it is cancelled.
func (s *stage) waits(repo int64) *pipeline.Run {
	return s.start(pipeline.Request{Repo: pipeline.Repo{ID: repo, Owner: "acme", Name: "shop"}, PR: 12, Pipeline: pipeline.Pipeline{Name: "p", Steps: steps("build")},
		Environment: &pipeline.Environment{Name: "prod", Approvals: &pipeline.ApprovalPolicy{Count: 1}}})
}

func (s *stage) cancel(r *pipeline.Run) {
	s.t.Helper()
	if _, err := s.engine.Cancel(context.Background(), r.ID, pipeline.Cancellation{By: pipeline.Actor{ID: 1, Login: "mona"}, Code: "cancelled"}); err != nil {
		s.t.Fatal(err)
	}
}

func TestWhatStandsThereIsNotWrittenAgain(t *testing.T) {
	s, b := newStage(t), newBoard()
	s.engine.Sinks = []pipeline.Sink{b}
	r := s.waits(7)
	b.writes = 0
	if err := s.store.Enqueue(context.Background(), pipeline.Job{ID: "report:again", Kind: "report", Pool: pipeline.Control, Run: r.ID, Payload: json.RawMessage(`{"sink":"board"}`)}); err != nil {
		t.Fatal(err)
	}
	s.work()
	if b.writes != 0 {
		t.Errorf("written %d times more", b.writes)
	}
}

// A worker writes, and only then stops for so long that another one has shown
// the end of the run meanwhile. What it writes when it goes on is old, and
// nobody out there refuses it.
func TestALateReportIsMadeGood(t *testing.T) {
	s, b := newStage(t), newBoard()
	s.engine.Sinks = []pipeline.Sink{b}
	r, err := s.engine.Start(context.Background(), pipeline.Request{Repo: pipeline.Repo{ID: 7}, SHA: "5a", Pipeline: pipeline.Pipeline{Name: "p", Steps: steps("build")},
		Environment: &pipeline.Environment{Name: "prod", Approvals: &pipeline.ApprovalPolicy{Count: 1}}})
	if err != nil {
		t.Fatal(err)
	}
	b.pause = func() { // in the hands of the first worker: "waiting" is on its way
		s.cancel(r)
		s.store.Advance(2 * time.Minute)
		s.work()
		if got := b.lines[string(r.ID)]; got != "cancelled" {
			t.Fatalf("the successor showed %q", got)
		}
	}
	late := s.store.Poll(pipeline.Control, 1, time.Minute)[0]
	if err := s.engine.Handlers()["report"](context.Background(), late); !errors.Is(err, pipeline.ErrLeaseLost) {
		t.Fatalf("the late report: %v", err)
	}
	if got := b.lines[string(r.ID)]; got != "waiting" {
		t.Fatalf("the late worker wrote %q: this test is about nothing", got)
	}
	s.work()
	if got := b.lines[string(r.ID)]; got != "cancelled" {
		t.Errorf("in the end it shows %q", got)
	}
	if shown, err := s.store.Shown(context.Background(), 7, string(r.ID), "board"); err != nil || shown.Doubt != "" {
		t.Errorf("a doubt is left: %+v %v", shown, err)
	}
}

// The late worker ends while its successor, who has written, is about to save
// that: what is saved is then not what stands there.
func TestALateReportWhileItsSuccessorSaves(t *testing.T) {
	s, b := newStage(t), newBoard()
	s.engine.Sinks = []pipeline.Sink{b}
	r, err := s.engine.Start(context.Background(), pipeline.Request{Repo: pipeline.Repo{ID: 7}, SHA: "5a", Pipeline: pipeline.Pipeline{Name: "p", Steps: steps("build")},
		Environment: &pipeline.Environment{Name: "prod", Approvals: &pipeline.ApprovalPolicy{Count: 1}}})
	if err != nil {
		t.Fatal(err)
	}
	w := s.cut()
	paused, goOn, ended := make(chan struct{}), make(chan struct{}), make(chan error)
	b.pause = func() { close(paused); <-goOn }
	late := s.store.Poll(pipeline.Control, 1, time.Minute)[0]
	go func() { ended <- s.engine.Handlers()["report"](context.Background(), late) }()
	<-paused
	s.cancel(r)
	s.store.Advance(2 * time.Minute)
	successor := s.store.Poll(pipeline.Control, 1, time.Minute)[0]
	w.meanwhile = func() {
		close(goOn)
		if err := <-ended; !errors.Is(err, pipeline.ErrLeaseLost) {
			t.Errorf("the late report: %v", err)
		}
	}
	s.do(successor)
	if got := b.lines[string(r.ID)]; got != "waiting" {
		t.Fatalf("the late worker wrote %q: this test is about nothing", got)
	}
	s.work()
	if got := b.lines[string(r.ID)]; got != "cancelled" {
		t.Errorf("in the end it shows %q", got)
	}
}

func TestWhatASinkGotBeforeItFailedIsKept(t *testing.T) {
	s, b := newStage(t), newBoard()
	s.engine.Sinks = []pipeline.Sink{b}
	b.fail = pipeline.Temporary(errors.New("bad gateway"))
	r := s.waits(7)
	shown, err := s.store.Shown(context.Background(), 7, string(r.ID), "board")
	if err != nil || string(shown.Data) != `"waiting"` {
		t.Errorf("kept %s, %v", shown.Data, err)
	}
}

// Pull request 12 of one repository has nothing to do with that of another.
func TestRepositoriesDoNotShareSubjects(t *testing.T) {
	s, b := newStage(t), newBoard()
	b.subject = func(r *pipeline.Run) string { return "pr/12" }
	s.engine.Sinks = []pipeline.Sink{b}
	ids := map[string]bool{}
	for _, repo := range []int64{7, 8} {
		if _, err := s.engine.Start(context.Background(), pipeline.Request{Repo: pipeline.Repo{ID: repo}, SHA: "5a", PR: 12, Pipeline: pipeline.Pipeline{Name: "p", Steps: steps("build")}}); err != nil {
			t.Fatal(err)
		}
	}
	for _, l := range s.store.Poll(pipeline.Control, 10, time.Minute) {
		if l.Kind == "report" {
			ids[l.ID] = true
		}
	}
	if len(ids) != 2 {
		t.Errorf("report jobs %v", ids)
	}
}
