//go:build kube

package kubernetes

import (
	"context"
	"encoding/json"
	"errors"
	"maps"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/shipmate/shipmate/pipeline"
)

// smoked has v1 rolled out by blue-green, v2 in the files, and is v2's step.
func smoked(t *testing.T, more map[string]any) (*room, *step) {
	t.Helper()
	r := newRoom(t)
	r.version(2, "v1")
	r.mustRoll(with2("blue-green", nil))
	r.version(2, "v2")
	with := with2("blue-green", map[string]any{"smoke": map[string]any{"uses": "fake"}})
	maps.Copy(with, more)
	return r, r.newStep(with)
}

func TestSmokeStepSeesTheNewPodsBeforeTheyGetTraffic(t *testing.T) {
	r, s := smoked(t, nil)
	asked := 0
	r.runner = func(_ context.Context, c *pipeline.StepContext) (pipeline.Result, error) {
		asked++
		want := map[string]string{"PREVIEW_SERVICE": "shop-preview", "PREVIEW_NAMESPACE": r.namespace, "PREVIEW_COLOUR": "green", "PREVIEW_URL": "http://shop-preview." + r.namespace + ".svc:80"}
		if !maps.Equal(c.Step.Environment, want) {
			t.Error(c.Step.Environment)
		}
		if c.Step.Name != "rollout-smoke" || c.Named() != "rollout" {
			t.Error(c.Step.Name, c.Named())
		}
		if got := r.ledTo("shop-preview"); !maps.Equal(got, map[string]int{"v2": 2}) {
			t.Error("the preview leads to", got)
		}
		r.expect(map[string]int{"v1": 2})
		return pipeline.Result{Done: true}, nil
	}
	must(t, second(r.roll(s)))
	r.expect(map[string]int{"v2": 2})
	if asked != 1 {
		t.Error("asked", asked, "times")
	}
}

func TestASmokeStepThatFailsMovesNoTraffic(t *testing.T) {
	for name, c := range map[string]struct {
		res  pipeline.Result
		err  error
		want string
		code string
	}{
		"it says no":        {pipeline.Result{Done: true, State: pipeline.Failed, Message: "/health answers 500."}, nil, "The smoke step says no: /health answers 500. What ran before runs, with all the traffic.", "smoke_failed"},
		"it does not say":   {pipeline.Result{Done: true, State: pipeline.Unknown, Message: "Say `/resolve`."}, nil, "Nobody saw how the smoke step ended, so it counts as a no. What ran before runs, with all the traffic.", "smoke_failed"},
		"it cannot be done": {pipeline.Result{}, pipeline.Refuse("no_image", "There is no such image."), "There is no such image. What ran before runs, with all the traffic.", "no_image"},
	} {
		t.Run(name, func(t *testing.T) {
			r, s := smoked(t, nil)
			r.runner = func(context.Context, *pipeline.StepContext) (pipeline.Result, error) { return c.res, c.err }
			res, err := r.roll(s)
			must(t, err)
			if res.State != pipeline.Failed || res.Message != c.want || res.Code != c.code {
				t.Errorf("%+v", res)
			}
			r.expect(map[string]int{"v1": 2})
			if got := r.deployments(); !slices.Equal(got, []string{"shop-blue"}) || r.ledTo("shop-preview") != nil {
				t.Error("left behind:", got, r.ledTo("shop-preview"))
			}
		})
	}
}

func TestASmokeStepThatWaitsGoesOnAfterAKill(t *testing.T) {
	r, s := smoked(t, nil)
	calls := 0
	r.runner = func(ctx context.Context, c *pipeline.StepContext) (pipeline.Result, error) {
		calls++
		switch calls {
		case 1: // it begins, says what it knows, and is killed
			must(t, c.Save(ctx, json.RawMessage(`{"job":"42"}`)))
			return pipeline.Result{}, pipeline.Temporary(errors.New("killed"))
		case 2:
			if string(c.Checkpoint) != `{"job":"42"}` {
				t.Errorf("its checkpoint is %s", c.Checkpoint)
			}
			return pipeline.Result{RetryAfter: 20 * time.Millisecond, Message: "The job is queued.", Checkpoint: json.RawMessage(`{"job":"42","seen":true}`)}, nil
		}
		if string(c.Checkpoint) != `{"job":"42","seen":true}` {
			t.Errorf("its checkpoint is %s", c.Checkpoint)
		}
		return pipeline.Result{Done: true}, nil
	}
	if _, err := (rollout{r.config()}).Run(within10s(t), s.StepContext); !pipeline.IsTemporary(err) {
		t.Fatal(err)
	}
	s = s.again()
	res, err := rollout{r.config()}.Run(within10s(t), s.StepContext)
	must(t, err)
	if res.Done || res.RetryAfter != 20*time.Millisecond || res.Message != "The job is queued." {
		t.Errorf("%+v", res)
	}
	s.Checkpoint = res.Checkpoint
	r.expect(map[string]int{"v1": 2})
	res, err = rollout{r.config()}.Run(within10s(t), s.again().StepContext)
	must(t, err)
	if !res.Done || calls != 3 {
		t.Errorf("%+v after %d calls", res, calls)
	}
	r.expect(map[string]int{"v2": 2})
}

func TestPodsThatGoBadDuringTheSmokeStepGetNoTraffic(t *testing.T) {
	r, s := smoked(t, map[string]any{"ready_within": "3s"})
	r.runner = func(context.Context, *pipeline.StepContext) (pipeline.Result, error) {
		r.sicken("v2")
		return pipeline.Result{Done: true}, nil
	}
	res, err := r.roll(s)
	must(t, err)
	if res.State != pipeline.Failed || !strings.Contains(res.Message, "Deployment shop-green did not become ready") {
		t.Errorf("%+v", res)
	}
	r.expect(map[string]int{"v1": 2})
}

func TestASmokeStepThatTakesTooLong(t *testing.T) {
	r, s := smoked(t, map[string]any{"smoke": map[string]any{"uses": "fake", "timeout": "50ms"}})
	r.runner = func(ctx context.Context, _ *pipeline.StepContext) (pipeline.Result, error) {
		<-ctx.Done()
		return pipeline.Result{}, ctx.Err()
	}
	res, err := r.roll(s)
	must(t, err)
	if res.State != pipeline.Failed || res.Message != "The smoke step did not end within 50ms. What ran before runs, with all the traffic." {
		t.Errorf("%+v", res)
	}
	r.expect(map[string]int{"v1": 2})
}

func TestASmokeStepThatWaitsTooLong(t *testing.T) {
	r, s := smoked(t, map[string]any{"smoke": map[string]any{"uses": "fake", "timeout": "50ms"}})
	r.runner = func(context.Context, *pipeline.StepContext) (pipeline.Result, error) {
		return pipeline.Result{RetryAfter: 30 * time.Millisecond}, nil
	}
	res, err := r.roll(s)
	must(t, err)
	if res.State != pipeline.Failed || res.Message != "The smoke step did not end within 50ms. What ran before runs, with all the traffic." {
		t.Errorf("%+v", res)
	}
}

// cancellable is a runner whose step is stopped from outside.
type cancellable struct {
	fake
	with   chan json.RawMessage
	cannot error
}

func (c cancellable) Cancel(_ context.Context, s *pipeline.StepContext) error {
	c.with <- s.Checkpoint
	return c.cannot
}

// keeping is a runner that cleans up when the end of its step is safe.
type keeping struct {
	fake
	forgot func(step string, fence int64)
}

func (k keeping) Forget(_ pipeline.RunID, step string, _ int, fence int64) error {
	k.forgot(step, fence)
	return nil
}

// Its end is saved, and only then what it kept is given up. A crash after a no
// does not have it asked again.
func TestTheEndOfASmokeStepIsSaved(t *testing.T) {
	for _, state := range []pipeline.State{pipeline.Succeeded, pipeline.Failed} {
		t.Run(string(state), func(t *testing.T) {
			r, s := smoked(t, nil)
			asked, forgot, crashed := 0, []string{}, errors.New("killed")
			cfg := r.config()
			cfg.Runner = func(string) (pipeline.Uses, bool) {
				return pipeline.Uses{Name: "fake", Runner: keeping{func(context.Context, *pipeline.StepContext) (pipeline.Result, error) {
					asked++
					return pipeline.Result{Done: true, State: state, Message: "/health answers."}, nil
				}, func(step string, fence int64) {
					if saved := string(s.saved[len(s.saved)-1]); fence != s.Fence || !strings.Contains(saved, `"done":true`) && !strings.Contains(saved, `"no":`) {
						t.Errorf("%s is forgotten under %d, saved is %s", step, fence, saved)
					}
					forgot = append(forgot, step)
					panic(crashed)
				}}}, true
			}
			func() {
				defer func() {
					if p := recover(); p != crashed { //nolint:errorlint // the very same
						t.Error(p)
					}
				}()
				_, _ = rollout{cfg}.Run(within10s(t), s.StepContext)
			}()
			s = s.again()
			res, err := rollout{cfg}.Run(within10s(t), s.StepContext)
			must(t, err)
			want := map[string]int{"v2": 2}
			if state == pipeline.Failed {
				want = map[string]int{"v1": 2}
				if res.Code != "smoke_failed" {
					t.Errorf("%+v", res)
				}
			}
			r.expect(want)
			if asked != 1 || !slices.Equal(forgot, []string{"rollout-smoke"}) {
				t.Error("asked", asked, "times, forgotten:", forgot)
			}
		})
	}
}

func TestCancelReachesASmokeStepThatWaits(t *testing.T) {
	r, s := smoked(t, nil)
	child := cancellable{func(context.Context, *pipeline.StepContext) (pipeline.Result, error) {
		return pipeline.Result{RetryAfter: time.Hour, Checkpoint: json.RawMessage(`{"job":"42"}`)}, nil
	}, make(chan json.RawMessage, 1), errors.New("its pod does not end")}
	cfg := r.config()
	cfg.Runner = func(string) (pipeline.Uses, bool) { return pipeline.Uses{Name: "fake", Runner: child}, true }
	res, err := rollout{cfg}.Run(within10s(t), s.StepContext)
	must(t, err)
	s = s.again()
	s.Checkpoint = res.Checkpoint
	if err := (rollout{cfg}).Cancel(within10s(t), s.StepContext); !errors.Is(err, child.cannot) {
		t.Error(err)
	}
	select { // and yet the traffic is where it was
	case cp := <-child.with:
		if string(cp) != `{"job":"42"}` {
			t.Errorf("it was cancelled with %s", cp)
		}
	default:
		t.Error("it goes on")
	}
	r.expect(map[string]int{"v1": 2})
	if got := r.deployments(); !slices.Equal(got, []string{"shop-blue"}) {
		t.Error("left behind:", got)
	}
}

func TestAnUnknownSmokeStepIsRefused(t *testing.T) {
	r, s := smoked(t, nil)
	res, err := r.roll(s)
	must(t, err)
	if res.State != pipeline.Failed || !strings.Contains(res.Message, "`smoke:` uses fake, which this shipmate does not have.") {
		t.Errorf("%+v", res)
	}
	r.expect(map[string]int{"v1": 2})
}

func TestAnalysisIsAskedOnceForEachStep(t *testing.T) {
	r := newRoom(t)
	r.version(2, "v1")
	r.mustRoll(with2("rolling", nil))
	r.version(2, "v2")
	s := r.newStep(with2("canary", map[string]any{"steps": twoShares, "analysis": map[string]any{"uses": "fake"}}))
	var asked []string
	r.runner = func(ctx context.Context, c *pipeline.StepContext) (pipeline.Result, error) {
		asked = append(asked, c.Step.Name+" "+c.Step.Environment["CANARY_WEIGHT"]+" "+c.Step.Environment["CANARY_DEPLOYMENT"]+" "+c.Step.Environment["STABLE_DEPLOYMENT"]+" "+string(c.Checkpoint))
		if len(c.Checkpoint) == 0 {
			return pipeline.Result{RetryAfter: time.Millisecond, Checkpoint: json.RawMessage(`1`)}, nil
		}
		return pipeline.Result{Done: true}, nil
	}
	must(t, second(r.roll(s)))
	want := []string{
		"rollout-analysis-1 33 shop-canary shop ", "rollout-analysis-1 33 shop-canary shop 1",
		"rollout-analysis-2 50 shop-canary shop ", "rollout-analysis-2 50 shop-canary shop 1",
	}
	if !slices.Equal(asked, want) {
		t.Errorf("%q", asked)
	}
	r.expect(map[string]int{"v2": 2})
}
