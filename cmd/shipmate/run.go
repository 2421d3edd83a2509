package main

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"os"
	"path/filepath"
	"slices"
	"sync"
	"time"

	"github.com/shipmate/shipmate/bot"
	"github.com/shipmate/shipmate/bot/api"
	"github.com/shipmate/shipmate/commands"
	"github.com/shipmate/shipmate/integrations"
	"github.com/shipmate/shipmate/pipeline"
	"github.com/shipmate/shipmate/pipeline/artifact"
	"github.com/shipmate/shipmate/pipeline/auditlog"
	"github.com/shipmate/shipmate/pipeline/logstore"
	"github.com/shipmate/shipmate/pipeline/redisstore"
	"github.com/shipmate/shipmate/pipeline/redisstore/embedded"
)

// serve wires the whole bot, top to bottom, and runs it until ctx ends.
func serve(ctx context.Context, cfg Config, log *slog.Logger) error {
	if err := os.MkdirAll(cfg.DataDir, 0o700); err != nil {
		return &usageError{where("SHIPMATE_DATA_DIR", cfg.DataDir, err)}
	}
	for _, name := range cfg.strange {
		log.Warn("shipmate reads no variable of this name; take it out unless something else reads it", "variable", name)
	}

	// What is wrong with the settings is asked for while the rest starts.
	watch, err := openWatch(cfg, log)
	if err != nil {
		return err
	}
	verdict := watch.start(ctx)

	// Redis: the operator's, or one of our own that ends after us.
	if cfg.RedisURL == "" {
		redis, err := embedded.Start(ctx, embedded.Config{Dir: filepath.Join(cfg.DataDir, "redis"), AllowMemory: cfg.Durability == "relaxed", Logger: log})
		if code := pipeline.Code(err); code == "redis_missing" || code == "redis_folder_in_use" { // a setting mends it
			return &usageError{err}
		}
		if err != nil {
			return err
		}
		defer stopEmbedded(redis, log)
		cfg.RedisURL = redis.URL()
	}
	store, err := redisstore.Open(ctx, redisstore.Config{URL: cfg.RedisURL, Durability: redisstore.Durability(cfg.Durability), Insecure: cfg.Insecure, Logger: log})
	if err != nil {
		return ofRedis(err)
	}
	defer store.Close()
	metrics := bot.NewMetrics(store.Stats)
	watch.arrivals.Refused = metrics.Refused

	// Logs of steps, and what they hand on.
	bucket, err := openStore(ctx, cfg, log)
	if err != nil {
		return err
	}
	defer bucket.Close()
	logs, err := logstore.New(logstore.Config{Redis: store.Client(), KeyPrefix: store.KeyPrefix, Bucket: bucket, Log: log})
	if err != nil {
		return err
	}

	// GitHub and Slack, where they are configured.
	buttons := bot.Buttons{Records: store}
	services := bot.Services{Records: store}
	gh, err := openGitHub(cfg, store, logs, buttons, metrics, log)
	if err != nil {
		return err
	}
	client, err := slackClient(cfg, metrics.Transport)
	if err != nil {
		return err
	}
	file, err := bot.LoadIdentities(cfg.Identities, active(client))
	if err != nil {
		return &usageError{err}
	}
	audit := &auditlog.Log{Store: store, Key: []byte(cfg.Audit.Key.Reveal()), Now: time.Now, Out: log}
	identities := &bot.People{File: file, Links: bot.Links{Records: store}, Offer: len(cfg.linkMissing()) == 0, Audit: audit}
	sl := openSlack(cfg, slackNeeds{client: client, store: store, logs: logs, buttons: buttons, services: services, identities: identities, github: gh.forge, metrics: metrics, log: log})

	// Runners and secret stores.
	artifacts := &artifact.Store{Bucket: bucket, Limit: cfg.Artifacts.MaxMiB << 20}
	scripts, err := openScripts(cfg, gh, artifacts, log)
	if err != nil {
		return err
	}
	defer scripts.close()
	runners, secrets := everything(integrations.All(scripts.needs))
	vault := pipeline.Vault{Stores: secrets, Allow: cfg.Secrets.rules(), Checks: cfg.Secrets.checkRules(), Repos: gh.repos(), Provenance: gh.provenance}

	// What is said and decided is kept.
	if err := audit.Add(ctx, "started:"+rand.Text(), pipeline.AuditEntry{Kind: "started", Text: "shipmate " + version, Via: "operator"}); err != nil {
		return err
	}

	// The heart.
	engine := &pipeline.Engine{
		Store:   store,
		Queue:   store,
		Runners: runners,
		Sinks:   slices.Concat(gh.sinks, sl.sinks, []pipeline.Sink{bot.Starts{Queue: store}, &auditlog.Sink{Log: audit, History: store}}),
		GitHub:  gh.forge,
		Secrets: vault,
		Logs:    logstore.Steps{Store: logs},
		Now:     time.Now,
		Log:     log,
		Observe: metrics.Observer(),
	}
	crew := &bot.Bot{
		Name:       gh.name,
		Commands:   commands.All(commands.Desk{Runs: engine, Store: store, GitHub: gh.forge, Logs: logs, Records: store, Secrets: vault, Links: openLinks(cfg, client, store, identities)}),
		Runs:       engine,
		Store:      store,
		Records:    store,
		Queue:      store,
		Limits:     store,
		GitHub:     gh.forge,
		Threads:    sl.threads,
		Buttons:    buttons,
		Services:   services,
		Rules:      gh.rules,
		Identities: identities,
		Surfaces:   surfaces(gh, sl, store),
		Audit:      audit,

		ConfigChecks: gh.configChecks,
		Announce:     sl.announce,
		Now:          time.Now,
		Log:          log,
	}
	worker := &pipeline.Worker{
		Queue:    store,
		Handlers: merge(merge(merge(engine.Handlers(), crew.Handlers()), sl.handlers), gh.handlers),
		Pools:    map[pipeline.Pool]int{pipeline.Control: cfg.Workers.Control, pipeline.Steps: cfg.Workers.Steps},
		Telling:  map[string]bool{"report": true},
		Log:      log,
		Now:      time.Now,
		Observe:  metrics.Job,
	}
	routes := bot.Routes{Ready: store.Ping, Front: watch.page(store.Ping)}
	if slices.Contains(cfg.Roles, "ingest") {
		watch.routes(&routes, gh.webhook, sl)
	}
	if cfg.API.On() && (slices.Contains(cfg.Roles, "ingest") || slices.Contains(cfg.Roles, "web")) {
		actor, err := cfg.API.actor()
		if err != nil {
			return &usageError{err}
		}
		routes.API = api.New(api.Config{
			Token:    cfg.API.Token,
			Actor:    actor,
			Queue:    store,
			Records:  store,
			Services: services,
			Runs:     store,
			Logs:     logs,
			GitHub:   gh.forge,
			Web:      gh.web,
			Stop:     ctx.Done(),
			Now:      time.Now,
			Log:      log,
			Observe:  func(status string, took time.Duration) { metrics.Acked("api", status, took) },
		})
	}
	if len(cfg.linkMissing()) == 0 && (slices.Contains(cfg.Roles, "ingest") || slices.Contains(cfg.Roles, "web")) {
		routes.Link = linkPages(cfg, client, store, identities, metrics, log)
	}

	if err := verdict(); err != nil {
		return err
	}

	// Everything that runs, until ctx ends or one of them fails.
	public, err := net.Listen("tcp", cfg.Addr)
	if err != nil {
		return &usageError{where("SHIPMATE_ADDR", cfg.Addr, err)}
	}
	private, err := net.Listen("tcp", cfg.MetricsAddr)
	if err != nil {
		return &usageError{where("SHIPMATE_METRICS_ADDR", cfg.MetricsAddr, err)}
	}
	log.Info("shipmate is ready", "version", version, "addr", public.Addr().String(), "metrics", private.Addr().String(), "github", cfg.GitHub.On(), "slack", cfg.Slack.On(), "api", cfg.API.On(), "redis", redisstore.Redacted(cfg.RedisURL))
	var all group
	ctx, all.stop = context.WithCancelCause(ctx)
	all.run(func() error { return bot.Serve(ctx, public, routes.Handler(), log) })
	all.run(func() error { return bot.Serve(ctx, private, bot.Internal(metrics), log) })
	all.run(func() error { sl.socket(ctx); return nil })
	all.run(func() error { return watch.run(ctx) })
	if slices.Contains(cfg.Roles, "worker") {
		// Also while the worker comes to its end a cancel stops what it has in hand.
		working, worked := context.WithCancel(context.WithoutCancel(ctx))
		all.run(func() error { defer worked(); worker.Run(ctx, drain); return nil })
		all.run(func() error { engine.Watch(working, store.Signals(working)); return nil })
		all.run(func() error { return crew.IndexAll(ctx, gh.installations) })
		// What was refused may be accepted since: settings are others, and events were missed.
		all.run(func() error { return store.Enqueue(ctx, pipeline.Lifted{}.Job()) })
		attic := attic{bucket: bucket, logs: logs, artifacts: artifacts, runs: store}
		all.run(func() error { return tidy(ctx, tidying{scripts.needs.Shell, gh.source, store, attic}, log) })
	}
	err = all.wait()
	log.Info("shipmate has stopped")
	return err
}

// ofRedis is a wrong setting, unless Redis may answer later.
func ofRedis(err error) error {
	if pipeline.Code(err) != "" && !pipeline.IsTemporary(err) {
		return &usageError{fmt.Errorf("SHIPMATE_REDIS_URL: %w", err)}
	}
	return err
}

// drain is how long jobs in hand may take to end after SIGTERM; then they are
// handed over. With the server's own patience it stays under 30 seconds.
const drain = 20 * time.Second

// group runs functions until all have returned; the first error stops all.
type group struct {
	work sync.WaitGroup
	stop context.CancelCauseFunc
	mu   sync.Mutex
	errs []error
}

func (g *group) run(f func() error) {
	g.work.Go(func() {
		if err := f(); err != nil && !errors.Is(err, context.Canceled) {
			g.mu.Lock()
			defer g.mu.Unlock()
			g.errs = append(g.errs, err)
			g.stop(err)
		}
	})
}

func (g *group) wait() error {
	g.work.Wait()
	return errors.Join(g.errs...)
}

func stopEmbedded(r *embedded.Server, log *slog.Logger) {
	const patience = 5 * time.Second
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	defer cancel()
	if err := r.Stop(ctx); err != nil {
		log.Error("stop embedded redis", "err", err)
	}
}

func merge(a, b map[string]pipeline.Handler) map[string]pipeline.Handler {
	for k, h := range b {
		a[k] = h
	}
	return a
}
