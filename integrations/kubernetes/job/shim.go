package job

import (
	"context"
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"os/signal"
	"path/filepath"
	"runtime"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"time"

	"github.com/shipmate/shipmate/pipeline/script"
)

// ShimMain is what runs in a pod: the subcommand "shim" with the arguments
//
//	install FILE   copies this program; the init container's work
//	pod [flags]    waits for an order and runs its script
//
// It returns the exit code of the process.
func ShimMain(args []string) int {
	switch {
	case len(args) == 2 && args[0] == "install":
		if err := install(args[1]); err != nil {
			fmt.Fprintln(os.Stderr, "shim:", err)
			return 1
		}
		return 0
	case len(args) > 0 && args[0] == "pod":
		// A script is to die with its shim, and the kernel means the thread
		// that started it.
		runtime.LockOSThread()
		return podMain(args[1:])
	}
	fmt.Fprintln(os.Stderr, "shim: started by shipmate itself")
	return 2
}

func install(dest string) error {
	self, err := os.Executable()
	if err != nil {
		return err
	}
	in, err := os.Open(self)
	if err != nil {
		return err
	}
	defer in.Close()
	if err := os.MkdirAll(filepath.Dir(dest), 0o755); err != nil { //nolint:gosec // the path is in the spec of the pod, which is ours
		return err
	}
	out, err := os.OpenFile(dest, os.O_CREATE|os.O_TRUNC|os.O_WRONLY, 0o755) //nolint:gosec // likewise
	if err != nil {
		return err
	}
	if _, err := io.Copy(out, in); err != nil {
		return errors.Join(err, out.Close())
	}
	return out.Close()
}

func podMain(args []string) int {
	var s shim
	flags := flag.NewFlagSet("shim pod", flag.ContinueOnError)
	flags.StringVar(&s.token, "token", "", "SHA-256 of the token, in hexadecimal digits")
	flags.StringVar(&s.dir, "dir", workDir, "folder for the script")
	flags.StringVar(&s.message, "message", "/dev/termination-log", "file for the termination message")
	flags.DurationVar(&s.patience, "patience", 10*time.Minute, "how long to wait for the go")
	flags.DurationVar(&s.linger, "linger", 10*time.Minute, "how long to wait for somebody who asks for the result")
	port := flags.Int("port", shimPort, "port on the loopback")
	if err := flags.Parse(args); err != nil {
		return 2
	}
	listener, err := net.Listen("tcp", net.JoinHostPort("127.0.0.1", strconv.Itoa(*port)))
	if err != nil {
		fmt.Fprintln(os.Stderr, "shim:", err)
		return 1
	}
	return s.run(listener)
}

// stage is how far a shim has come.
type stage int

const (
	waiting stage = iota // for an order
	receiving
	ordered // waits for the go
	running
	over
)

// shim supervises the one script of a pod.
type shim struct {
	token    string
	dir      string
	message  string
	patience time.Duration
	linger   time.Duration

	mu      sync.Mutex
	stage   stage
	order   order
	log     *script.Log
	masked  io.Writer     // the container's own output, secrets hidden
	changed chan struct{} // closed when there is more output, or the stage is another
	result  ended
	fetched chan struct{} // closed when somebody has the result

	released   chan struct{} // closed at the go
	terminated chan struct{} // closed when Kubernetes ends the pod
}

func (s *shim) place() script.Place {
	at := func(parts ...string) string { return filepath.Join(append([]string{s.dir}, parts...)...) }
	return placeIn(at)
}

// run returns the exit code of the container: the script's, where there is one.
func (s *shim) run(listener net.Listener) int {
	s.changed, s.fetched = make(chan struct{}), make(chan struct{})
	s.released, s.terminated = make(chan struct{}), make(chan struct{})
	if err := script.Guard(); err != nil {
		fmt.Fprintln(os.Stderr, "shim:", err)
		return 1
	}
	signals := make(chan os.Signal, 8)
	signal.Notify(signals, syscall.SIGTERM, syscall.SIGINT, syscall.SIGHUP, syscall.SIGPIPE)
	defer signal.Stop(signals)
	stops := make(chan string, 1)
	go func() {
		for sig := range signals {
			if sig == syscall.SIGTERM {
				stops <- stopTerminated
				close(s.terminated)
				return
			}
		}
	}()
	server := &http.Server{Handler: s.handler(), ReadHeaderTimeout: time.Minute}
	go func() { _ = server.Serve(listener) }()
	defer func() { // an answer that is on its way still goes out
		ctx, cancel := context.WithTimeout(context.Background(), time.Second)
		defer cancel()
		_ = server.Shutdown(ctx) // nobody is left to hear of it
	}()

	select {
	case <-s.released:
	case <-s.terminated:
		return s.leave(farewell{}, exitUnused)
	case <-time.After(s.patience):
		return s.leave(farewell{}, exitUnused)
	}
	return s.work(stops)
}

// exitUnused is the container's exit code when no script began: EX_TEMPFAIL.
const exitUnused = 75

// work runs the script, and waits for somebody to ask how it ended.
func (s *shim) work(stops <-chan string) int {
	p := script.Process{
		Argv: append(s.order.Argv, filepath.Join(s.dir, "script")), Env: s.environ(), Dir: s.place().Src,
		Timeout: s.order.Timeout, Grace: s.order.Grace, Stops: stops, Output: s.print, Began: func() {}, Killed: containerMemoryKills,
	}
	s.order.Env = nil
	e := p.Run()
	e.Dropped = s.log.Finish()
	result := ended{Exit: e, Told: script.Read(s.place())}
	if closer, ok := s.masked.(io.Closer); ok {
		_ = closer.Close()
	}
	// First for those who come too late: from here on it may end at any moment.
	code := s.leave(s.farewell(result), exitCode(e))
	s.mu.Lock()
	s.result = result
	s.to(over)
	s.mu.Unlock()

	select {
	case <-time.After(s.linger):
	case <-s.terminated:
		select { // who follows gets the result at once
		case <-s.fetched:
		case <-time.After(3 * time.Second):
		}
	}
	return code
}

func exitCode(e script.Exit) int {
	if e.Error != "" || e.Stopped != "" && e.Code == 0 {
		return 1
	}
	return e.Code & 0xff
}

// farewell is what fits of a result into the termination message. Others may
// read that: outputs that hold a secret stay out.
func (s *shim) farewell(r ended) farewell {
	f := farewell{Shipmate: 1, Began: true, Exit: &r.Exit, Outputs: r.Told.Outputs}
	f.Left = r.Exit.Well() && len(s.order.Artifacts) > 0 || r.Told.OutputsBad != ""
	secret := false
	for _, v := range s.order.Secrets {
		secret = secret || script.Holds(string(f.Outputs), v)
	}
	if b, err := json.Marshal(f); err != nil || len(b) > maxFarewell || secret {
		f.Outputs, f.Left = nil, true
	}
	return f
}

func (s *shim) leave(f farewell, code int) int {
	f.Shipmate = 1
	b, err := json.Marshal(f)
	if err == nil {
		err = os.WriteFile(s.message, b, 0o600)
	}
	if err != nil {
		fmt.Fprintln(os.Stderr, "shim: termination message:", err)
	}
	return code
}

// environ is what the script sees: what its image sets, then what the order
// says. Of what Kubernetes adds nothing, unless the script may speak to it.
func (s *shim) environ() []byte {
	var b []byte
	for _, v := range os.Environ() {
		name, _, _ := strings.Cut(v, "=")
		if strings.HasPrefix(name, "KUBERNETES_") && !s.order.Cluster || strings.Contains("\x00"+string(s.order.Env), "\x00"+name+"=") {
			continue
		}
		b = append(append(b, v...), 0)
	}
	return append(b, s.order.Env...)
}

// print keeps what the script prints and shows it in the container's own log.
func (s *shim) print(b []byte) {
	s.mu.Lock()
	if s.log.Append(b) {
		close(s.changed)
		s.changed = make(chan struct{})
	}
	s.mu.Unlock()
	_, _ = s.masked.Write(b) // decoration: the bot has the log
}

// to changes the stage; s.mu is held.
func (s *shim) to(next stage) {
	s.stage = next
	close(s.changed)
	s.changed = make(chan struct{})
}
