package bot

import (
	"context"
	"slices"

	"github.com/shipmate/shipmate/pipeline"
)

// Linked knows the Slack people of a GitHub user.
type Linked interface {
	// Slack lists the people who act as the user with this id or, where the id is
	// zero, of this login: with both sides filled in. Who may not act at all is
	// not among them.
	Slack(ctx context.Context, github pipeline.Actor) ([]pipeline.Actor, error)
}

// Approvers finds those who are asked by an approval and can be called on Slack.
type Approvers struct {
	GitHub people
	Linked Linked
}

type people interface {
	standings
	// Named lists whom rules mean: people, and the members of teams that have no
	// more than so many.
	Named(ctx context.Context, repo pipeline.Repo, asked pipeline.Roster, most int) ([]pipeline.Actor, error)
}

// maxTeam: the members of a larger team are not called by name.
const maxTeam = 5

// Of lists those the policy names, alone or as a small team, who are linked,
// may answer, and have not.
func (a Approvers) Of(ctx context.Context, r *pipeline.Run, gate string) ([]pipeline.Actor, error) {
	named, err := a.GitHub.Named(ctx, r.Repo, r.Roster(r.ApprovalPolicy(gate).By), maxTeam)
	if err != nil {
		return nil, err
	}
	var out []pipeline.Actor
	for _, one := range named {
		people, err := a.Linked.Slack(ctx, one)
		if err != nil {
			return nil, err
		}
		for _, who := range people {
			if answered(r, gate, who.ID) || slices.Contains(out, who) {
				continue
			}
			may, err := mayApprove(ctx, a.GitHub, r, gate, who)
			if err != nil {
				return nil, err
			}
			if may {
				out = append(out, who)
			}
		}
	}
	return out, nil
}
