// Command playground is shipmate to try out, with nothing to install but Go and
// git: the real bot between a simulated GitHub and a simulated Slack, and one
// page that shows all three. Start reading at [Start]; the page is in web.
//
//	go run ./cmd/playground
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"net"
	"os"
	"os/signal"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"time"
	"unicode"

	"github.com/shipmate/shipmate/test/world"
)

// options are the flags.
type options struct {
	addr string
	keep bool
	full bool
}

func main() {
	var o options
	flag.StringVar(&o.addr, "addr", "127.0.0.1:7070",
		"where the page is served: a loopback address; the next free port is taken if this one is not free")
	flag.BoolVar(&o.keep, "keep", false, "keep the folder with the bot, its data and its log")
	flag.BoolVar(&o.full, "full", false,
		"build the bot with Kubernetes, Helm and S3 too, which takes some minutes the first time")
	flag.Parse()
	ctx, stop := signal.NotifyContext(context.Background(), syscall.SIGINT, syscall.SIGTERM)
	defer stop()
	if err := run(ctx, o); err != nil && !errors.Is(err, context.Canceled) {
		fmt.Fprintln(os.Stderr, "playground: "+err.Error())
		os.Exit(1)
	}
}

func run(ctx context.Context, o options) (err error) {
	listener, err := listen(o.addr)
	if err != nil {
		return err
	}
	dir, err := os.MkdirTemp("", "shipmate-playground-")
	if err != nil {
		return err
	}
	defer func() {
		if !o.keep {
			err = errors.Join(err, os.RemoveAll(dir))
		}
	}()

	begin := time.Now()
	fmt.Print("Building shipmate (the first time takes a minute) ... ")
	binary, err := build(ctx, dir, o.full)
	if err != nil {
		fmt.Println("failed")
		return errors.Join(err, listener.Close())
	}
	fmt.Printf("%s\nStarting GitHub, Slack and the bot ... ", time.Since(begin).Round(100*time.Millisecond))
	p, err := Start(ctx, Config{Dir: dir, Binary: binary, Listener: listener})
	if err != nil {
		fmt.Println("failed")
		return err
	}
	fmt.Print("ready\n\n", p.help(dir, o.keep))

	<-ctx.Done()
	fmt.Println("\nEnding everything ...")
	return p.Close()
}

// small are the flags of a build that leaves out what takes most of its time
// and the page does not use; package integrations has the list.
var small = []string{"-tags", "small", "-ldflags", "-s -w"}

// build makes the bot in a folder of its own, which people put into their PATH.
func build(ctx context.Context, dir string, full bool) (string, error) {
	dir = filepath.Join(dir, "bin")
	if err := os.Mkdir(dir, 0o755); err != nil {
		return "", err
	}
	if full {
		return world.Build(ctx, dir)
	}
	return world.Build(ctx, dir, small...)
}

func (p *Playground) help(dir string, keep bool) string {
	after := "removes everything"
	if keep {
		after = "keeps " + dir
	}
	return fmt.Sprintf(`  Open  %s

  On the page, try:
    1. comment "/deploy staging" on the pull request, and watch staging change
    2. comment "/deploy prod", then press Approve in Slack as octavia
    3. say "/rollback prod" in Slack
    4. push a broken build, and read what the bot makes of it

  Or from another terminal, as mona; paste:

%s

  Ctrl-C ends it and %s.
`, p.URL, p.terminal(), after)
}

// terminal is what people paste into a shell of this machine to command the bot.
func (p *Playground) terminal() string {
	return fmt.Sprintf(`export SHIPMATE_URL=%s SHIPMATE_API_TOKEN=%s PATH=%s:"$PATH"
shipmate deploy shop staging
shipmate why shop prod
`, p.World.URL, world.APIToken, quoted(p.bin))
}

// quoted is one word of a shell.
func quoted(s string) string {
	if !strings.ContainsFunc(s, func(r rune) bool {
		return !strings.ContainsRune("/._-", r) && !unicode.IsLetter(r) && !unicode.IsDigit(r)
	}) {
		return s
	}
	return "'" + strings.ReplaceAll(s, "'", `'\''`) + "'"
}

// listen takes the address, or the next free port after it.
func listen(addr string) (net.Listener, error) {
	host, text, err := net.SplitHostPort(addr)
	if err != nil {
		return nil, fmt.Errorf("--addr: %w", err)
	}
	if ip := net.ParseIP(host); host != "localhost" && (ip == nil || !ip.IsLoopback()) {
		return nil, fmt.Errorf("--addr: %q is not of this machine alone; anybody who reaches the page commands the bot, so use 127.0.0.1", host)
	}
	port, err := strconv.Atoi(text)
	if err != nil {
		return nil, fmt.Errorf("--addr: %q is not a port", text)
	}
	const tries = 50
	for range tries {
		var l net.Listener
		if l, err = net.Listen("tcp", net.JoinHostPort(host, strconv.Itoa(port))); err == nil || !errors.Is(err, syscall.EADDRINUSE) {
			return l, err
		}
		port++
	}
	return nil, err
}
