package main

import (
	"context"
	"encoding/json"
	"errors"
	"net/http"
	"time"

	"github.com/google/go-github/v80/github"
)

// keep is how long deliveries are remembered by everybody.
const keep = 96 * time.Hour

// goGitHub receives webhooks as the documentation of go-github shows and hands
// the facts of a comment on. accept must not return before they are in Redis.
func goGitHub(accept func(ctx context.Context, delivery string, message []byte) error) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		body, err := github.ValidatePayload(r, []byte(secret))
		if err != nil {
			http.Error(w, err.Error(), http.StatusUnauthorized)
			return
		}
		message, err := readComment(github.WebHookType(r), body)
		if err != nil {
			http.Error(w, err.Error(), http.StatusBadRequest)
			return
		}
		if err := accept(r.Context(), github.DeliveryID(r), message); err != nil {
			http.Error(w, err.Error(), http.StatusServiceUnavailable)
			return
		}
		w.WriteHeader(http.StatusAccepted)
	})
}

func readComment(event string, body []byte) ([]byte, error) {
	parsed, err := github.ParseWebHook(event, body)
	if err != nil {
		return nil, err
	}
	e, ok := parsed.(*github.IssueCommentEvent)
	if !ok || e.GetAction() != "created" || !e.GetIssue().IsPullRequest() {
		return nil, errors.New("not a new comment on a pull request")
	}
	return json.Marshal(said{
		Repo: e.GetRepo().GetID(), Owner: e.GetRepo().GetOwner().GetLogin(), Name: e.GetRepo().GetName(),
		Installation: e.GetInstallation().GetID(), PR: e.GetIssue().GetNumber(), Comment: e.GetComment().GetID(),
		Actor: e.GetSender().GetID(), Login: e.GetSender().GetLogin(),
		Text: e.GetComment().GetBody(), At: e.GetComment().GetCreatedAt().Format(time.RFC3339),
	})
}
