//go:build kube

package job

import (
	"encoding/json"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"runtime"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/shipmate/shipmate/pipeline"
	"github.com/shipmate/shipmate/pipeline/script"
)

// shims answers for the shims of simulated pods, which run nothing: each script
// prints a line a second, and ends when all have begun.
type shims struct {
	want    int
	running sync.Map // by token
	begun   atomic.Int64
	orders  atomic.Int64
	all     chan struct{} // closed when all run
	end     chan struct{}
}

func (s *shims) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	token := r.Header.Get("Authorization")
	switch r.URL.Path {
	case "/order":
		_, _ = io.Copy(io.Discard, r.Body)
		s.orders.Add(1)
	case "/go":
		if _, twice := s.running.LoadOrStore(token, true); !twice && s.begun.Add(1) == int64(s.want) {
			close(s.all)
		}
	case "/output":
		for n := 0; ; n++ {
			_ = writeFrame(w, fmt.Appendf(nil, "line %d\n", n))
			_ = http.NewResponseController(w).Flush()
			select {
			case <-s.end:
				_ = writeEnd(w)
				return
			case <-r.Context().Done():
				return
			case <-time.After(time.Second):
			}
		}
	case "/result":
		_ = json.NewEncoder(w).Encode(ended{Exit: script.Exit{Ended: time.Now()}})
	}
}

// TestManyJobsAtOnce runs SHIPMATE_JOBS scripts (default 30) at the same time
// and says what that costs, shims and tests included.
func TestManyJobsAtOnce(t *testing.T) {
	n := 30
	if v, err := strconv.Atoi(os.Getenv("SHIPMATE_JOBS")); err == nil {
		n = v
	}
	s := simulatedWorld(t, map[string]string{"type": "kwok"})
	s.cfg.DefaultImage = "docker.io/library/busybox:held"
	s.cfg.Limits = Amounts{}
	fake := &shims{want: n, all: make(chan struct{}), end: make(chan struct{})}
	l, err := net.Listen("tcp", fmt.Sprintf("127.0.0.1:%d", plane.ForwardPort()))
	if err != nil {
		t.Fatal(err)
	}
	server := &http.Server{Handler: fake}
	go func() { _ = server.Serve(l) }()
	defer server.Close()

	before, began := rss(), time.Now()
	r := s.bot()
	var work sync.WaitGroup
	for i := range n {
		c := s.step("true")
		c.Run.ID = pipeline.RunID(fmt.Sprintf("r-%d", i))
		work.Go(func() {
			if res := c.run(r); res.State != pipeline.Succeeded {
				t.Errorf("%s: %s %s", c.Run.ID, res.Code, res.Message)
			}
			if err := r.Forget(c.Run.ID, "build", 1, c.Fence); err != nil {
				t.Error(err)
			}
		})
	}
	<-fake.all
	t.Logf("%d scripts run at once after %s; resident %d MiB, %d MiB before; %d goroutines, %d orders", n, time.Since(began).Round(time.Millisecond), rss(), before, runtime.NumGoroutine(), fake.orders.Load())
	close(fake.end)
	work.Wait()
	t.Logf("all have ended after %s; resident %d MiB", time.Since(began).Round(time.Millisecond), rss())
	if got := fake.orders.Load(); got != int64(n) {
		t.Errorf("%d orders for %d scripts", got, n)
	}
	s.until("nothing is left", func() bool { return s.jobs() == 0 && len(s.pods()) == 0 })
}

// rss is the memory this process has now, in MiB.
func rss() int {
	b, _ := os.ReadFile("/proc/self/status")
	_, rest, _ := strings.Cut(string(b), "VmRSS:")
	fields := strings.Fields(rest)
	if len(fields) == 0 {
		return 0
	}
	kib, _ := strconv.Atoi(fields[0])
	return kib >> 10
}
