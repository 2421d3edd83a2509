package commands

import (
	"context"
	"fmt"
	"slices"
	"strings"

	"github.com/shipmate/shipmate/pipeline"
)

// againFlag starts another run where an open one does the same already.
func againFlag() Flag { return Flag{Name: "again"} }

// once reports whether an open run that does the same is good enough. A dry run
// changes nothing, so each is made anew.
func once(c *Call, req *pipeline.Request) bool { return !c.Line.Has("again") && !req.DryRun }

// before answers with the open run that does the same already, if whoever asks
// now could have asked for it too. false: there is none.
func (s start) before(ctx context.Context, c *Call, req *pipeline.Request, gates []pipeline.Gate) (Reply, bool, error) {
	if !once(c, req) {
		return Reply{}, false, nil
	}
	open, err := s.Store.Runs(ctx, pipeline.RunQuery{Repo: c.Repo.ID, Environment: req.EnvironmentName(), Open: true, Limit: manyOpen})
	if err != nil {
		return Reply{}, false, err
	}
	first := pipeline.AskedBefore(open, req, c.Now)
	if first == nil {
		return Reply{}, false, nil
	}
	if err := refuse(aboutPeople(gates), c.Line, *req); err != nil {
		return Reply{}, false, err
	}
	return alreadyAsked(c, first), true, nil
}

const manyOpen = 10_000 // open runs that are looked at

// aboutPeople are the gates that say who may ask at all.
func aboutPeople(gates []pipeline.Gate) []pipeline.Gate {
	return slices.DeleteFunc(slices.Clone(gates), func(g pipeline.Gate) bool {
		return g.Name != pipeline.GateVerify && g.Name != pipeline.GateRole && g.Name != pipeline.GateFork
	})
}

// outcome is the reply to a command that wanted the run with this id: it was
// started, or another one does the same already.
func outcome(c *Call, want pipeline.RunID, got *pipeline.Run) Reply {
	if got.ID != want {
		return alreadyAsked(c, got)
	}
	return aboutRun(c, got, started(got))
}

// alreadyAsked answers with the run that does the same already.
func alreadyAsked(c *Call, r *pipeline.Run) Reply {
	text := fmt.Sprintf("%s was already asked for by %s, as run %s. It %s", sameWhat(r), asker(r), r.ID, stands(r.State))
	if r.Message != "" {
		text += ": " + strings.TrimSuffix(r.Message, ".")
	}
	text += fmt.Sprintf(". %s To start another one all the same: %s.", nextFor(r), Code(c.Line.Text+" --again"))
	return Reply{Run: r.ID, Code: "already_asked", Text: text}
}

// sameWhat is what a run does, at the beginning of a sentence.
func sameWhat(r *pipeline.Run) string {
	sha, _ := r.Brings()
	switch {
	case r.Environment == nil:
		return fmt.Sprintf("%s on `%s`", r.Pipeline.Name, short(sha))
	case r.Trigger == pipeline.ByRollback:
		return fmt.Sprintf("The rollback of **%s** to `%s`", r.Environment.Name, short(sha))
	}
	return fmt.Sprintf("The deploy of `%s` to **%s**", short(sha), r.Environment.Name)
}

// asker is who asked for a run, and of one that nobody asked for, why it is there.
func asker(r *pipeline.Run) string {
	if r.Actor.IsBot() && r.Reason != "" {
		return fmt.Sprintf("%s (%s)", r.Actor.Login, Code(r.Reason))
	}
	return r.Actor.Login
}

// nextFor is what a person can do now about an open run.
func nextFor(r *pipeline.Run) string {
	if len(r.OpenGates()) > 0 {
		return fmt.Sprintf("To approve it: `/approve %s`.", r.ID)
	}
	return fmt.Sprintf("To see how it goes: `/status %s`.", r.ID)
}

// AskedAlready tells those who watch over runs that nobody asked for why there
// is no second one.
func AskedAlready(first *pipeline.Run) error {
	return pipeline.Refuse("already_asked", "%s was already asked for by %s, as run %s, so no other run was started.", sameWhat(first), asker(first), first.ID)
}
