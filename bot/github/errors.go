package github

import (
	"errors"
	"fmt"
	"net/http"
	"regexp"
	"slices"
	"strings"
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

// ruling is what an answer of GitHub's comes to for what was asked.
type ruling int

const (
	transient ruling = iota // it goes away by itself
	absent                  // there is no such thing, or we are not shown it
	refused                 // not now; somebody may do something about it
)

// judge reads an answer that is no success. The code says why it is refused;
// what is not known is refused too, for a new sentence of GitHub's must not
// lose a report. Limits are transient; see [limits].
// Sources: docs.github.com, "Troubleshooting the REST API", and what the API answers.
func judge(status int, message string) (m ruling, code string) {
	has := func(words string) bool { return strings.Contains(strings.ToLower(message), words) }
	switch {
	case status == 0, status >= 500, status == http.StatusTooManyRequests, status == http.StatusRequestTimeout, status == http.StatusUnauthorized, limitWords.MatchString(message):
		return transient, ""
	case has("submitted too quickly"), has("temporarily unavailable"): // of one comment, or of one large diff
		return transient, ""
	case status == http.StatusNotFound, status == http.StatusGone, has("no commit found for sha"), has("no ref found for"), has("repository is empty"):
		return absent, ""
	case has("suspended"):
		return refused, "app_suspended"
	case has("is locked"):
		return refused, "conversation_locked"
	case has("archived"):
		return refused, "repository_archived"
	case status == http.StatusUnavailableForLegalReasons, has("access blocked"):
		return refused, "repository_blocked"
	case has("ip allow list"):
		return refused, "ip_not_allowed"
	case has("maximum number of statuses"):
		return refused, "status_limit"
	case has("not accessible by integration"), has("permissions requested are not granted"), has("not accessible to the parent installation"):
		return refused, "no_access"
	}
	return refused, "github_refused"
}

// refuse is the error of a call about a repository that is refused now.
func refuse(code string, repo pipeline.Repo, cause error) *pipeline.Refused {
	name := "this repository"
	if repo.Name != "" {
		name = repo.String()
	}
	text := map[string]string{
		"app_suspended":       "The GitHub App is suspended for %s. An owner has to end that in the account's settings, under \"GitHub Apps\".",
		"conversation_locked": "The conversation of the pull request in %s is locked. Somebody with write access has to unlock it.",
		"repository_archived": "%s is archived, so nothing can be written there. An owner has to unarchive it.",
		"repository_blocked":  "GitHub has blocked access to %s. An owner has to ask GitHub's support.",
		"ip_not_allowed":      "The organization of %s admits only the IP addresses on its list. An owner has to add those of shipmate.",
		"status_limit":        "GitHub takes no more than 1,000 statuses of one name on a commit of %s.",
		"no_access":           "The GitHub App may not do this in %s. An owner has to install it there, and accept its permissions.",
		"not_installed":       "The GitHub App is not installed on %s. An owner has to install it there.",
		"github_refused":      "GitHub refuses it for %s. The operator finds its words in the log.",
	}[code]
	r := &pipeline.Refused{Reason: &pipeline.Error{Code: code, Message: fmt.Sprintf(text, name), Err: cause}}
	if repo.ID != 0 {
		r.LiftedBy = append(r.LiftedBy, pipeline.AtRepo(repo.ID))
	}
	if repo.Installation != 0 {
		r.LiftedBy = append(r.LiftedBy, pipeline.AtInstallation(repo.Installation))
	}
	if code == "app_suspended" || code == "ip_not_allowed" { // all repositories of the owner are refused alike
		slices.Reverse(r.LiftedBy)
	}
	return r
}

// inPull adds the pull request that a refusal is about. Its locked
// conversation is said by its number.
func inPull(err error, repo pipeline.Repo, number int) error {
	r := pipeline.AsRefused(err)
	if r == nil || r.Reason.Code != "conversation_locked" {
		return err
	}
	return &pipeline.Refused{
		Reason:   &pipeline.Error{Code: r.Reason.Code, Err: r.Reason.Err, Message: fmt.Sprintf("The conversation of %s#%d is locked. Somebody with write access has to unlock it.", repo, number)},
		LiftedBy: append([]string{pipeline.AtPull(repo.ID, number)}, r.LiftedBy...),
	}
}

// fail turns an error of a call into ours. Whatever may go away by itself is
// Temporary; what is missing wraps errMissing; what is refused is a
// *pipeline.Refused; nothing holds a token.
func fail(doing string, err error) error {
	if err == nil {
		return nil
	}
	if r := pipeline.AsRefused(err); r != nil { // the transport knows the repository
		return fmt.Errorf("%s: %w", doing, r)
	}
	var ours *pipeline.Error
	if errors.As(err, &ours) {
		return ours
	}
	var wait *Patience
	if errors.As(err, &wait) {
		return pipeline.Temporary(fmt.Errorf("%s: %w", doing, wait))
	}
	said := fmt.Errorf("%s: %s", doing, withoutTokens(err.Error()))
	if code := status(err); code != 0 && code < 400 { // a success that cannot be read, a redirect that is not followed
		return said
	}
	switch m, code := judge(status(err), messageOf(err)); m {
	case transient: // no answer, half an answer, no time, too many
		return pipeline.Temporary(said)
	case absent:
		return fmt.Errorf("%s: %w", doing, errMissing)
	default:
		return refuse(code, pipeline.Repo{}, said)
	}
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

// messageOf is what GitHub says in an answer, without the address that was
// called: in that stand names that people chose.
func messageOf(err error) string {
	var answered *github.ErrorResponse
	if !errors.As(err, &answered) {
		return ""
	}
	text := answered.Message
	for _, e := range answered.Errors {
		text += " " + e.Message
	}
	return text
}

var limitWords = regexp.MustCompile(`(?i)rate limit|abuse detection`)

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
