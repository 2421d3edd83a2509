package shell

import (
	"context"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/shipmate/shipmate/pipeline"
)

// counted is a Source that says which commit it wrote, and how often it did.
type counted struct {
	checkouts atomic.Int64
	hold      chan struct{} // nil: it does not wait
	fail      error
}

func (c *counted) Checkout(ctx context.Context, _ pipeline.Repo, sha, dir string) error {
	c.checkouts.Add(1)
	if c.hold != nil {
		select {
		case <-c.hold:
		case <-ctx.Done():
			return ctx.Err()
		}
	}
	if err := os.WriteFile(filepath.Join(dir, "commit"), []byte(sha), 0o644); err != nil {
		return err
	}
	return c.fail
}

func aheadBench(t *testing.T, src *counted) *bench {
	return newBench(t, "cat commit", func(c *Config) { c.Source = src })
}

// waiting lists what was made ahead and lies there.
func (b *bench) waiting() []os.DirEntry {
	left, _ := os.ReadDir(filepath.Join(b.cfg.Dir, "ahead"))
	return left
}

// gone waits until nothing is left of what was made ahead.
func (b *bench) gone() {
	b.Helper()
	look, late := time.NewTicker(time.Millisecond), time.After(20*time.Second)
	defer look.Stop()
	for len(b.waiting()) > 0 {
		select {
		case <-look.C:
		case <-late:
			b.Fatalf("left over: %v", b.waiting())
		}
	}
}

func TestACheckoutMadeAheadIsTaken(t *testing.T) {
	for name, hold := range map[string]bool{"when it is there": false, "while it is being made": true} {
		t.Run(name, func(t *testing.T) {
			src := &counted{}
			if hold {
				src.hold = make(chan struct{})
				time.AfterFunc(50*time.Millisecond, func() { close(src.hold) })
			}
			b := aheadBench(t, src)
			b.Prepare(b.step.Run.Repo, testSHA)
			b.Prepare(b.step.Run.Repo, testSHA) // asked for by two
			b.want(b.run(), pipeline.Succeeded, "")
			if got := b.log.String(); got != testSHA || src.checkouts.Load() != 1 {
				t.Errorf("%d checkouts, the script saw %q", src.checkouts.Load(), got)
			}
			b.gone()
		})
	}
}

// TestAnotherCommitIsNeverTaken: neither that of another commit, nor the same
// commit of another repository.
func TestAnotherCommitIsNeverTaken(t *testing.T) {
	src := &counted{}
	b := aheadBench(t, src)
	other := b.step.Run.Repo
	other.ID++
	b.Prepare(b.step.Run.Repo, strings.Repeat("e", 40))
	b.Prepare(other, testSHA)
	b.want(b.run(), pipeline.Succeeded, "")
	if got := b.log.String(); got != testSHA || src.checkouts.Load() != 3 {
		t.Errorf("%d checkouts, the script saw %q", src.checkouts.Load(), got)
	}
	b.Close()
	b.gone()
}

func TestACheckoutThatNobodyComesForIsRemoved(t *testing.T) {
	t.Run("after a while", func(t *testing.T) {
		b := aheadBench(t, &counted{})
		b.ahead.keep = time.Millisecond
		b.Prepare(b.step.Run.Repo, testSHA)
		b.ahead.work.Wait()
		b.gone()
		b.want(b.run(), pipeline.Succeeded, "")
	})
	t.Run("while it is still being made", func(t *testing.T) {
		b := aheadBench(t, &counted{hold: make(chan struct{})})
		b.ahead.keep = time.Millisecond
		b.Prepare(b.step.Run.Repo, testSHA)
		b.ahead.work.Wait() // it is stopped
		b.gone()
	})
	t.Run("at the end of the bot", func(t *testing.T) {
		b := aheadBench(t, &counted{})
		b.Prepare(b.step.Run.Repo, testSHA)
		b.Close()
		if left := b.waiting(); len(left) != 0 {
			t.Errorf("left over: %v", left)
		}
		b.Prepare(b.step.Run.Repo, testSHA)
		if left := b.waiting(); len(left) != 0 {
			t.Errorf("made after the end: %v", left)
		}
	})
	t.Run("by the next bot, where one was killed", func(t *testing.T) {
		b := aheadBench(t, &counted{})
		left := filepath.Join(b.cfg.Dir, "ahead", "src-1")
		if err := os.MkdirAll(left, 0o700); err != nil {
			t.Fatal(err)
		}
		if _, err := New(b.cfg); err != nil {
			t.Fatal(err)
		}
		b.gone()
	})
}

func TestACheckoutThatFailedAheadIsMadeByItsStep(t *testing.T) {
	src := &counted{fail: errors.New("the network is away")}
	b := aheadBench(t, src)
	b.Prepare(b.step.Run.Repo, testSHA)
	b.ahead.work.Wait()
	src.fail = nil
	b.want(b.run(), pipeline.Succeeded, "")
	if n := src.checkouts.Load(); n != 2 {
		t.Errorf("%d checkouts", n)
	}
	b.gone()
}

func TestFewCheckoutsWaitAtOnce(t *testing.T) {
	b := aheadBench(t, &counted{})
	for i := range 3 * maxAhead {
		repo := b.step.Run.Repo
		repo.ID = int64(100 + i)
		b.Prepare(repo, testSHA)
	}
	b.ahead.work.Wait()
	if n := len(b.waiting()); n != maxAhead {
		t.Errorf("%d checkouts wait", n)
	}
}
