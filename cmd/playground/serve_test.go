package main

import (
	"fmt"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

func TestWhoMayAct(t *testing.T) {
	h := (&Playground{}).handler()
	for _, c := range []struct {
		name, host, origin, body string
		status                   int
	}{
		{"the page acts", "127.0.0.1:7070", "http://127.0.0.1:7070", `{"change": "nothing"}`, http.StatusUnprocessableEntity},
		{"another site cannot act", "127.0.0.1:7070", "http://evil.example", `{"change": "nothing"}`, http.StatusForbidden},
		{"another name for this machine is refused", "evil.example:7070", "http://evil.example:7070", `{"change": "nothing"}`, http.StatusMisdirectedRequest},
		{"an unknown word is refused", "localhost:7070", "http://localhost:7070", `{"chnage": "break"}`, http.StatusUnprocessableEntity},
		{"too much is refused", "localhost:7070", "http://localhost:7070", `{"change": "` + strings.Repeat("x", maxAct) + `"}`, http.StatusUnprocessableEntity},
	} {
		t.Run(c.name, func(t *testing.T) {
			r := httptest.NewRequest(http.MethodPost, "http://"+c.host+"/act/push", strings.NewReader(c.body))
			r.Header.Set("Origin", c.origin)
			w := httptest.NewRecorder()
			h.ServeHTTP(w, r)
			if w.Code != c.status {
				t.Errorf("answered %d %s, want %d", w.Code, w.Body, c.status)
			}
		})
	}
}

func TestListen(t *testing.T) {
	taken, err := listen("127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer taken.Close()
	next, err := listen(taken.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	defer next.Close()
	if a, b := taken.Addr().(*net.TCPAddr).Port, next.Addr().(*net.TCPAddr).Port; b <= a {
		t.Errorf("after port %d came %d", a, b)
	}
	for _, addr := range []string{"0.0.0.0:7070", ":7070", "example.com:7070", "127.0.0.1"} {
		if l, err := listen(addr); err == nil {
			l.Close()
			t.Errorf("%q is listened on", addr)
		}
	}
}

func TestLogForgetsOldLines(t *testing.T) {
	file, err := os.Create(filepath.Join(t.TempDir(), "bot.log"))
	if err != nil {
		t.Fatal(err)
	}
	defer file.Close()
	rings := 0
	l := &botLog{file: file, changed: func() { rings++ }}
	for i := range maxLines + 2 {
		fmt.Fprintf(l, "line %d\nhalf", i)
		fmt.Fprint(l, " of it\n")
	}
	lines, next := l.since(0)
	if len(lines) != maxLines || lines[maxLines-1] != "half of it" || next != 2*(maxLines+2) || rings != 2*(maxLines+2) {
		t.Errorf("%d lines up to %q, then %d; rang %d times", len(lines), lines[len(lines)-1], next, rings)
	}
	if lines, _ := l.since(next - 2); !slices.Equal(lines, []string{fmt.Sprintf("line %d", maxLines+1), "half of it"}) {
		t.Errorf("the last lines are %q", lines)
	}
}
