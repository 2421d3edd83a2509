package slack

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"

	slackgo "github.com/slack-go/slack"

	"github.com/shipmate/shipmate/bot"
	"github.com/shipmate/shipmate/pipeline"
)

// Examine asks Slack whether it takes the bot token, and the app token if there
// is one, and which scopes are missing.
func (c *Client) Examine(ctx context.Context) []bot.Finding {
	var us *slackgo.AuthTestResponse
	err := c.call(ctx, "auth.test", func(ctx context.Context) (err error) {
		us, err = c.api.AuthTestContext(ctx)
		return err
	})
	if err != nil {
		return []bot.Finding{c.refusedToken(err, "SHIPMATE_SLACK_BOT_TOKEN", "the \"Bot User OAuth Token\" (xoxb-...) under \"OAuth & Permissions\"")}
	}
	all := c.examineApp(ctx)
	granted := strings.FieldsFunc(us.Header.Get("X-Oauth-Scopes"), func(r rune) bool { return r == ',' || r == ' ' })
	if us.BotID == "" {
		all = append(all, bot.Finding{Kind: "slack_token", Gravity: bot.Wrong,
			Text: "SHIPMATE_SLACK_BOT_TOKEN is the token of a person, not of the app. Set it to the \"Bot User OAuth Token\" (xoxb-...) " +
				"under \"OAuth & Permissions\" of the Slack app."})
	}
	var missing []string
	for _, n := range Needs() {
		if len(granted) > 0 && !slices.Contains(granted, n.Name) {
			missing = append(missing, n.Name+", without which "+strings.ReplaceAll(n.Without, "`", ""))
		}
	}
	if len(missing) > 0 {
		all = append(all, bot.Finding{Kind: "slack_scopes", Gravity: bot.Lacking, Text: fmt.Sprintf(
			"The Slack app in %s lacks scopes: %s. Put what shipmate slack-manifest prints under \"App Manifest\" of the app, and "+
				"install it again under \"Install App\".", us.Team, strings.Join(missing, "; "))})
	}
	return all
}

// examineApp looks at the token for Socket Mode. It opens no connection.
func (c *Client) examineApp(ctx context.Context) []bot.Finding {
	if !c.socket {
		return nil
	}
	err := c.call(ctx, "apps.connections.open", func(ctx context.Context) error {
		_, _, err := c.api.StartSocketModeContext(ctx)
		return err
	})
	if err == nil {
		return nil
	}
	return []bot.Finding{c.refusedToken(err, "SHIPMATE_SLACK_APP_TOKEN", "an \"App-Level Token\" (xapp-...) with the scope "+
		"connections:write, under \"Basic Information\"")}
}

// refusedToken says why Slack does not take a token. Sources: the errors of
// auth.test and apps.connections.open on docs.slack.dev.
func (c *Client) refusedToken(err error, setting, right string) bot.Finding {
	code := slackCode(err)
	wrong := func(format string, args ...any) bot.Finding {
		return bot.Finding{Kind: "slack_token", Gravity: bot.Wrong, Text: fmt.Sprintf(format, args...)}
	}
	switch code {
	case "invalid_auth", "not_authed":
		return wrong("Slack does not know the token in %s (%s). Copy %s of the Slack app; a token of another app, or one that lost a "+
			"letter, is not taken.", setting, code, right)
	case "account_inactive":
		return wrong("Slack says that the app of %s was removed from the workspace, or that the workspace is gone (%s). Install the app "+
			"again and copy %s.", setting, code, right)
	case "token_revoked", "token_expired":
		return wrong("The token in %s is not good any more (%s). Install the app again, with token rotation off, and copy %s.", setting, code, right)
	case "not_allowed_token_type", "missing_scope":
		return wrong("%s holds a token of another kind (%s). It has to be %s of the Slack app.", setting, code, right)
	case "":
	default:
		if !pipeline.IsTemporary(err) {
			return bot.Finding{Kind: "slack_refused", Gravity: bot.Lacking, Text: fmt.Sprintf("Slack refuses the token in %s with the "+
				"error %q. Ask an administrator of the workspace whether the app may be used there.", setting, code)}
		}
	}
	return bot.Finding{Kind: "slack_unreachable", Gravity: bot.Unknown, Text: fmt.Sprintf(
		"Slack cannot be asked for now: %s. The bot tries again; if it stays so, look whether this machine reaches %s, and "+
			"whether it needs a proxy (HTTPS_PROXY) or a certificate (SSL_CERT_FILE).", withoutSecrets(err), c.apiURL.Host)}
}

// withoutSecrets is an error without the addresses that were called.
func withoutSecrets(err error) string {
	var limited *slackgo.RateLimitedError
	if errors.As(err, &limited) {
		return "it asks to wait " + limited.RetryAfter.String()
	}
	const most = 300
	return cut(tokenLike.ReplaceAllString(err.Error(), "[secret]"), most, "...")
}
