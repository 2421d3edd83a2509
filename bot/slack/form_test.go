package slack_test

import (
	"encoding/json"
	"errors"
	"strings"
	"testing"

	"github.com/shipmate/shipmate/bot"
	"github.com/shipmate/shipmate/bot/slack"
	"github.com/shipmate/shipmate/commands"
	"github.com/shipmate/shipmate/pipeline"
	sim "github.com/shipmate/shipmate/test/sim/slack"
)

// form is the newest job that fills in a form; nothing else may be waiting.
func (w *world) form() bot.Form {
	w.t.Helper()
	var f bot.Form
	w.job(bot.KindForm, &f)
	return f
}

func (w *world) fill(f bot.Form, c bot.Choices) {
	w.t.Helper()
	c.Service = f.Service
	c.Services = []bot.Service{{Name: "shop", Environments: []string{"staging", "prod"}}, {Name: "blog", Environments: []string{"live"}}}
	if err := (slack.Screen{Client: w.client}).Fill(w.ctx, f, c); err != nil {
		w.t.Fatal(err)
	}
}

func (w *world) openForm() *sim.View {
	w.t.Helper()
	w.must(w.slack.SlashCommand(w.ctx, sim.Command{User: "mona", Channel: "deploys", Name: "/deploy"}))
	return w.slack.OpenView("mona")
}

func (w *world) choose(input, option string) {
	w.t.Helper()
	w.must(w.slack.Choose(w.ctx, sim.Choice{User: "mona", Input: input, Option: option}))
}

func (w *world) submit(values map[string]string) sim.Delivery {
	w.t.Helper()
	return w.must(w.slack.SubmitView(w.ctx, sim.Submission{User: "mona", Values: values}))
}

func twenty() *int64 { n := int64(20); return &n }

var shopChoices = bot.Choices{
	Refs: bot.Refs{Default: "main", Pulls: []bot.PullRef{{Number: 7, Branch: "sale", Title: "Add <a> sale"}}, Branches: []string{"fix"}, Tags: []string{"v2", "v1"}},
	Params: []pipeline.Param{
		{Name: "replicas", Type: "int", Default: 3, Max: twenty()}, {Name: "fast", Type: "bool"},
		{Name: "region", Type: "string", Enum: []string{"eu", "us"}, Default: "eu"}, {Name: "note", Type: "string", Pattern: "[a-z ]+"},
	},
	DryRun: true,
}

func TestTheFormFollowsTheService(t *testing.T) {
	w := newWorld(t)
	w.openForm()
	w.nothingMore()
	w.choose("Service", "shop")
	w.fill(w.form(), shopChoices)
	view := w.slack.OpenView("mona")
	for _, want := range []string{"Service: [shop]", "Environment: [] ▾ staging | prod\n", "▾ main | PR 7 Add <a> sale | fix | v2 | v1", "replicas: [3]", "fast: [] ▾ true | false", "region: [eu]", "note: []", "Dry run"} {
		if !strings.Contains(view.Rendered, want) {
			t.Errorf("%q is not in\n%s", want, view.Rendered)
		}
	}
	w.choose("Environment", "prod")
	w.choose("Service", "blog")
	w.fill(w.form(), bot.Choices{Refs: bot.Refs{Default: "main"}})
	if view = w.slack.OpenView("mona"); strings.Contains(view.Rendered, "replicas") || !strings.Contains(view.Rendered, "Environment: [] ▾ live") {
		t.Errorf("it is still that of shop:\n%s", view.Rendered)
	}
}

func TestALateFillingLeavesTheFormAlone(t *testing.T) {
	w := newWorld(t)
	w.openForm()
	w.choose("Service", "shop")
	first := w.form()
	w.choose("Service", "blog")
	w.fill(w.form(), bot.Choices{Refs: bot.Refs{Default: "main"}})
	before := w.slack.OpenView("mona").Rendered
	if err := (slack.Screen{Client: w.client}).Fill(w.ctx, first, shopChoices); !errors.Is(err, bot.ErrFormChanged) {
		t.Errorf("got %v", err)
	}
	if after := w.slack.OpenView("mona").Rendered; after != before {
		t.Errorf("it shows\n%s", after)
	}
	if _, err := w.slack.CloseView(w.ctx, "mona"); err != nil {
		t.Fatal(err)
	}
	w.fill(first, shopChoices) // it is gone
}

func TestWhatTheFormSaysIsACommand(t *testing.T) {
	for name, c := range map[string]struct {
		values map[string]string
		want   string
	}{
		"nothing but what is needed":   {nil, "/deploy shop prod"},
		"a pull request":               {map[string]string{"menu": "PR 7 Add <a> sale"}, "/deploy shop prod sale"},
		"something that is typed":      {map[string]string{"ref": "v0.9"}, "/deploy shop prod v0.9"},
		"the same twice":               {map[string]string{"ref": "v1", "menu": "v1"}, "/deploy shop prod v1"},
		"parameters, not as they are":  {map[string]string{"replicas": "5", "fast": "true", "region": "eu"}, "/deploy shop prod --param fast=true --param replicas=5"},
		"a value with blanks":          {map[string]string{"note": "big sale"}, `/deploy shop prod --param "note=big sale"`},
		"a reason that looks like one": {map[string]string{"Reason": `" --wait`}, `/deploy shop prod --reason "\" --wait"`},
		"only to try":                  {map[string]string{"Dry run": "dry_run"}, "/deploy shop prod --dry-run"},
	} {
		t.Run(name, func(t *testing.T) {
			w := newWorld(t)
			w.openForm()
			w.choose("Service", "shop")
			w.fill(w.form(), shopChoices)
			values := map[string]string{"Environment": "prod"}
			for k, v := range c.values {
				values[k] = v
			}
			if d := w.submit(values); len(d.Errors) > 0 {
				t.Fatalf("refused: %v", d.Errors)
			}
			if got := w.said().Text; got != c.want {
				t.Errorf("said %s\nwant %s", got, c.want)
			}
		})
	}
}

func TestTheFormIsCheckedWhereItIsWrong(t *testing.T) {
	for name, c := range map[string]struct {
		values map[string]string
		at     string // the input's label
		want   string
	}{
		"a value beyond what is declared": {map[string]string{"note": "NO"}, "note", "must match [a-z ]+"},
		"two refs":                        {map[string]string{"ref": "v3", "menu": "v1"}, "Another branch, tag or commit", "not both"},
		"a flag for a ref":                {map[string]string{"ref": "--force"}, "Another branch, tag or commit", "cannot begin with a dash"},
	} {
		t.Run(name, func(t *testing.T) {
			w := newWorld(t)
			w.openForm()
			w.choose("Service", "shop")
			w.fill(w.form(), shopChoices)
			values := map[string]string{"Environment": "prod"}
			for k, v := range c.values {
				values[k] = v
			}
			d := w.submit(values)
			for _, in := range w.slack.OpenView("mona").Inputs {
				if in.Label == c.at && !strings.Contains(d.Errors[in.BlockID], c.want) {
					t.Errorf("errors: %v", d.Errors)
				}
			}
			if len(d.Errors) != 1 {
				t.Errorf("errors: %v", d.Errors)
			}
			w.nothingMore()
		})
	}
}

func TestAFormOfManyParametersIsWithinSlacksLimits(t *testing.T) {
	w := newWorld(t)
	w.openForm()
	w.choose("Service", "shop")
	c := shopChoices
	long := strings.Repeat("n", 63)
	for n := range 90 {
		c.Params = append(c.Params, pipeline.Param{Name: long + string(rune('a'+n/26)) + string(rune('a'+n%26)), Type: "string", Help: strings.Repeat("h", 900), Enum: []string{strings.Repeat("e", 90)}})
		c.Refs.Branches = append(c.Refs.Branches, "b"+string(rune('a'+n/26))+string(rune('a'+n%26)))
		c.Refs.Tags = append(c.Refs.Tags, strings.Repeat("t", 200))
	}
	w.fill(w.form(), c)
	if view := w.slack.OpenView("mona"); !strings.Contains(view.Rendered, "replicas") {
		t.Errorf("it was not filled in:\n%s", view.Rendered)
	}
}

func TestAServiceAloneInItsChannelIsChosenAtOnce(t *testing.T) {
	w := newWorldOf(t, services{{Name: "shop", Environments: []string{"prod"}, Channels: []string{"#deploys"}}, {Name: "blog", Environments: []string{"live"}}})
	if view := w.openForm(); !strings.Contains(view.Rendered, "Service: [shop]") {
		t.Errorf("it shows\n%s", view.Rendered)
	}
	if f := w.form(); f.Service != "shop" || f.View != w.slack.OpenView("mona").ID || f.Actor.SlackUser != "U1" {
		t.Errorf("to be filled in: %+v", f)
	}
}

func TestAPrivateChannelIsKnownByItsName(t *testing.T) {
	w := newWorld(t)
	id := w.slack.CreateChannel(sim.Channel{Name: "secret", Private: true, Members: []string{"mona", sim.BotUser}})
	w.must(w.slack.SlashCommand(w.ctx, sim.Command{User: "mona", Channel: id, Name: "/deploy", Text: "prod"}))
	if s := w.said(); s.Origin.ChannelName != "secret" || s.Origin.Channel != id {
		t.Errorf("from %+v", s.Origin)
	}
}

func TestTheRollbackFormSaysWhatItWouldDo(t *testing.T) {
	w := newWorld(t)
	message := w.post(open())
	w.must(w.slack.MessageShortcut(w.ctx, sim.Shortcut{User: "mona", CallbackID: "rollback", Channel: "deploys", Message: message.TS}))
	view := w.slack.OpenView("mona")
	if view == nil || !strings.Contains(view.Rendered, "prod runs 0123456 of shop now (r-12345678, by mona). Roll prod back to fedcba9 (r-00000000, by hubot)?") {
		t.Fatalf("it says %+v", view)
	}
	r := open()
	r.ID, r.Environment.Name = "r-22222222", "staging"
	var shown json.RawMessage
	w.mustShow(w.newSink(), r, &shown)
	all := w.slack.Messages("deploys")
	w.must(w.slack.MessageShortcut(w.ctx, sim.Shortcut{User: "hubot", CallbackID: "rollback", Channel: "deploys", Message: all[len(all)-1].TS}))
	if w.slack.OpenView("hubot") != nil || !strings.Contains(w.lastWhisper("hubot"), "nothing to go back to") {
		t.Errorf("told %q", w.lastWhisper("hubot"))
	}
}

func TestAnAnswerThatAsksIsForOneOnly(t *testing.T) {
	w := newWorld(t)
	s := &slack.Surface{Client: w.client, Log: w.log}
	top, err := w.slack.Say(sim.Post{User: "hubot", Channel: "deploys", Text: "look"})
	if err != nil {
		t.Fatal(err)
	}
	at := pipeline.Origin{Surface: "slack", Channel: w.channel(), Thread: top.TS}
	ask := bot.Answer{Text: "Is it this?", Confirm: []bot.Confirm{{Button: "abc", Label: "Deploy 0123456 to " + strings.Repeat("x", 100)}}}
	if err := s.Reply(w.ctx, pipeline.Repo{ID: 77}, at, mona, "key", ask); err != nil {
		t.Fatal(err)
	}
	all := w.slack.EphemeralsTo("mona")
	if len(all) != 1 || len(all[0].Buttons) != 1 || len(w.only().Replies) != 1 {
		t.Fatalf("mona sees %+v", all)
	}
	w.must(w.slack.Click(w.ctx, sim.Click{User: "mona", Channel: "deploys", Message: all[0].TS, Button: all[0].Buttons[0].Text}))
	p := w.pressed()
	if p.Repo.ID != 77 || p.Button != "abc" || p.Origin.ReplyTo == "" {
		t.Errorf("pressed %+v", p)
	}
	if err := s.Reply(w.ctx, pipeline.Repo{ID: 77}, p.Origin, mona, "key", bot.Answer{Text: "Deploying.", Replace: true}); err != nil {
		t.Fatal(err)
	}
	if all := w.slack.EphemeralsTo("mona"); len(all) != 1 || all[0].Rendered != "Deploying." || len(all[0].Buttons) != 0 {
		t.Errorf("after the answer mona sees %+v", all)
	}
}

func TestTheManifestsShortcutsAndTheCommandAreOurs(t *testing.T) {
	if _, ok := commands.All(commands.Desk{}).Find("deploy"); !ok {
		t.Error("the form says /deploy, and there is none")
	}
	manifest := string(slack.Manifest(slack.Setup{Socket: true}))
	for _, want := range []string{`"app_home_opened"`, `"home_tab_enabled": true`, `"Roll this back"`, `"im:write"`} {
		if !strings.Contains(manifest, want) {
			t.Errorf("%s is not in the manifest", want)
		}
	}
	for _, scope := range []string{"chat:write.public", "users:read.email", "channels:manage", "im:read"} {
		if strings.Contains(manifest, scope) {
			t.Errorf("the manifest asks for %s, which nothing needs", scope)
		}
	}
}
