package slack_test

import (
	"strings"
	"testing"

	"github.com/shipmate/shipmate/bot"
	"github.com/shipmate/shipmate/commands"
	sim "github.com/shipmate/shipmate/test/sim/slack"
)

func TestButtons(t *testing.T) {
	w := newWorld(t)
	r := open()
	message := w.post(r)
	d := w.must(w.slack.Click(w.ctx, sim.Click{User: "hubot", Channel: "deploys", Message: message.TS, Button: "Approve"}))
	if d.Dialog == nil || !strings.Contains(d.Dialog.Text, "0123456") {
		t.Errorf("asked %+v, want a question that names the commit", d.Dialog)
	}
	p := w.pressed()
	if p.Repo.ID != r.Repo.ID || p.Actor.SlackUser != "U2" || p.Actor.SlackTeam != "T0SIM" || p.Origin.ReplyTo == "" || p.Origin.Channel != w.channel() {
		t.Errorf("pressed %+v", p)
	}
	meant, err := w.buttons.Find(w.ctx, p.Repo.ID, p.Button)
	if err != nil || meant.Kind != bot.ButtonApprove || meant.Run != r.ID || meant.SHA != r.SHA {
		t.Errorf("it means %+v, %v", meant, err)
	}
	w.slack.Replay(w.ctx, w.slack.LastSent())
	w.nothingMore()
}

func TestRejectAsksForTheReason(t *testing.T) {
	w := newWorld(t)
	message := w.post(open())
	w.must(w.slack.Click(w.ctx, sim.Click{User: "hubot", Channel: "deploys", Message: message.TS, Button: "Reject"}))
	w.nothingMore()
	d := w.must(w.slack.SubmitView(w.ctx, sim.Submission{User: "hubot", Values: map[string]string{"Reason": " "}}))
	if d.Errors["reason"] == "" {
		t.Errorf("an empty reason is refused: %+v", d)
	}
	w.must(w.slack.SubmitView(w.ctx, sim.Submission{User: "hubot", Values: map[string]string{"Reason": "carts are\nempty"}}))
	p := w.pressed()
	meant, err := w.buttons.Find(w.ctx, p.Repo.ID, p.Button)
	if p.Reason != "carts are empty" || meant.Kind != bot.ButtonReject || err != nil || p.Origin.ReplyTo == "" {
		t.Errorf("pressed %+v, which means %+v, %v", p, meant, err)
	}
	if w.slack.OpenView("hubot") != nil {
		t.Error("the form is still open")
	}
	w.slack.Replay(w.ctx, w.slack.LastSent())
	w.nothingMore()
}

func TestAButtonThatIsNotOursDoesNothing(t *testing.T) {
	w := newWorld(t)
	message := w.post(open())
	payload, err := w.slack.ClickPayload(sim.Click{User: "hubot", Channel: "deploys", Message: message.TS, Button: "Approve"})
	if err != nil {
		t.Fatal(err)
	}
	for _, value := range []string{"", "x", "1", "1.", "-1.abc", ".abc", "1." + strings.Repeat("a", 200)} {
		payload["actions"].([]sim.Block)[0]["value"] = value
		w.slack.SendInteraction(w.ctx, payload)
		w.nothingMore()
	}
	if !strings.Contains(w.lastWhisper("hubot"), "not one of ours") {
		t.Errorf("told %q", w.lastWhisper("hubot"))
	}
}

func TestDeployForm(t *testing.T) {
	w := newWorld(t)
	d := w.must(w.slack.SlashCommand(w.ctx, sim.Command{User: "mona", Channel: "deploys", Name: "/deploy"}))
	w.nothingMore()
	if w.slack.OpenView("mona") == nil {
		t.Fatalf("no form is open: %+v", d)
	}
	fill := func(service, environment, ref, reason string) sim.Delivery {
		t.Helper()
		return w.must(w.slack.SubmitView(w.ctx, sim.Submission{User: "mona", Values: map[string]string{
			"Service": service, "Environment": environment, "ref": ref, "Reason": reason}}))
	}
	for _, ref := range []string{"--force", "-x", "a b", `a"b`, "a`b", "main\u00a0--force", "päin"} {
		if d := fill("shop", "prod", ref, ""); d.Errors["ref"] == "" {
			t.Errorf("ref %q is refused: %+v", ref, d)
		}
	}
	if d := fill("shop", "live", "", ""); !strings.Contains(d.Errors["environment"], "staging, prod") {
		t.Errorf("an environment of another service is refused: %+v", d)
	}
	w.nothingMore()
	fill("shop", "prod", "feature/x", `say "hi" --force \`)
	s := w.said()
	if want := `/deploy shop prod feature/x --reason "say \"hi\" --force \\"`; s.Text != want {
		t.Errorf("said %s\nwant %s", s.Text, want)
	}
	if s.Origin.Channel != w.channel() || s.Origin.ReplyTo == "" || s.Actor.SlackUser != "U1" {
		t.Errorf("from %+v by %+v", s.Origin, s.Actor)
	}
}

func TestAReasonSmugglesNothingIn(t *testing.T) {
	all := commands.All(commands.Desk{})
	for _, reason := range []string{"--wait", `" --wait "`, `\" --wait`, "” --wait “", `\`, `"`, "a\nb", "/deploy x"} {
		w := newWorld(t)
		w.must(w.slack.GlobalShortcut(w.ctx, sim.Shortcut{User: "mona", CallbackID: "deploy"}))
		w.must(w.slack.SubmitView(w.ctx, sim.Submission{User: "mona", Values: map[string]string{"Service": "shop", "Environment": "prod", "Reason": reason}}))
		text := strings.Replace(w.said().Text, "shop ", "", 1) // the bot takes the service out
		line, err := all.Parse(text)
		if err != nil {
			t.Errorf("%q: %v", text, err)
			continue
		}
		if want := strings.ReplaceAll(reason, "\n", " "); line.Flag("reason") != want || len(line.Flags) != 1 {
			t.Errorf("%q is read as %v", text, line.Flags)
		}
	}
}

func TestRollbackShortcut(t *testing.T) {
	w := newWorld(t)
	message := w.post(open())
	w.must(w.slack.MessageShortcut(w.ctx, sim.Shortcut{User: "mona", CallbackID: "rollback", Channel: "deploys", Message: message.TS}))
	w.must(w.slack.SubmitView(w.ctx, sim.Submission{User: "mona", Values: map[string]string{"Reason": "errors"}}))
	if s := w.said(); s.Text != `/rollback shop prod --reason errors` || s.Origin.Channel != w.channel() {
		t.Errorf("said %+v", s)
	}
	other, err := w.slack.Say(sim.Post{User: "hubot", Channel: "deploys", Text: "hello"})
	if err != nil {
		t.Fatal(err)
	}
	w.must(w.slack.MessageShortcut(w.ctx, sim.Shortcut{User: "mona", CallbackID: "rollback", Channel: "deploys", Message: other.TS}))
	if w.slack.OpenView("mona") != nil || !strings.Contains(w.lastWhisper("mona"), "no deploy of shipmate") {
		t.Errorf("told %q", w.lastWhisper("mona"))
	}
	w.nothingMore()
}
