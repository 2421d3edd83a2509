package pipeline

import (
	"errors"
	"fmt"
	"io/fs"
	"regexp"
	"strconv"
	"strings"
	"syscall"
	"unicode/utf8"

	"github.com/goccy/go-yaml"
)

var (
	// What keys and tokens begin with: PEM, also in base64, Slack, GitHub, GitLab, Vault, AWS, JSON web tokens.
	secretStart = regexp.MustCompile(`^["'\s]*(-----BEGIN|LS0tLS1CRUdJTi|xox[a-z][-.]|xapp-|gh[a-z]_|github_pat_|glpat-|hvs\.|AKIA[0-9A-Z]{16}|eyJ[A-Za-z0-9_-]{16})`)
	secretRun   = regexp.MustCompile(`[A-Za-z0-9+/=_-]{32,}`)
	withLogin   = regexp.MustCompile(`//[^/\s]*@`)
)

// IsSecret reports whether a text begins like a key or a token, so that it can be
// nothing else.
func IsSecret(text string) bool { return secretStart.MatchString(text) }

// mayBeSecret reports whether a text is better not repeated.
func mayBeSecret(text string) bool {
	const longest = 60
	return IsSecret(text) || secretRun.MatchString(text) || withLogin.MatchString(text) || strings.ContainsAny(text, "\r\n") || utf8.RuneCountInString(text) > longest
}

// QuoteSetting is the value of a setting in quotes, for an error. One that may
// be a secret in the wrong place is not repeated.
func QuoteSetting(value string) string {
	if mayBeSecret(value) {
		return fmt.Sprintf("the value (%d characters, not shown)", utf8.RuneCountInString(value))
	}
	return strconv.Quote(value)
}

// FileError says why a file could not be read, without its name: what should be
// a name may be a secret. Another error stays as it is.
func FileError(err error) error {
	var at *fs.PathError
	if !errors.As(err, &at) {
		return err
	}
	says := "the file cannot be read: " + at.Err.Error()
	switch {
	case errors.Is(err, fs.ErrNotExist):
		says = "there is no such file"
	case errors.Is(err, fs.ErrPermission):
		says = "shipmate may not read the file"
	case errors.Is(err, syscall.EISDIR):
		says = "it is a folder, not a file"
	case errors.Is(err, syscall.ENAMETOOLONG):
		says = "no file can have so long a name"
	}
	return &fileError{says, err}
}

type fileError struct {
	says string
	err  error
}

func (e *fileError) Error() string { return e.says }
func (e *fileError) Unwrap() error { return e.err }

var (
	settingKey = regexp.MustCompile(`^[A-Za-z0-9_]{1,31}$`)
	quotedText = regexp.MustCompile(`"(?:[^"\\]|\\.)*"`)
)

// YAMLError says where in an operator's file the decoder met an error and what
// it is. The decoder's own text repeats lines of the file, with secrets in them.
func YAMLError(file string, err error) error {
	var met yaml.Error
	if !errors.As(err, &met) || met.GetToken() == nil {
		return fmt.Errorf("%s: it cannot be read as YAML", file)
	}
	token := met.GetToken()
	says := met.GetMessage()
	switch met.(type) {
	case *yaml.UnknownFieldError:
		says = "unknown field " + quoteKey(token.Value)
	case *yaml.DuplicateKeyError:
		says = "duplicate key " + quoteKey(token.Value)
	case *yaml.OverflowError:
		says = "the number is too large"
	default:
		says = quotedText.ReplaceAllString(says, "(not shown)")
	}
	return fmt.Errorf("%s:%d:%d: %s", file, token.Position.Line, token.Position.Column, says)
}

func quoteKey(key string) string {
	if !settingKey.MatchString(key) || mayBeSecret(key) {
		return "(not shown)"
	}
	return strconv.Quote(key)
}
