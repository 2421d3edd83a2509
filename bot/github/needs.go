package github

import "github.com/shipmate/shipmate/bot"

// Permissions are what the App has to be granted, in the order of its settings
// page. Each is asked for by a class of tokens, or makes an event available.
func Permissions() []bot.Need {
	return []bot.Need{
		{Name: "checks", Title: "Checks", Level: "write",
			For:     "a check run for each run, with its logs and buttons, and \"Re-run\"; reading what `checks:` waits for",
			Without: "nothing works: no repository can be read. With read-only access there are no check runs"},
		{Name: "statuses", Title: "Commit statuses", Level: "write",
			For:     "a commit status for each run, which branches can require; reading what `checks:` waits for",
			Without: "nothing works: no repository can be read. With read-only access there are no statuses"},
		{Name: "contents", Title: "Contents", Level: "read",
			For:     "`.shipmate.yaml`, checkouts, commits, branches and tags; the event Push",
			Without: "nothing works: no repository can be read"},
		{Name: "deployments", Title: "Deployments", Level: "write",
			For:     "GitHub's list of deployments and environments",
			Without: "deploys are not in GitHub's list of deployments"},
		{Name: "issues", Title: "Issues", Level: "read",
			For:     "the event Issue comment",
			Without: "no command in a comment is heard"},
		{Name: "merge_queues", Title: "Merge queues", Level: "read",
			For:     "the event Merge group",
			Without: "pipelines of `on: {merge_group: true}` do not start"},
		{Name: "metadata", Title: "Metadata", Level: "read",
			For:     "names of repositories, and who may write to them; GitHub sets it by itself",
			Without: "nothing works: no repository can be read"},
		{Name: "pull_requests", Title: "Pull requests", Level: "write",
			For:     "comments and reactions on pull requests; reading pull requests, their files and reviews",
			Without: "nothing works: no repository can be read. With read-only access nobody is answered"},
		{Name: "members", Title: "Organization permissions: Members", Level: "read",
			For:     "who is in a team that `.shipmate.yaml` names",
			Without: "nobody counts as a member of a team"},
	}
}

// Events are what the App has to be subscribed to, in the order of its settings
// page. GitHub sends those about installations to every App.
func Events() []bot.Need {
	return []bot.Need{
		{Name: "check_run", Title: "Check run", For: "checks of others that a deploy waits for", Without: "a run that waits for checks looks every five minutes"},
		{Name: "check_suite", Title: "Check suite", For: "the same, once for each App", Without: "a run that waits for checks looks every five minutes"},
		{Name: "issue_comment", Title: "Issue comment", For: "commands in comments", Without: "no command in a comment is heard"},
		{Name: "merge_group", Title: "Merge group", For: "pipelines of the merge queue", Without: "pipelines of `on: {merge_group: true}` do not start"},
		{Name: "pull_request", Title: "Pull request", For: "checks of pull requests, and locks that end with them; conversations that are unlocked",
			Without: "pull requests have no checks, and locks end by time only"},
		{Name: "pull_request_review", Title: "Pull request review", For: "reviews that a deploy waits for", Without: "a run that waits for a review looks every five minutes"},
		{Name: "pull_request_review_comment", Title: "Pull request review comment", For: "commands on lines of the diff",
			Without: "no command on a line of the diff is heard"},
		{Name: "push", Title: "Push", For: "pipelines of branches and tags, and changes of `.shipmate.yaml`", Without: "pushes start nothing, and `shipmate/config` is not checked"},
		{Name: "repository", Title: "Repository", For: "repositories that are renamed, transferred, archived or unarchived",
			Without: "a new name is known after 30 seconds, and what waits until a repository is unarchived is tried ever more slowly"},
		{Name: "status", Title: "Status", For: "statuses of others that a deploy waits for", Without: "a run that waits for statuses looks every five minutes"},
	}
}
