package slack

import (
	"context"
	"net/http"
	"strings"
	"unicode/utf8"

	slackgo "github.com/slack-go/slack"

	"github.com/shipmate/shipmate/bot"
	"github.com/shipmate/shipmate/commands"
	"github.com/shipmate/shipmate/pipeline"
)

const maxCommand = 4000 // characters of a slash command

// command turns a slash command into what the person said. One that lacks
// its words opens the form instead.
func (q *Requests) command(ctx context.Context, a arrival, c slackgo.SlashCommand) answer {
	if c.TriggerID == "" || c.UserID == "" || !strings.HasPrefix(c.Command, "/") {
		return answer{status: http.StatusBadRequest}
	}
	origin := pipeline.Origin{Surface: "slack", Channel: c.ChannelID, ChannelName: c.ChannelName, ReplyTo: c.ResponseURL}
	if c.ChannelName == privateGroup {
		origin.ChannelName = q.client.channelName(ctx, c.ChannelID)
	}
	text := spoken(c.Command, c.Text)
	switch {
	case utf8.RuneCountInString(text) > maxCommand:
		return ok(privately("This is too long for a command. Say it in at most 4,000 characters."))
	case text == "/deploy":
		return q.openDeploy(ctx, a, opening{trigger: c.TriggerID, actor: pipeline.Actor{SlackTeam: c.TeamID, SlackUser: c.UserID}, origin: origin})
	}
	said := bot.Said{Actor: pipeline.Actor{SlackTeam: c.TeamID, SlackUser: c.UserID}, Origin: origin, Text: text, At: a.at, Came: a.at}
	if q.accept(ctx, a, bot.KindSaid, 0, said, "slack:trigger:"+c.TriggerID) != nil {
		return ok(privately(notAccepted))
	}
	return ok(privately("On it: " + escape(commands.Code(short(spelled(oneLine(text)), 300)))))
}

// spoken is a slash command as one text; "/shipmate deploy shop" is "/deploy shop".
func spoken(command, text string) string {
	text = strings.TrimSpace(commands.Unmark(strings.TrimSpace(unescape(text))))
	if !strings.EqualFold(command, "/"+botName) {
		return strings.TrimSpace(strings.ToLower(command) + " " + text)
	}
	if text == "" {
		return "/help"
	}
	return "/" + strings.TrimPrefix(text, "/")
}

const (
	botName      = commands.BotName
	privateGroup = "privategroup" // what Slack calls every private channel in a slash command
)
