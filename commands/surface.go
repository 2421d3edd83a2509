package commands

import (
	"slices"
	"strings"
	"sync"
)

// BotName is the command on Slack that all others can be said with.
const BotName = "shipmate"

// slackKeeps are the names of Slack's own commands. An app whose manifest has
// one of them is refused as a whole ("invalid name"; github.com/NousResearch/hermes-agent,
// issue 17054 and pull request 18456), and what a person types goes to Slack.
var slackKeeps = strings.Fields(`active apps archive away call canvas close collapse commands dm dnd expand feed feedback help huddle invite
	join keys kick leave list me msg mute open part prefs pro remind remove rename search shortcuts shrug star status topic unarchive who`)

// KeptBySlack reports whether Slack keeps the name of a command for itself.
func KeptBySlack(name string) bool {
	return slices.Contains(slackKeeps, strings.ToLower(strings.TrimPrefix(name, "/")))
}

// ours are the names of our commands that Slack keeps for itself.
var ours = sync.OnceValue(func() []string {
	return slices.DeleteFunc(All(Desk{}).Names(), func(name string) bool { return !KeptBySlack(name) })
})

// Spelled is how a command is written on a surface: "/status prod" is said as
// "/shipmate status prod" on Slack, which has a /status of its own. What is no
// command of ours stays as it is.
func Spelled(surface, line string) string {
	verb, rest, spaced := strings.Cut(line, " ")
	name, slash := strings.CutPrefix(verb, "/")
	if surface != "slack" || !slash || !slices.Contains(ours(), strings.ToLower(name)) {
		return line
	}
	if spaced {
		name += " " + rest
	}
	return "/" + BotName + " " + name
}
