package github

import (
	"context"
	"errors"

	"github.com/shipmate/shipmate/pipeline"
)

// Provenance asks whose code a check is, now: where its pull request comes from,
// who pushed the commit, and what they and who asked for it may do. What is not
// said is left empty, and gives nobody a secret.
func (c *Client) Provenance(ctx context.Context, r *pipeline.Run) (pipeline.Provenance, error) {
	from, err := c.provenance(ctx, r)
	switch {
	case err == nil, pipeline.IsTemporary(err), pipeline.Code(err) != "":
		return from, err
	case errors.Is(err, errBrokenOff):
		return from, pipeline.Temporary(err)
	}
	return from, cannotVerify("whose code %s is: %w", r.ID, err)
}

func (c *Client) provenance(ctx context.Context, r *pipeline.Run) (pipeline.Provenance, error) {
	from := pipeline.Provenance{People: map[int64]pipeline.Standing{}}
	branch := r.Ref
	if r.PR != 0 {
		pr, err := c.PullRequest(ctx, r.Repo, r.PR)
		if err != nil {
			return from, err
		}
		if from.PullRequest = &pr; pr.Fork || pr.Head != r.SHA {
			return from, nil // the rest would change nothing
		}
		branch = pr.Branch
	}
	asked := []person{{Actor: r.Actor}}
	if r.Trigger == pipeline.BySchedule {
		main, err := c.defaultHead(ctx, r.Repo)
		if err != nil {
			return from, err
		}
		if from.OnDefault, err = c.contains(ctx, r.Repo, main.SHA, r.SHA); err != nil {
			return from, err
		}
	} else {
		who, err := c.pusher(ctx, r.Repo, branch, r.SHA)
		if err != nil {
			return from, err
		}
		from.Pusher, asked = who.Actor, append(asked, who)
	}
	return from, c.askStandings(ctx, r.Repo, asked, &from)
}

// person is somebody as GitHub tells of them: a machine's account is called a bot.
type person struct {
	pipeline.Actor
	bot bool
}

// pusher is who brought a branch to a commit, the last time that it came there.
// The zero person: GitHub does not say.
func (c *Client) pusher(ctx context.Context, repo pipeline.Repo, branch, sha string) (person, error) {
	moves, err := c.activity(ctx, repo, branch)
	for _, m := range moves { // newest first
		if m.After == sha && err == nil {
			return person{pipeline.Actor{ID: m.Actor.ID, Login: m.Actor.Login}, m.Actor.Type != "User"}, nil
		}
	}
	return person{}, err
}

func (c *Client) askStandings(ctx context.Context, repo pipeline.Repo, people []person, from *pipeline.Provenance) error {
	for _, who := range people {
		if who.IsBot() {
			continue
		}
		if who.bot {
			from.Apps = append(from.Apps, who.ID)
			continue
		}
		if _, known := from.People[who.ID]; known {
			continue
		}
		s, err := c.Standing(ctx, repo, who.Actor, pipeline.Roster{})
		if err != nil {
			return err
		}
		from.People[who.ID] = s
	}
	return nil
}
