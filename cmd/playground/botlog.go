package main

import (
	"bytes"
	"os"
	"slices"
	"sync"
)

// bell tells listeners that something changed; rings nobody heard yet are one.
// The zero value works.
type bell struct {
	mu        sync.Mutex
	listeners map[chan struct{}]bool
}

func (b *bell) listen() (rung <-chan struct{}, stop func()) {
	c := make(chan struct{}, 1)
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.listeners == nil {
		b.listeners = map[chan struct{}]bool{}
	}
	b.listeners[c] = true
	return c, func() {
		b.mu.Lock()
		defer b.mu.Unlock()
		delete(b.listeners, c)
	}
}

func (b *bell) ring() {
	b.mu.Lock()
	defer b.mu.Unlock()
	for c := range b.listeners {
		select {
		case c <- struct{}{}:
		default:
		}
	}
}

// botLog writes what the bot logs to a file and remembers the last lines.
type botLog struct {
	file    *os.File
	changed func()

	mu      sync.Mutex
	lines   []string
	dropped int // lines no longer remembered
	partial []byte
}

const maxLines = 500

func (l *botLog) Write(b []byte) (int, error) {
	l.mu.Lock()
	l.partial = append(l.partial, b...)
	for {
		line, rest, whole := bytes.Cut(l.partial, []byte("\n"))
		if !whole {
			break
		}
		l.lines, l.partial = append(l.lines, string(line)), rest
	}
	if extra := len(l.lines) - maxLines; extra > 0 {
		l.lines, l.dropped = slices.Clone(l.lines[extra:]), l.dropped+extra
	}
	l.mu.Unlock()
	l.changed()
	return l.file.Write(b)
}

// since returns the lines from a position on, and the position after them.
func (l *botLog) since(from int) (lines []string, next int) {
	l.mu.Lock()
	defer l.mu.Unlock()
	skip := max(from-l.dropped, 0)
	return slices.Clone(l.lines[min(skip, len(l.lines)):]), l.dropped + len(l.lines)
}
