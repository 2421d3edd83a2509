package slack

import (
	"context"
	"encoding/json"
	"fmt"
	"regexp"
	"slices"
	"strings"
	"time"

	slackgo "github.com/slack-go/slack"

	"github.com/shipmate/shipmate/bot"
	"github.com/shipmate/shipmate/pipeline"
)

// Directory lists what can be deployed, for the form's menus.
type Directory interface {
	Services(ctx context.Context) ([]Service, error)
}

// Service is one entry of the deploy form.
type Service struct {
	Name         string
	Environments []string
}

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
)

// The inputs of forms, by block id; the action id is the same.
const (
	inService     = "service"
	inEnvironment = "environment"
	inRef         = "ref"
	inReason      = "reason"
)

// formOrigin is what a form carries from where it was opened to where it is sent.
type formOrigin struct {
	Origin      pipeline.Origin `json:"origin"`
	Button      string          `json:"button,omitempty"`
	Service     string          `json:"service,omitempty"`
	Environment string          `json:"environment,omitempty"`
}

func (q *Requests) openDeploy(ctx context.Context, trigger string, origin pipeline.Origin) answer {
	services := q.listServices(ctx)
	names, environments := choices(services)
	blocks := []slackgo.Block{
		choiceInput(inService, "Service", names),
		choiceInput(inEnvironment, "Environment", environments),
		textInput(inRef, "Branch, tag or commit", "the default branch", true),
		textInput(inReason, "Reason", "", true),
	}
	if err := q.openForm(ctx, trigger, deployForm, "Deploy", "Deploy", formOrigin{Origin: origin}, blocks); err != nil {
		return ok(privately("The form could not be opened. Say it in words: `/deploy <service> <environment>`."))
	}
	return ok(nil)
}

// openReject asks for the reason; the button itself is pressed when the form is sent.
func (q *Requests) openReject(ctx context.Context, i interaction, button string) answer {
	blocks := []slackgo.Block{textInput(inReason, "Reason", "what has to change", false)}
	if err := q.openForm(ctx, i.TriggerID, rejectForm, "Reject", "Reject", formOrigin{Origin: i.origin(), Button: button}, blocks); err != nil {
		q.tell(ctx, i, "The form could not be opened, so nothing was done. Press again, or say `/reject <run> --reason \"...\"`.")
	}
	return ok(nil)
}

// openRollback finds out which run the message shows, and asks whether to go back.
func (q *Requests) openRollback(ctx context.Context, i interaction) answer {
	find, cancel := context.WithTimeout(ctx, findTimeout)
	defer cancel()
	shown, err := q.client.RunAt(find, i.Channel.ID, i.MessageTS)
	if err != nil || shown.Environment == "" {
		q.tell(ctx, i, "This message shows no deploy of shipmate. Choose the shortcut on a run's message, or say `/rollback <service> <environment>`.")
		return ok(nil)
	}
	question := fmt.Sprintf("Bring the previous good revision of %s back to %s?", shown.Service, shown.Environment)
	blocks := []slackgo.Block{
		slackgo.NewSectionBlock(plainText(question), nil, nil),
		textInput(inReason, "Reason", "", true),
	}
	from := formOrigin{Origin: i.origin(), Service: shown.Service, Environment: shown.Environment}
	if err := q.openForm(ctx, i.TriggerID, rollbackForm, "Roll back", "Roll back", from, blocks); err != nil {
		q.tell(ctx, i, "The form could not be opened, so nothing was done. Try again, or say `/rollback <service> <environment>`.")
	}
	return ok(nil)
}

func (q *Requests) openForm(ctx context.Context, trigger, callback, title, submit string, from formOrigin, blocks []slackgo.Block) error {
	metadata, err := json.Marshal(from)
	if err != nil {
		return err
	}
	ctx, cancel := context.WithTimeout(ctx, formTimeout)
	defer cancel()
	err = q.client.call(ctx, "views.open", func(ctx context.Context) error {
		_, err := q.client.api.OpenViewContext(ctx, trigger, slackgo.ModalViewRequest{
			Type: slackgo.VTModal, CallbackID: callback, PrivateMetadata: string(metadata),
			Title: plainText(title), Submit: plainText(submit), Close: plainText("Cancel"),
			Blocks: slackgo.Blocks{BlockSet: blocks},
		})
		return err
	})
	if err != nil {
		q.log.Warn("open slack form", "form", callback, "err", err)
	}
	return err
}

// listServices asks for the menus, and does without them if they take too long.
func (q *Requests) listServices(ctx context.Context) []Service {
	if q.services == nil {
		return nil
	}
	ctx, cancel := context.WithTimeout(ctx, servicesTimeout)
	defer cancel()
	services, err := q.services.Services(ctx)
	if err != nil {
		q.log.Warn("list services for slack form", "err", err)
		return nil
	}
	return services
}

func choices(services []Service) (names, environments []string) {
	for _, s := range services {
		names = append(names, s.Name)
		for _, e := range s.Environments {
			if !slices.Contains(environments, e) {
				environments = append(environments, e)
			}
		}
	}
	return names, environments
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
		words := []string{i.input(inService), i.input(inEnvironment), i.input(inRef)}
		if wrong := q.checkDeploy(ctx, words); wrong != nil {
			return answerErrors(wrong)
		}
		return q.sayForm(ctx, a, i, from.Origin, "/deploy", words, reason)
	case rollbackForm:
		words := []string{from.Service, from.Environment}
		if word.MatchString(words[0]) && word.MatchString(words[1]) {
			return q.sayForm(ctx, a, i, from.Origin, "/rollback", words, reason)
		}
	case rejectForm:
		return q.pressForm(ctx, a, i, from, reason)
	}
	return ok(nil)
}

// sayForm says the command that the form stands for.
func (q *Requests) sayForm(ctx context.Context, a arrival, i interaction, origin pipeline.Origin, verb string, words []string, reason string) answer {
	text := verb
	for _, w := range words {
		if w != "" {
			text += " " + w
		}
	}
	if reason != "" {
		text += " --reason " + quote(reason)
	}
	said := bot.Said{Actor: i.actor(), Origin: origin, Text: text, At: a.at, Came: a.at}
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
	pressed := bot.Pressed{Repo: pipeline.Repo{ID: repo}, Button: button, Actor: i.actor(), Origin: from.Origin, Reason: reason, At: a.at}
	if q.accept(ctx, a, bot.KindPressed, repo, pressed, "slack:view:"+i.View.ID, "slack:trigger:"+i.TriggerID) != nil {
		return refuseReason(notAccepted)
	}
	return ok(nil)
}

// word is what may stand in a command unquoted: a name of a service (also
// owner/name), an environment, a branch, tag or commit. It never begins with
// "-", so it is never a flag.
var word = regexp.MustCompile(`^[A-Za-z0-9_.][A-Za-z0-9_./@+#=-]{0,199}$`)

// checkDeploy says what is wrong with the words of a deploy form, by block id.
func (q *Requests) checkDeploy(ctx context.Context, words []string) map[string]string {
	wrong := map[string]string{}
	for n, block := range []string{inService, inEnvironment, inRef} {
		if words[n] == "" && block == inRef {
			continue
		}
		if !word.MatchString(words[n]) {
			wrong[block] = "Use letters, digits and . _ / - only; it cannot begin with a dash."
		}
	}
	if len(wrong) > 0 {
		return wrong
	}
	for _, s := range q.listServices(ctx) {
		if s.Name == words[0] && len(s.Environments) > 0 && !slices.ContainsFunc(s.Environments, func(e string) bool { return strings.EqualFold(e, words[1]) }) {
			return map[string]string{inEnvironment: short(fmt.Sprintf("%s has no such environment. It has: %s.", s.Name, strings.Join(s.Environments, ", ")), 300)}
		}
	}
	return nil
}

// quote makes one value of a text, as the grammar reads it: between double
// quotes, where a backslash makes the next character ordinary.
func quote(text string) string {
	return `"` + strings.NewReplacer(`\`, `\\`, `"`, `\"`, `“`, `\“`, `”`, `\”`).Replace(text) + `"`
}

// input is what a person put into a field of the form.
func (i interaction) input(block string) string {
	f := i.View.State.Values[block][block]
	if f.Selected != nil {
		return strings.TrimSpace(f.Selected.Value)
	}
	return strings.TrimSpace(f.Value)
}

func refuseReason(sentence string) answer {
	return answerErrors(map[string]string{inReason: sentence})
}

func answerErrors(wrong map[string]string) answer {
	return ok(map[string]any{"response_action": "errors", "errors": wrong})
}

// choiceInput is a menu, or a text field if there is nothing to choose from.
func choiceInput(id, label string, values []string) *slackgo.InputBlock {
	var options []*slackgo.OptionBlockObject
	for _, v := range values {
		if word.MatchString(v) && len(v) <= 75 && len(options) < maxOptions {
			options = append(options, slackgo.NewOptionBlockObject(v, plainText(v), nil))
		}
	}
	if len(options) == 0 || len(values) > maxOptions {
		return textInput(id, label, "", false)
	}
	return slackgo.NewInputBlock(id, plainText(label), nil,
		slackgo.NewOptionsSelectBlockElement(slackgo.OptTypeStatic, plainText("Choose"), id, options...))
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
