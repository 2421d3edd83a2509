package slack_test

import (
	"strings"
	"testing"

	slackgo "github.com/slack-go/slack"

	"github.com/shipmate/shipmate/test/sim/slack"
)

func TestAMessageIsPostedUpdatedAnsweredAndDeleted(t *testing.T) {
	s, api := start(t, slack.Config{})
	channel, ts, err := api.PostMessage("#deploys", slackgo.MsgOptionText("Deploying", false),
		slackgo.MsgOptionBlocks(section("*Deploying* shop"), approveButton()),
		slackgo.MsgOptionMetadata(slackgo.SlackMetadata{EventType: "run", EventPayload: map[string]any{"id": "r-1"}}),
		slackgo.MsgOptionDisableLinkUnfurl(), slackgo.MsgOptionDisableMediaUnfurl())
	if err != nil {
		t.Fatal(err)
	}
	if _, _, err := api.PostMessage(channel, slackgo.MsgOptionText("step 1", false), slackgo.MsgOptionTS(ts)); err != nil {
		t.Fatal(err)
	}
	m := s.Messages("deploys")[0]
	if m.Rendered != "*Deploying* shop\n[Approve]" || m.Unfurl || m.Metadata["event_type"] != "run" {
		t.Errorf("posted %+v", m)
	}
	if len(m.Replies) != 1 || m.Replies[0].Text != "step 1" {
		t.Errorf("replies %+v", m.Replies)
	}
	if _, _, _, err := api.UpdateMessage(channel, ts, slackgo.MsgOptionText("Deployed", false)); err != nil {
		t.Fatal(err)
	}
	if m = s.Messages("deploys")[0]; m.Text != "Deployed" || !m.Edited || len(m.Blocks) != 2 {
		t.Errorf("blocks that an update does not name stay, got %+v", m)
	}
	link, err := api.GetPermalink(&slackgo.PermalinkParameters{Channel: channel, Ts: ts})
	if err != nil || !strings.HasPrefix(link, "https://sim.slack.com/archives/"+channel+"/p") {
		t.Errorf("permalink %q, %v", link, err)
	}
	if _, _, err := api.DeleteMessage(channel, m.Replies[0].TS); err != nil {
		t.Fatal(err)
	}
	if m = s.Messages("deploys")[0]; len(m.Replies) != 0 {
		t.Errorf("the reply is still there: %+v", m.Replies)
	}
}

func TestAnEphemeralMessageIsForOnePerson(t *testing.T) {
	s, api := start(t, slack.Config{})
	channel := s.Snapshot().Channels[0].ID
	if _, err := api.PostEphemeral(channel, "U1", slackgo.MsgOptionText("only you", false)); err != nil {
		t.Fatal(err)
	}
	if got := s.EphemeralsTo("mona"); len(got) != 1 || got[0].Text != "only you" {
		t.Errorf("mona sees %+v", got)
	}
	if got := s.EphemeralsTo("hubot"); len(got) != 0 {
		t.Errorf("hubot sees %+v", got)
	}
	if _, err := api.PostEphemeral(channel, "U9", slackgo.MsgOptionText("x", false)); err == nil || err.Error() != "user_not_in_channel" {
		t.Errorf("to a stranger: %v", err)
	}
}

func TestALongTextIsCut(t *testing.T) {
	s, api := start(t, slack.Config{})
	if _, _, err := api.PostMessage("deploys", slackgo.MsgOptionText(strings.Repeat("é", 40_010), false)); err != nil {
		t.Fatal(err)
	}
	if n := len([]rune(s.Messages("deploys")[0].Text)); n != 40_000 {
		t.Errorf("%d characters stayed", n)
	}
}

func TestListsArePaged(t *testing.T) {
	s, api := start(t, slack.Config{})
	s.EnforceLimits(false)
	for _, name := range []string{"a", "b", "c", "d"} {
		s.AddChannel(name)
	}
	var names []string
	params := slackgo.GetConversationsParameters{Limit: 2}
	for {
		channels, next, err := api.GetConversations(&params)
		if err != nil {
			t.Fatal(err)
		}
		for _, c := range channels {
			names = append(names, c.Name)
		}
		if next == "" {
			break
		}
		params.Cursor = next
	}
	if got := strings.Join(names, " "); got != "deploys a b c d" {
		t.Errorf("listed %q", got)
	}
	channel := s.Snapshot().Channels[0].ID
	for range 5 {
		if _, _, err := api.PostMessage(channel, slackgo.MsgOptionText("x", false)); err != nil {
			t.Fatal(err)
		}
	}
	h, err := api.GetConversationHistory(&slackgo.GetConversationHistoryParameters{ChannelID: channel, Limit: 3})
	if err != nil || len(h.Messages) != 3 || !h.HasMore {
		t.Errorf("history %+v, %v", h, err)
	}
	members, _, err := api.GetUsersInConversation(&slackgo.GetUsersInConversationParameters{ChannelID: channel})
	if err != nil || len(members) != 3 {
		t.Errorf("members %v, %v", members, err)
	}
	users, err := api.GetUsers()
	if err != nil || len(users) != 3 {
		t.Errorf("users %v, %v", users, err)
	}
}

func TestReactions(t *testing.T) {
	s, api := start(t, slack.Config{})
	channel, ts, err := api.PostMessage("deploys", slackgo.MsgOptionText("x", false))
	if err != nil {
		t.Fatal(err)
	}
	item := slackgo.NewRefToMessage(channel, ts)
	if err := api.AddReaction("eyes", item); err != nil {
		t.Fatal(err)
	}
	if err := s.React("mona", channel, ts, "eyes"); err != nil {
		t.Fatal(err)
	}
	if err := api.AddReaction("eyes", item); err == nil || err.Error() != "already_reacted" {
		t.Errorf("twice: %v", err)
	}
	if err := api.RemoveReaction("eyes", item); err != nil {
		t.Fatal(err)
	}
	if got := s.Reactions("deploys", ts); len(got) != 1 || got[0].Users[0] != "U1" {
		t.Errorf("left are %+v", got)
	}
}

func TestPeopleAreToldApart(t *testing.T) {
	s, api := start(t, slack.Config{})
	s.AddUser(slack.User{ID: "U3", Name: "mona", IsRestricted: true})
	s.AddUser(slack.User{ID: "U4", Name: "eve", Team: "T9", IsStranger: true})
	s.AddUser(slack.User{ID: "U2", Name: "hubot", Deleted: true})
	guest, err := api.GetUserInfo("U3")
	if err != nil || !guest.IsRestricted {
		t.Errorf("guest %+v, %v", guest, err)
	}
	eve, err := api.GetUserInfo("U4")
	if err != nil || !eve.IsStranger || eve.TeamID != "T9" {
		t.Errorf("stranger %+v, %v", eve, err)
	}
	gone, err := api.GetUserInfo("U2")
	if err != nil || !gone.Deleted {
		t.Errorf("deactivated %+v, %v", gone, err)
	}
}
