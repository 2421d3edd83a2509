package main

import (
	"context"
	"errors"
	"log/slog"
	"net/http"
	"slices"
	"sync"
	"time"

	"github.com/shipmate/shipmate/bot"
	"github.com/shipmate/shipmate/bot/github"
	"github.com/shipmate/shipmate/bot/slack"
)

// examiner asks the platforms what is wrong with the settings. Where one is not
// configured its client is nil.
type examiner struct {
	github *github.Client
	slack  *slack.Client
	base   string // public address of the bot, if it is known
}

// counter counts the calls of an API; bot.Metrics has one.
type counter func(api string, next http.RoundTripper) http.RoundTripper

// uncounted is for a process without metrics.
func uncounted(_ string, next http.RoundTripper) http.RoundTripper { return next }

// newExaminer makes clients of its own, for what they ask has no installation
// and no budget.
func newExaminer(cfg Config, count counter) (examiner, error) {
	e := examiner{base: cfg.BaseURL}
	var err error
	if cfg.GitHub.On() {
		e.github, err = github.NewClient(github.Config{AppID: cfg.GitHub.AppID, PrivateKey: []byte(cfg.GitHub.PrivateKey.Reveal()), Slug: cfg.GitHub.Slug,
			APIURL: cfg.GitHub.APIURL, CloneURL: cfg.GitHub.CloneURL, HTTP: count("github", transport())})
		if err != nil {
			return e, &usageError{err}
		}
	}
	e.slack, err = slackClient(cfg, count)
	return e, err
}

// look is what can be asked about a platform.
type look struct {
	platform string
	ask      func(ctx context.Context) []bot.Finding
}

// first is what has to be right before the bot starts.
func (e examiner) first() (all []look) {
	if e.github != nil {
		all = append(all, look{bot.OnGitHub, e.github.Examine})
	}
	if e.slack != nil {
		all = append(all, look{bot.OnSlack, e.slack.Examine})
	}
	return all
}

// whole is everything, for doctor and while the bot runs.
func (e examiner) whole() (all []look) {
	if e.github != nil {
		all = append(all, look{bot.OnGitHub, func(ctx context.Context) []bot.Finding {
			found := e.github.Examine(ctx)
			if slices.ContainsFunc(found, hopeless) {
				return found
			}
			return slices.Concat(found, e.github.ExamineInstallations(ctx), e.github.ExamineWebhook(ctx, e.base))
		}})
	}
	if e.slack != nil {
		all = append(all, look{bot.OnSlack, e.slack.Examine})
	}
	return all
}

// hopeless: nothing more is learnt by asking further.
func hopeless(f bot.Finding) bool { return f.Gravity != bot.Lacking }

// examine asks all side by side.
func examine(ctx context.Context, looks []look) map[string][]bot.Finding {
	found := make([][]bot.Finding, len(looks))
	var asking sync.WaitGroup
	for i, l := range looks {
		asking.Go(func() { found[i] = l.ask(ctx) })
	}
	asking.Wait()
	all := map[string][]bot.Finding{}
	for i, l := range looks {
		all[l.platform] = found[i]
	}
	return all
}

// watch looks at the settings on the platforms: before the start, and while the
// bot runs.
type watch struct {
	examiner
	front    *bot.Front
	ingest   bool // this process takes webhooks
	arrivals *bot.Arrivals
	log      *slog.Logger

	began time.Time
	said  map[string]bool // texts that are in the log
}

const (
	// startPatience is how long a start waits for the platforms' answers.
	startPatience = 3 * time.Second
	// lookAgain is how soon a platform that did not answer is asked again, and
	// lookLater how soon one at which something was missing.
	lookAgain = time.Minute
	lookLater = 10 * time.Minute
	// webhookPatience is how long the first webhook may take until it is missed.
	webhookPatience = 5 * time.Minute
	// webhooksMissed is how often it is looked for after that.
	webhooksMissed = time.Hour
)

// start begins to ask; what it returns waits for the answers, writes them down
// and returns what makes a start useless.
func (w *watch) start(ctx context.Context) (verdict func() error) {
	ctx, cancel := context.WithTimeout(ctx, startPatience)
	answers := make(chan map[string][]bot.Finding, 1)
	go func() { defer cancel(); answers <- examine(ctx, w.first()) }()
	return func() error { return w.tell(<-answers) }
}

// tell writes findings down, each once. What cannot work is returned.
func (w *watch) tell(all map[string][]bot.Finding) error {
	var wrong []error
	for platform, found := range all {
		if before := w.front.Findings(platform); len(before) > 0 && len(found) == 0 {
			w.log.Info("nothing is missing any more", "platform", platform)
		}
		w.front.Found(platform, found)
		for _, f := range found {
			if f.Gravity == bot.Wrong {
				wrong = append(wrong, errors.New(f.Text))
				continue
			}
			w.say(f)
		}
	}
	if len(wrong) == 0 {
		return nil
	}
	return &usageError{errors.Join(wrong...)}
}

func (w *watch) say(f bot.Finding) {
	if w.said == nil {
		w.said = map[string]bool{}
	}
	if key := f.Kind + f.Text; !w.said[key] && (f.Gravity != bot.Unknown || !w.said[f.Kind]) {
		w.said[key], w.said[f.Kind] = true, true
		w.log.Warn(f.Text, "finding", f.Kind)
	}
}

// run looks further while the bot works: once at everything, again while something
// is missing or does not answer, and at webhooks that do not come. What turns out
// wrong now does not end the bot: it may have work in hand.
func (w *watch) run(ctx context.Context) error {
	missed := time.NewTimer(webhookPatience)
	defer missed.Stop()
	again := time.NewTimer(0)
	defer again.Stop()
	for {
		select {
		case <-ctx.Done():
			return nil
		case <-again.C:
			found := examine(ctx, w.further())
			if err := w.tell(found); err != nil && ctx.Err() == nil {
				w.log.Error(err.Error())
			}
			if wait := nextLook(found); wait > 0 {
				again.Reset(wait)
			}
		case <-missed.C:
			w.webhooks(ctx)
			missed.Reset(webhooksMissed)
		}
	}
}

// further is what is not known yet: at Slack the start has asked for everything.
func (w *watch) further() []look {
	return slices.DeleteFunc(w.whole(), func(l look) bool { return l.platform == bot.OnSlack && len(w.front.Findings(bot.OnSlack)) == 0 })
}

// nextLook is when to ask again; 0: never, all is well.
func nextLook(found map[string][]bot.Finding) (wait time.Duration) {
	for _, all := range found {
		if slices.ContainsFunc(all, func(f bot.Finding) bool { return f.Gravity == bot.Unknown }) {
			return lookAgain
		}
		if len(all) > 0 {
			wait = lookLater
		}
	}
	return wait
}

// webhooks says why no webhook has come, if none has.
func (w *watch) webhooks(ctx context.Context) {
	if w.github == nil || !w.ingest || !w.arrivals.Of(bot.OnGitHub).Good.IsZero() {
		return
	}
	quiet, found := w.github.Deliveries(ctx, w.began)
	for _, f := range found {
		w.say(f)
	}
	if quiet {
		w.say(bot.Finding{Kind: "github_quiet", Gravity: bot.Lacking, Text: "No webhook has come since the start, and GitHub has sent " +
			"none. If something has happened in a repository since, look whether the GitHub App is installed there and its webhook " +
			"is \"Active\"; \"Recent Deliveries\" on the App's settings page, under \"Advanced\", shows what it sends."})
	}
}
