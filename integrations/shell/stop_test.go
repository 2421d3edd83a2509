package shell

import (
	"context"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/shipmate/shipmate/pipeline"
)

// dead reports whether none of the processes, one id a line, is alive.
func dead(pids string) bool {
	for _, line := range strings.Fields(pids) {
		stat, err := os.ReadFile("/proc/" + line + "/stat")
		if err == nil && !strings.Contains(string(stat), ") Z ") { // a zombie waits for a parent that is not us
			return false
		}
	}
	return pids != ""
}

// family is a script with a child, a child in a session of its own, and one
// that has forked twice and cleared its environment; none listens to SIGTERM.
func family(pids, at string) string {
	stubborn := "trap \"\" TERM; echo $$ >> " + pids + "; echo x >> " + at + "; while :; do sleep 1000; done"
	return `
sh -c '` + stubborn + `' &
setsid sh -c '` + stubborn + `' &
(setsid env -i sh -c '(` + stubborn + `) &' &)
`
}

func TestCancelKillsEverythingTheScriptStarted(t *testing.T) {
	at, pids := signpost(t), filepath.Join(t.TempDir(), "pids")
	posts, err := os.OpenFile(at, os.O_RDWR, 0)
	if err != nil {
		t.Fatal(err)
	}
	defer posts.Close()
	b := newBench(t, family(pids, at)+"wait", func(c *Config) { c.Grace = 50 * time.Millisecond })
	ctx, cancel := context.WithCancel(t.Context())
	done := make(chan pipeline.Result)
	go func() { done <- b.must(b.Runner.Run(ctx, b.step)) }()
	awaitLines(t, posts, 3)
	cancel()
	b.want(<-done, pipeline.Cancelled, "cancelled")
	if !dead(content(t, pids)) {
		t.Errorf("alive: some of %q", content(t, pids))
	}
}

func awaitLines(t *testing.T, f *os.File, n int) {
	t.Helper()
	buf := make([]byte, 64)
	for n > 0 {
		got, err := f.Read(buf)
		if err != nil {
			t.Fatal(err)
		}
		n -= strings.Count(string(buf[:got]), "\n")
	}
}

func TestWhatAScriptLeavesInTheBackgroundIsKilled(t *testing.T) {
	at, pids := signpost(t), filepath.Join(t.TempDir(), "pids")
	b := newBench(t, family(pids, at)+"exec 3<>"+at+"; read x <&3; read x <&3; read x <&3; echo end", func(c *Config) { c.Grace = 50 * time.Millisecond })
	b.want(b.run(), pipeline.Succeeded, "")
	if !dead(content(t, pids)) || b.log.String() != "end\n" {
		t.Errorf("alive: some of %q; output %q", content(t, pids), b.log)
	}
}

func TestAScriptMayTidyUpWhenItIsStopped(t *testing.T) {
	at := signpost(t)
	b := newBench(t, "trap 'echo tidied; exit 0' TERM; echo here > "+at+"; while :; do sleep 1000 & wait; done")
	ctx, cancel := context.WithCancel(t.Context())
	go func() {
		reached(t, at)
		cancel()
	}()
	res := b.must(b.Runner.Run(ctx, b.step))
	if !res.Done || !strings.HasSuffix(b.log.String(), "tidied\n") {
		t.Errorf("%+v, output %q", res, b.log)
	}
}

func TestTheShimKeepsTheTimeout(t *testing.T) {
	b := newBench(t, "sleep 1000")
	b.step.Run.Step("build").Deadline = time.Now().Add(200 * time.Millisecond)
	res := b.run()
	b.want(res, pipeline.Failed, "timeout")
	b = newBench(t, "sleep 1000")
	ctx, cancel := context.WithTimeout(t.Context(), 200*time.Millisecond)
	defer cancel()
	b.want(b.must(b.Runner.Run(ctx, b.step)), pipeline.Failed, "timeout")
}

func TestTheShimKeepsTheTimeoutWithoutTheBot(t *testing.T) {
	at := signpost(t)
	k := bot{Script: "echo here > " + at + "; sleep 1000"}
	b := crashed(t, &k)
	kill := k.start(t)
	reached(t, at)
	kill()
	// A later call with the ctx of a step that is over.
	b.step.Step.Timeout = pipeline.Duration(time.Second)
	var err error
	if b.step.Checkpoint, err = os.ReadFile(k.Saved); err != nil {
		t.Fatal(err)
	}
	b.step.Fence = 2
	ctx, cancel := context.WithDeadline(t.Context(), time.Now().Add(-time.Second))
	defer cancel()
	b.want(b.must(b.Runner.Run(ctx, b.step)), pipeline.Failed, "timeout")
}

func TestCancelWithoutACallInFlight(t *testing.T) {
	at, pids := signpost(t), filepath.Join(t.TempDir(), "pids")
	k := bot{Script: "echo $$ > " + pids + "; echo here > " + at + "; sleep 1000"}
	b := crashed(t, &k)
	kill := k.start(t)
	reached(t, at)
	kill()
	var err error
	if b.step.Checkpoint, err = os.ReadFile(k.Saved); err != nil {
		t.Fatal(err)
	}
	if err := b.Cancel(t.Context(), b.step); err != nil {
		t.Fatal(err)
	}
	if !dead(content(t, pids)) {
		t.Error("alive")
	}
	if err := b.Cancel(t.Context(), b.step); err != nil {
		t.Errorf("the second time: %v", err)
	}
	b.want(b.goOn(k), pipeline.Cancelled, "cancelled")
}

func TestAStepCancelledBeforeItsScriptBeganRunsNothing(t *testing.T) {
	count := filepath.Join(t.TempDir(), "count")
	b := newBench(t, "echo ran > "+count)
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	b.want(b.must(b.Runner.Run(ctx, b.step)), pipeline.Cancelled, "cancelled")
	if content(t, count) != "" {
		t.Error("ran")
	}
}
