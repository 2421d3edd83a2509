package main

import (
	"bufio"
	"context"
	"fmt"
	"io"
	"net"
	"slices"
	"strconv"
	"strings"
	"sync"
	"time"
)

// moment is something that happened on the way from a comment to its script, as
// seen from outside of the bot.
type moment struct {
	at   time.Time
	took time.Duration // zero: not known
	what string
}

// tracer hears every command that Redis is sent.
type tracer struct {
	conn  net.Conn
	heard sync.WaitGroup

	mu      sync.Mutex
	moments []moment
}

func startTracer(ctx context.Context, addr string) (*tracer, error) {
	c, err := (&net.Dialer{}).DialContext(ctx, "tcp", addr)
	if err != nil {
		return nil, err
	}
	if _, err := fmt.Fprint(c, "MONITOR\r\n"); err != nil {
		_ = c.Close()
		return nil, err
	}
	t := &tracer{conn: c}
	t.heard.Go(t.listen)
	return t, nil
}

func (t *tracer) close() error {
	err := t.conn.Close()
	t.heard.Wait()
	return err
}

// listen ends with the connection.
func (t *tracer) listen() {
	lines := bufio.NewScanner(t.conn)
	lines.Buffer(nil, 64<<20)
	for lines.Scan() {
		if m, ok := readMonitor(lines.Text()); ok {
			t.mu.Lock()
			t.moments = append(t.moments, m)
			t.mu.Unlock()
		}
	}
}

// readMonitor reads a line such as
//
//	+1700000000.123456 [0 127.0.0.1:4321] "GET" "sm:{1}:record:7:answer"
//
// What a script does itself is not what a client waits for, and is left out.
func readMonitor(line string) (moment, bool) {
	at, rest, ok := strings.Cut(strings.TrimPrefix(line, "+"), " ")
	seconds, err := strconv.ParseFloat(at, 64)
	where, words, more := strings.Cut(rest, "] ")
	if !ok || err != nil || !more || strings.HasSuffix(where, " lua") {
		return moment{}, false
	}
	var said []string
	for word := range strings.SplitSeq(words, `" "`) {
		if word = strings.Trim(word, `"`); len(word) > 60 {
			word = word[:60] + "..."
		}
		if said = append(said, word); len(said) == 10 {
			break
		}
	}
	return moment{at: time.UnixMicro(int64(seconds * 1e6)), what: "redis  " + strings.Join(said, " ")}, true
}

// between are the moments of one deploy, those of GitHub's side included.
func (t *tracer) between(from, to time.Time, github []span) []moment {
	t.mu.Lock()
	defer t.mu.Unlock()
	var all []moment
	for _, m := range t.moments {
		if !m.at.Before(from) && m.at.Before(to) {
			all = append(all, m)
		}
	}
	t.moments = nil
	for _, s := range github {
		if s.from.Before(to) {
			all = append(all, moment{at: s.from, took: s.to.Sub(s.from), what: "github " + s.what})
		}
	}
	slices.SortFunc(all, func(a, b moment) int { return a.at.Compare(b.at) })
	return all
}

// writeTrace prints the path that is in the middle by its time, step by step.
func writeTrace(w io.Writer, paths []path) {
	slices.SortFunc(paths, func(a, b path) int { return int(a.took - a.github - b.took + b.github) })
	p := paths[len(paths)/2]
	fmt.Fprintf(w, "from the webhook to the script's first word: %s, of it GitHub's %s\n", ms(p.took), ms(p.github))
	for _, m := range p.trace {
		line := fmt.Sprintf("%10s  %s", ms(m.at.Sub(p.began)), m.what)
		if m.took > 0 {
			line += "  (" + ms(m.took) + ")"
		}
		fmt.Fprintln(w, line)
	}
}

func ms(d time.Duration) string { return fmt.Sprintf("%.2f ms", float64(d.Microseconds())/1000) }
