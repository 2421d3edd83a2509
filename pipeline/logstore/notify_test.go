package logstore

import (
	"log/slog"
)

// notify returns a logger that tells the channel about every line.
func notify(c chan<- struct{}) *slog.Logger {
	return slog.New(slog.NewTextHandler(notifier(c), nil))
}

type notifier chan<- struct{}

func (n notifier) Write(p []byte) (int, error) {
	select {
	case n <- struct{}{}:
	default:
	}
	return len(p), nil
}
