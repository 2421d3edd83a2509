// Package slack is the edge to Slack: it turns requests of Slack into messages
// for the bot, answers people, and shows runs in channels. It decides nothing;
// who may do what is asked by the bot, in a worker.
//
// Start reading at [Requests]: slash commands, interactions and events, by HTTP
// or, with [Socket], over websockets, become jobs in one durable step before
// Slack is answered. [Surface] gives the answers, [Sink] keeps one living
// message per run and its thread. All calls of the Web API go through [Client].
//
// What people typed is never live: see markup.go.
package slack
