package bot

import (
	"context"
	"slices"
	"strings"

	"github.com/shipmate/shipmate/commands"
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
	GitHub teams
	Linked Linked
}

type teams interface {
	standings
	// TeamMembers lists the members of a team of the repository's owner, and no
	// more than so many.
	TeamMembers(ctx context.Context, repo pipeline.Repo, slug string, most int) ([]pipeline.Actor, error)
}

// maxTeam: the members of a larger team are not called by name.
const maxTeam = 5

// Of lists those the policy names, alone or as a small team, who are linked,
// may answer, and have not.
func (a Approvers) Of(ctx context.Context, r *pipeline.Run, gate string) ([]pipeline.Actor, error) {
	named, err := a.named(ctx, r, r.ApprovalPolicy(gate).By)
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

func (a Approvers) named(ctx context.Context, r *pipeline.Run, by []string) ([]pipeline.Actor, error) {
	var out []pipeline.Actor
	for _, entry := range by {
		if login, ok := strings.CutPrefix(entry, "user:"); ok {
			out = append(out, pipeline.Actor{Login: login})
		}
	}
	for _, slug := range commands.Teams(by) {
		members, err := a.GitHub.TeamMembers(ctx, r.Repo, slug, maxTeam+1)
		if err != nil {
			return nil, err
		}
		if len(members) <= maxTeam {
			out = append(out, members...)
		}
	}
	return out, nil
}
