package github

import (
	"context"
	"encoding/json"
	"fmt"

	"github.com/google/go-github/v60/github"
	"github.com/shipmate/shipmate/bot"
	"github.com/shipmate/shipmate/pipeline"
)

// statusSink shows a run as a commit status.
type statusSink struct{ ReportConfig }

// shownStatus: a status has no id to keep, a new one covers the old.
type shownStatus struct {
	Digest string `json:"digest"`
	Count  int    `json:"count"`
	Full   bool   `json:"full,omitempty"` // GitHub takes no more of them
}

// maxStatuses of one name on one commit; GitHub refuses the 1,001st for ever.
// After so many only ends of runs are shown.
const maxStatuses = 800

const maxDescription = 140 // runes, for statuses and deployments

func (s *statusSink) Name() string  { return "github-status" }
func (s *statusSink) Shows() string { return "commit status" }

// Subject is the status' name on the commit: statuses have no owner, so all
// runs of that name share it, and the newest is shown. A dry run has none: GitHub
// knows no status that says neither yes nor no of a commit.
func (s *statusSink) Subject(r *pipeline.Run) string {
	if r.DryRun {
		return ""
	}
	return "status/" + shownOn(r) + "/" + checkName(r)
}

func (s *statusSink) Show(ctx context.Context, r *pipeline.Run, shown pipeline.Shown) (json.RawMessage, error) {
	was := decodeShown[shownStatus](shown)
	r, err := s.newest(ctx, r)
	if err != nil {
		return shown.Data, err
	}
	ctx = reporting(ctx, r)
	want := s.status(r)
	now := shownStatus{Digest: digest(want), Count: was.Count + 1}
	if was.Full || now.Digest == was.Digest && shown.Doubt == "" || was.Count >= maxStatuses && !r.State.Terminal() {
		return shown.Data, nil
	}
	_, _, err = s.Client.as(r.Repo, forStatuses).Repositories.CreateStatus(ctx, r.Repo.Owner, r.Repo.Name, shownOn(r), want)
	err = fail(fmt.Sprintf("status of %.7s in %s", shownOn(r), r.Repo), err)
	switch {
	case pipeline.AsRefused(err) != nil && pipeline.Code(err) == "status_limit":
		s.Client.cfg.Log.Warn("no more statuses of this name on the commit: the check run and the comment tell", "run", string(r.ID), "repo", r.Repo.String(), "err", err)
		was.Full = true
		return save(was, nil)
	case unreachable(err):
		return shown.Data, s.lost(ctx, r, err)
	case err != nil:
		return shown.Data, err
	}
	return save(now, nil)
}

// status leaves out which step runs: every status is a thing created, and
// GitHub counts those. The check run and the comment tell.
func (s *statusSink) status(r *pipeline.Run) *github.RepoStatus {
	line := statusLine(r)
	if verdictOf(r) == works {
		line = bot.Words(r.State)
		if len(r.OpenGates()) > 0 {
			line += ", waiting for approval"
		}
	}
	st := &github.RepoStatus{
		State:       github.String([]string{waits: "pending", works: "pending", good: "success", bad: "failure", ended: "error", asks: "error"}[verdictOf(r)]),
		Description: github.String(cutRunes(line, maxDescription)),
		Context:     github.String(checkName(r)),
	}
	if u := s.runURL(r); u != "" {
		st.TargetURL = &u
	}
	return st
}
