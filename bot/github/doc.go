// Package github is shipmate's edge to GitHub, in both directions.
//
//	webhook -> NewWebhook: verify, decode what is needed, one Accept -> bot.Said, bot.PullRequest, ...
//	bot     -> Client: what gates, commands and checkouts ask (files, commits, people, tokens)
//	        -> Replies: reactions and replies to comments, a bot.Surface
//	        -> Sinks: commit status, check run, deployment and the living comment
//
// Start reading at [Client]: every call goes through its do, which picks the
// narrowest token, keeps to the budgets and turns answers into errors that say
// whether trying again helps.
package github
