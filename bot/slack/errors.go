package slack

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/http"
	"net/url"
	"slices"
	"time"

	slackgo "github.com/slack-go/slack"

	"github.com/shipmate/shipmate/pipeline"
)

// waitError is a Temporary error that knows when to try again.
type waitError struct {
	error
	after time.Duration
}

func (w waitError) Unwrap() error { return w.error }

// RetryAfter is how long Slack, or our own budget, wants us to wait.
func (w waitError) RetryAfter() time.Duration { return w.after }

func later(err error, after time.Duration) error {
	return pipeline.Temporary(waitError{err, after})
}

// passing are the error codes of Slack that go away by themselves.
var passing = []string{"ratelimited", "rate_limited", "internal_error", "fatal_error", "service_unavailable", "request_timeout", "team_added_to_org"}

// explain turns an error of Slack into one of ours: Temporary, or an
// *pipeline.Error that says what the operator has to do.
func explain(method string, err error) error {
	var limited *slackgo.RateLimitedError
	var status slackgo.StatusCodeError
	var refused slackgo.SlackErrorResponse
	switch {
	case errors.As(err, &limited):
		return later(fmt.Errorf("%s: %w", method, err), limited.RetryAfter)
	case errors.As(err, &status) && (status.Code >= 500 || status.Code == http.StatusTooManyRequests):
		return pipeline.Temporary(fmt.Errorf("%s: %w", method, err))
	case errors.As(err, &refused) && slices.Contains(passing, refused.Err):
		return pipeline.Temporary(fmt.Errorf("%s: %w", method, err))
	case errors.As(err, &refused):
		return &pipeline.Error{Code: "slack_" + refused.Err, Message: advice(refused), Err: fmt.Errorf("%s: %w", method, err)}
	case unreachable(err):
		return pipeline.Temporary(fmt.Errorf("%s: %w", method, err))
	}
	return fmt.Errorf("%s: %w", method, err)
}

// uncertain reports whether a call that failed may have been carried out: no
// answer, or half an answer. A refusal, and a wait for our turn, say that it was not.
func uncertain(err error) bool {
	return pipeline.IsTemporary(err) && !errors.As(err, new(waitError))
}

func unreachable(err error) bool {
	var u *url.Error
	var n net.Error
	return errors.As(err, &u) || errors.As(err, &n) || errors.Is(err, context.DeadlineExceeded) || errors.Is(err, context.Canceled)
}

// advice is what the operator has to do about a refusal of Slack.
func advice(e slackgo.SlackErrorResponse) string {
	switch e.Err {
	case "missing_scope":
		return fmt.Sprintf("The Slack app lacks the scope %s. Add it under \"OAuth & Permissions\" of the app and install the app again.", e.Needed)
	case "channel_not_found":
		return "Slack does not know the channel, or it is private and shipmate is not in it. Check its name in .shipmate.yaml, or invite the app with /invite."
	case "not_in_channel":
		return "The Slack app is not in the channel and cannot join it. Invite it with /invite."
	case "is_archived":
		return "The Slack channel is archived. Name another one in .shipmate.yaml, or bring it back."
	case "invalid_auth", "not_authed", "account_inactive", "token_revoked", "token_expired":
		return "Slack does not accept the bot token any more. Install the app again and set SHIPMATE_SLACK_BOT_TOKEN."
	}
	return fmt.Sprintf("Slack refused the call with the error %q.", e.Err)
}

// slackCode is Slack's own error code in an error of ours, "" if there is none.
func slackCode(err error) string {
	var refused slackgo.SlackErrorResponse
	if errors.As(err, &refused) {
		return refused.Err
	}
	return ""
}
