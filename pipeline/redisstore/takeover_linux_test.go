package redisstore_test

import (
	"bufio"
	"context"
	"os"
	"os/exec"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/shipmate/shipmate/pipeline"
	"github.com/shipmate/shipmate/pipeline/redisstore"
	"github.com/shipmate/shipmate/pipeline/redisstore/redistest"
)

// holder is a process of its own that holds leases.
type holder struct {
	t   *testing.T
	cmd *exec.Cmd
}

func hold(t *testing.T, server *redistest.Server, jobs int) *holder {
	t.Helper()
	cmd := exec.Command(os.Args[0])
	cmd.Env = append(os.Environ(), holdsLeases+"="+server.URL())
	cmd.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL}
	out, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = cmd.Process.Kill(); _ = cmd.Wait() })
	for lines := bufio.NewScanner(out); jobs > 0; jobs-- {
		if !lines.Scan() || !strings.HasPrefix(lines.Text(), "has ") {
			t.Fatalf("the holder says %q", lines.Text())
		}
	}
	return &holder{t, cmd}
}

func (h *holder) signal(sig syscall.Signal) {
	h.t.Helper()
	if err := h.cmd.Process.Signal(sig); err != nil {
		h.t.Fatal(err)
	}
}

// nobody has the job, or somebody: none of the leases here lapses by itself.
const forEver = 24 * time.Hour

func enqueueTwo(t *testing.T, s *redisstore.Store) {
	t.Helper()
	for pool, id := range map[pipeline.Pool]string{pipeline.Control: "said", pipeline.Steps: "step"} {
		if err := s.Enqueue(t.Context(), pipeline.Job{ID: id, Kind: "x", Pool: pool, Repo: 5}); err != nil {
			t.Fatal(err)
		}
	}
}

// takesOver leases one job of each pool.
func takesOver(t *testing.T, s *redisstore.Store, fence int64) {
	t.Helper()
	for _, pool := range []pipeline.Pool{pipeline.Control, pipeline.Steps} {
		redistest.Eventually(t, "a job of "+string(pool), func() bool {
			ls, err := s.Lease(t.Context(), pool, 2, forEver)
			if err != nil || len(ls) == 0 {
				return false
			}
			if len(ls) != 1 || ls[0].Fence != fence {
				t.Errorf("leased %+v, want fence %d", ls, fence)
			}
			if err := s.Renew(t.Context(), ls[0]); err != nil {
				t.Error(err)
			}
			return true
		})
	}
}

func none(t *testing.T, s *redisstore.Store) {
	t.Helper()
	for _, pool := range []pipeline.Pool{pipeline.Control, pipeline.Steps} {
		ctx, cancel := context.WithTimeout(t.Context(), 300*time.Millisecond)
		ls, _ := s.Lease(ctx, pool, 1, forEver)
		cancel()
		if len(ls) > 0 {
			t.Fatalf("%s with fence %d was taken from a process that lives", ls[0].ID, ls[0].Fence)
		}
	}
}

// What a killed process held goes to the next one on the host at once, and to
// one that was there already; a process that stands still keeps it.
func TestTheLeasesOfADeadProcessAreTakenOver(t *testing.T) {
	t.Parallel()
	server := redistest.Start(t)
	s := open(t, redisstore.Config{URL: server.URL()})
	enqueueTwo(t, s)
	h := hold(t, server, 2)
	none(t, s)
	h.signal(syscall.SIGSTOP)
	none(t, s)
	none(t, open(t, redisstore.Config{URL: server.URL()})) // it looks as soon as it leases
	h.signal(syscall.SIGKILL)
	_ = h.cmd.Wait()
	next := open(t, redisstore.Config{URL: server.URL()})
	began := time.Now()
	takesOver(t, next, 2)
	t.Logf("taken over after %s", time.Since(began))
	none(t, s) // and once
}

// A job that ends every process that has it must not do so in a row.
func TestAJobThatKillsIsNotTakenOverForEver(t *testing.T) {
	t.Parallel()
	server := redistest.Start(t)
	s := open(t, redisstore.Config{URL: server.URL()})
	enqueueTwo(t, s)
	for range 6 {
		h := hold(t, server, 2)
		h.signal(syscall.SIGKILL)
		_ = h.cmd.Wait()
	}
	none(t, s)
}

func TestTheLeasesOfADeadProcessAreFoundByOneThatWaits(t *testing.T) {
	t.Parallel()
	server := redistest.Start(t)
	s := open(t, redisstore.Config{URL: server.URL()})
	enqueueTwo(t, s)
	h := hold(t, server, 2)
	none(t, s)
	h.signal(syscall.SIGKILL) // its parent does not ask how it ended
	takesOver(t, s, 2)
}
