package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"net/http"
	"strings"

	"github.com/shipmate/shipmate/test/sim/github"
	"github.com/shipmate/shipmate/test/sim/slack"
	"github.com/shipmate/shipmate/test/world"
	"github.com/shipmate/shipmate/test/world/sample"
)

// act is something a person does on the page.
type act struct {
	As      string            `json:"as"`      // who does it
	Text    string            `json:"text"`    // a comment, or a slash command
	Message string            `json:"message"` // of Slack, by its ts
	View    string            `json:"view"`    // an open modal, instead of a message
	Button  string            `json:"button"`
	Option  string            `json:"option"` // of a menu
	Values  map[string]string `json:"values"` // of a modal's fields, by block
	Check   int64             `json:"check"`  // a check run
	Change  string            `json:"change"` // what is pushed: break, fix
}

// acts are what can be done, by the last part of the address.
func (p *Playground) acts() map[string]func(ctx context.Context, a act) error {
	return map[string]func(ctx context.Context, a act) error{
		"comment": p.comment,
		"slash":   p.slash,
		"click":   p.click,
		"submit":  p.submit,
		"close":   p.closeView,
		"check":   p.check,
		"push":    p.push,
	}
}

const maxAct = 256 << 10 // bytes; a comment has at most 65,536 characters

// doing answers POST /act/...: 204, or 422 with a sentence for the page.
func doing(do func(ctx context.Context, a act) error) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		var a act
		in := json.NewDecoder(http.MaxBytesReader(w, r.Body, maxAct))
		in.DisallowUnknownFields()
		err := in.Decode(&a)
		if err == nil {
			err = do(r.Context(), a)
		}
		if err != nil {
			http.Error(w, err.Error(), http.StatusUnprocessableEntity)
			return
		}
		w.WriteHeader(http.StatusNoContent)
	}
}

func (p *Playground) comment(_ context.Context, a act) error {
	_, err := p.World.GitHub.As(a.As).Comment(p.repo, p.pull, a.Text)
	return err
}

func (p *Playground) slash(ctx context.Context, a act) error {
	name, text, _ := strings.Cut(strings.TrimSpace(a.Text), " ")
	if !strings.HasPrefix(name, "/") {
		return errors.New("here only slash commands have an effect; they start with /, for example /deploy staging")
	}
	// What went wrong is shown in the channel, as in Slack.
	_, err := p.World.Slack.SlashCommand(ctx, slack.Command{User: a.As, Channel: world.Channel, Name: name, Text: strings.TrimSpace(text)})
	return err
}

func (p *Playground) click(ctx context.Context, a act) error {
	return delivered(p.World.Slack.Click(ctx, slack.Click{
		User: a.As, Channel: world.Channel, Message: a.Message, View: a.View, Button: a.Button, Option: a.Option,
	}))
}

func (p *Playground) submit(ctx context.Context, a act) error {
	maps.DeleteFunc(a.Values, func(_, v string) bool { return v == "" })
	return delivered(p.World.Slack.SubmitView(ctx, slack.Submission{User: a.As, View: a.View, Values: a.Values}))
}

func (p *Playground) closeView(ctx context.Context, a act) error {
	return delivered(p.World.Slack.CloseView(ctx, a.As))
}

// delivered makes an error of a request the bot did not answer well.
func delivered(d slack.Delivery, err error) error {
	if err == nil && d.Error != "" {
		return fmt.Errorf("the bot did not take it: %s", d.Error)
	}
	return err
}

// check presses a button of a check run, or Re-run.
func (p *Playground) check(_ context.Context, a act) error {
	person := p.World.GitHub.As(a.As)
	if a.Button == "" {
		return person.Rerequest(p.repo, a.Check)
	}
	return person.ClickCheckAction(p.repo, a.Check, a.Button)
}

// push commits to the pull request's branch.
func (p *Playground) push(_ context.Context, a act) error {
	in := github.Push{Repo: p.repo, Branch: saleBranch}
	switch a.Change {
	case "break":
		in.Files, in.Message = sample.Broken(), "Give the lamp away"
	case "fix":
		in.Files, in.Message = sample.Sale(), "Sell the lamp again"
	default:
		return fmt.Errorf("there is no change %q", a.Change)
	}
	_, err := p.World.GitHub.As("mona").Push(in)
	return err
}
