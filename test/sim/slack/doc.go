// Package slack is a simulator of Slack as an app sees it: the Web API, slash
// commands, interactivity, the Events API, Socket Mode and response URLs, spoken
// on the wire, with the limits and refusals of the original.
//
// It has two sides. The bot talks to the HTTP handler, through any Slack client
// pointed at [Server.APIURL]. Tests and the playground act as people, through
// the methods of [Server]: [Server.SlashCommand], [Server.Click],
// [Server.Mention], [Server.SubmitView] and so on; these send the bot signed
// requests and say how it answered. What people would see is read back with
// [Server.Snapshot], [Server.Messages] and [Server.WaitFor].
//
// Start reading at server.go; api.go lists the Web API methods.
//
// Where Slack's documentation names a number, the simulator refuses beyond it.
// Where it is silent (how large "short bursts" are), the choice is written
// beside the constant.
package slack
