package main

import (
	"crypto/rsa"
	"crypto/x509"
	"encoding/base64"
	"encoding/pem"
	"errors"
	"fmt"
	"os"
	"regexp"
	"strings"
	"time"

	"github.com/shipmate/shipmate/pipeline"
)

var slugForm = regexp.MustCompile(`^[A-Za-z0-9][A-Za-z0-9-]{0,99}$`)

func (c *Config) checkGitHub() error {
	if !c.GitHub.On() {
		return c.GitHub.halfSet()
	}
	var errs []error
	if err := c.GitHub.readKey(); err != nil {
		errs = append(errs, err)
	}
	if c.GitHub.WebhookSecret.Reveal() == "" {
		errs = append(errs, errors.New("SHIPMATE_GITHUB_WEBHOOK_SECRET is missing: without it anybody could give commands. Make one with: "+
			"openssl rand -hex 32, and enter it as \"Webhook secret\" of the GitHub App too"))
	} else {
		errs = append(errs, longEnough("SHIPMATE_GITHUB_WEBHOOK_SECRET", c.GitHub.WebhookSecret, true))
	}
	errs = append(errs, longEnough("SHIPMATE_GITHUB_WEBHOOK_SECRET_PREVIOUS", c.GitHub.PreviousSecret, false),
		oneOf("github.report", c.GitHub.Report, "both", "checks", "statuses"), isURL("SHIPMATE_GITHUB_API_URL", c.GitHub.APIURL))
	if !slugForm.MatchString(c.GitHub.Slug) {
		errs = append(errs, fmt.Errorf("SHIPMATE_GITHUB_SLUG: %s is not the name of an App in its URL, such as shipmate in "+
			"https://github.com/apps/shipmate", pipeline.QuoteSetting(c.GitHub.Slug)))
	}
	return errors.Join(errs...)
}

// halfSet refuses settings of an App without its id: nothing would listen to it.
func (g GitHub) halfSet() error {
	for _, s := range []struct {
		name string
		set  bool
	}{
		{"SHIPMATE_GITHUB_PRIVATE_KEY", g.PrivateKey.Reveal() != ""},
		{"SHIPMATE_GITHUB_PRIVATE_KEY_FILE", g.PrivateKeyFile != ""},
		{"SHIPMATE_GITHUB_WEBHOOK_SECRET", g.WebhookSecret.Reveal() != ""},
	} {
		if s.set {
			return fmt.Errorf("SHIPMATE_GITHUB_APP_ID is missing: %s is set, so the App's id is needed too. It is \"App ID\" on the App's "+
				"settings page", s.name)
		}
	}
	return nil
}

// readKey reads the key from its file, or makes PEM of base64, and looks whether
// it is one that an App can have.
func (g *GitHub) readKey() error {
	const setting, file = "SHIPMATE_GITHUB_PRIVATE_KEY", "SHIPMATE_GITHUB_PRIVATE_KEY_FILE"
	from, text := setting, g.PrivateKey.Reveal()
	if text == "" && g.PrivateKeyFile != "" {
		key, err := readSecret(file, g.PrivateKeyFile)
		if err != nil {
			return err
		}
		from, text = file, key.Reveal()
	}
	text = strings.TrimSpace(text)
	if text == "" {
		return fmt.Errorf("%s is missing: SHIPMATE_GITHUB_APP_ID is set, so the App's private key is needed too, or %s. Generate one "+
			"under \"Private keys\" on the App's settings page", setting, file)
	}
	if !strings.Contains(text, "-----BEGIN") {
		if _, err := os.Stat(text); err == nil { //nolint:gosec // the operator's own setting, and only whether it is there
			return fmt.Errorf("%s holds the name of a file; set %s to it instead", from, file)
		}
		b, err := base64.StdEncoding.DecodeString(strings.Join(strings.Fields(text), ""))
		if err != nil || !strings.Contains(string(b), "-----BEGIN") {
			return fmt.Errorf("%s is neither PEM nor base64 of PEM; generate a new key under \"Private keys\" on the App's settings page", from)
		}
		text = string(b)
	}
	if !strings.Contains(text, "\n") { // a line that was made of several
		text = strings.ReplaceAll(text, `\n`, "\n")
	}
	if problem := keyProblem([]byte(text)); problem != "" {
		return fmt.Errorf("%s %s", from, problem)
	}
	g.PrivateKey = pipeline.NewSecret(text)
	return nil
}

// keyProblem says why PEM is not the private key of an App; "" if it is one.
func keyProblem(text []byte) string {
	const again = "Generate a new key under \"Private keys\" on the App's settings page"
	block, _ := pem.Decode(text)
	switch {
	case block == nil:
		return "cannot be read as PEM: it is cut short, or its line breaks are lost. Set SHIPMATE_GITHUB_PRIVATE_KEY_FILE to the file " +
			"that GitHub gave you"
	case block.Type == "ENCRYPTED PRIVATE KEY" || strings.Contains(block.Headers["Proc-Type"], "ENCRYPTED"):
		return "is encrypted, and shipmate has no password for it. Write it without one: openssl rsa -in key.pem -out app.pem"
	case strings.HasSuffix(block.Type, "PUBLIC KEY"):
		return "is a public key. It has to be the private key that GitHub had you download. " + again
	case block.Type == "CERTIFICATE" || block.Type == "CERTIFICATE REQUEST":
		return "is a certificate. It has to be the private key that GitHub had you download. " + again
	case block.Type == "OPENSSH PRIVATE KEY" || block.Type == "EC PRIVATE KEY":
		return "is not the key of an App but another one (" + block.Type + "). " + again
	}
	if _, err := x509.ParsePKCS1PrivateKey(block.Bytes); err == nil {
		return ""
	}
	key, err := x509.ParsePKCS8PrivateKey(block.Bytes)
	if _, isRSA := key.(*rsa.PrivateKey); err != nil || !isRSA {
		return "holds no RSA key that can be read. " + again
	}
	return ""
}

func (c *Config) checkSlack() error {
	s := c.Slack
	if !s.On() {
		return s.halfSet()
	}
	if err := s.checkDigest(); err != nil {
		return err
	}
	errs := []error{tokenKind("SHIPMATE_SLACK_BOT_TOKEN", s.BotToken, "xoxb-"), isURL("SHIPMATE_SLACK_API_URL", s.APIURL)}
	if s.AppToken.Reveal() != "" {
		errs = append(errs, tokenKind("SHIPMATE_SLACK_APP_TOKEN", s.AppToken, "xapp-"))
	}
	// In Socket Mode nothing comes by HTTP, so nothing needs to be verified.
	if s.AppToken.Reveal() == "" && s.SigningSecret.Reveal() == "" {
		errs = append(errs, errors.New("SHIPMATE_SLACK_SIGNING_SECRET is missing: without it anybody could give commands. Copy \"Signing "+
			"Secret\" under \"Basic Information\" of the Slack app, or set SHIPMATE_SLACK_APP_TOKEN (xapp-...) for Socket Mode"))
	} else {
		errs = append(errs, longEnough("SHIPMATE_SLACK_SIGNING_SECRET", s.SigningSecret, false))
	}
	return errors.Join(append(errs, longEnough("SHIPMATE_SLACK_SIGNING_SECRET_PREVIOUS", s.PreviousSecret, false))...)
}

// halfSet refuses settings of an app without its bot token.
func (s Slack) halfSet() error {
	name := "SHIPMATE_SLACK_APP_TOKEN"
	switch {
	case s.AppToken.Reveal() != "":
	case s.SigningSecret.Reveal() != "":
		name = "SHIPMATE_SLACK_SIGNING_SECRET"
	default:
		return nil
	}
	return fmt.Errorf("SHIPMATE_SLACK_BOT_TOKEN is missing: %s is set, so the bot token (xoxb-...) is needed too. It is under "+
		"\"OAuth & Permissions\" of the Slack app", name)
}

func (s Slack) checkDigest() error {
	d, err := pipeline.ParseDuration(s.Digest)
	if bad := (*pipeline.BadDuration)(nil); errors.As(err, &bad) {
		return fmt.Errorf("SHIPMATE_SLACK_DIGEST: %s", bad.Sentence(pipeline.QuoteSetting(s.Digest)))
	}
	if d > time.Hour {
		return fmt.Errorf("SHIPMATE_SLACK_DIGEST: %s is longer than an hour; write for example 10m", pipeline.QuoteSetting(s.Digest))
	}
	return err
}

// kinds of Slack's tokens, by how they begin (docs.slack.dev, "Tokens").
var kinds = []struct{ begins, is string }{
	{"xoxb-", "a bot token: it belongs into SHIPMATE_SLACK_BOT_TOKEN"},
	{"xapp-", "an app-level token: it belongs into SHIPMATE_SLACK_APP_TOKEN"},
	{"xoxp-", "the token of a person"},
	{"xoxe-", "a refresh token"},
	{"xoxe.", "a token that expires after some hours: turn token rotation off in the app"},
	{"xoxa-", "a token of an old kind"},
	{"xoxr-", "a refresh token"},
	{"xoxs-", "the token of somebody's browser"},
	{"xoxc-", "the token of somebody's browser"},
}

// tokenKind refuses a token that is of another kind by its first letters.
func tokenKind(name string, token pipeline.Secret, wanted string) error {
	where := map[string]string{"xoxb-": "\"Bot User OAuth Token\" under \"OAuth & Permissions\"", "xapp-": "\"App-Level Tokens\" under \"Basic Information\""}[wanted]
	for _, k := range kinds {
		if k.begins != wanted && strings.HasPrefix(token.Reveal(), k.begins) {
			return fmt.Errorf("%s begins with %s, so it is %s. What is needed begins with %s: see %s of the Slack app", name, k.begins, k.is, wanted, where)
		}
	}
	if !strings.HasPrefix(token.Reveal(), wanted) {
		return fmt.Errorf("%s does not begin with %s, so Slack would refuse it: copy it again from %s of the Slack app", name, wanted, where)
	}
	return nil
}
