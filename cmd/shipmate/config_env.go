package main

import (
	"errors"
	"fmt"
	"maps"
	"os"
	"regexp"
	"slices"
	"strconv"
	"strings"

	"github.com/shipmate/shipmate/pipeline"
)

// environ are the variables that settings are read from.
type environ map[string]string

// osEnviron are those of this process.
func osEnviron() environ {
	env := environ{}
	for _, line := range os.Environ() {
		if name, value, ok := strings.Cut(line, "="); ok {
			env[name] = value
		}
	}
	return env
}

// texts are the settings that are text, by their variables.
func (c *Config) texts() map[string]*string {
	return map[string]*string{
		"SHIPMATE_ADDR": &c.Addr, "SHIPMATE_BASE_URL": &c.BaseURL, "SHIPMATE_DATA_DIR": &c.DataDir, "SHIPMATE_METRICS_ADDR": &c.MetricsAddr,
		"SHIPMATE_REDIS_URL": &c.RedisURL, "SHIPMATE_STORE_URL": &c.StoreURL, "SHIPMATE_DURABILITY": &c.Durability, "SHIPMATE_RUNNER": &c.Runner,
		"SHIPMATE_LOG_LEVEL": &c.LogLevel, "SHIPMATE_LOG_FORMAT": &c.LogFormat, "SHIPMATE_IDENTITIES_FILE": &c.Identities,
		"SHIPMATE_GITHUB_PRIVATE_KEY_FILE": &c.GitHub.PrivateKeyFile, "SHIPMATE_GITHUB_API_URL": &c.GitHub.APIURL,
		"SHIPMATE_GITHUB_CLONE_URL": &c.GitHub.CloneURL, "SHIPMATE_GITHUB_SLUG": &c.GitHub.Slug,
		"SHIPMATE_SLACK_API_URL": &c.Slack.APIURL, "SHIPMATE_SLACK_DIGEST": &c.Slack.Digest,
		"SHIPMATE_AUDIT_CHANNEL":  &c.Audit.Channel,
		"SHIPMATE_API_TOKEN_FILE": &c.API.TokenFile, "SHIPMATE_API_ACTOR": &c.API.Actor,
		"SHIPMATE_GITHUB_CLIENT_ID": &c.GitHub.OAuth.ClientID, "SHIPMATE_GITHUB_CLIENT_SECRET_FILE": &c.GitHub.OAuth.ClientSecretFile,
		"SHIPMATE_SLACK_CLIENT_ID": &c.Slack.OAuth.ClientID, "SHIPMATE_SLACK_CLIENT_SECRET_FILE": &c.Slack.OAuth.ClientSecretFile,
	}
}

// secrets are the settings that nobody may see, by their variables.
func (c *Config) secretTexts() map[string]*pipeline.Secret {
	return map[string]*pipeline.Secret{
		"SHIPMATE_GITHUB_PRIVATE_KEY": &c.GitHub.PrivateKey, "SHIPMATE_GITHUB_WEBHOOK_SECRET": &c.GitHub.WebhookSecret,
		"SHIPMATE_GITHUB_WEBHOOK_SECRET_PREVIOUS": &c.GitHub.PreviousSecret, "SHIPMATE_SLACK_BOT_TOKEN": &c.Slack.BotToken,
		"SHIPMATE_SLACK_SIGNING_SECRET": &c.Slack.SigningSecret, "SHIPMATE_SLACK_SIGNING_SECRET_PREVIOUS": &c.Slack.PreviousSecret,
		"SHIPMATE_SLACK_APP_TOKEN": &c.Slack.AppToken, "SHIPMATE_AUDIT_KEY": &c.Audit.Key, "SHIPMATE_API_TOKEN": &c.API.Token,
		"SHIPMATE_GITHUB_CLIENT_SECRET": &c.GitHub.OAuth.ClientSecret, "SHIPMATE_SLACK_CLIENT_SECRET": &c.Slack.OAuth.ClientSecret,
	}
}

const (
	rolesVariable = "SHIPMATE_ROLES"
	appIDVariable = "SHIPMATE_GITHUB_APP_ID"
)

// environment lets the variables win over the file.
func (c *Config) environment(env environ) error {
	for name, field := range c.texts() {
		if v, ok := env[name]; ok {
			*field = v
		}
	}
	for name, field := range c.secretTexts() {
		if v, ok := env[name]; ok {
			*field = pipeline.NewSecret(strings.TrimSpace(v))
		}
	}
	if v, ok := env[rolesVariable]; ok {
		c.Roles = strings.Split(v, ",")
	}
	var errs []error
	if v := strings.TrimSpace(env[appIDVariable]); v != "" {
		id, err := strconv.ParseInt(v, 10, 64)
		if err != nil || id < 0 {
			errs = append(errs, fmt.Errorf("%s: %s is not a number. It is \"App ID\" on the App's settings page, above the client ID", appIDVariable, pipeline.QuoteSetting(v)))
		}
		c.GitHub.AppID = id
	}
	misspelt, strange := c.unknown(env)
	c.strange = strange
	return errors.Join(append(errs, misspelt...)...)
}

// ofSteps are variables that scripts of steps see: shipmate may run in one.
var ofSteps = regexp.MustCompile(
	`^SHIPMATE_((RUN|STEP|ATTEMPT|REPO|SHA|SHORT_SHA|REF|PR|ENV|SERVICE|ACTOR|URL|OUTPUT|SUMMARY|ANNOTATIONS)$|(PARAM|MATRIX|OUTPUT|SECRET|TEST)_)`)

// ofServices are variables that Kubernetes makes of Services called shipmate or
// shipmate-something (kubernetes.io/docs, "Discovering services").
var ofServices = regexp.MustCompile(`^SHIPMATE_(.+_)?(SERVICE_HOST|SERVICE_PORT(_.+)?|PORT_[0-9]+_(TCP|UDP|SCTP)(_(ADDR|PORT|PROTO))?)$`)

// unknown are the variables that shipmate does not read: misspelt are those that
// are like one that it does, strange are the names of the others.
func (c *Config) unknown(env environ) (misspelt []error, strange []string) {
	known := slices.Concat([]string{rolesVariable, appIDVariable}, slices.Collect(maps.Keys(c.texts())), slices.Collect(maps.Keys(c.secretTexts())))
	slices.Sort(known)
	for _, name := range slices.Sorted(maps.Keys(env)) {
		switch {
		case !strings.HasPrefix(name, "SHIPMATE_") || slices.Contains(known, name) || ofSteps.MatchString(name) || ofServices.MatchString(name):
			continue
		case strings.HasSuffix(name, "_PORT") && strings.Contains(env[name], "://"): // likewise of a Service
			continue
		}
		if near := nearest(name, known); len(near) > 0 {
			misspelt = append(misspelt, fmt.Errorf("%s: shipmate reads no variable of this name; did you mean %s?", name, strings.Join(near, " or ")))
			continue
		}
		strange = append(strange, name)
	}
	return misspelt, strange
}

// nearest are the variables that a name may be meant to be: the one that is
// nearest by its letters, else those that have all of its words and the fewest
// others.
func nearest(name string, known []string) (near []string) {
	const prefix = "SHIPMATE_"
	var short []string
	for _, k := range known {
		short = append(short, strings.TrimPrefix(k, prefix))
	}
	word := strings.TrimPrefix(name, prefix)
	if k, ok := pipeline.Nearest(word, short); ok {
		return []string{prefix + k}
	}
	words, least := strings.Split(word, "_"), 0
	for _, k := range short {
		has := strings.Split(k, "_")
		if slices.ContainsFunc(words, func(w string) bool { return !slices.Contains(has, w) }) {
			continue
		}
		if least == 0 || len(has) < least {
			near, least = nil, len(has)
		}
		if len(has) == least {
			near = append(near, prefix+k)
		}
	}
	return near
}
