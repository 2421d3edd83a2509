package slack

import (
	"context"
	"encoding/json"
	"fmt"
	"regexp"
	"slices"
	"strings"

	slackgo "github.com/slack-go/slack"

	"github.com/shipmate/shipmate/bot"
	"github.com/shipmate/shipmate/commands"
	"github.com/shipmate/shipmate/pipeline"
)

// Directory knows what can be deployed and gone back to, for forms.
type Directory interface {
	Services(ctx context.Context) ([]Service, error)
	// Rollback says what a rollback of an environment would do, or refuses.
	Rollback(ctx context.Context, repo int64, environment string) (RollbackPlan, error)
}

// Service is one entry of the deploy form.
type Service struct {
	Name         string
	Environments []string
	Channels     []string // those that its environments name, with "#"
}

// RollbackPlan is what runs in an environment and what would come back.
type RollbackPlan struct {
	From *pipeline.Deployment // nil: nothing is known to run there
	To   pipeline.Deployment
}

// opening is where a form was asked for, and by whom.
type opening struct {
	trigger string
	actor   pipeline.Actor
	origin  pipeline.Origin
}

// openDeploy opens the form with what is known at once. What depends on the
// service comes later: GitHub has to be asked, and Slack waits for nobody.
func (q *Requests) openDeploy(ctx context.Context, a arrival, o opening) answer {
	services := q.listServices(ctx)
	from := formOrigin{Origin: o.origin, Service: likely(services, o.origin)}
	f := deployFormOf(from, services, nil)
	view, err := q.openForm(ctx, o.trigger, f)
	if err != nil {
		return ok(privately("The form could not be opened. Say it in words: `/deploy <service> <environment>`."))
	}
	if from.Service != "" {
		q.fillLater(ctx, o.trigger, bot.Form{View: view.ID, Hash: view.Hash, Actor: o.actor, Service: from.Service, At: a.at}, from)
	}
	return ok(nil)
}

// choseService has the rest of the form follow the service.
func (q *Requests) choseService(ctx context.Context, a arrival, i interaction, service string) answer {
	var from formOrigin
	if json.Unmarshal([]byte(i.View.PrivateMetadata), &from) == nil {
		from.Service = service
		at := timeOf(i.Actions[0].ActionTS, a.at)
		q.fillLater(ctx, i.TriggerID, bot.Form{View: i.View.ID, Hash: i.View.Hash, Actor: i.actor(), Service: service, At: at}, from)
	}
	return ok(nil)
}

// fillLater asks a worker to fill in the form. If that cannot be, the form is
// used as it is.
func (q *Requests) fillLater(ctx context.Context, trigger string, f bot.Form, from formOrigin) {
	var err error
	if f.Opened, err = json.Marshal(from); err != nil {
		return
	}
	_ = q.accept(ctx, arrival{}, bot.KindForm, 0, f, "slack:form:"+trigger) // it logs
}

// likely is the service that is meant where there is only one: alone in the
// channel, or alone at all.
func likely(services []Service, at pipeline.Origin) string {
	here := slices.DeleteFunc(slices.Clone(services), func(s Service) bool {
		return !slices.Contains(s.Channels, at.Channel) && !slices.Contains(s.Channels, "#"+at.ChannelName)
	})
	if len(here) == 0 {
		here = services
	}
	if len(here) == 1 {
		return here[0].Name
	}
	return ""
}

// Screen fills in open forms. It is a [bot.Screen].
type Screen struct{ Client *Client }

// Fill shows the form with the choices of its service, unless it is gone or
// shows something else by now.
func (s Screen) Fill(ctx context.Context, f bot.Form, c bot.Choices) error {
	var from formOrigin
	if err := json.Unmarshal(f.Opened, &from); err != nil {
		return err
	}
	var services []Service
	for _, svc := range c.Services {
		services = append(services, Service{Name: svc.Name, Environments: svc.Environments})
	}
	from.Params = c.Params
	view, err := deployFormOf(from, services, &c).view()
	if err != nil {
		return err
	}
	err = s.Client.call(ctx, "views.update", func(ctx context.Context) error {
		_, err := s.Client.api.UpdateViewContext(ctx, view, "", f.Hash, f.View)
		return err
	})
	switch slackCode(err) {
	case "not_found": // it was sent or closed
		return nil
	case "hash_conflict":
		return bot.ErrFormChanged
	}
	return err
}

// deployFormOf is the form, as far as it is known. Inputs that depend on the
// service have blocks of their own for each: what was chosen for one service
// must not stand there for another.
func deployFormOf(from formOrigin, services []Service, c *bot.Choices) form {
	names, environments := choices(services, from.Service)
	service := choiceInput(inService, inService, "Service", names, from.Service)
	service.DispatchAction = service.Element.ElementType() == slackgo.MessageElementType(slackgo.OptTypeStatic)
	own := func(id string) string { return id }
	if from.Service != "" {
		own = func(id string) string { return short(from.Service+" "+id, 255) }
	}
	ref := "Branch, tag or commit"
	blocks := []slackgo.Block{service, choiceInput(own(inEnvironment), inEnvironment, "Environment", environments, "")}
	if c != nil {
		if menu := refMenu(own(inMenu), ref, c.Refs); menu != nil {
			blocks = append(blocks, menu)
			ref = "Another branch, tag or commit"
		}
	}
	blocks = append(blocks, textInput(inRef, ref, "the default branch", true))
	if c != nil {
		blocks = append(blocks, paramInputs(own, c.Params)...)
	}
	blocks = append(blocks, textInput(inReason, "Reason", "", true))
	if c != nil && c.DryRun {
		box := slackgo.NewCheckboxGroupsBlockElement(inDryRun, slackgo.NewOptionBlockObject(inDryRun, plainText("Only say what would be done"), nil))
		blocks = append(blocks, optional(slackgo.NewInputBlock(inDryRun, plainText("Dry run"), nil, box)))
	}
	return form{callback: deployForm, title: "Deploy", submit: "Deploy", from: from, blocks: blocks}
}

func optional(in *slackgo.InputBlock) *slackgo.InputBlock {
	in.Optional = true
	return in
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

// choices are the services, and the environments of the one that was chosen or of all.
func choices(services []Service, chosen string) (names, environments []string) {
	for _, s := range services {
		names = append(names, s.Name)
		if chosen != "" && s.Name != chosen {
			continue
		}
		for _, e := range s.Environments {
			if !slices.Contains(environments, e) {
				environments = append(environments, e)
			}
		}
	}
	return names, environments
}

// word is what may stand in a command unquoted: a name of a service (also
// owner/name), an environment, a branch, tag or commit. It never begins with
// "-", so it is never a flag.
var word = regexp.MustCompile(`^[A-Za-z0-9_.][A-Za-z0-9_./@+#=-]{0,199}$`)

// submitDeploy says the command that the deploy form stands for, or what is
// wrong with the form, at the input that is.
func (q *Requests) submitDeploy(ctx context.Context, a arrival, i interaction, from formOrigin, reason string) answer {
	ref := i.input(inRef)
	if menu := i.input(inMenu); ref == "" {
		ref = menu
	} else if menu != "" && menu != ref {
		return answerErrors(map[string]string{i.block(inRef): "Choose one above or type one here, not both."})
	}
	wrong := q.checkDeploy(ctx, i, ref)
	params, bad := givenParams(i, from.Params)
	for block, sentence := range bad {
		wrong[block] = sentence
	}
	if len(wrong) > 0 {
		return answerErrors(wrong)
	}
	words := []string{i.input(inEnvironment)}
	if ref != "" {
		words = append(words, ref)
	}
	line := withReason(commands.Paste("/deploy", append([]string{i.input(inService)}, words...)...)+params, reason)
	if i.input(inDryRun) != "" {
		line += " --" + dryRunFlag
	}
	return q.sayForm(ctx, a, i, from.Origin, line)
}

const dryRunFlag = "dry-run"

// checkDeploy says what is wrong with the words of a deploy form, by block.
func (q *Requests) checkDeploy(ctx context.Context, i interaction, ref string) map[string]string {
	wrong := map[string]string{}
	service, environment := i.input(inService), i.input(inEnvironment)
	for id, text := range map[string]string{inService: service, inEnvironment: environment, inRef: ref} {
		if !word.MatchString(text) && (text != "" || id != inRef) {
			wrong[i.block(id)] = "Use letters, digits and . _ / - only; it cannot begin with a dash."
		}
	}
	if len(wrong) > 0 {
		return wrong
	}
	for _, s := range q.listServices(ctx) {
		if s.Name == service && len(s.Environments) > 0 && !slices.ContainsFunc(s.Environments, func(e string) bool { return strings.EqualFold(e, environment) }) {
			wrong[i.block(inEnvironment)] = short(fmt.Sprintf("%s has no such environment. It has: %s.", s.Name, strings.Join(s.Environments, ", ")), 300)
		}
	}
	return wrong
}

// choiceInput is a menu, or a text field if there is nothing to choose from.
func choiceInput(block, id, label string, values []string, chosen string) *slackgo.InputBlock {
	options := optionsOf(values)
	if len(options) == 0 || len(values) > maxOptions {
		in := textInput(id, label, "", false)
		in.BlockID = block
		return in
	}
	menu := slackgo.NewOptionsSelectBlockElement(slackgo.OptTypeStatic, plainText("Choose"), id, options...)
	for _, o := range options {
		if o.Value == chosen {
			menu.InitialOption = o
		}
	}
	return slackgo.NewInputBlock(block, plainText(label), nil, menu)
}

func optionsOf(values []string) []*slackgo.OptionBlockObject {
	var options []*slackgo.OptionBlockObject
	for _, v := range values {
		if word.MatchString(v) && len(v) <= 75 && len(options) < maxOptions {
			options = append(options, slackgo.NewOptionBlockObject(v, plainText(v), nil))
		}
	}
	return options
}
