package bot

import (
	"context"
	"slices"
	"strings"

	"github.com/shipmate/shipmate/commands"
	"github.com/shipmate/shipmate/pipeline"
)

// Surfaces of those who speak with the API's token: a program, and the command
// line. The token acts as the person the operator named, or as nobody.
const (
	SurfaceAPI = "api"
	SurfaceCLI = "cli"
)

func byToken(at pipeline.Origin) bool { return at.Surface == SurfaceAPI || at.Surface == SurfaceCLI }

// askedByNobody does what is only a question. Everything else needs somebody
// whose rights can be looked at.
func askedByNobody(ctx context.Context, c *commands.Call) (commands.Reply, error) {
	h := c.Line.Command.Help()
	if !h.Question && h.Needs > pipeline.NoAccess {
		return commands.Reply{}, pipeline.Refuse("no_actor", "%s has to be said by somebody, and the API's token stands for nobody, so it may only ask questions. The operator names a GitHub user in SHIPMATE_API_ACTOR.", commands.Code(h.Name))
	}
	return c.Line.Command.Do(ctx, c)
}

// whereSaid is the repository of a message: the one it was written in, else
// the near one, unless a line names a service or a run of its own.
func whereSaid(m Said, lines []commands.Line) pipeline.Repo {
	elsewhere := slices.ContainsFunc(lines, func(l commands.Line) bool {
		return l.Has("service") || strings.HasPrefix(strings.ToLower(firstArg(l)), "r-")
	})
	if m.Repo.ID != 0 || elsewhere {
		return m.Repo
	}
	return m.Near
}
