package bot

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"slices"
	"time"

	"github.com/shipmate/shipmate/commands"
	"github.com/shipmate/shipmate/pipeline"
)

// KindForm is a deploy form whose service was chosen.
const KindForm = "form"

// Form: a person has a deploy form open and chose a service in it. The rest of
// the form, which depends on that, is to be filled in.
type Form struct {
	View    string          `json:"view"` // the platform's id of the open form
	Hash    string          `json:"hash"` // and of what it showed then: what was changed since is left alone
	Actor   pipeline.Actor  `json:"actor"`
	Service string          `json:"service"`
	At      time.Time       `json:"at"`               // when it was chosen: the last choice counts
	Opened  json.RawMessage `json:"opened,omitempty"` // the edge's own, handed back
}

// Choices is what can be chosen for a service.
type Choices struct {
	Service      string
	Services     []Service
	Environments []string
	Refs         Refs
	Params       []pipeline.Param // of the deploy pipeline
	DryRun       bool             // the command can try without doing
}

// Refs are names of commits, the most recent first.
type Refs struct {
	Default  string // the default branch
	Pulls    []PullRef
	Branches []string // others that moved lately
	Tags     []string
}

// PullRef is an open pull request from a branch of the repository.
type PullRef struct {
	Number int
	Branch string
	Title  string
}

// Forms fills in deploy forms.
type Forms struct {
	GitHub     formForge
	Services   Services
	Identities Identities
	Commands   commands.Set
	Records    Records
	Screen     Screen
	Log        *slog.Logger
}

type formForge interface {
	standings
	Config(ctx context.Context, repo pipeline.Repo) (*pipeline.Config, error)
	Refs(ctx context.Context, repo pipeline.Repo) (Refs, error)
	ReadOnce(ctx context.Context) context.Context
}

// Screen shows a form anew. ErrFormChanged: it shows something else than what
// the hash stands for; without a hash that does not matter.
type Screen interface {
	Fill(ctx context.Context, f Form, c Choices) error
}

// Handlers are the jobs about forms, for a Worker.
func (f *Forms) Handlers() map[string]pipeline.Handler {
	return map[string]pipeline.Handler{KindForm: f.fill}
}

// fill shows the choices to whoever may read the repository. To others the form
// stays as it is: what they send is refused in words, as everywhere.
func (f *Forms) fill(ctx context.Context, l *pipeline.Lease) error {
	var form Form
	if err := json.Unmarshal(l.Payload, &form); err != nil {
		return fmt.Errorf("decode %s message: %w", l.Kind, err)
	}
	c, err := f.choices(f.GitHub.ReadOnce(ctx), form)
	if err == nil {
		err = f.show(ctx, form, c)
	}
	if pipeline.Code(err) != "" && !pipeline.IsTemporary(err) {
		f.Log.Info("deploy form not filled in", "service", form.Service, "code", pipeline.Code(err), "err", err)
		return nil
	}
	return err
}

// ErrFormChanged: a form was changed meanwhile.
var ErrFormChanged = pipeline.Refuse("form_changed", "The form shows something else by now. Open it again.")

// show fills in the form unless a later choice was made in it. That the form
// was filled in for an earlier one meanwhile does not count.
func (f *Forms) show(ctx context.Context, form Form, c Choices) error {
	last, err := f.last(ctx, form)
	if err != nil || !last {
		return err
	}
	if err = f.Screen.Fill(ctx, form, c); !errors.Is(err, ErrFormChanged) {
		return err
	}
	if last, err = f.last(ctx, form); err != nil || !last {
		return err
	}
	form.Hash = ""
	return f.Screen.Fill(ctx, form, c)
}

// last notes the choice and reports whether there is none after it.
func (f *Forms) last(ctx context.Context, form Form) (bool, error) {
	const keep = time.Hour
	key := "form:" + form.View
	at, err := f.Records.Get(ctx, nowhere, key)
	if err != nil && !errors.Is(err, pipeline.ErrNotFound) {
		return false, pipeline.Temporary(err)
	}
	if noted, err := time.Parse(time.RFC3339Nano, string(at)); err == nil && noted.After(form.At) {
		return false, nil
	}
	return true, pipeline.Temporary(f.Records.Put(ctx, nowhere, key, []byte(form.At.UTC().Format(time.RFC3339Nano)), keep))
}

func (f *Forms) choices(ctx context.Context, form Form) (Choices, error) {
	c := Choices{Service: form.Service}
	who, err := f.Identities.GitHub(ctx, form.Actor)
	if err != nil {
		return c, err
	}
	if c.Services, err = f.Services.All(ctx); err != nil {
		return c, pipeline.Temporary(err)
	}
	repo, err := named(c.Services, form.Service)
	if err != nil {
		return c, err
	}
	standing, err := f.GitHub.Standing(ctx, repo, who, pipeline.Roster{})
	if err == nil && standing.Permission < pipeline.Read {
		err = pipeline.Refuse("not_allowed", "%s cannot be read by %s. Ask an admin of the repository for access.", repo, who.Login)
	}
	if err != nil {
		return c, err
	}
	cfg, err := f.GitHub.Config(ctx, repo)
	if err != nil {
		return c, err
	}
	c.Environments = cfg.EnvironmentNames()
	if p, ok := cfg.CommandPipeline("deploy"); ok {
		c.Params = p.Params
	}
	if deploy, ok := f.Commands.Find("deploy"); ok {
		c.DryRun = slices.ContainsFunc(deploy.Help().Flags, func(f commands.Flag) bool { return f.Name == "dry-run" })
	}
	c.Refs, err = f.GitHub.Refs(ctx, repo)
	return c, err
}
