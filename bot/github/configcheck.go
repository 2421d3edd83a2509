package github

import (
	"cmp"
	"context"
	"fmt"
	"slices"
	"strings"

	"github.com/google/go-github/v60/github"
	"github.com/shipmate/shipmate/bot"
	"github.com/shipmate/shipmate/pipeline"
)

// ConfigChecks shows what is to be said of a repository's file, as a check run,
// or as a commit status where there are to be no check runs.
//
// Nothing is kept about it: the external id of a check run says what it is
// about and has a digest of what it says. So after a crash the one that was
// made is found, and one that says something else is a new check run, because
// GitHub never takes annotations away.
type ConfigChecks struct {
	Client *Client
	Report Report
}

var _ bot.ConfigChecks = ConfigChecks{}

// configContext is the check's name. No pipeline can be called so.
const configContext = "shipmate/config"

// About finds what the newest check run on the commit is about.
func (s ConfigChecks) About(ctx context.Context, repo pipeline.Repo, sha string) (string, error) {
	newest, err := s.newest(ctx, commit{repo, sha})
	return newest.GetExternalID(), err
}

func (s ConfigChecks) Show(ctx context.Context, m bot.ConfigCheck, r bot.ConfigReport) error {
	err := s.show(withUrgency(ctx, lasting), m, r)
	if unreachable(err) {
		s.Client.cfg.Log.Warn("no commit to show the check of the file on", "repo", m.Repo.String(), "err", err)
		return nil
	}
	return err
}

func (s ConfigChecks) show(ctx context.Context, m bot.ConfigCheck, r bot.ConfigReport) error {
	at := commit{m.Repo, m.SHA}
	if s.Report == Statuses {
		return s.status(ctx, at, r)
	}
	want, notes := configRequest(m, r)
	newest, err := s.newest(ctx, at)
	if err != nil {
		return err
	}
	var now shownCheck
	if newest.GetExternalID() == want.ExternalID {
		now = shownCheck{ID: newest.GetID(), Annotated: newest.GetOutput().GetAnnotationsCount()}
		if newest.GetConclusion() == want.Conclusion && now.Annotated >= len(notes) && !m.Again {
			return nil
		}
	}
	_, err = s.Client.bringCheck(ctx, at, now, want, notes)
	return err
}

// newest is the one GitHub shows, nil if there is none.
func (s ConfigChecks) newest(ctx context.Context, at commit) (*github.CheckRun, error) {
	list, err := s.Client.ownChecks(ctx, at, configContext)
	if err != nil || len(list) == 0 {
		return nil, err
	}
	return slices.MaxFunc(list, func(a, b *github.CheckRun) int { return cmp.Compare(a.GetID(), b.GetID()) }), nil
}

func configRequest(m bot.ConfigCheck, r bot.ConfigReport) (checkRequest, []*github.CheckRunAnnotation) {
	all := r.Problems[:min(len(r.Problems), allAnnotations)]
	notes := make([]*github.CheckRunAnnotation, len(all))
	for i, p := range all {
		notes[i] = problemNote(p)
	}
	c := checkRequest{
		Name: configContext, HeadSHA: m.SHA, Status: "completed", Conclusion: r.Conclusion,
		Output: &github.CheckRunOutput{
			Title:   github.String(cutRunes(oneLine(strings.ReplaceAll(r.Title, "`", "")), 250)),
			Summary: github.String(cutMiddle(ours(r.Summary), maxText)),
		},
		Actions: []*github.CheckRunAction{},
	}
	c.ExternalID = m.Ref() + "/" + digest(struct {
		Said  checkRequest
		Notes []*github.CheckRunAnnotation
	}{c, notes})
	return c, notes
}

// problemNote stands at the problem's own place.
func problemNote(p pipeline.Problem) *github.CheckRunAnnotation {
	message := p.Message
	if p.Suggestion != "" {
		message += fmt.Sprintf(" Did you mean %q?", p.Suggestion)
	}
	n := note(p.Path, pipeline.Annotation{Path: ConfigFile, Line: p.Line, Level: "failure", Message: message})
	if n.GetTitle() == "" {
		n.Title = nil
	}
	if p.Column > 0 {
		n.StartColumn, n.EndColumn = &p.Column, &p.Column
	}
	return n
}

// status says it in one line. The same one is not said twice: GitHub keeps no
// more than a thousand of one name.
func (s ConfigChecks) status(ctx context.Context, at commit, r bot.ConfigReport) error {
	want := &github.RepoStatus{
		State:       github.String("success"),
		Description: github.String(cutRunes(oneLine(strings.ReplaceAll(r.Title, "`", "")), maxDescription)),
		Context:     github.String(configContext),
	}
	if r.Conclusion == "failure" {
		*want.State = r.Conclusion
	}
	all, _, err := s.Client.as(at.repo, forReading).Repositories.GetCombinedStatus(ctx, at.repo.Owner, at.repo.Name, at.sha, &github.ListOptions{PerPage: 100})
	if err != nil {
		return fail(fmt.Sprintf("statuses of %.7s in %s", at.sha, at.repo), err)
	}
	for _, have := range all.Statuses {
		if have.GetContext() == configContext && have.GetState() == want.GetState() && have.GetDescription() == want.GetDescription() {
			return nil
		}
	}
	_, _, err = s.Client.as(at.repo, forStatuses).Repositories.CreateStatus(ctx, at.repo.Owner, at.repo.Name, at.sha, want)
	return fail(fmt.Sprintf("status of %.7s in %s", at.sha, at.repo), err)
}
