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
	"strconv"
	"syscall"
	"time"

	"github.com/shipmate/shipmate/test/world"
)

func main() {
	addr := flag.String("addr", "127.0.0.1:7070", "where the page is served: a loopback address; the next free port is taken if this one is not free")
	keep := flag.Bool("keep", false, "keep the folder with the bot, its data and its log")
	flag.Parse()
	ctx, stop := signal.NotifyContext(context.Background(), syscall.SIGINT, syscall.SIGTERM)
	defer stop()
	if err := run(ctx, *addr, *keep); err != nil && !errors.Is(err, context.Canceled) {
		fmt.Fprintln(os.Stderr, "playground: "+err.Error())
		os.Exit(1)
	}
}

func run(ctx context.Context, addr string, keep bool) (err error) {
	listener, err := listen(addr)
	if err != nil {
		return err
	}
	dir, err := os.MkdirTemp("", "shipmate-playground-")
	if err != nil {
		return err
	}
	defer func() {
		if !keep {
			err = errors.Join(err, os.RemoveAll(dir))
		}
	}()

	begin := time.Now()
	fmt.Print("Building shipmate (the first time takes a minute) ... ")
	binary, err := world.Build(ctx, dir)
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
	fmt.Print("ready\n\n", help(p.URL, dir, keep))

	<-ctx.Done()
	fmt.Println("\nEnding everything ...")
	return p.Close()
}

func help(url, dir string, keep bool) string {
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

  Ctrl-C ends it and %s.
`, url, after)
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
