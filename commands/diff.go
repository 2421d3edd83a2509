package commands

import (
	"context"
	"fmt"

	"github.com/shipmate/shipmate/pipeline"
)

// Diff says what a deploy would change.
type Diff struct {
	Runs   Runs
	GitHub GitHub
	Store  Store
}

func (Diff) Help() Help {
	return Help{
		Name:     "/diff",
		Args:     []Arg{{Name: "env", Suggested: true}, {Name: "ref", Optional: true}},
		Flags:    []Flag{{Name: "service", Value: "name"}},
		Summary:  "Lists the commits that a deploy would bring to an environment, those it would take away, and what was changed there by hand.",
		Needs:    pipeline.Read,
		Question: true,
		Steady:   true,
		Examples: []string{"/diff prod", "/diff prod v1.4.0"},
	}
}

func (d Diff) Do(ctx context.Context, c *Call) (Reply, error) {
	env, err := environment(c, c.Line.Arg("env"))
	if err != nil {
		return Reply{}, err
	}
	req := pipeline.Request{Repo: c.Repo, Environment: env, DryRun: true}
	if _, err := (revision{d.GitHub}).freeze(ctx, c, &req, c.Line.Arg("ref")); err != nil {
		return Reply{}, err
	}
	state, err := d.Store.Environment(ctx, c.Repo.ID, env.Name)
	if err != nil {
		return Reply{}, err
	}
	switch now := state.Current; {
	case now == nil:
		return Reply{Text: fmt.Sprintf("Nothing runs on **%s** yet; a deploy would bring `%s`.", env.Name, short(req.SHA))}, nil
	case now.SHA == req.SHA:
		return Reply{Text: fmt.Sprintf("`%s` is what runs on **%s** already.%s%s", short(req.SHA), env.Name, unsettled(state), d.drift(ctx, now))}, nil
	}
	change, err := d.GitHub.Compare(ctx, c.Repo, state.Current.SHA, req.SHA)
	if err != nil {
		return Reply{}, err
	}
	return Reply{Text: described(change, env.Name, state.Current.SHA, req.SHA) + unsettled(state) + d.drift(ctx, state.Current)}, nil
}

// drift says how what stands there differs from what was deployed. Where the
// question fails the commits are an answer all the same.
func (d Diff) drift(ctx context.Context, now *pipeline.Deployment) string {
	found, err := d.Runs.Drift(ctx, now.Run)
	if err != nil {
		return "\nWhat was changed there by hand could not be asked: " + pipeline.Message(err)
	}
	if len(found) == 0 {
		return "\nWhat was changed there by hand is not known: none of the steps that deployed it can be asked."
	}
	text := ""
	for _, f := range found {
		text += fmt.Sprintf("\n%s: %s", Code(f.Step), f.Message)
		if f.Summary != "" {
			text += "\n\n" + f.Summary
		}
	}
	return text
}

// unsettled warns where what is recorded may not be what stands there.
func unsettled(state *pipeline.EnvironmentState) string {
	if state.Unsettled == "" {
		return ""
	}
	return fmt.Sprintf("\nBut run %s did not end well after that, so what stands there now is not known for sure.", state.Unsettled)
}

func described(change pipeline.Comparison, env, from, to string) string {
	text := fmt.Sprintf("**%s** runs `%s`. Deploying `%s` would bring %s", env, short(from), short(to), counted(change.Ahead, "commit"))
	if change.Behind > 0 {
		text += fmt.Sprintf(" and take %s away that %s not in it", counted(change.Behind, "commit"), isAre(change.Behind))
	}
	text += "."
	for _, k := range change.Commits {
		text += fmt.Sprintf("\n- `%s` %s", short(k.SHA), Code(k.Title))
	}
	if more := change.Ahead - len(change.Commits); more > 0 {
		text += fmt.Sprintf("\n- and %d before these", more)
	}
	return text
}

func counted(n int, noun string) string {
	if n == 1 {
		return "1 " + noun
	}
	return fmt.Sprintf("%d %ss", n, noun)
}

func isAre(n int) string {
	if n == 1 {
		return "is"
	}
	return "are"
}
