package main

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"maps"
	"os"
	"path/filepath"
	"strings"
	"time"

	"github.com/spf13/cobra"
	"gocloud.dev/blob/fileblob"

	"github.com/shipmate/shipmate/integrations"
	"github.com/shipmate/shipmate/integrations/shell"
	"github.com/shipmate/shipmate/pipeline"
	"github.com/shipmate/shipmate/pipeline/artifact"
	"github.com/shipmate/shipmate/pipeline/redisstore"
	"github.com/shipmate/shipmate/pipeline/redisstore/embedded"
)

// local is one run of a pipeline here and now, without a bot: the same engine
// and runners, a Redis within this process, and a terminal where the bot has
// GitHub and Slack.
type local struct {
	pipeline    string
	environment string
	params      []string
	output      string
	yes         bool
}

func runCommand() *cobra.Command {
	var l local
	cmd := &cobra.Command{
		Use:   "run <pipeline>",
		Short: "Run a pipeline of the repository you stand in, here and now",
		Long: `Runs a pipeline of the repository you stand in, here and now, on your working
tree as it is: changes that are not committed are part of it.

No gate of an environment is asked and nothing is recorded as deployed; with
--environment its name and secrets are given to the steps, without it those of
"checks". env:NAME is the variable SHIPMATE_SECRET_NAME of your shell. An
approval step asks you, and your answer alone counts; --yes answers all of them.

Ctrl-C cancels the run and waits for its scripts to end; a second one ends at
once. A run is cancelled too when its terminal closes or nobody reads its
output any more. Nothing of it is left behind.`,
		Args: cobra.ExactArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			l.pipeline = args[0]
			return l.run(cmd)
		},
		ValidArgsFunction: completePipelines,
	}
	cmd.Flags().StringVar(&l.environment, "environment", "", "environment whose name and secrets the steps get")
	cmd.Flags().StringArrayVar(&l.params, "param", nil, "name=value, as in a deploy")
	cmd.Flags().StringVar(&l.output, "output", "text", "text or json (one event a line)")
	cmd.Flags().BoolVar(&l.yes, "yes", false, "say yes to every approval step")
	completeFlag(cmd, "environment", completeEnvironments)
	completeFlag(cmd, "param", completeParams)
	completeFlag(cmd, "output", fixedCompletions("text", "json"))
	return cmd
}

func (l *local) run(cmd *cobra.Command) (err error) {
	if err := oneOf("--output", l.output, "text", "json"); err != nil {
		return &usageError{err}
	}
	log, err := localLog(os.Getenv("SHIPMATE_LOG_LEVEL"))
	if err != nil {
		return &usageError{err}
	}
	quietLibraries(log)
	asked := catchEnd()
	defer asked.release()
	ctx := context.WithoutCancel(cmd.Context()) // the end is asked for by asked

	root, err := repositoryRoot()
	if err != nil {
		return err
	}
	req, err := l.request(root)
	if err != nil {
		return err
	}
	folder, err := newRunFolder()
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, folder.remove()) }()
	tree, err := snapshot(ctx, root, folder.path)
	if err != nil {
		return err
	}
	req.SHA, req.Ref, req.Actor.Login = tree.sha, tree.branch, tree.user
	term := newTerminal(cmd.OutOrStdout(), l.output == "json")
	term.words, term.root = alone, root
	return l.work(ctx, asked, machine{folder.path, tree, term, log}, req)
}

// machine is what a local run has where the bot has servers.
type machine struct {
	folder string
	tree   *worktree
	term   *terminal
	log    *slog.Logger
}

// localLog shows nothing unless it is asked for: what people must know of a run
// is in the run.
func localLog(level string) (*slog.Logger, error) {
	if level == "" {
		return slog.New(slog.DiscardHandler), nil
	}
	if err := oneOf("SHIPMATE_LOG_LEVEL", level, logLevels...); err != nil {
		return nil, err
	}
	return logger(Config{LogLevel: level, LogFormat: "text"}), nil
}

// work makes an engine, has it do the run, and ends it.
func (l *local) work(ctx context.Context, asked *endAsked, m machine, req pipeline.Request) error {
	log := m.log
	redis, err := embedded.StartInMemory()
	if err != nil {
		return err
	}
	defer stopEmbedded(redis, log)
	store, err := redisstore.Open(ctx, redisstore.Config{URL: redis.URL(), Durability: redisstore.Relaxed, Shards: 1, Logger: log})
	if err != nil {
		return err
	}
	defer store.Close()
	bucket, err := fileblob.OpenBucket(filepath.Join(m.folder, "artifacts"), &fileblob.Options{CreateDir: true, NoTempDir: true})
	if err != nil {
		return err
	}
	defer bucket.Close()
	self, err := os.Executable()
	if err != nil {
		return err
	}
	scripts, err := shell.New(shell.Config{Dir: m.folder, Source: m.tree, Shim: []string{self, "shim"}, Path: os.Getenv("PATH"),
		Artifacts: &artifact.Store{Bucket: bucket}, Logger: log})
	if err != nil {
		return err
	}
	defer scripts.Close()
	runners, secrets := everything(integrations.All(integrations.Needs{Shell: scripts}))
	engine := &pipeline.Engine{Store: store, Queue: store, Runners: runners, Sinks: []pipeline.Sink{m.term}, GitHub: m.tree,
		Secrets: pipeline.Vault{Stores: secrets, Own: true}, Logs: m.term, Now: time.Now, Log: log}
	worker := &pipeline.Worker{Queue: store, Handlers: engine.Handlers(), Log: log, Now: time.Now,
		Pools: map[pipeline.Pool]int{pipeline.Control: 4, pipeline.Steps: 8}}

	ctx, stop := context.WithCancel(ctx)
	var work group
	_, work.stop = context.WithCancelCause(ctx)
	work.run(func() error { worker.Run(ctx, time.Second); return nil })
	work.run(func() error { engine.Watch(ctx, store.Signals(ctx)); return nil })
	f := localRun{engine: engine, term: m.term, asked: asked, yes: l.yes}
	end := f.follow(ctx, req)
	stop()
	return errors.Join(end, work.wait())
}

// request is what is run: the pipeline as the working tree's file has it.
func (l *local) request(root string) (pipeline.Request, error) {
	cfg, err := readFile(filepath.Join(root, fileName))
	if err != nil {
		return pipeline.Request{}, err
	}
	p, ok := cfg.Pipeline(l.pipeline)
	if !ok {
		return pipeline.Request{}, &usageError{oneOf("pipeline", l.pipeline, pipelineNames(cfg)...)}
	}
	given := map[string]string{}
	for _, kv := range l.params {
		name, value, ok := strings.Cut(kv, "=")
		if !ok {
			return pipeline.Request{}, &usageError{fmt.Errorf("--param %s: write it as name=value", kv)}
		}
		given[name] = value
	}
	params, err := p.ParseParams(given)
	if err != nil {
		return pipeline.Request{}, &usageError{errors.New(alone(pipeline.Code(err), pipeline.Message(err)))}
	}
	req := pipeline.Request{Repo: pipeline.Repo{ID: 1, Owner: "local", Name: filepath.Base(root)}, Service: cfg.Service, Pipeline: answeredHere(*p),
		Trigger: pipeline.ByCommand, Actor: pipeline.Actor{ID: requesterID}, Params: params, Origin: pipeline.Origin{Surface: "cli"}}
	if req.Service == "" {
		req.Service = req.Repo.Name
	}
	if l.environment != "" {
		env, ok := cfg.Environment(l.environment)
		if !ok {
			return pipeline.Request{}, &usageError{oneOf("--environment", l.environment, cfg.EnvironmentNames()...)}
		}
		// Gates are for what others depend on; here only name and secrets count.
		req.Environment = &pipeline.Environment{Name: env.Name, URL: env.URL, Secrets: env.Secrets, Kubernetes: env.Kubernetes}
	}
	return req, nil
}

// answeredHere leaves every approval step to whoever runs the pipeline: the
// people it names are asked where others depend on the answer.
func answeredHere(p pipeline.Pipeline) pipeline.Pipeline {
	p.Steps = append([]pipeline.Step(nil), p.Steps...)
	for i := range p.Steps {
		if s := &p.Steps[i]; s.Uses == "approval" {
			s.With = maps.Clone(s.With)
			delete(s.With, "count")
			delete(s.With, "by")
		}
	}
	return p
}

func pipelineNames(cfg *pipeline.Config) []string {
	var names []string
	for _, p := range cfg.Pipelines {
		names = append(names, p.Name)
	}
	return names
}

// everything sorts what the integrations bring.
func everything(all []pipeline.Integration) (map[string]pipeline.Uses, map[string]pipeline.SecretStore) {
	runners, secrets := map[string]pipeline.Uses{}, map[string]pipeline.SecretStore{}
	for _, i := range all {
		for _, u := range i.Runners {
			runners[u.Name] = u
		}
		for scheme, s := range i.Secrets {
			secrets[scheme] = s
		}
	}
	return runners, secrets
}
