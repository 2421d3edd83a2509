package main

import (
	"errors"
	"fmt"
	"strings"
)

// How the program ends. docs/api.md has the same table, which a test compares.
const (
	exitDone        = 0
	exitFailed      = 1
	exitUsage       = 2
	exitNobodyToAsk = 3
)

// exitCodes says what each means.
var exitCodes = map[int]string{
	exitDone:        "It was done. A run that was started has succeeded, or waits for a person.",
	exitFailed:      "It was refused or has failed, or was interrupted; standard error says why.",
	exitUsage:       "An unknown command or flag, a wrong argument, or a wrong setting; nothing was begun.",
	exitNobodyToAsk: "`shipmate run` was to ask for an approval, and standard input is no terminal; `--yes` answers beforehand.",
}

// usageError is a setting or an argument that is wrong.
type usageError struct{ error }

func (e *usageError) Unwrap() error { return e.error }

// exitError is an error with an exit code of its own.
type exitError struct {
	code int
	error
}

func (e *exitError) Unwrap() error { return e.error }

func exitCode(err error) int {
	var own *exitError
	switch {
	case err == nil:
		return exitDone
	case errors.As(err, new(*usageError)):
		return exitUsage
	case errors.As(err, &own):
		return own.code
	}
	return exitFailed
}

// exitCodesText is the table for a terminal.
func exitCodesText() string {
	text := "Exit codes:"
	for code := range len(exitCodes) {
		text += fmt.Sprintf("\n  %d  %s", code, strings.ReplaceAll(exitCodes[code], "`", ""))
	}
	return text
}
