//go:build kube

package job

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"

	"github.com/shipmate/shipmate/pipeline"
)

// counting prints lines that tell a script that ran twice, or whose output was
// lost or passed on twice, from one that was not.
const counting = `echo begin; i=0; while [ $i -lt 40 ]; do i=$((i+1)); echo line $i; sleep 0.1; done; echo end`

func once(t *testing.T, c *call) {
	t.Helper()
	want := "begin\n"
	for i := range 40 {
		want += fmt.Sprintf("line %d\n", i+1)
	}
	if got := c.log.String(); got != want+"end\n" {
		t.Errorf("output:\n%s", got)
	}
}

var errCrash = errors.New("crashed")

// A bot that is killed before its checkpoint is safe has begun nothing.
func TestACrashBeforeTheCheckpoint(t *testing.T) {
	s := newWorld(t)
	c := s.step(counting)
	c.Save = func(context.Context, json.RawMessage) error {
		pause := time.NewTimer(time.Second) // for what must not happen
		<-pause.C
		said, err := plane.Client.CoreV1().Pods(s.namespace).GetLogs(s.pods()[0].Name, &corev1.PodLogOptions{Container: container}).DoRaw(t.Context())
		if err != nil || len(said) > 0 {
			t.Errorf("before the checkpoint was safe the script had printed %q, %v", said, err)
		}
		return errCrash
	}
	if _, err := s.bot().Run(t.Context(), c.StepContext); !errors.Is(err, errCrash) || !pipeline.IsTemporary(err) {
		t.Fatal(err)
	}
	first := s.pods()
	if len(first) != 1 || s.jobs() != 1 {
		t.Fatal(len(first), s.jobs())
	}
	n := c.next()
	n.want(n.run(s.bot()), pipeline.Succeeded, "", "")
	once(t, n)
	if pods := s.pods(); len(pods) != 1 || pods[0].UID == first[0].UID {
		t.Error("the pod of the first call was used, whose order nobody vouches for")
	}
}

// A bot that is killed between checkpoint and go leaves a pod that the next one
// takes up.
func TestACrashAfterTheCheckpoint(t *testing.T) {
	s := newWorld(t)
	c := s.step(counting)
	save := c.Save
	c.Save = func(ctx context.Context, cp json.RawMessage) error { return errors.Join(save(ctx, cp), errCrash) }
	if _, err := s.bot().Run(t.Context(), c.StepContext); !errors.Is(err, errCrash) {
		t.Fatal(err)
	}
	first := s.pods()
	n := c.next()
	n.want(n.run(s.bot()), pipeline.Succeeded, "", "")
	once(t, n)
	if pods := s.pods(); len(pods) != 1 || pods[0].UID != first[0].UID {
		t.Error("another pod was made")
	}
}

// A bot that goes away in the middle leaves the script alone, twice.
func TestACrashInTheMiddle(t *testing.T) {
	s := newWorld(t)
	c := s.step(counting)
	for _, line := range []string{"line 5\n", "line 20\n"} {
		ctx, cancel := context.WithCancelCause(t.Context())
		go func() { c.log.await(line); cancel(pipeline.ErrHandedOver) }()
		if _, err := s.bot().Run(ctx, c.StepContext); !errors.Is(err, pipeline.ErrHandedOver) || !pipeline.IsTemporary(err) {
			t.Fatal(err)
		}
		c = c.next()
	}
	c.want(c.run(s.bot()), pipeline.Succeeded, "", "")
	once(t, c)
	if len(s.pods()) != 1 {
		t.Error(len(s.pods()), "pods")
	}
}

// A bot that is killed before the result is recorded finds it again.
func TestACrashAfterTheEnd(t *testing.T) {
	s := newWorld(t)
	c := s.step(counting + "; echo version=7 >> $SHIPMATE_OUTPUT; exit 0")
	c.want(c.run(s.bot()), pipeline.Succeeded, "", "")
	n := c.next()
	res := n.run(s.bot())
	n.want(res, pipeline.Succeeded, "", "")
	once(t, n)
	if res.Outputs["version"] != "7" {
		t.Error(res.Outputs)
	}
}

// A bot that was away for longer than the pod waits finds what it left.
func TestABotThatComesTooLate(t *testing.T) {
	for name, c := range map[string]struct {
		script string
		state  pipeline.State
		code   string
		output string
	}{
		"it ended well":              {"echo version=7 >> $SHIPMATE_OUTPUT", pipeline.Succeeded, "", "7"},
		"it failed":                  {"exit 3", pipeline.Failed, "script_failed", ""},
		"more than fits was put out": {"for i in 1 2 3; do echo v$i=$(head -c 3000 /dev/zero | tr '\\0' x) >> $SHIPMATE_OUTPUT; done", pipeline.Unknown, "result_lost", ""},
	} {
		t.Run(name, func(t *testing.T) {
			s := newWorld(t)
			s.cfg.Linger = 100 * time.Millisecond
			first := s.step(c.script)
			save := first.Save
			first.Save = func(ctx context.Context, cp json.RawMessage) error { return errors.Join(save(ctx, cp), errCrash) }
			if _, err := s.bot().Run(t.Context(), first.StepContext); !errors.Is(err, errCrash) {
				t.Fatal(err)
			}
			var cp checkpoint
			_ = json.Unmarshal(first.saved, &cp)
			r := s.bot()
			w, err := r.open(t.Context(), cp)
			if err != nil {
				t.Fatal(err)
			}
			if err := w.connect().letGo(t.Context()); err != nil { // the dying bot's last word
				t.Fatal(err)
			}
			w.close()
			s.until("the pod has ended", func() bool { p := s.pods(); return len(p) == 1 && isOver(&p[0]) })
			n := first.next()
			res := n.run(r)
			n.want(res, c.state, c.code, "")
			if res.Outputs["version"] != c.output {
				t.Error(res.Outputs)
			}
		})
	}
}

// Two bots at once: the one whose lease is lost never says go.
func TestTwoBotsAtOnce(t *testing.T) {
	s := newWorld(t)
	c := s.step(counting)
	second := s.step(counting)
	second.log, second.Log, second.Fence = c.log, c.log, 2
	other := make(chan pipeline.Result, 1)
	c.Save = func(context.Context, json.RawMessage) error {
		go func() { other <- second.run(s.bot()) }() // takes over while the first stands still
		c.log.await("line 3\n")
		return pipeline.ErrLeaseLost
	}
	if _, err := s.bot().Run(t.Context(), c.StepContext); !errors.Is(err, pipeline.ErrLeaseLost) {
		t.Fatal(err)
	}
	second.want(<-other, pipeline.Succeeded, "", "")
	once(t, second)
}

// What Kubernetes does to a pod in the middle of its script.
func TestAPodThatIsTakenAway(t *testing.T) {
	grace := int64(1)
	for name, c := range map[string]struct {
		take func(s *world) error
		said string
	}{
		"the pod is deleted": {func(s *world) error {
			return plane.Client.CoreV1().Pods(s.namespace).Delete(context.Background(), s.pods()[0].Name, metav1.DeleteOptions{GracePeriodSeconds: &grace})
		}, "was deleted"},
		"the pod is deleted by force": {func(s *world) error {
			return plane.Client.CoreV1().Pods(s.namespace).Delete(context.Background(), s.pods()[0].Name, metav1.DeleteOptions{GracePeriodSeconds: new(int64)})
		}, "was deleted"},
		"the Job is deleted": {func(s *world) error {
			how := metav1.DeletePropagationBackground
			return plane.Client.BatchV1().Jobs(s.namespace).Delete(context.Background(), "sm-r-1-build-1", metav1.DeleteOptions{PropagationPolicy: &how})
		}, "Job was deleted"},
	} {
		t.Run(name, func(t *testing.T) {
			s := newWorld(t)
			call := s.step(`echo begin; trap 'exit 5' TERM; while true; do sleep 0.1; done`)
			go func() {
				call.log.await("begin")
				if err := c.take(s); err != nil {
					t.Error(err)
				}
			}()
			call.want(call.run(s.bot()), pipeline.Unknown, "outcome_unknown", c.said)
			if n := strings.Count(call.log.String(), "begin"); n != 1 {
				t.Errorf("it began %d times", n)
			}
		})
	}
}

// It begins again in a new pod once the old one is gone, and a bot that takes
// it up there finds its place in the log.
func TestALostScriptIsBegunAgainIfItMay(t *testing.T) {
	s := newWorld(t)
	c := s.step(counting, func(st *pipeline.Step) { st.AfterCrash = pipeline.Rerun })
	c.log.lag = 100 // what was written is not safe at once
	ctx, cancel := context.WithCancelCause(t.Context())
	go func() {
		c.log.await("line 5\n")
		if err := plane.Client.CoreV1().Pods(s.namespace).Delete(context.Background(), s.pods()[0].Name, metav1.DeleteOptions{}); err != nil {
			t.Error(err)
		}
		c.log.awaitAgain("line 20\n", "begin\n")
		cancel(pipeline.ErrHandedOver)
	}()
	if _, err := s.bot().Run(ctx, c.StepContext); !errors.Is(err, pipeline.ErrHandedOver) {
		t.Fatal(err)
	}
	c.log.lag = 0
	n := c.next()
	n.want(n.run(s.bot()), pipeline.Succeeded, "", "")
	_, second, _ := strings.Cut(c.log.String()[1:], "begin\n")
	n.log = newLog()
	_, _ = n.log.Write([]byte("begin\n" + second))
	once(t, n)
}

func TestTheAPIServerIsAwayForAWhile(t *testing.T) {
	s := newWorld(t)
	c := s.step(strings.Replace(counting, "sleep 0.1", "sleep 0.2", 1))
	done := make(chan pipeline.Result, 1)
	go func() { done <- c.run(s.bot()) }()
	c.log.await("line 5\n")
	plane.StopAPIServer()
	pause := time.NewTimer(3 * time.Second)
	<-pause.C
	if err := plane.StartAPIServer(); err != nil {
		t.Fatal(err)
	}
	c.want(<-done, pipeline.Succeeded, "", "")
	once(t, c)
	if c.Fence != 1 {
		t.Error("the call ended in between")
	}
}

func TestAPodThatNobodyVouchesForIsNeverOrdered(t *testing.T) {
	s := newWorld(t)
	c := s.step(`echo begin; while true; do sleep 0.1; done`)
	ctx, cancel := context.WithCancelCause(t.Context())
	go func() { c.log.await("begin"); cancel(pipeline.ErrHandedOver) }()
	_, _ = s.bot().Run(ctx, c.StepContext)
	var cp checkpoint
	if err := json.Unmarshal(c.saved, &cp); err != nil {
		t.Fatal(err)
	}
	// Another pod of the same Job, as if Kubernetes had replaced it.
	other := s.pods()[0].DeepCopy()
	cp.PodUID = "00000000-0000-0000-0000-000000000000"
	cp.Pod = "sm-r-1-build-1-other"
	n := c.next()
	n.Checkpoint = cp.encode()
	n.want(n.run(s.bot()), pipeline.Unknown, "outcome_unknown", "its pod was deleted")
	if strings.Count(c.log.String(), "begin") != 1 || s.pods()[0].UID != other.UID {
		t.Error(c.log)
	}
	if err := s.bot().Cancel(t.Context(), c.next().StepContext); err != nil {
		t.Fatal(err)
	}
	s.until("gone", func() bool { return len(s.pods()) == 0 })
}

func TestTheJobsOwnDeadline(t *testing.T) {
	s := newWorld(t)
	c := s.step(`echo begin; while true; do sleep 0.1; done`)
	go func() {
		c.log.await("begin")
		_, err := plane.Client.BatchV1().Jobs(s.namespace).Patch(context.Background(), "sm-r-1-build-1", types.MergePatchType, []byte(`{"spec":{"activeDeadlineSeconds":1}}`), metav1.PatchOptions{})
		if err != nil {
			t.Error(err)
		}
	}()
	c.want(c.run(s.bot()), pipeline.Failed, "timeout", "did not end within its timeout of 2m0s")
}

// A node that does not answer any more: its pod is deleted in the end, and
// nobody knows what became of the script.
func TestANodeThatIsLost(t *testing.T) {
	s := newWorld(t)
	c := s.step(`echo begin; while true; do sleep 0.1; done`)
	done := make(chan pipeline.Result, 1)
	go func() { done <- c.run(s.bot()) }()
	c.log.await("begin")
	plane.StopKubelet()
	defer func() {
		if err := plane.StartKubelet(); err != nil {
			t.Error(err)
		}
		s.until("the pod is gone", func() bool { return len(s.pods()) == 0 })
	}()
	grace := int64(1)
	if err := plane.Client.CoreV1().Pods(s.namespace).Delete(t.Context(), s.pods()[0].Name, metav1.DeleteOptions{GracePeriodSeconds: &grace}); err != nil {
		t.Fatal(err)
	}
	c.want(<-done, pipeline.Unknown, "outcome_unknown", "on the node real-1 was deleted")
	// The script may still run there, so it does not count as stopped.
	ctx, cancel := context.WithTimeout(t.Context(), time.Second)
	defer cancel()
	n := c.next()
	if err := s.bot().Cancel(ctx, n.StepContext); pipeline.Code(err) != "pod_lingers" || !pipeline.IsTemporary(err) || !strings.Contains(pipeline.Message(err), "real-1") {
		t.Error(err)
	}
}
