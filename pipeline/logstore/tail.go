package logstore

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"

	"github.com/shipmate/shipmate/pipeline"
)

const maxLine = 4 << 10 // bytes of a line in Tail

// Tail returns the last lines of a log, without their line ends; a very long
// line is cut and ends in an ellipsis. ErrNotFound: there is no such log.
func (s *Store) Tail(ctx context.Context, run pipeline.RunID, step string, attempt, lines int) ([]string, error) {
	n := name{run, step, attempt}
	text, enough, err := s.newest(ctx, n, lines)
	if err != nil {
		return nil, err
	}
	if enough {
		return lastLines(strings.NewReader(text), lines)
	}
	r, err := s.Read(ctx, run, step, attempt)
	if err != nil {
		return nil, err
	}
	last, err := lastLines(r, lines)
	return last, errors.Join(err, r.Close())
}

// newest reads back from the end of the stream, and reports whether that holds
// the lines asked for.
func (s *Store) newest(ctx context.Context, n name, lines int) (string, bool, error) {
	const page = 32
	var texts []string
	count, before := 0, "+"
	for {
		messages, err := s.Redis.XRevRangeN(ctx, s.keys(n)[1], before, "-", page).Result()
		if err != nil {
			return "", false, fmt.Errorf("%s: %w", n, err)
		}
		for _, m := range messages {
			e, err := parseEntry(m)
			if err != nil {
				return "", false, fmt.Errorf("%s: %w", n, err)
			}
			texts = append(texts, e.text)
			count += strings.Count(e.text, "\n")
			before = fmt.Sprintf("%d-0", e.at)
			if count > lines || e.at == 0 {
				slices.Reverse(texts)
				return strings.Join(texts, ""), true, nil
			}
		}
		if len(messages) < page {
			return "", false, nil
		}
	}
}

func lastLines(r io.Reader, lines int) ([]string, error) {
	var last []string
	b := bufio.NewReaderSize(r, maxLine)
	for {
		line, err := readLine(b)
		if errors.Is(err, io.EOF) {
			return last, nil
		}
		if err != nil {
			return nil, err
		}
		if last = append(last, line); len(last) > lines {
			last = last[1:]
		}
	}
}

// readLine returns io.EOF only if there is no line any more.
func readLine(b *bufio.Reader) (string, error) {
	line, more, err := b.ReadLine()
	if err != nil {
		return "", err
	}
	if !more {
		return string(line), nil
	}
	text := string(line[:wholeRunes(line)]) + "…"
	for more && err == nil {
		_, more, err = b.ReadLine()
	}
	if err != nil && !errors.Is(err, io.EOF) {
		return "", err
	}
	return text, nil
}
