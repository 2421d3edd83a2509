package pipeline

import (
	"errors"
	"fmt"
)

// Error is an error whose Message may be shown to people: one or more full
// sentences that say what to do next and hold nothing internal.
type Error struct {
	Code    string // stable reason code, snake_case, for example "unknown_environment"
	Message string
	Err     error // the cause, for the log; may be nil
}

func (e *Error) Error() string {
	if e.Err == nil {
		return e.Message
	}
	return e.Message + ": " + e.Err.Error()
}

func (e *Error) Unwrap() error { return e.Err }

// Refuse returns an *Error with a formatted message.
func Refuse(code, format string, args ...any) *Error {
	return &Error{Code: code, Message: fmt.Sprintf(format, args...)}
}

// Code returns the reason code of the first *Error in err's chain, or "".
func Code(err error) string {
	var e *Error
	if errors.As(err, &e) {
		return e.Code
	}
	return ""
}

// Message returns the sentence for people in err's chain. An error without one
// becomes a general sentence: internals stay in the log.
func Message(err error) string {
	var e *Error
	if errors.As(err, &e) {
		return e.Message
	}
	return "Something went wrong on shipmate's side. The operator finds the cause in the log; try again in a minute."
}

// Temporary marks an error that may go away by itself: the job that met it is
// tried again later. Every other error is final.
func Temporary(err error) error {
	if err == nil {
		return nil
	}
	return temporary{err}
}

type temporary struct{ error }

func (t temporary) Unwrap() error { return t.error }

// IsTemporary reports whether err, or an error it wraps, was marked Temporary.
func IsTemporary(err error) bool {
	var t temporary
	return errors.As(err, &t)
}

// Lagging marks a Temporary error about something that may only be late: a
// commit that was pushed a moment ago, a token that was made a moment ago. The
// engine waits for it, but not for ever.
func Lagging(err error) error {
	if err == nil {
		return nil
	}
	return lagging{Temporary(err)}
}

type lagging struct{ error }

func (l lagging) Unwrap() error { return l.error }

// IsLagging reports whether err, or an error it wraps, was marked Lagging.
func IsLagging(err error) bool {
	var l lagging
	return errors.As(err, &l)
}

var (
	// ErrConflict: the stored version is not the one the change was made from.
	ErrConflict = errors.New("somebody else changed it first")
	// ErrLeaseLost: the lease lapsed and the job was handed to somebody else.
	ErrLeaseLost = errors.New("lease lost")
	// ErrNotFound: there is no such record.
	ErrNotFound = errors.New("not found")
)

// Unreadable is the error of a Store about an environment it cannot read: who holds an environment, and who has locked it, is not known any
// more, so nothing is deployed there until somebody has looked.
func Unreadable(name string, err error) error {
	return &Error{Code: "record_unreadable", Err: fmt.Errorf("environment %s: stored state: %w", name, err),
		Message: fmt.Sprintf("What is recorded of %s cannot be read, so nothing is done there. The operator has to look at the record in Redis; the bot's log says which.", name)}
}
