package bot

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/shipmate/shipmate/pipeline"
)

// Kinds of jobs about home pages.
const (
	KindHomeOpened = "home_opened"
	kindHome       = "home"
)

// HomeOpened: a person opened their page.
type HomeOpened struct {
	Actor pipeline.Actor `json:"actor"` // only the Slack ids are set
}

const (
	homesKey  = "homes"            // who opened theirs: a set of "team/user"
	homeFresh = 7 * 24 * time.Hour // for so long a page that was opened is kept up to date
)

// Handlers are the jobs about home pages, for a Worker.
func (h *Homes) Handlers() map[string]pipeline.Handler {
	return map[string]pipeline.Handler{KindHomeOpened: h.opened, kindHome: h.publish}
}

// opened remembers that the page was looked at, and has it made.
func (h *Homes) opened(ctx context.Context, l *pipeline.Lease) error {
	var m HomeOpened
	if err := json.Unmarshal(l.Payload, &m); err != nil {
		return fmt.Errorf("decode %s message: %w", l.Kind, err)
	}
	person := m.Actor.SlackTeam + "/" + m.Actor.SlackUser
	if err := h.Records.Put(ctx, nowhere, "home:"+person, []byte(h.Now().UTC().Format(time.RFC3339)), homeFresh); err != nil {
		return pipeline.Temporary(err)
	}
	if err := h.Records.Add(ctx, nowhere, homesKey, person, forever); err != nil {
		return pipeline.Temporary(err)
	}
	return pipeline.Temporary(h.refresh(ctx, m.Actor))
}

// refresh has the page made once more. However many ask meanwhile, it is made once.
func (h *Homes) refresh(ctx context.Context, who pipeline.Actor) error {
	payload, err := json.Marshal(HomeOpened{Actor: pipeline.Actor{SlackTeam: who.SlackTeam, SlackUser: who.SlackUser}})
	if err != nil {
		return err
	}
	return h.Queue.Enqueue(ctx, pipeline.Job{ID: "home:" + who.SlackTeam + "/" + who.SlackUser, Kind: kindHome, Pool: pipeline.Control, Payload: payload, Again: true})
}

func (h *Homes) publish(ctx context.Context, l *pipeline.Lease) error {
	var m HomeOpened
	if err := json.Unmarshal(l.Payload, &m); err != nil {
		return fmt.Errorf("decode %s message: %w", l.Kind, err)
	}
	page, err := h.compose(h.GitHub.ReadOnce(ctx), m.Actor)
	if err != nil {
		return pipeline.Temporary(err)
	}
	err = h.Pages.Publish(ctx, m.Actor, page)
	if pipeline.Code(err) != "" && !pipeline.IsTemporary(err) { // it is made again when it is opened again
		h.Log.Warn("home page not shown", "err", err)
		return nil
	}
	return err
}

// Name is stable: what was shown is stored under it.
func (*Homes) Name() string { return "home" }

// Subject is the run.
func (*Homes) Subject(r *pipeline.Run) string { return string(r.ID) }

// Show has the pages made of those whom the run concerns, if it changed in
// what stands on a page.
func (h *Homes) Show(ctx context.Context, r *pipeline.Run, before pipeline.Shown) (json.RawMessage, error) {
	mark, err := json.Marshal(fmt.Sprintf("%s %s %s %d", r.State, r.Code, strings.Join(r.OpenGates(), ","), len(r.Approvals)))
	if err != nil || string(mark) == string(before.Data) && before.Doubt == "" {
		return before.Data, err
	}
	openers, err := h.openers(ctx)
	if err != nil {
		return nil, pipeline.Temporary(err)
	}
	if len(openers) > 0 {
		ctx = h.GitHub.ReadOnce(ctx)
	}
	for _, who := range openers {
		concerned, err := h.concerns(ctx, r, who)
		if err == nil && concerned {
			err = h.refresh(ctx, who)
		}
		if err != nil {
			return nil, pipeline.Temporary(err)
		}
	}
	return mark, nil
}

// openers lists who opened their page lately, and forgets the others.
func (h *Homes) openers(ctx context.Context) ([]pipeline.Actor, error) {
	all, err := h.Records.Members(ctx, nowhere, homesKey)
	if err != nil {
		return nil, err
	}
	var lately []pipeline.Actor
	for _, person := range all {
		at, err := h.Records.Get(ctx, nowhere, "home:"+person)
		if err != nil && !errors.Is(err, pipeline.ErrNotFound) {
			return nil, err
		}
		if at == nil {
			if err := h.Records.Remove(ctx, nowhere, homesKey, person); err != nil {
				return nil, err
			}
			continue
		}
		team, user, _ := strings.Cut(person, "/")
		lately = append(lately, pipeline.Actor{SlackTeam: team, SlackUser: user})
	}
	return lately, nil
}

// concerns reports whether the person asked for the run, answered it, or may
// answer one of its questions, also one that is answered by now.
func (h *Homes) concerns(ctx context.Context, r *pipeline.Run, who pipeline.Actor) (bool, error) {
	who, err := h.Identities.GitHub(ctx, who)
	switch {
	case err != nil && (pipeline.IsTemporary(err) || pipeline.Code(err) == ""):
		return false, err
	case err != nil:
		return false, nil
	case behind(r) == who.ID:
		return true, nil
	}
	for _, a := range r.Approvals {
		if a.By.ID == who.ID {
			return true, nil
		}
	}
	for _, gate := range gates(r) {
		may, err := h.mayAnswer(ctx, r, gate, who)
		if may || err != nil {
			return may, err
		}
	}
	return false, nil
}

// gates are all approvals the run asks for in its life.
func gates(r *pipeline.Run) []string {
	var out []string
	if r.Environment != nil && r.Environment.Approvals != nil && r.Environment.Approvals.Count > 0 {
		out = append(out, pipeline.EnvironmentGate)
	}
	for _, s := range r.Pipeline.Steps {
		if s.Uses == "approval" {
			out = append(out, s.Name)
		}
	}
	return out
}
