package slack

import (
	"context"
	"encoding/json"
	"fmt"
	"time"

	slackgo "github.com/slack-go/slack"

	"github.com/shipmate/shipmate/bot"
	"github.com/shipmate/shipmate/commands"
	"github.com/shipmate/shipmate/pipeline"
)

// The callback ids of forms; the first and the last are also those of shortcuts.
const (
	deployForm   = "deploy"
	rejectForm   = "reject"
	rollbackForm = "rollback"
)

// A form has to be opened within 3 s of the click, by the request itself.
const (
	formTimeout     = 1200 * time.Millisecond
	findTimeout     = 800 * time.Millisecond
	servicesTimeout = 500 * time.Millisecond
	maxOptions      = 100
	maxReason       = 500
	maxMetadata     = 3000 // of a view; Slack refuses more
)

// The inputs of forms, by block id; the action id is the same.
const (
	inService     = "service"
	inEnvironment = "environment"
	inRef         = "ref"
	inReason      = "reason"
	inMenu        = "menu"    // of refs
	inDryRun      = "dry_run" // a box
	inParam       = "param:"  // and the parameter's name
)

// formOrigin is what a form carries from where it was opened to where it is sent.
type formOrigin struct {
	Origin      pipeline.Origin `json:"origin"`
	Button      string          `json:"button,omitempty"`
	Service     string          `json:"service,omitempty"`
	Environment string          `json:"environment,omitempty"`
	// Params are what the form asks for, to check what is put in before it is
	// sent on; left out where they are too long for what a form can carry.
	Params []pipeline.Param `json:"params,omitempty"`
}

// openReject asks for the reason; the button itself is pressed when the form is sent.
func (q *Requests) openReject(ctx context.Context, i interaction, button string) answer {
	blocks := []slackgo.Block{textInput(inReason, "Reason", "what has to change", false)}
	asked := form{callback: rejectForm, title: "Reject", submit: "Reject", from: formOrigin{Origin: i.origin(), Button: button}, blocks: blocks}
	if _, err := q.openForm(ctx, i.TriggerID, asked); err != nil {
		q.tell(ctx, i, "The form could not be opened, so nothing was done. Press again, or say `/reject <run> --reason \"...\"`.")
	}
	return ok(nil)
}

// openRollback finds out which run the message shows and what would come back,
// and asks whether to go back.
func (q *Requests) openRollback(ctx context.Context, i interaction) answer {
	find, cancel := context.WithTimeout(ctx, findTimeout)
	defer cancel()
	shown, err := q.threads.RunAt(find, i.Channel.ID, i.MessageTS)
	if err != nil || shown.Environment == "" {
		q.tell(ctx, i, "This message shows no deploy of shipmate. Choose the shortcut on a run's message, or say `/rollback <service> <environment>`.")
		return ok(nil)
	}
	plan, err := q.planRollback(find, shown)
	if err != nil {
		q.tell(ctx, i, escape(pipeline.Message(err)))
		return ok(nil)
	}
	blocks := []slackgo.Block{
		slackgo.NewSectionBlock(plainText(short(oneLine(pipeline.Clean(rollbackQuestion(shown, plan))), maxSection)), nil, nil),
		textInput(inReason, "Reason", "", true),
	}
	from := formOrigin{Origin: i.origin(), Service: shown.Service, Environment: shown.Environment}
	if _, err := q.openForm(ctx, i.TriggerID, form{callback: rollbackForm, title: "Roll back", submit: "Roll back", from: from, blocks: blocks}); err != nil {
		q.tell(ctx, i, "The form could not be opened, so nothing was done. Try again, or say `/rollback <service> <environment>`.")
	}
	return ok(nil)
}

// planRollback asks what would come back. An error other than a refusal is no
// reason not to ask the person: the command finds out again.
func (q *Requests) planRollback(ctx context.Context, shown ShownRun) (RollbackPlan, error) {
	if q.services == nil {
		return RollbackPlan{}, nil
	}
	plan, err := q.services.Rollback(ctx, shown.Repo, shown.Environment)
	if err != nil && pipeline.Code(err) == "" {
		q.log.Warn("plan rollback for slack form", "err", err)
		return RollbackPlan{}, nil
	}
	return plan, err
}

func rollbackQuestion(shown ShownRun, p RollbackPlan) string {
	if p.To.SHA == "" {
		return fmt.Sprintf("Bring the previous good revision of %s back to %s?", shown.Service, shown.Environment)
	}
	text := ""
	if p.From != nil {
		text = fmt.Sprintf("%s runs %.7s of %s now (%s, by %s). ", shown.Environment, p.From.SHA, shown.Service, p.From.Run, p.From.By)
		if p.From.Run != shown.Run {
			text += fmt.Sprintf("That is not what this message shows, which is %s. ", shown.Run)
		}
	}
	return text + fmt.Sprintf("Roll %s back to %.7s (%s, by %s)?", shown.Environment, p.To.SHA, p.To.Run, p.To.By)
}

// form is what openForm opens.
type form struct {
	callback, title, submit string
	from                    formOrigin
	blocks                  []slackgo.Block
}

// view is the form as Slack takes it. A form that cannot carry everything
// carries no parameters.
func (f form) view() (slackgo.ModalViewRequest, error) {
	metadata, err := json.Marshal(f.from)
	if len(metadata) > maxMetadata {
		f.from.Params = nil
		metadata, err = json.Marshal(f.from)
	}
	return slackgo.ModalViewRequest{
		Type: slackgo.VTModal, CallbackID: f.callback, PrivateMetadata: string(metadata),
		Title: plainText(f.title), Submit: plainText(f.submit), Close: plainText("Cancel"),
		Blocks: slackgo.Blocks{BlockSet: f.blocks},
	}, err
}

func (q *Requests) openForm(ctx context.Context, trigger string, f form) (*slackgo.View, error) {
	view, err := f.view()
	if err != nil {
		return nil, err
	}
	ctx, cancel := context.WithTimeout(ctx, formTimeout)
	defer cancel()
	var opened *slackgo.ViewResponse
	err = q.client.call(ctx, "views.open", func(ctx context.Context) error {
		opened, err = q.client.api.OpenViewContext(ctx, trigger, view)
		return err
	})
	if err != nil {
		q.log.Warn("open slack form", "form", f.callback, "err", err)
		return nil, err
	}
	return &opened.View, nil
}

// submitted handles a form that was sent. It closes only when it was accepted.
func (q *Requests) submitted(ctx context.Context, a arrival, i interaction) answer {
	var from formOrigin
	if json.Unmarshal([]byte(i.View.PrivateMetadata), &from) != nil {
		return ok(nil)
	}
	from.Origin.Surface = "slack"
	reason := oneLine(pipeline.Clean(i.input(inReason)))
	if len([]rune(reason)) > maxReason {
		return refuseReason(fmt.Sprintf("Say it in at most %d characters.", maxReason))
	}
	switch i.View.CallbackID {
	case deployForm:
		return q.submitDeploy(ctx, a, i, from, reason)
	case rollbackForm:
		if word.MatchString(from.Service) && word.MatchString(from.Environment) {
			return q.sayForm(ctx, a, i, from.Origin, withReason(commands.Paste("/rollback", from.Service, from.Environment), reason))
		}
	case rejectForm:
		return q.pressForm(ctx, a, i, from, reason)
	}
	return ok(nil)
}

func withReason(line, reason string) string {
	if reason == "" {
		return line
	}
	return line + commands.PasteFlag("reason", reason)
}

// sayForm says the command that the form stands for.
func (q *Requests) sayForm(ctx context.Context, a arrival, i interaction, origin pipeline.Origin, line string) answer {
	said := bot.Said{Actor: i.actor(), Origin: origin, Text: line, At: a.at, Came: a.at}
	if q.accept(ctx, a, bot.KindSaid, 0, said, "slack:view:"+i.View.ID, "slack:trigger:"+i.TriggerID) != nil {
		return refuseReason(notAccepted)
	}
	return ok(nil)
}

func (q *Requests) pressForm(ctx context.Context, a arrival, i interaction, from formOrigin, reason string) answer {
	repo, button, valid := readButton(from.Button)
	switch {
	case !valid:
		return ok(nil)
	case reason == "":
		return refuseReason("Say why, so that others know what has to change.")
	}
	pressed := bot.Pressed{Repo: pipeline.Repo{ID: repo}, Button: button, Actor: i.actor(), Origin: from.Origin, Reason: reason, At: a.at, Came: a.at}
	if q.accept(ctx, a, bot.KindPressed, repo, pressed, "slack:view:"+i.View.ID, "slack:trigger:"+i.TriggerID) != nil {
		return refuseReason(notAccepted)
	}
	return ok(nil)
}

func refuseReason(sentence string) answer {
	return answerErrors(map[string]string{inReason: sentence})
}

func answerErrors(wrong map[string]string) answer {
	return ok(map[string]any{"response_action": "errors", "errors": wrong})
}

func textInput(id, label, placeholder string, optional bool) *slackgo.InputBlock {
	var hint *slackgo.TextBlockObject
	if placeholder != "" {
		hint = plainText(placeholder)
	}
	in := slackgo.NewInputBlock(id, plainText(label), nil, slackgo.NewPlainTextInputBlockElement(hint, id))
	in.Optional = optional
	return in
}

func plainText(text string) *slackgo.TextBlockObject {
	return slackgo.NewTextBlockObject(slackgo.PlainTextType, text, false, false)
}

// markdown is a text object whose text was made by markup; "verbatim" keeps
// Slack from making links of addresses and names in it.
func markdown(mrkdwn string) *slackgo.TextBlockObject {
	return slackgo.NewTextBlockObject(slackgo.MarkdownType, mrkdwn, false, true)
}
