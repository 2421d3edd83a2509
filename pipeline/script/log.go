package script

import (
	"fmt"
	"os"
)

// Log keeps the head of what is written in its file, and the end in
// memory until Finish writes it behind a line that says what is missing.
type Log struct {
	file    *os.File
	room    int64  // bytes the head may still take
	tail    []byte // a ring once it is full
	next    int    // where in the ring the next byte goes
	max     int    // size of the ring
	dropped int64  // bytes that fell out of the ring
}

// NewLog keeps limit bytes: a sixteenth of them for the end, 1 MiB at most.
func NewLog(file *os.File, limit int64) *Log {
	tail := min(limit/16, 1<<20)
	return &Log{file: file, room: limit - tail, max: int(tail)}
}

// Append reports whether the file has grown. A disk that is full must not end a
// deploy in its middle: what cannot be written counts as the end.
func (l *Log) Append(b []byte) bool {
	head := min(int64(len(b)), l.room)
	n := 0
	if head > 0 {
		var err error
		if n, err = l.file.Write(b[:head]); err != nil {
			l.room = 0
		} else {
			l.room -= int64(n)
		}
	}
	l.keep(b[n:])
	return n > 0
}

func (l *Log) keep(b []byte) {
	if over := len(b) - l.max; over > 0 {
		l.dropped += int64(over)
		b = b[over:]
	}
	if grow := min(l.max-len(l.tail), len(b)); grow > 0 {
		l.tail = append(l.tail, b[:grow]...)
		b = b[grow:]
	}
	l.dropped += int64(len(b))
	for len(b) > 0 {
		n := copy(l.tail[l.next:], b)
		l.next = (l.next + n) % l.max
		b = b[n:]
	}
}

// Finish writes the end and returns how many bytes are missing before it.
func (l *Log) Finish() int64 {
	defer l.file.Close()
	if l.dropped > 0 {
		fmt.Fprintf(l.file, "\n[shipmate: %d bytes of output are left out here]\n", l.dropped)
	}
	for _, part := range [][]byte{l.tail[l.next:], l.tail[:l.next]} {
		if _, err := l.file.Write(part); err != nil {
			break // the disk is full; the exit code is what counts
		}
	}
	return l.dropped
}
