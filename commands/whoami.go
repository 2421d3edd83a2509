package commands

import (
	"context"
	"fmt"
	"strings"

	"github.com/shipmate/shipmate/pipeline"
)

// WhoAmI says who shipmate takes somebody for, and what that person may do.
type WhoAmI struct{ GitHub GitHub }

func (WhoAmI) Help() Help {
	return Help{
		Name:     "/whoami",
		Flags:    []Flag{{Name: "service", Value: "name"}},
		Summary:  "Says who you are to shipmate, and what you may do here.",
		Needs:    pipeline.Read,
		Question: true,
		Steady:   true,
		Examples: []string{"/whoami"},
	}
}

func (w WhoAmI) Do(ctx context.Context, c *Call) (Reply, error) {
	who, err := w.GitHub.Standing(ctx, c.Repo, c.Actor, c.Config.Roster(c.Config.Names()))
	if err != nil {
		return Reply{}, err
	}
	text := fmt.Sprintf("You are %s (GitHub user %d), with %s access to %s.", c.Actor.Login, c.Actor.ID, who.Permission, c.Repo)
	if c.Actor.SlackUser != "" {
		text += fmt.Sprintf(" On Slack you are user `%s` of team `%s`.", c.Actor.SlackUser, c.Actor.SlackTeam)
	}
	if len(who.Teams) > 0 {
		text += fmt.Sprintf(" Teams that count here: %s.", strings.Join(who.Teams, ", "))
	}
	for _, env := range c.Config.Environments {
		text += fmt.Sprintf("\n- **%s**: %s", env.Name, rights(env, who))
	}
	return Reply{Text: text}, nil
}

// rights is what a person may do with an environment.
func rights(env *pipeline.Environment, who pipeline.Standing) string {
	may := "you may not deploy"
	if pipeline.MayDeploy(env, who) {
		may = "you may deploy"
	} else if taken := who.NameTaken(env.Deployers); taken != "" {
		may += ": " + strings.TrimSuffix(taken, ".")
	} else if len(env.Deployers) > 0 {
		may += ", that is for " + strings.Join(env.Deployers, " or ")
	}
	if a := env.Approvals; a != nil && a.Count > 0 {
		if why := pipeline.MayApprove(*a, who, 1, pipeline.Actor{}, nil); why == "" {
			may += "; you may approve what others ask for"
		} else {
			may += "; you may not approve: " + why
		}
	}
	return may + "."
}
