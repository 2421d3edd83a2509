package github

import (
	"errors"
	"fmt"
	"net/http"
	"regexp"
	"time"

	"github.com/google/go-github/v60/github"
	"github.com/shipmate/shipmate/pipeline"
)

// errMissing: GitHub knows no such thing, or does not show it to us.
var errMissing = errors.New("github has no such thing")

// Patience is the error of a call that must wait: a limit of GitHub's was hit, or
// our own budget below it is spent. It is always marked Temporary.
type Patience struct {
	Wait time.Duration
	Why  string
}

func (p *Patience) Error() string {
	return fmt.Sprintf("%s, wait %s", p.Why, p.Wait.Round(time.Millisecond))
}

// RetryAfter is how long it takes until trying again makes sense.
func (p *Patience) RetryAfter() time.Duration { return p.Wait }

// fail turns an error of a call into ours. Whatever may go away by itself is
// Temporary; what is missing wraps errMissing; nothing holds a token.
func fail(doing string, err error) error {
	if err == nil {
		return nil
	}
	var ours *pipeline.Error
	if errors.As(err, &ours) {
		return ours
	}
	var wait *Patience
	if errors.As(err, &wait) {
		return pipeline.Temporary(fmt.Errorf("%s: %w", doing, wait))
	}
	code := status(err)
	switch {
	case code == 0: // no answer, half an answer, no time
		return pipeline.Temporary(fmt.Errorf("%s: %s", doing, withoutTokens(err.Error())))
	case code == http.StatusNotFound, code == http.StatusGone:
		return fmt.Errorf("%s: %w", doing, errMissing)
	}
	err = fmt.Errorf("%s: %s", doing, withoutTokens(err.Error()))
	if code >= 500 || code == http.StatusTooManyRequests || code == http.StatusRequestTimeout || code == http.StatusUnauthorized || isLimit(err) {
		return pipeline.Temporary(err)
	}
	return err
}

// status is the HTTP status behind an error, 0 if there was no answer.
func status(err error) int {
	var answered *github.ErrorResponse
	if errors.As(err, &answered) && answered.Response != nil {
		return answered.Response.StatusCode
	}
	var rate *github.RateLimitError
	var abuse *github.AbuseRateLimitError
	if errors.As(err, &rate) || errors.As(err, &abuse) {
		return http.StatusTooManyRequests
	}
	return 0
}

var limitWords = regexp.MustCompile(`(?i)rate limit|abuse detection`)

func isLimit(err error) bool { return limitWords.MatchString(err.Error()) }

// tokenLike are GitHub's tokens and our JWTs, in case an answer echoes one.
var tokenLike = regexp.MustCompile(`gh[a-z]_[A-Za-z0-9_]{10,}|github_pat_[A-Za-z0-9_]+|eyJ[A-Za-z0-9_-]+\.[A-Za-z0-9_-]+\.[A-Za-z0-9_-]+`)

func withoutTokens(text string) string {
	const most = 500
	text = tokenLike.ReplaceAllString(text, "[secret]")
	if len(text) > most {
		text = text[:most] + "..."
	}
	return text
}
