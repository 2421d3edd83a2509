package commands

import (
	"cmp"
	"context"
	"fmt"
	"slices"
	"strings"

	"github.com/shipmate/shipmate/pipeline"
)

// Why shows every gate: what holds a run up, or would hold up a deploy.
type Why struct {
	start
	Secrets Secrets
}

func (Why) Help() Help {
	return Help{
		Name:     "/why",
		Args:     []Arg{{Name: "env|run"}, {Name: "ref", Optional: true}},
		Flags:    []Flag{{Name: "service", Value: "name"}},
		Summary:  "Shows what must hold before a deploy, how it stands, and what to do about it: first what does not hold.",
		Needs:    pipeline.Read,
		Question: true,
		Steady:   true,
		Examples: []string{"/why prod", "/why prod v1.4.0", "/why r-1a2b3c4d"},
	}
}

func (w Why) Do(ctx context.Context, c *Call) (Reply, error) {
	name := c.Run("env|run")
	if strings.HasPrefix(strings.ToLower(name), "r-") {
		r, err := known(ctx, w.Store, c, name)
		if err != nil {
			return Reply{}, err
		}
		return w.run(ctx, c, r)
	}
	env, err := environment(c, name)
	if err != nil {
		return Reply{}, err
	}
	if r, err := w.waiting(ctx, c, env); r != nil || err != nil {
		if err != nil {
			return Reply{}, err
		}
		return w.run(ctx, c, r)
	}
	req := pipeline.Request{Repo: c.Repo, Environment: env, Trigger: pipeline.ByCommand, Actor: c.Actor}
	asked := req
	asked.DryRun = true // to look needs no proof of what was seen
	if _, err := (revision{w.GitHub}).freeze(ctx, c, &asked, c.Line.Arg("ref")); err != nil {
		return Reply{}, err
	}
	asked.DryRun = false
	gates, err := w.gates(ctx, &asked, c)
	if err != nil {
		return Reply{}, err
	}
	return reasons(fmt.Sprintf("If you deployed `%s` to **%s** now, %s", asked.ShortSHA(), env.Name, verdict(gates)), env.Name, gates), nil
}

// waiting is the newest run of this pull request that waits for the
// environment, if no other revision is asked about.
func (w Why) waiting(ctx context.Context, c *Call, env *pipeline.Environment) (*pipeline.Run, error) {
	if c.PR == 0 || c.Line.Arg("ref") != "" {
		return nil, nil
	}
	open, err := w.Store.Runs(ctx, pipeline.RunQuery{Repo: c.Repo.ID, PR: c.PR, Environment: env.Name, Open: true, NoDryRuns: true})
	if err != nil {
		return nil, err
	}
	for _, r := range open {
		if !r.Admitted {
			return r, nil
		}
	}
	return nil, nil
}

func (w Why) run(ctx context.Context, c *Call, r *pipeline.Run) (Reply, error) {
	if r.Admitted || r.State.Terminal() || r.Environment == nil {
		said, err := w.secrets(ctx, r)
		return Reply{Run: r.ID, Text: capital(describe(r)) + ". No gate holds it up." + said}, err
	}
	gates, err := gatesOf(ctx, w.GitHub, w.Store, r, c)
	if err != nil {
		return Reply{}, err
	}
	if c.Now.Before(r.NotBefore) {
		gates = append([]pipeline.Gate{{Name: "time", State: pipeline.Waits, Code: "scheduled", Sentence: "It was asked to start at " + r.NotBefore.UTC().Format("2006-01-02 15:04 MST") + "."}}, gates...)
	}
	sha, _ := r.Brings()
	reply := reasons(fmt.Sprintf("Run %s, `%s` to **%s**, %s", r.ID, short(sha), r.Environment.Name, stands(r.State)), r.Environment.Name, gates)
	reply.Run = r.ID
	return reply, nil
}

// secrets says of a check which of its steps need which secrets, and whether
// they would be given them now.
func (w Why) secrets(ctx context.Context, r *pipeline.Run) (string, error) {
	if r.Environment != nil || w.Secrets == nil {
		return "", nil
	}
	text := ""
	for _, s := range r.Pipeline.Steps {
		if len(s.Secrets) == 0 {
			continue
		}
		names := "`" + strings.Join(s.Secrets, "`, `") + "`"
		switch err := w.Secrets.Withheld(ctx, r, s.Secrets); {
		case pipeline.IsTemporary(err), err != nil && pipeline.Code(err) == "":
			return "", err
		case err != nil:
			text += fmt.Sprintf("\n- ⛔ **%s** may not have its secrets (%s) now: %s (`%s`)", s.Name, names, pipeline.Message(err), pipeline.Code(err))
		default:
			text += fmt.Sprintf("\n- ✅ **%s** may have its secrets (%s) now.", s.Name, names)
		}
	}
	return text, nil
}

// gatesOf asks the gates of a run as it stands.
func gatesOf(ctx context.Context, gh GitHub, store Store, r *pipeline.Run, c *Call) ([]pipeline.Gate, error) {
	state, err := store.Environment(ctx, r.Repo.ID, r.Environment.Name)
	if err != nil {
		return nil, err
	}
	all, err := store.Environment(ctx, r.Repo.ID, pipeline.Everywhere)
	if err != nil {
		return nil, err
	}
	live, err := gh.Live(ctx, r)
	if err != nil {
		return nil, err
	}
	f := pipeline.Facts{Environment: state, Everywhere: all.Lock, Live: &live, Policy: r.Environment}
	return pipeline.Gates(pipeline.QuestionOf(r), f, c.Now), nil
}

// verdict is what the gates say all together, of a deploy asked for now.
func verdict(gates []pipeline.Gate) string {
	var waits, refuses pipeline.Gate
	for _, g := range gates {
		switch {
		case g.State == pipeline.Fails:
			return fmt.Sprintf("it would be refused (`%s`)", g.Code)
		case g.State == pipeline.Waits && g.Refuses && refuses.Code == "":
			refuses = g
		case g.State == pipeline.Waits && waits.Code == "":
			waits = g
		}
	}
	switch {
	case refuses.Code != "":
		return fmt.Sprintf("it would be refused (`%s`), or wait if you add `--wait`", refuses.Code)
	case waits.Code != "":
		return fmt.Sprintf("it would wait (`%s`)", waits.Code)
	}
	return "it would start at once"
}

// reasons answers with a first sentence that has no end yet, and what does not hold, the worst first. What holds is folded.
func reasons(first, env string, gates []pipeline.Gate) Reply {
	holds := func(g pipeline.Gate) bool { return g.State == pipeline.Passes }
	open := slices.DeleteFunc(slices.Clone(gates), holds)
	slices.SortStableFunc(open, func(a, b pipeline.Gate) int { return cmp.Compare(urgency(a), urgency(b)) })
	reply := Reply{Text: first + "."}
	if len(open) > 0 {
		reply.Text = first + ":\n" + table(open)
	}
	var names []string
	rest := slices.DeleteFunc(slices.Clone(gates), func(g pipeline.Gate) bool { return !holds(g) })
	for _, g := range rest {
		names = append(names, gateName(g))
	}
	if len(rest) > 0 {
		title := fmt.Sprintf("✅ %d of %d conditions of %s hold: %s.", len(rest), len(gates), env, strings.Join(names, ", "))
		reply.Folded = Folded{Title: title, Text: table(rest)}
	}
	return reply
}

// urgency orders gates that do not pass: what refuses, what refuses those who
// would not wait, what is waited for.
func urgency(g pipeline.Gate) int {
	switch {
	case g.State == pipeline.Fails:
		return 0
	case g.Refuses:
		return 1
	}
	return 2
}

func gateName(g pipeline.Gate) string { return strings.ReplaceAll(g.Name, "_", " ") }

// table lists the gates with what to do about each that does not pass.
func table(gates []pipeline.Gate) string {
	icons := map[pipeline.GateState]string{pipeline.Passes: "✅", pipeline.Waits: "⏳", pipeline.Fails: "⛔"}
	var lines []string
	for _, g := range gates {
		line := fmt.Sprintf("- %s **%s**: %s", icons[g.State], gateName(g), g.Sentence)
		if fix := g.Fix; strings.HasPrefix(fix, "/") {
			line += " " + Code(fix)
		} else if fix != "" {
			line += " " + fix
		}
		lines = append(lines, line)
	}
	return strings.Join(lines, "\n")
}
