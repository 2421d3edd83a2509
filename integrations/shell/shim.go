package shell

import (
	"encoding/json"
	"fmt"
	"io"
	"os"
	"os/signal"
	"runtime"
	"runtime/debug"
	"strings"
	"syscall"
	"time"

	"github.com/shipmate/shipmate/pipeline/script"
)

// ShimMain is the other side of a Runner: the hidden subcommand Config.Shim
// leads to. It reads an order from standard input, says it is ready, waits for
// the go for a while, runs the script and outlives whoever started it. It returns the exit
// code of the process.
func ShimMain(args []string) int {
	// A script is to die with its shim (Linux), and the kernel means the
	// thread that started it.
	runtime.LockOSThread()
	debug.SetGCPercent(100) // it was off while the program started, which takes a third less time so
	if len(args) != 0 {
		fmt.Fprintln(os.Stderr, "shim: started by shipmate itself, takes no arguments")
		return 2
	}
	var o order
	if err := readMessage(os.Stdin, &o); err != nil {
		return 1 // whoever started us is gone, or wants no script after all
	}
	s, err := prepare(o)
	if err != nil {
		_ = writeMessage(os.Stdout, ready{Error: err.Error()}) // if nobody reads it, nobody says go
		return 1
	}
	if err := writeMessage(os.Stdout, ready{PID: os.Getpid(), Started: startTime(os.Getpid())}); err != nil {
		return 1
	}
	// Whoever is to say go may stand still for as long as it likes, and another
	// may have taken the step over meanwhile: that one waits for our end.
	bored := time.AfterFunc(o.Patience, func() { os.Exit(1) })
	var b [1]byte
	if _, err := io.ReadFull(os.Stdin, b[:]); err != nil || b[0] != goByte || !bored.Stop() {
		return 1
	}
	return s.run()
}

// shim supervises one script.
type shim struct {
	order
	log     *script.Log
	wake    int // file descriptor; os.File would wait for room in the fifo
	control *os.File
	stops   chan string // why to stop
}

// prepare does all that can fail before the go.
func prepare(o order) (*shim, error) {
	// Whatever hangs up on the bot is not meant for the script. Caught, not
	// ignored: the script must not inherit that.
	signals := make(chan os.Signal, 8)
	signal.Notify(signals, syscall.SIGHUP, syscall.SIGINT, syscall.SIGPIPE, syscall.SIGTERM)
	s := &shim{order: o, stops: make(chan string, 8)}
	go func() {
		for sig := range signals {
			if sig == syscall.SIGTERM {
				s.stops <- script.StopCancelled
			}
		}
	}()
	if err := script.Guard(); err != nil {
		return nil, err
	}
	for _, fifo := range []string{o.Dir.wake(), o.Dir.control()} {
		if err := syscall.Mkfifo(fifo, 0o600); err != nil {
			return nil, fmt.Errorf("mkfifo %s: %w", fifo, err)
		}
	}
	// Open for both ways: never waits, and a write without a reader is no error.
	wake, err := syscall.Open(o.Dir.wake(), syscall.O_RDWR|syscall.O_NONBLOCK|syscall.O_CLOEXEC, 0)
	if err != nil {
		return nil, fmt.Errorf("open %s: %w", o.Dir.wake(), err)
	}
	s.wake = wake
	if s.control, err = os.OpenFile(o.Dir.control(), os.O_RDWR|syscall.O_NONBLOCK, 0); err != nil {
		return nil, err
	}
	out, err := os.OpenFile(o.Dir.output(), os.O_CREATE|os.O_EXCL|os.O_WRONLY|os.O_APPEND, 0o600)
	if err != nil {
		return nil, err
	}
	s.log = script.NewLog(out, o.MaxLog)
	return s, nil
}

// run runs the script and writes how it ended.
func (s *shim) run() int {
	if err := os.WriteFile(s.Dir.started(), nil, 0o600); err != nil {
		return 1 // nothing has begun, and without the file nobody thinks so
	}
	p := script.Process{
		Argv: s.Argv, Env: s.Env, Dir: s.Dir.src(), Timeout: s.Timeout, Grace: s.Grace, Stops: s.stops,
		Output: s.output,
		Began: func() {
			closeBehind(os.Stdin, os.Stdout) // the bot sees that we took the go
			go s.listen()
		},
	}
	e := p.Run()
	s.after(e)
	e.Dropped = s.log.Finish()
	if err := s.report(e); err != nil {
		return 1
	}
	_ = syscall.Close(s.wake) // who follows need not wait for the end of this process
	return 0
}

// listen takes stop requests from the control fifo for as long as we live.
func (s *shim) listen() {
	buf := make([]byte, 64)
	for {
		n, err := s.control.Read(buf)
		if err != nil {
			return
		}
		for why := range strings.FieldsSeq(string(buf[:n])) {
			s.stops <- why
		}
	}
}

// output keeps what the script printed, and tells who follows.
func (s *shim) output(b []byte) {
	if s.log.Append(b) {
		_, _ = syscall.Write(s.wake, []byte{0}) // a full fifo wakes the reader as well
	}
}

// after ends what a stopped script left outside of its own processes: a container.
func (s *shim) after(e script.Exit) {
	if e.Stopped != "" && len(s.After) > 0 {
		script.Quietly(s.After, s.AfterEnv, s.Grace)
	}
}

// report writes the exit file, whole or not at all. A power cut may take it
// away, then the script is lost; what it must not do is leave it alone, without
// the outputs.
func (s *shim) report(e script.Exit) error {
	if f, err := script.OpenRegular(s.Dir.outputs()); err == nil { // the script may have removed it
		if info, err := f.Stat(); err == nil && info.Size() > 0 {
			_ = f.Sync()
		}
		f.Close()
	}
	b, err := json.Marshal(e)
	if err != nil {
		return err
	}
	if err := os.WriteFile(s.Dir.exit()+".new", b, 0o600); err != nil {
		return err
	}
	return os.Rename(s.Dir.exit()+".new", s.Dir.exit())
}

func closeBehind(files ...*os.File) {
	for _, f := range files {
		f.Close()
	}
}
