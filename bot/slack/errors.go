package slack

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/url"
	"strings"
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

// meaning is what an error code of Slack's comes to for what was asked.
type meaning int

const (
	passing meaning = iota // it goes away by itself
	gone                   // there is no such message, person or form any more
	refused                // not now; somebody may do something about it
)

// judge reads an error code. What is not known is refused: a new code of
// Slack's must not lose a report.
func judge(code string) meaning {
	switch code {
	case "ratelimited", "rate_limited", "internal_error", "fatal_error", "service_unavailable", "request_timeout", "team_added_to_org":
		return passing
	case "message_not_found", "thread_not_found", "cant_update_message", "edit_window_closed", "user_not_found", "users_not_found", "user_disabled",
		"user_not_in_channel", "cannot_dm_bot", "view_not_found", "not_found", "hash_conflict", "expired_trigger_id", "exchanged_trigger_id", "invalid_trigger_id":
		return gone
	}
	return refused
}

// The places on Slack where something may happen that lifts a refusal.
const (
	atSlack = "slack"       // the app in its workspace
	atNames = "slack/names" // what channels there are, and how they are called
)

func atChannel(id string) string { return "slack/channel/" + id }

// refusedAt is an error of a report with the channel it was for. Whatever Slack
// says no with, the report waits until it is lifted there.
func refusedAt(err error, places ...string) error {
	var reason *pipeline.Error
	if pipeline.IsTemporary(err) || !errors.As(err, &reason) || !strings.HasPrefix(reason.Code, "slack_") {
		return err
	}
	if r := pipeline.AsRefused(err); r != nil {
		places = append(places, r.LiftedBy...)
	}
	return &pipeline.Refused{Reason: reason, LiftedBy: places}
}

// explain turns an error of Slack into one of ours: Temporary, or one that says
// what the operator has to do, *pipeline.Refused where that may help.
func explain(method string, err error) error {
	var limited *slackgo.RateLimitedError
	var status slackgo.StatusCodeError
	var answered slackgo.SlackErrorResponse
	switch {
	case errors.As(err, &limited):
		return later(fmt.Errorf("%s: %w", method, err), limited.RetryAfter)
	case errors.As(err, &status): // Slack itself answers with 200; this is something on the way to it
		return pipeline.Temporary(fmt.Errorf("%s: %w", method, err))
	case errors.As(err, &answered):
		reason := &pipeline.Error{Code: "slack_" + answered.Err, Message: advice(answered), Err: fmt.Errorf("%s: %w", method, err)}
		switch judge(answered.Err) {
		case passing:
			return pipeline.Temporary(fmt.Errorf("%s: %w", method, err))
		case refused:
			return &pipeline.Refused{Reason: reason, LiftedBy: []string{atSlack}}
		}
		return reason
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
	case "restricted_action", "restricted_action_read_only_channel", "restricted_action_thread_only_channel", "restricted_action_non_threadable_channel", "posting_to_general_channel_denied":
		return "The workspace does not let the Slack app post in the channel. An administrator has to allow it, or name another channel in .shipmate.yaml."
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
