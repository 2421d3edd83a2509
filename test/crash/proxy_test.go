//go:build crash

package crash

import (
	"bufio"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"strconv"
	"strings"
	"sync"
)

// redisProxy stands between a bot and its Redis, one command at a time.
type redisProxy struct {
	gate   *gate
	server string
	listen net.Listener

	mu    sync.Mutex
	conns map[net.Conn]<-chan struct{} // closed when all of the connection is over
	done  chan struct{}                // accepting has ended
}

func newRedisProxy(g *gate, server string) (*redisProxy, error) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return nil, err
	}
	p := &redisProxy{gate: g, server: server, listen: l, conns: map[net.Conn]<-chan struct{}{}, done: make(chan struct{})}
	go p.accept()
	return p, nil
}

// addr is where the bot finds its Redis.
func (p *redisProxy) addr() string { return p.listen.Addr().String() }

func (p *redisProxy) accept() {
	defer close(p.done)
	for {
		client, err := p.listen.Accept()
		if err != nil {
			return
		}
		go p.serve(client) // ends with the connection; hangUp waits for it
	}
}

func (p *redisProxy) close() {
	p.listen.Close()
	<-p.done
	p.hangUp()
}

// hangUp cuts all connections, as the end of a process does, and returns when
// Redis has been told.
func (p *redisProxy) hangUp() {
	p.mu.Lock()
	var over []<-chan struct{}
	for c, done := range p.conns {
		c.Close()
		over = append(over, done)
	}
	p.mu.Unlock()
	for _, done := range over {
		<-done
	}
}

// keep lets hangUp know of both ends of a connection until it is over.
func (p *redisProxy) keep(conns ...net.Conn) (over func()) {
	p.mu.Lock()
	defer p.mu.Unlock()
	done := make(chan struct{})
	for _, c := range conns {
		p.conns[c] = done
	}
	return func() {
		p.mu.Lock()
		defer p.mu.Unlock()
		for _, c := range conns {
			delete(p.conns, c)
		}
		close(done)
	}
}

// sent is a command whose reply is to come.
type sent struct {
	number int
	what   string
}

func (p *redisProxy) serve(client net.Conn) {
	server, err := net.Dial("tcp", p.server)
	if err != nil { // Redis is down
		client.Close()
		return
	}
	defer p.keep(client, server)()
	hangUp := func() { client.Close(); server.Close() }
	waiting := make(chan sent, 10_000)
	var both sync.WaitGroup
	both.Go(func() {
		defer hangUp()
		defer close(waiting)
		p.commands(client, server, waiting)
	})
	both.Go(func() {
		defer hangUp()
		p.replies(server, client, waiting)
	})
	both.Wait()
}

func (p *redisProxy) commands(client io.Reader, server io.Writer, waiting chan<- sent) {
	r := bufio.NewReader(client)
	for {
		raw, words, err := readCommand(r)
		if err != nil {
			return
		}
		what, counted := describe(words)
		_, err = p.gate.send(what, counted, func() error {
			if !strings.HasSuffix(words[0], "subscribe") { // answered by pushes
				waiting <- sent{p.gate.number(counted), what}
			}
			_, err := server.Write(raw)
			return err
		})
		if err != nil {
			return
		}
	}
}

func (p *redisProxy) replies(server io.Reader, client io.Writer, waiting <-chan sent) {
	r := bufio.NewReader(server)
	for {
		raw, err := readReply(r, nil)
		if err != nil {
			return
		}
		if raw[0] != '>' {
			s, ok := <-waiting
			if !ok || !p.gate.replied(s.number, s.what) {
				return
			}
		}
		if _, err := client.Write(raw); err != nil {
			return
		}
	}
}

// number is the one of the command being sent.
func (g *gate) number(counted bool) int {
	if !counted || !g.counting {
		return 0
	}
	return g.counts[redisBefore]
}

// describe names a command, and says whether it counts: those that change what
// a later process finds. Killed at any other, that process finds what it found
// after the one before. So reads do not count, nor what is only prepared for
// EXEC, nor the question behind the metrics (a script without arguments), nor
// budgets, which are spent or not. A read for the group of a stream takes jobs.
func describe(words []string) (what string, counted bool) {
	what = strings.Join(words[:min(2, len(words))], " ")
	switch words[0] {
	case "set", "exec", "xreadgroup", "getdel", "del", "sadd", "srem":
		return what, true
	case "evalsha", "eval":
		keys, err := strconv.Atoi(words[2])
		if err != nil || keys == 0 || len(words) == 3+keys || strings.Contains(words[3], ":budget:") {
			return words[0], false
		}
		return fmt.Sprintf("%s %.8s of %s", words[0], words[1], words[3]), true
	}
	return what, false
}

// readCommand reads an array of bulk strings; the first word comes in lower case.
func readCommand(r *bufio.Reader) (raw []byte, words []string, err error) {
	raw, n, err := readHeader(r, nil, '*')
	if err != nil {
		return nil, nil, err
	}
	for i := range n {
		var size int
		if raw, size, err = readHeader(r, raw, '$'); err != nil {
			return nil, nil, err
		}
		if raw, err = readBytes(r, raw, size+2); err != nil {
			return nil, nil, err
		}
		word := string(raw[len(raw)-size-2 : len(raw)-2])
		if i == 0 {
			word = strings.ToLower(word)
		}
		words = append(words, word)
	}
	return raw, words, nil
}

func readHeader(r *bufio.Reader, raw []byte, want byte) ([]byte, int, error) {
	line, err := r.ReadBytes('\n')
	if err != nil {
		return nil, 0, err
	}
	if line[0] != want {
		return nil, 0, fmt.Errorf("%q where %q was to come", line, want)
	}
	n, err := strconv.Atoi(strings.TrimSpace(string(line[1:])))
	return append(raw, line...), n, err
}

func readBytes(r *bufio.Reader, raw []byte, n int) ([]byte, error) {
	at := len(raw)
	raw = append(raw, make([]byte, n)...)
	_, err := io.ReadFull(r, raw[at:])
	return raw, err
}

// readReply reads one value of protocol 2 or 3, whatever is in it.
func readReply(r *bufio.Reader, raw []byte) ([]byte, error) {
	line, err := r.ReadBytes('\n')
	if err != nil {
		return nil, err
	}
	raw = append(raw, line...)
	parts := 0
	switch line[0] {
	case '$', '!', '=', '*', '~', '>', '%', '|':
		n, err := strconv.Atoi(strings.TrimSpace(string(line[1:])))
		if err != nil {
			return nil, err
		}
		switch {
		case n < 0: // nothing
		case strings.IndexByte("$!=", line[0]) >= 0:
			return readBytes(r, raw, n+2)
		case line[0] == '%':
			parts = 2 * n
		case line[0] == '|': // remarks, then the value they are about
			parts = 2*n + 1
		default:
			parts = n
		}
	}
	for range parts {
		if raw, err = readReply(r, raw); err != nil {
			return nil, err
		}
	}
	return raw, nil
}

// gated puts the gate around a platform: a request it stops never arrives, or
// is done and never answered.
func gated(g *gate, before, after kind, next http.Handler, seen func(*http.Request, []byte, int)) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		what := r.Method + " " + r.URL.Path
		body, err := io.ReadAll(r.Body)
		if err != nil || !g.pass(before, what) {
			panic(http.ErrAbortHandler)
		}
		r.Body = io.NopCloser(strings.NewReader(string(body)))
		answer := httptest.NewRecorder()
		next.ServeHTTP(answer, r)
		seen(r, body, answer.Code)
		if !g.pass(after, what) {
			panic(http.ErrAbortHandler)
		}
		for name, values := range answer.Header() {
			w.Header()[name] = values
		}
		w.WriteHeader(answer.Code)
		_, _ = w.Write(answer.Body.Bytes())
	})
}
