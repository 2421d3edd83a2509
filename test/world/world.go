// Package world is a whole shipmate on this machine: simulated GitHub and
// Slack, people, a sample service, and the real binary between them. Tests and
// the playground share it. Start reading at [Start].
package world

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"sync"
	"syscall"
	"time"

	"github.com/shipmate/shipmate/test/sim/github"
	"github.com/shipmate/shipmate/test/sim/slack"
)

// Config says what world to make. Binary and Dir are needed.
type Config struct {
	Binary   string    // the shipmate executable, see Build
	Dir      string    // for everything this world writes
	Log      io.Writer // of the bot; nil: bot.log in Dir
	Env      []string  // further variables of the bot, "NAME=value"
	Settings string    // of the bot, as in its file; variables win
	RedisURL string    // empty: the bot's own Redis, in memory where none is installed

	Clock func() time.Time                // of GitHub; nil: time.Now
	Lag   time.Duration                   // of GitHub, see github.Server.SetLag
	Wrap  func(http.Handler) http.Handler // around GitHub, to watch its traffic; may be nil

	SocketMode bool // Slack delivers over websockets
	Link       bool // people can link their accounts
}

// World is what Start made.
type World struct {
	GitHub *github.Server
	Slack  *slack.Server
	URL    string // of the bot

	cfg     Config
	metrics string
	addr    string
	claims  []net.PacketConn // see claimPorts
	mu      sync.Mutex
	bot     *exec.Cmd
	env     []string // of the bot
	exited  chan struct{}
	exit    error
}

// People of every world. Each is on GitHub and, linked, on Slack.
//
//	mona     writes code           (write)
//	octavia  leads releases        (maintain, team release-leads)
//	eve      only reads            (read)
var People = []Person{{"mona", 11, "U0MONA", "write"}, {"octavia", 12, "U0OCTAVIA", "maintain"}, {"eve", 13, "U0EVE", "read"}}

// Person is somebody in the world.
type Person struct {
	Login      string
	ID         int64
	Slack      string
	Permission string
}

// Names that every world has.
const (
	Org     = "acme"
	Channel = "deploys" // the Slack channel everybody is in
	Team    = "T0SIM"

	APIToken = "the-token-of-the-api-of-this-world" // it acts as mona, see Config.Env
)

// Start makes the world and waits until the bot is ready.
func Start(ctx context.Context, cfg Config) (*World, error) {
	w := &World{cfg: cfg}
	if err := lookAtSources(); err != nil {
		return nil, err
	}
	if err := w.people(); err != nil {
		return nil, err
	}
	if err := w.StartBot(ctx); err != nil {
		w.Close()
		return nil, err
	}
	return w, nil
}

func (w *World) people() error {
	gh, err := github.New(github.Config{Root: filepath.Join(w.cfg.Dir, "git"), Now: w.cfg.Clock, Wrap: w.cfg.Wrap})
	if err != nil {
		return err
	}
	w.GitHub = gh
	gh.SetLag(w.cfg.Lag)
	if _, err := gh.Start(); err != nil {
		return err
	}
	w.Slack = slack.New(slack.Config{SigningSecret: "a-signing-secret-of-the-simulated-slack", SocketMode: w.cfg.SocketMode, ClientID: "1.2", ClientSecret: slackSecret})
	if err := w.Slack.Start(); err != nil {
		return err
	}
	identities := ""
	var everybody []string
	for _, p := range People {
		if _, err := gh.AddUser(github.NewUser{Login: p.Login, ID: p.ID}); err != nil {
			return err
		}
		w.Slack.AddUser(slack.User{ID: p.Slack, Name: p.Login})
		identities += fmt.Sprintf("- {slack_team: %s, slack_user: %s, github_id: %d, github_login: %s}\n", Team, p.Slack, p.ID, p.Login)
		everybody = append(everybody, p.Login)
	}
	w.Slack.AddChannel(Channel, everybody...)
	if err := os.WriteFile(w.path("identities.yaml"), []byte(identities), 0o600); err != nil {
		return err
	}
	if _, err := gh.AddOrg(github.NewOrg{Login: Org, Owners: []string{"octavia"}}); err != nil {
		return err
	}
	_, err = gh.AddTeam(github.NewTeam{Org: Org, Slug: "release-leads", Members: []string{"octavia"}})
	return err
}

// AddRepo makes a repository of the organization that everybody has their
// permission on, and installs the App on it. It returns the full name.
func (w *World) AddRepo(name string, files map[string]string) (string, error) {
	roles := map[string]string{}
	for _, p := range People {
		roles[p.Login] = p.Permission
	}
	repo, err := w.GitHub.CreateRepo(github.NewRepo{Owner: Org, Name: name, Collaborators: roles, Files: files})
	if err != nil {
		return "", err
	}
	_, err = w.GitHub.Install(repo.FullName)
	return repo.FullName, err
}

func (w *World) path(name string) string { return filepath.Join(w.cfg.Dir, name) }

// StartBot starts the bot, on the same addresses as the one before it.
func (w *World) StartBot(ctx context.Context) error {
	if w.addr == "" {
		ports, err := w.claimPorts(2)
		if err != nil {
			return err
		}
		w.addr, w.metrics = ports[0], ports[1]
		w.URL = "http://" + w.addr
		w.GitHub.SetWebhookURL(w.URL + "/github/webhook")
		w.Slack.SetRequestURLs(slack.RequestURLsAt(w.URL))
	}
	key := w.path("app.pem")
	if err := os.WriteFile(key, w.GitHub.PrivateKeyPEM(), 0o400); err != nil && !errors.Is(err, os.ErrPermission) {
		return err
	}
	if err := os.WriteFile(w.path("settings.yaml"), []byte(w.cfg.Settings), 0o600); err != nil {
		return err
	}
	cmd := exec.Command(w.cfg.Binary, "serve", "--durability=relaxed", "--config", w.path("settings.yaml"))
	cmd.Dir = w.cfg.Dir
	cmd.Env = append([]string{
		"PATH=" + os.Getenv("PATH"), "HOME=" + w.cfg.Dir,
		"SHIPMATE_ADDR=" + w.addr, "SHIPMATE_METRICS_ADDR=" + w.metrics, "SHIPMATE_DATA_DIR=" + w.path("data"),
		"SHIPMATE_BASE_URL=" + w.URL, "SHIPMATE_REDIS_URL=" + w.cfg.RedisURL, "SHIPMATE_IDENTITIES_FILE=" + w.path("identities.yaml"),
		"SHIPMATE_GITHUB_APP_ID=" + strconv.FormatInt(w.GitHub.AppID(), 10), "SHIPMATE_GITHUB_PRIVATE_KEY_FILE=" + key,
		"SHIPMATE_GITHUB_WEBHOOK_SECRET=" + w.GitHub.WebhookSecret(), "SHIPMATE_GITHUB_API_URL=" + w.GitHub.APIURL(), "SHIPMATE_GITHUB_CLONE_URL=" + w.GitHub.URL(),
		"SHIPMATE_API_TOKEN=" + APIToken, "SHIPMATE_API_ACTOR=11:mona",
		"SHIPMATE_SLACK_BOT_TOKEN=xoxb-sim", "SHIPMATE_SLACK_SIGNING_SECRET=a-signing-secret-of-the-simulated-slack", "SHIPMATE_SLACK_API_URL=" + w.Slack.APIURL(), "SHIPMATE_SLACK_DIGEST=2s",
	}, w.cfg.Env...)
	if w.cfg.Link {
		cmd.Env = append(cmd.Env, w.signIn()...)
	}
	if w.cfg.SocketMode {
		cmd.Env = append(cmd.Env, "SHIPMATE_SLACK_APP_TOKEN=xapp-sim")
	}
	log := w.cfg.Log
	if log == nil {
		f, err := os.OpenFile(w.path("bot.log"), os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o600)
		if err != nil {
			return err
		}
		defer f.Close()
		log = f
	}
	cmd.Stdout, cmd.Stderr = log, log
	if err := cmd.Start(); err != nil {
		return err
	}
	w.env = cmd.Env
	exited := make(chan struct{})
	w.mu.Lock()
	w.bot, w.exited = cmd, exited
	w.mu.Unlock()
	go func() {
		w.exit = cmd.Wait()
		close(exited)
	}()
	return w.ready(ctx)
}

const (
	slackSecret  = "the-client-secret-of-the-slack-app"
	githubSecret = "the-client-secret-of-the-github-app"
)

// signIn fills in what both apps' settings pages say about signing in, and
// returns the bot's settings for it.
func (w *World) signIn() []string {
	w.GitHub.SetOAuth(github.OAuth{ClientID: "Iv23sim", ClientSecret: githubSecret, Callbacks: []string{w.URL + "/link/github"}})
	w.Slack.SetRedirectURLs(w.URL + "/link/slack")
	return []string{
		"SHIPMATE_GITHUB_CLIENT_ID=Iv23sim", "SHIPMATE_GITHUB_CLIENT_SECRET=" + githubSecret,
		"SHIPMATE_SLACK_CLIENT_ID=1.2", "SHIPMATE_SLACK_CLIENT_SECRET=" + slackSecret,
	}
}

// Command is the program with the settings of the bot, such as "doctor".
func (w *World) Command(ctx context.Context, args ...string) *exec.Cmd {
	cmd := exec.CommandContext(ctx, w.cfg.Binary, args...)
	cmd.Dir, cmd.Env = w.cfg.Dir, w.env
	return cmd
}

// StopBot ends the bot as an operator does, and waits for it.
func (w *World) StopBot() error { return w.signal(syscall.SIGTERM) }

// KillBot ends the bot as a crash does.
func (w *World) KillBot() error { return w.signal(syscall.SIGKILL) }

// Pid is the bot's process.
func (w *World) Pid() int { return w.bot.Process.Pid }

func (w *World) signal(sig syscall.Signal) error {
	w.mu.Lock()
	bot, exited := w.bot, w.exited
	w.mu.Unlock()
	if bot == nil {
		return nil
	}
	if err := bot.Process.Signal(sig); err != nil && !errors.Is(err, os.ErrProcessDone) {
		return err
	}
	<-exited
	if sig == syscall.SIGKILL {
		return nil
	}
	return w.exit
}

// Close ends everything.
func (w *World) Close() error {
	err := w.StopBot()
	w.Slack.Close()
	for _, claim := range w.claims {
		err = errors.Join(err, claim.Close())
	}
	return errors.Join(err, w.GitHub.Close())
}

// DataDir is where the bot keeps its files.
func (w *World) DataDir() string { return w.path("data") }

// LogFile is where the bot's log goes unless Config.Log says otherwise.
func (w *World) LogFile() string { return w.path("bot.log") }
