package github

import (
	"context"
	"errors"
	"slices"
	"strings"

	"github.com/shipmate/shipmate/pipeline"
)

// Live asks everything the gates of a run need, now. An answer that will not
// get better by asking again is in Live.Unverified.
func (c *Client) Live(ctx context.Context, r *pipeline.Run) (pipeline.Live, error) {
	l := pipeline.Live{People: map[int64]pipeline.Standing{}, AfterOK: map[string]bool{}}
	for _, ask := range []func(context.Context, *pipeline.Run, *pipeline.Live) error{
		c.askPull, c.askPeople, c.askDefault, c.askOrder, c.askChecks, c.askReviews, c.askBehind,
	} {
		err := ask(ctx, r, &l)
		if errors.Is(err, errBrokenOff) {
			c.cfg.Log.Warn("gates cannot be verified", "run", string(r.ID), "repo", r.Repo.String(), "err", err)
			return pipeline.Live{Unverified: "a list of it broke off in the middle", Again: true}, nil
		}
		if errors.Is(err, errBehind) {
			return pipeline.Live{Unverified: "it still shows an older state than it told of", Again: true}, nil
		}
		if pipeline.IsTemporary(err) {
			return pipeline.Live{}, err
		}
		if err != nil {
			c.cfg.Log.Warn("gates cannot be verified", "run", string(r.ID), "repo", r.Repo.String(), "err", err)
			return pipeline.Live{Unverified: reason(err), Again: pipeline.AsRefused(err) != nil}, nil
		}
	}
	return l, nil
}

// reason is a final error in a few words for people.
func reason(err error) string {
	var ours *pipeline.Error
	if errors.As(err, &ours) && ours.Code != "cannot_verify" {
		return strings.TrimSuffix(ours.Message, ".")
	}
	return "its answer made no sense"
}

func (c *Client) askPull(ctx context.Context, r *pipeline.Run, l *pipeline.Live) error {
	if r.PR == 0 {
		return nil
	}
	pr, err := c.PullRequest(ctx, r.Repo, r.PR)
	l.PullRequest = &pr
	return err
}

func (c *Client) askPeople(ctx context.Context, r *pipeline.Run, l *pipeline.Live) error {
	var people []pipeline.Actor
	for _, a := range r.Approvals {
		people = append(people, a.By)
	}
	var asked pipeline.Roster
	if r.Environment != nil {
		people, asked = append(people, r.Actor), namesAsked(r)
	}
	for _, who := range people {
		if _, asked := l.People[who.ID]; asked || who.IsBot() {
			continue
		}
		s, err := c.Standing(ctx, r.Repo, who, asked)
		if err != nil {
			return err
		}
		l.People[who.ID] = s
	}
	return nil
}

// namesAsked are the people and teams that the policies of the run name.
func namesAsked(r *pipeline.Run) pipeline.Roster {
	lists := [][]string{r.Environment.Deployers, r.ApprovalPolicy(pipeline.EnvironmentGate).By}
	for _, s := range r.Pipeline.Steps {
		if s.Uses == "approval" {
			lists = append(lists, r.ApprovalPolicy(s.Name).By)
		}
	}
	asked := r.Roster(lists...)
	slices.Sort(asked.Entries)
	asked.Entries = slices.Compact(asked.Entries)
	return asked
}

func (c *Client) askDefault(ctx context.Context, r *pipeline.Run, l *pipeline.Live) error {
	if r.Environment == nil || r.Trigger == pipeline.ByRollback || takesAll(r.Environment.DeployFrom) {
		return nil
	}
	main, err := c.defaultHead(ctx, r.Repo)
	if err != nil {
		return err
	}
	l.OnDefault, err = c.contains(ctx, r.Repo, main.SHA, r.SHA)
	return err
}

// takesAll: where a commit comes from does not matter then.
func takesAll(from []string) bool {
	return len(from) == 0 || slices.Contains(from, "pull_request") && slices.Contains(from, "default_branch")
}

// askOrder: the very commit must be what runs in the environments before.
func (c *Client) askOrder(ctx context.Context, r *pipeline.Run, l *pipeline.Live) error {
	if r.Environment == nil || c.cfg.Environments == nil {
		return nil
	}
	for _, name := range r.Environment.After {
		env, err := c.cfg.Environments.Environment(ctx, r.Repo.ID, name)
		if err != nil {
			return pipeline.Temporary(err)
		}
		now := env.Stands()
		l.AfterOK[name] = now != nil && now.SHA == r.SHA
	}
	return nil
}
