package main

import (
	"bytes"
	"cmp"
	"errors"
	"fmt"
	"net/url"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/goccy/go-yaml"

	"github.com/shipmate/shipmate/pipeline"
)

// Config is everything the operator can set: keys of the file and, see
// environment below, variables, which win. Secrets come by variable or file only.
type Config struct {
	Addr        string     `yaml:"addr"`
	BaseURL     string     `yaml:"base_url"`
	DataDir     string     `yaml:"data_dir"`
	MetricsAddr string     `yaml:"metrics_addr"`
	StoreURL    string     `yaml:"store_url"` // of logs of ended steps and artifacts; default: a folder in DataDir
	RedisURL    string     `yaml:"redis_url"`
	Insecure    bool       `yaml:"insecure_redis"`
	Durability  string     `yaml:"durability"`
	Roles       []string   `yaml:"roles"`
	Runner      string     `yaml:"runner"`
	LogLevel    string     `yaml:"log_level"`
	LogFormat   string     `yaml:"log_format"`
	Identities  string     `yaml:"identities_file"`
	GitHub      GitHub     `yaml:"github"`
	Slack       Slack      `yaml:"slack"`
	Secrets     Secrets    `yaml:"secrets"`
	Submodules  Submodules `yaml:"submodules"`
	Workers     Workers    `yaml:"workers"`
	Audit       Audit      `yaml:"audit"`
	API         API        `yaml:"api"`

	Kubernetes Kubernetes `yaml:"kubernetes"`
	Artifacts  Artifacts  `yaml:"artifacts"`

	strange []string // variables SHIPMATE_* that are nothing of ours, and like nothing of ours
}

// Audit says how the audit log is kept.
type Audit struct {
	Key     pipeline.Secret `yaml:"-"`       // of its hashes
	Channel string          `yaml:"channel"` // on Slack: told of overrides and of locks that are taken over
}

// API is the JSON API, which the command line uses too.
type API struct {
	Token     pipeline.Secret `yaml:"-"`
	TokenFile string          `yaml:"token_file"`
	Actor     string          `yaml:"actor"` // "583231:octocat": the GitHub user the token acts as
}

// On reports whether there is an API at all.
func (a API) On() bool { return a.Token.Reveal() != "" }

// GitHub is the GitHub App.
type GitHub struct {
	AppID          int64           `yaml:"app_id"`
	PrivateKey     pipeline.Secret `yaml:"-"`
	PrivateKeyFile string          `yaml:"private_key_file"`
	WebhookSecret  pipeline.Secret `yaml:"-"`
	PreviousSecret pipeline.Secret `yaml:"-"`
	APIURL         string          `yaml:"api_url"`
	CloneURL       string          `yaml:"clone_url"`
	OAuth          OAuth           `yaml:",inline"`
	Slug           string          `yaml:"slug"`   // the App's name in its URL; people mention it as @slug
	Report         string          `yaml:"report"` // both, checks, statuses
}

// On reports whether the GitHub App is configured at all.
func (g GitHub) On() bool { return g.AppID != 0 }

// shared are secrets that every replica of the bot has, the newest first.
func (g GitHub) shared() []pipeline.Secret {
	return slices.DeleteFunc([]pipeline.Secret{g.WebhookSecret, g.PreviousSecret}, func(s pipeline.Secret) bool { return s.Reveal() == "" })
}

// Slack is the Slack app.
type Slack struct {
	BotToken       pipeline.Secret `yaml:"-"`
	SigningSecret  pipeline.Secret `yaml:"-"`
	PreviousSecret pipeline.Secret `yaml:"-"`
	AppToken       pipeline.Secret `yaml:"-"`
	APIURL         string          `yaml:"api_url"`
	OAuth          OAuth           `yaml:",inline"`
	Digest         string          `yaml:"digest"` // how long failures are collected before people are told
}

// On reports whether the Slack app is configured at all.
func (s Slack) On() bool { return s.BotToken.Reveal() != "" }

func (s Slack) digest() time.Duration {
	d, _ := pipeline.ParseDuration(s.Digest) // it was checked
	return d
}

// Workers says how many jobs run at once in this process.
type Workers struct {
	Control int `yaml:"control"`
	Steps   int `yaml:"steps"`
}

// loadConfig reads the file, if any, then the environment. Every error names
// the setting.
func loadConfig(path string, env environ) (Config, error) {
	c := Config{Addr: ":8080", MetricsAddr: "127.0.0.1:9090", Durability: "normal", Runner: "local", LogLevel: "info", Roles: []string{"ingest", "worker", "web"}}
	c.GitHub.APIURL, c.Slack.APIURL, c.GitHub.Report = "https://api.github.com", "https://slack.com/api/", "both"
	c.GitHub.Slug, c.Slack.Digest = "shipmate", "10m"
	c.Workers = Workers{Control: 32, Steps: 16}
	if path != "" {
		src, err := os.ReadFile(path)
		if err != nil {
			return c, fmt.Errorf("--config: %s: %w", pipeline.QuoteSetting(path), pipeline.FileError(err))
		}
		var said any                                              // a file that says nothing would set every default to nothing
		src = bytes.ReplaceAll(src, []byte("\r\n"), []byte("\n")) // the decoder takes each for a line end of its own
		if err := yaml.Unmarshal(src, &said); err != nil {
			return c, pipeline.YAMLError(path, err)
		}
		if said != nil {
			if err := yaml.UnmarshalWithOptions(src, &c, yaml.Strict()); err != nil {
				return c, pipeline.YAMLError(path, err)
			}
		}
	}
	if err := c.environment(env); err != nil {
		return c, err
	}
	if c.DataDir == "" {
		c.DataDir = defaultDataDir()
	}
	return c, c.check()
}

func defaultDataDir() string {
	home, err := os.UserHomeDir()
	if err != nil {
		return filepath.Join(os.TempDir(), "shipmate")
	}
	return filepath.Join(home, ".local", "share", "shipmate")
}

const minSecret = 32 // bytes of a webhook secret

func (c *Config) check() error {
	if err := c.misplaced(); err != nil {
		return err
	}
	return errors.Join(c.checkGitHub(), c.checkSlack(), c.checkAPI(), c.checkRest(), c.checkStore(), c.checkLink(), c.checkKubernetes())
}

func (c *Config) checkAPI() error {
	if c.API.Token.Reveal() == "" && c.API.TokenFile != "" {
		token, err := readSecret("SHIPMATE_API_TOKEN_FILE", c.API.TokenFile)
		if err != nil {
			return err
		}
		c.API.Token = token
	}
	_, err := c.API.actor()
	return errors.Join(longEnough("SHIPMATE_API_TOKEN", c.API.Token, false), err)
}

var actorForm = regexp.MustCompile(`^([1-9][0-9]{0,17}):([A-Za-z0-9][A-Za-z0-9_-]{0,38})$`)

// actor is who the token acts as; zero: nobody.
func (a API) actor() (pipeline.Actor, error) {
	if strings.TrimSpace(a.Actor) == "" {
		return pipeline.Actor{}, nil
	}
	m := actorForm.FindStringSubmatch(strings.TrimSpace(a.Actor))
	if m == nil {
		return pipeline.Actor{}, fmt.Errorf("SHIPMATE_API_ACTOR: %s is not a GitHub user as id:login, such as 583231:octocat; the id is in https://api.github.com/users/<login>", pipeline.QuoteSetting(a.Actor))
	}
	id, err := strconv.ParseInt(m[1], 10, 64)
	return pipeline.Actor{ID: id, Login: m[2]}, err
}

func (c *Config) checkRest() error {
	var errs []error
	for _, role := range c.Roles {
		errs = append(errs, oneOf("SHIPMATE_ROLES", role, "ingest", "worker", "web"))
	}
	errs = append(errs, oneOf("SHIPMATE_DURABILITY", c.Durability, "strict", "normal", "relaxed"), oneOf("SHIPMATE_RUNNER", c.Runner, "local", "kubernetes"),
		oneOf("SHIPMATE_LOG_LEVEL", c.LogLevel, logLevels...), oneOf("SHIPMATE_LOG_FORMAT", cmp.Or(c.LogFormat, "json"), "json", "text"))
	errs = append(errs, longEnough("SHIPMATE_AUDIT_KEY", c.Audit.Key, false), c.Submodules.check(), c.Secrets.check())
	if c.Audit.Channel != "" && !c.Slack.On() {
		errs = append(errs, errors.New("SHIPMATE_AUDIT_CHANNEL needs Slack: set SHIPMATE_SLACK_BOT_TOKEN too, or take it out"))
	}
	if c.BaseURL != "" {
		errs = append(errs, isURL("SHIPMATE_BASE_URL", c.BaseURL))
	}
	if c.Identities != "" {
		if _, err := os.Stat(c.Identities); err != nil {
			errs = append(errs, fmt.Errorf("SHIPMATE_IDENTITIES_FILE: %s: %w", pipeline.QuoteSetting(c.Identities), pipeline.FileError(err)))
		}
	}
	return errors.Join(errs...)
}

var logLevels = []string{"debug", "info", "warn", "error"}

func longEnough(name string, s pipeline.Secret, needed bool) error {
	n := len(strings.TrimSpace(s.Reveal()))
	if n >= minSecret || n == 0 && !needed {
		return nil
	}
	return fmt.Errorf("%s has %d characters and needs at least %d; without a good one anybody could give commands. Make one with: openssl rand -hex 32", name, n, minSecret)
}

func oneOf(name, value string, allowed ...string) error {
	if slices.Contains(allowed, value) {
		return nil
	}
	if near, ok := pipeline.Nearest(value, allowed); ok {
		return fmt.Errorf("%s: %s is not one of %s; did you mean %q?", name, pipeline.QuoteSetting(value), strings.Join(allowed, ", "), near)
	}
	return fmt.Errorf("%s: %s is not one of %s", name, pipeline.QuoteSetting(value), strings.Join(allowed, ", "))
}

func isURL(name, value string) error {
	u, err := url.Parse(value)
	if err != nil || u.Host == "" || u.Scheme != "http" && u.Scheme != "https" {
		return fmt.Errorf("%s: %s is not a URL like https://host/path", name, pipeline.QuoteSetting(value))
	}
	return nil
}
