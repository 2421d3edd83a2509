package test

import (
	"errors"
	"fmt"
	"strings"

	"github.com/shipmate/shipmate/test/sim/slack"
)

func guest(s *stage, a action) error {
	s.w.Slack.AddUser(slack.User{ID: "U0" + strings.ToUpper(a.who), Name: a.who, IsRestricted: true})
	return nil
}

// ofAnotherWorkspace makes somebody a person who sees our channels from another
// workspace: of the same Enterprise Grid, or of a company they are shared with.
func ofAnotherWorkspace(s *stage, a action) error {
	s.w.Slack.AddWorkspace(slack.Team{ID: "T0OTHER", Name: "Other", Domain: "other", BotToken: "xoxb-other"})
	s.w.Slack.AddUser(slack.User{ID: "U0" + strings.ToUpper(a.who), Name: a.who, Team: "T0OTHER"})
	return nil
}

func inChannel(s *stage, a action) error {
	if name, text, _ := strings.Cut(a.text, " "); strings.HasPrefix(name, "/") {
		d, err := s.w.Slack.SlashCommand(s.ctx, slack.Command{User: a.who, Channel: a.where, Name: name, Text: text})
		return errors.Join(err, failed(d))
	}
	return s.mention(slack.Post{User: a.who, Channel: a.where, Text: a.text})
}

// mention posts a message, which reaches the bot if its name stands in it.
func (s *stage) mention(p slack.Post) error {
	if !strings.Contains(p.Text, "@shipmate") {
		_, err := s.w.Slack.Say(p)
		return err
	}
	d, err := s.w.Slack.Mention(s.ctx, p)
	return errors.Join(err, failed(d))
}

func failed(d slack.Delivery) error {
	if d.Error == "" {
		return nil
	}
	return errors.New(d.Error)
}

// inThread is about the newest run in the channel.
func inThread(s *stage, a action) error {
	m, err := s.newestRun(a.where, func(slack.Message) bool { return true })
	if err != nil {
		return err
	}
	return s.mention(slack.Post{User: a.who, Channel: a.where, Thread: m.TS, Text: a.text})
}

func (s *stage) newestRun(channel string, fits func(slack.Message) bool) (slack.Message, error) {
	messages := s.w.Slack.Messages(channel)
	for i := len(messages) - 1; i >= 0; i-- {
		if m := messages[i]; m.Bot && !m.Ephemeral() && fits(m) {
			return m, nil
		}
	}
	return slack.Message{}, fmt.Errorf("nothing like it in #%s", channel)
}

func clickInSlack(s *stage, a action) error {
	has := func(m slack.Message) bool { _, ok := m.Button(a.what); return ok }
	var m slack.Message
	for _, private := range s.w.Slack.EphemeralsTo(a.who) { // only they see it, so it is nearest
		if has(private) {
			m = private
		}
	}
	if m.TS == "" {
		var err error
		if m, err = s.newestRun(a.where, has); err != nil {
			return err
		}
	}
	d, err := s.w.Slack.Click(s.ctx, slack.Click{User: a.who, Channel: a.where, Message: m.TS, Button: a.what})
	return errors.Join(err, failed(d))
}

func clickInDirect(s *stage, a action) error {
	for _, c := range s.w.Slack.Snapshot().Channels {
		for _, m := range c.Messages {
			if _, has := m.Button(a.what); has && c.Direct {
				d, err := s.w.Slack.Click(s.ctx, slack.Click{User: a.who, Channel: c.ID, Message: m.TS, Button: a.what})
				return errors.Join(err, failed(d))
			}
		}
	}
	return errors.New("nothing like it")
}

func fillIn(s *stage, a action) error {
	values := map[string]string{}
	for field := range strings.SplitSeq(a.text, ", ") {
		label, value, _ := strings.Cut(field, ": ")
		values[label] = value
	}
	d, err := s.w.Slack.SubmitView(s.ctx, slack.Submission{User: a.who, Values: values})
	return errors.Join(err, failed(d))
}

func choose(s *stage, a action) error {
	d, err := s.w.Slack.Choose(s.ctx, slack.Choice{User: a.who, Input: a.what, Option: a.text})
	return errors.Join(err, failed(d))
}

func openHome(s *stage, a action) error {
	d, err := s.w.Slack.AppHomeOpened(s.ctx, a.who)
	return errors.Join(err, failed(d))
}

func clickAtHome(s *stage, a action) error {
	home := s.w.Slack.Home(a.who)
	if home == nil {
		return fmt.Errorf("%s has no home", a.who)
	}
	d, err := s.w.Slack.Click(s.ctx, slack.Click{User: a.who, View: home.ID, Button: a.what})
	return errors.Join(err, failed(d))
}

// useShortcut chooses one from the global menu, or from that of the newest run
// or of the newest word somebody said in a channel.
func useShortcut(s *stage, a action) error {
	if a.where == "" {
		d, err := s.w.Slack.GlobalShortcut(s.ctx, slack.Shortcut{User: a.who, CallbackID: a.what})
		return errors.Join(err, failed(d))
	}
	ts := ""
	for _, m := range s.w.Slack.Messages(a.where) {
		if m.Bot == (a.text == "a run") && !m.Ephemeral() {
			ts = m.TS
		}
	}
	d, err := s.w.Slack.MessageShortcut(s.ctx, slack.Shortcut{User: a.who, CallbackID: a.what, Channel: a.where, Message: ts})
	return errors.Join(err, failed(d))
}
