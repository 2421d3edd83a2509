package shell

import (
	"context"
	"encoding/json"
	"errors"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/shipmate/shipmate/pipeline"
)

// bot is a bot in a process of its own, that can be killed.
type bot struct {
	Dir    string
	Script string
	Log    string // file the log is kept in
	Saved  string // file the checkpoint is kept in
	Hang   string // where it stops for good: before-save, after-save
	At     string // signpost it writes to then
}

func botMain(arg string) int {
	var k bot
	if err := json.Unmarshal([]byte(arg), &k); err != nil {
		panic(err)
	}
	r, err := New(Config{Dir: k.Dir, Source: sourceFunc(readme), Shim: []string{os.Args[0], "shim"}, Host: "here"})
	if err != nil {
		panic(err)
	}
	c := newStep(k.Script)
	c.Log = openFileLog(k.Log)
	hang := func(where string) {
		if k.Hang == where {
			os.WriteFile(k.At, []byte(where), 0)
			select {}
		}
	}
	c.Save = func(_ context.Context, cp json.RawMessage) error {
		hang("before-save")
		if err := os.WriteFile(k.Saved, cp, 0o600); err != nil {
			return err
		}
		hang("after-save")
		return nil
	}
	time.AfterFunc(time.Minute, func() { os.Exit(3) }) // should the test forget it
	res, err := r.Run(context.Background(), c)
	if err != nil || res.State != pipeline.Succeeded {
		return 1
	}
	return 0
}

// start starts the bot; the returned func kills it as kill -9 does.
func (k bot) start(t *testing.T) (kill func()) {
	t.Helper()
	arg, err := json.Marshal(k)
	if err != nil {
		t.Fatal(err)
	}
	cmd := exec.Command(os.Args[0], "bot", string(arg))
	cmd.Stderr = os.Stderr
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	kill = func() {
		_ = cmd.Process.Kill()
		_ = cmd.Wait()
	}
	t.Cleanup(kill)
	return kill
}

// fileLog is a log that outlives its process.
type fileLog struct{ *os.File }

func openFileLog(path string) fileLog {
	f, err := os.OpenFile(path, os.O_CREATE|os.O_WRONLY|os.O_APPEND, 0o600)
	if err != nil {
		panic(err)
	}
	return fileLog{f}
}

func (l fileLog) Offset() int64 {
	info, err := l.Stat()
	if err != nil {
		panic(err)
	}
	return info.Size()
}

// crashed is a bench that goes on where a bot was killed.
func crashed(t *testing.T, k *bot) *bench {
	t.Helper()
	b := newBench(t, k.Script)
	*k = bot{
		Dir: b.cfg.Dir, Script: k.Script, Hang: k.Hang, At: k.At,
		Log: filepath.Join(t.TempDir(), "log"), Saved: filepath.Join(t.TempDir(), "checkpoint"),
	}
	return b
}

// goOn is the call after the crash.
func (b *bench) goOn(k bot) pipeline.Result {
	b.Helper()
	b.step.Fence = 2                            // the engine makes the same call again
	b.step.Checkpoint, _ = os.ReadFile(k.Saved) // none: killed before it was saved
	log := openFileLog(k.Log)
	defer log.Close()
	b.step.Log = log
	return b.run()
}

func content(t *testing.T, path string) string {
	t.Helper()
	b, err := os.ReadFile(path)
	if err != nil && !os.IsNotExist(err) {
		t.Fatal(err)
	}
	return string(b)
}

// A bot that stands still between its checkpoint and the go does not hold up
// the one that took the step over, and what it says in the end is not heard.
func TestABotThatStandsStillBeforeTheGo(t *testing.T) {
	count := filepath.Join(t.TempDir(), "count")
	b := newBench(t, "echo ran >> "+count)
	b.patience = 100 * time.Millisecond
	first, goOn := *b.step, make(chan struct{})
	saved := make(chan json.RawMessage, 1)
	first.Save = func(_ context.Context, cp json.RawMessage) error {
		saved <- cp
		<-goOn
		return nil
	}
	late := make(chan error, 1)
	go func() {
		_, err := b.Run(context.Background(), &first)
		late <- err
	}()
	b.step.Checkpoint, b.step.Fence = <-saved, 2
	b.patience = time.Minute // its successor may take its time
	b.want(b.run(), pipeline.Succeeded, "")
	close(goOn)
	if err := <-late; !pipeline.IsTemporary(err) {
		t.Errorf("the one that stood still: %v", err)
	}
	if got := content(t, count); got != "ran\n" {
		t.Errorf("it ran %q", got)
	}
}

func TestAKilledBotsScriptIsAdopted(t *testing.T) {
	at, on, count := signpost(t), signpost(t), filepath.Join(t.TempDir(), "count")
	k := bot{Script: "echo ran >> " + count + "\necho one; seq 1000; echo here > " + at + "; read x < " + on + "; echo two; echo v=1 >> $SHIPMATE_OUTPUT"}
	b := crashed(t, &k)
	kill := k.start(t)
	reached(t, at)
	kill()
	go func() { _ = os.WriteFile(on, []byte("go\n"), 0) }()
	res := b.goOn(k)
	b.want(res, pipeline.Succeeded, "")
	if got := content(t, k.Log); strings.Count(got, "one\n") != 1 || !strings.HasSuffix(got, "999\n1000\ntwo\n") || strings.Count(got, "\n") != 1002 {
		t.Errorf("output of %d lines: %.50q ...", strings.Count(got, "\n"), got)
	}
	if got := content(t, count); got != "ran\n" || res.Outputs["v"] != "1" {
		t.Errorf("ran %q, outputs %v", got, res.Outputs)
	}
}

func TestAScriptThatEndedMeanwhileIsRead(t *testing.T) {
	at, on, over := signpost(t), signpost(t), signpost(t)
	k := bot{Script: "echo here > " + at + "; read x < " + on + "; echo late; echo over > " + over + "; exit 4"}
	b := crashed(t, &k)
	kill := k.start(t)
	reached(t, at)
	kill()
	if err := os.WriteFile(on, []byte("go\n"), 0); err != nil {
		t.Fatal(err)
	}
	reached(t, over)
	b.want(b.goOn(k), pipeline.Failed, "script_failed")
	if got := content(t, k.Log); got != "late\n" {
		t.Errorf("output %q", got)
	}
}

func TestABotKilledBeforeTheGoStartsTheScriptOnce(t *testing.T) {
	for _, where := range []string{"before-save", "after-save"} {
		t.Run(where, func(t *testing.T) {
			count := filepath.Join(t.TempDir(), "count")
			k := bot{Script: "echo ran >> " + count, Hang: where, At: signpost(t)}
			b := crashed(t, &k)
			kill := k.start(t)
			reached(t, k.At)
			kill()
			if got := content(t, count); got != "" {
				t.Fatalf("ran before the go: %q", got)
			}
			b.want(b.goOn(k), pipeline.Succeeded, "")
			if got := content(t, count); got != "ran\n" {
				t.Errorf("ran %q", got)
			}
		})
	}
}

// lose kills bot and shim in the middle of a script.
func lose(t *testing.T, k *bot, pids string) *bench {
	t.Helper()
	b := crashed(t, k)
	kill := k.start(t)
	reached(t, pids)
	kill()
	var cp checkpoint
	if err := json.Unmarshal([]byte(content(t, k.Saved)), &cp); err != nil {
		t.Fatal(err)
	}
	killShim(cp.PID, cp.Started)
	return b
}

func TestALostScriptIsUnknownUntilAPersonDecides(t *testing.T) {
	at, pid := signpost(t), filepath.Join(t.TempDir(), "pid")
	k := bot{Script: "sh -c 'echo $$ > " + pid + "; echo here > " + at + "; exec sleep 1000'"}
	b := lose(t, &k, at)
	res := b.goOn(k)
	b.want(res, pipeline.Unknown, "outcome_unknown")
	if !strings.Contains(res.Message, "/resolve r-1 build succeeded --reason") {
		t.Error(res.Message)
	}
	if !dead(content(t, pid)) {
		t.Error("what the script started is still there")
	}
}

func TestALostScriptRunsAgainIfItMay(t *testing.T) {
	at, count := signpost(t), filepath.Join(t.TempDir(), "count")
	k := bot{Script: "echo ran >> " + count + "; echo attempt; if [ $(wc -l < " + count + ") = 1 ]; then echo here > " + at + "; sleep 1000; fi; ls"}
	b := lose(t, &k, at)
	b.step.Step.AfterCrash = pipeline.Rerun
	b.want(b.goOn(k), pipeline.Succeeded, "")
	if got := content(t, k.Log); !strings.HasSuffix(got, "attempt\nREADME\n") {
		t.Errorf("output %q", got)
	}
}

func TestAScriptOnAnotherMachineIsWaitedForAndThenLost(t *testing.T) {
	now := time.Now()
	b := newBench(t, "true", func(c *Config) { c.Now = func() time.Time { return now } })
	b.step.Fence = 2
	b.step.Checkpoint = checkpoint{Host: "there", Boot: "x", Fence: 1, Deadline: now.Add(time.Hour)}.encode()
	res := b.run()
	if res.Done || res.RetryAfter != 5*time.Second {
		t.Fatalf("%+v", res)
	}
	if err := b.Cancel(t.Context(), b.step); !pipeline.IsTemporary(err) {
		t.Errorf("cancel: %v", err)
	}
	b.step.Checkpoint = res.Checkpoint
	now = now.Add(awayFor - time.Second)
	if res = b.run(); res.Done {
		t.Fatalf("%+v", res)
	}
	b.step.Checkpoint = res.Checkpoint
	now = now.Add(2 * time.Second)
	b.want(b.run(), pipeline.Unknown, "outcome_unknown")
	now = now.Add(2 * time.Hour)
	if err := b.Cancel(t.Context(), b.step); err != nil {
		t.Errorf("cancel: %v", err)
	}
}

func TestACallThatHandsOverLeavesTheScriptRunning(t *testing.T) {
	for _, cause := range []error{pipeline.ErrLeaseLost, pipeline.ErrHandedOver} {
		t.Run(cause.Error(), func(t *testing.T) { handOver(t, cause) })
	}
}

func handOver(t *testing.T, cause error) {
	t.Helper()
	at, on := signpost(t), signpost(t)
	b := newBench(t, "echo one; echo here > "+at+"; read x < "+on+"; echo two")
	ctx, cancel := context.WithCancelCause(t.Context())
	first := make(chan error)
	go func() {
		_, err := b.Runner.Run(ctx, b.step)
		first <- err
	}()
	reached(t, at)
	b.log.await("one\n")
	cancel(cause)
	if err := <-first; !errors.Is(err, cause) || !pipeline.IsTemporary(err) {
		t.Fatal(err)
	}
	second := *b.step
	second.Fence, second.Checkpoint = 2, b.saved
	go func() { _ = os.WriteFile(on, []byte("go\n"), 0) }()
	b.want(b.must(b.Runner.Run(t.Context(), &second)), pipeline.Succeeded, "")
	if got := b.log.String(); got != "one\ntwo\n" {
		t.Errorf("output %q", got)
	}
}

func TestALeaseLostWhileSavingMeansNothingRuns(t *testing.T) {
	count := filepath.Join(t.TempDir(), "count")
	b := newBench(t, "echo ran > "+count)
	b.step.Save = func(context.Context, json.RawMessage) error { return pipeline.ErrLeaseLost }
	if _, err := b.Runner.Run(t.Context(), b.step); !errors.Is(err, pipeline.ErrLeaseLost) || !pipeline.IsTemporary(err) {
		t.Error(err)
	}
	if content(t, count) != "" {
		t.Error("ran")
	}
}

func TestAStopBetweenCheckpointAndGoRunsTheScriptOnce(t *testing.T) {
	count := filepath.Join(t.TempDir(), "count")
	b := newBench(t, "echo ran >> "+count)
	ctx, cancel := context.WithCancelCause(t.Context())
	save := b.step.Save
	b.step.Save = func(ctx context.Context, cp json.RawMessage) error {
		cancel(pipeline.ErrHandedOver)
		return save(ctx, cp)
	}
	if _, err := b.Runner.Run(ctx, b.step); !errors.Is(err, pipeline.ErrHandedOver) || !pipeline.IsTemporary(err) {
		t.Error(err)
	}
	b.step.Checkpoint, b.step.Fence, b.step.Save = b.saved, 2, save
	b.want(b.run(), pipeline.Succeeded, "")
	if got := content(t, count); got != "ran\n" {
		t.Errorf("ran %q", got)
	}
}
