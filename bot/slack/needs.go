package slack

import (
	"regexp"

	"github.com/shipmate/shipmate/bot"
)

// Needs are the scopes that the bot token needs, and nothing more, as "OAuth &
// Permissions" lists them.
func Needs() []bot.Need {
	return []bot.Need{
		{Name: "app_mentions:read", For: "commands that mention the app", Without: "mentions are not heard"},
		{Name: "channels:history", For: "finding a message again after a crash, and the thread of a run, in public channels", Without: "a report may be posted twice after a crash"},
		{Name: "channels:join", For: "joining public channels that `.shipmate.yaml` names", Without: "somebody has to invite the app to each channel"},
		{Name: "channels:read", For: "finding public channels by their names", Without: "no run is reported in a public channel"},
		{Name: "chat:write", For: "messages of runs, answers and questions", Without: "nothing is posted"},
		{Name: "commands", For: "slash commands and shortcuts", Without: "`/deploy` and the others do not exist"},
		{Name: "groups:history", For: "the same as `channels:history` in private channels", Without: "a report may be posted twice after a crash"},
		{Name: "groups:read", For: "finding private channels that the app was invited to", Without: "no run is reported in a private channel"},
		{Name: "im:history", For: "commands in direct messages", Without: "direct messages are not heard"},
		{Name: "im:write", For: "direct messages about runs that failed", Without: "nobody is written to"},
		{Name: "users:read", For: "refusing guests, bots and people who left", Without: "nobody can give commands on Slack"},
	}
}

// Events are what the app has to be subscribed to under "Subscribe to bot
// events", in the order of that list.
func Events() []bot.Need {
	return []bot.Need{
		{Name: "app_home_opened", For: "the Home page", Without: "Home stays empty"},
		{Name: "app_mention", For: "commands that mention the app", Without: "mentions are not heard"},
		{Name: "channel_created", For: "trying again a report for a channel that was not there", Without: "it is tried ever more slowly"},
		{Name: "channel_rename", For: "the same, for a channel that has another name", Without: "it is tried ever more slowly"},
		{Name: "channel_unarchive", For: "the same, for a channel that was brought back", Without: "it is tried ever more slowly"},
		{Name: "group_rename", For: "the same, for a private channel that has another name", Without: "it is tried ever more slowly"},
		{Name: "group_unarchive", For: "the same, for a private channel that was brought back", Without: "it is tried ever more slowly"},
		{Name: "member_joined_channel", For: "the same, once the app is invited", Without: "it is tried ever more slowly"},
		{Name: "message.im", For: "commands in direct messages", Without: "direct messages are not heard"},
	}
}

// Scopes are the names of Needs.
func Scopes() []string { return namesOf(Needs()) }

func namesOf(needs []bot.Need) (names []string) {
	for _, n := range needs {
		names = append(names, n.Name)
	}
	return names
}

// tokenLike are Slack's tokens, in case an error holds one.
var tokenLike = regexp.MustCompile(`x(ox[a-z]|app)[-.][A-Za-z0-9.-]+`)
