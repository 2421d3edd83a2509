package github

import (
	"context"
	"fmt"
	"strconv"
	"time"

	"github.com/shipmate/shipmate/bot"
)

// installed is an installation as GitHub shows it to the App.
type installed struct {
	HTMLURL string `json:"html_url"`
	Account struct {
		Login string `json:"login"`
		Slug  string `json:"slug"` // of an enterprise
	} `json:"account"`
	Permissions map[string]string `json:"permissions"`
	SuspendedAt *time.Time        `json:"suspended_at"`
}

// mostTold is how many installations are named.
const mostTold = 5

// ExamineInstallations says where the App is suspended, and where its
// permissions were not accepted yet.
func (c *Client) ExamineInstallations(ctx context.Context) []bot.Finding {
	app, found := c.registered(ctx)
	if found != nil {
		return []bot.Finding{*found}
	}
	var all []installed
	for page := 1; page != 0 && page <= maxPages; {
		var part []installed
		resp, err := c.asApp(ctx, "app/installations?per_page=100&page="+strconv.Itoa(page), &part)
		if err != nil {
			return []bot.Finding{unanswered(c.api, err)}
		}
		all, page = append(all, part...), resp.NextPage
	}
	if len(all) == 0 {
		return []bot.Finding{{Kind: "github_not_installed", Gravity: bot.Lacking, Text: fmt.Sprintf(
			"The GitHub App is installed nowhere, so there is no repository to deploy. Install it on %s/installations/new.", app.HTMLURL)}}
	}
	var told []bot.Finding
	for _, in := range all {
		if f := in.examine(app); f != nil {
			told = append(told, *f)
		}
	}
	if len(told) > mostTold {
		more := len(told) - mostTold
		told = append(told[:mostTold], bot.Finding{Kind: "github_installations", Gravity: bot.Lacking, Text: fmt.Sprintf(
			"%d more installations of the GitHub App are suspended or have not accepted its permissions. The App's settings page "+
				"lists them under \"Install App\".", more)})
	}
	return told
}

func (in installed) examine(app registered) *bot.Finding {
	account := in.Account.Login
	if account == "" {
		account = in.Account.Slug
	}
	if in.SuspendedAt != nil {
		return &bot.Finding{Kind: "github_suspended", Gravity: bot.Lacking, Text: fmt.Sprintf(
			"The GitHub App is suspended on %s, so nothing works in its repositories. An owner ends that on %s.", account, in.HTMLURL)}
	}
	var pending []bot.Need
	for _, n := range ungranted(in.Permissions) {
		if app.Permissions[n.Name] == n.Level || app.Permissions[n.Name] == "write" { // else the App itself lacks it, which is said once
			pending = append(pending, n)
		}
	}
	if len(pending) == 0 {
		return nil
	}
	return &bot.Finding{Kind: "github_not_accepted", Gravity: bot.Lacking, Text: fmt.Sprintf(
		"%s has not accepted permissions of the GitHub App yet: %s. An owner does so on %s.", account, listed(pending), in.HTMLURL)}
}
