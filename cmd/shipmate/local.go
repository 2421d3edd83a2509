package main

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"os/exec"
	"os/signal"
	"path/filepath"
	"strings"
	"syscall"
	"time"

	"github.com/spf13/cobra"
	"gocloud.dev/blob/fileblob"

	"github.com/shipmate/shipmate/integrations"
	"github.com/shipmate/shipmate/integrations/shell"
	"github.com/shipmate/shipmate/integrations/shell/gitsource"
	"github.com/shipmate/shipmate/pipeline"
	"github.com/shipmate/shipmate/pipeline/artifact"
	"github.com/shipmate/shipmate/pipeline/redisstore"
	"github.com/shipmate/shipmate/pipeline/redisstore/embedded"
)

// local is one run of a pipeline here and now, without a bot: the same engine
// and runners, an embedded Redis that lives as long as the run, and a terminal
// where the bot has GitHub and Slack.
type local struct {
	pipeline    string
	environment string
	params      []string
	output      string
}

func runCommand() *cobra.Command {
	var l local
	cmd := &cobra.Command{
		Use:   "run <pipeline>",
		Short: "Run a pipeline of the repository you stand in, here and now",
		Long: `Runs a pipeline of the repository you stand in, here and now, on your working
tree as it is: changes that are not committed are part of it.

No gate of an environment is asked and nothing is recorded as deployed; with
--environment its name and secrets are given to the steps.`,
		Args: cobra.ExactArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			l.pipeline = args[0]
			return l.run(cmd.Context(), cmd)
		},
	}
	cmd.Flags().StringVar(&l.environment, "environment", "", "environment whose name and secrets the steps get")
	cmd.Flags().StringArrayVar(&l.params, "param", nil, "name=value, as in /deploy")
	cmd.Flags().StringVar(&l.output, "output", "text", "text or json (one event a line)")
	return cmd
}

func (l *local) run(ctx context.Context, cmd *cobra.Command) error {
	if err := oneOf("--output", l.output, "text", "json"); err != nil {
		return &usageError{err}
	}
	tree, err := findWorktree(ctx)
	if err != nil {
		return err
	}
	req, err := l.request(tree)
	if err != nil {
		return err
	}
	dir, err := os.MkdirTemp("", "shipmate-run-")
	if err != nil {
		return err
	}
	defer os.RemoveAll(dir)
	log := slog.New(slog.NewTextHandler(os.Stderr, &slog.HandlerOptions{Level: slog.LevelError}))

	redis, err := embedded.Start(ctx, embedded.Config{Dir: filepath.Join(dir, "redis"), AllowMemory: true, Logger: slog.New(slog.DiscardHandler)})
	if err != nil {
		return err
	}
	defer stopEmbedded(redis, log)
	store, err := redisstore.Open(ctx, redisstore.Config{URL: redis.URL(), Durability: redisstore.Relaxed, Shards: 1, Logger: log})
	if err != nil {
		return err
	}
	defer store.Close()
	self, err := os.Executable()
	if err != nil {
		return err
	}
	bucket, err := fileblob.OpenBucket(filepath.Join(dir, "artifacts"), &fileblob.Options{CreateDir: true, NoTempDir: true})
	if err != nil {
		return err
	}
	defer bucket.Close()
	scripts, err := shell.New(shell.Config{Dir: dir, Source: tree, Shim: []string{self, "shim"}, Path: os.Getenv("PATH"), Artifacts: &artifact.Store{Bucket: bucket}, Logger: log})
	if err != nil {
		return err
	}
	runners, secrets := everything(integrations.All(integrations.Needs{Shell: scripts}))
	term := newTerminal(cmd.OutOrStdout(), l.output == "json")
	engine := &pipeline.Engine{Store: store, Queue: store, Runners: runners, Sinks: []pipeline.Sink{term}, GitHub: tree,
		Secrets: pipeline.Vault{Stores: secrets}, Logs: term, Now: time.Now, Log: log}
	worker := &pipeline.Worker{Queue: store, Handlers: engine.Handlers(), Pools: map[pipeline.Pool]int{pipeline.Control: 4, pipeline.Steps: 8}, Log: log, Now: time.Now}

	// The context ends with the first interrupt. What works on the run does not:
	// it stops the run, and reports that.
	ctx, stop := context.WithCancel(context.WithoutCancel(ctx))
	var work group
	_, work.stop = context.WithCancelCause(ctx)
	work.run(func() error { worker.Run(ctx, time.Second); return nil })
	work.run(func() error { engine.Watch(ctx, store.Signals(ctx)); return nil })
	end := l.follow(ctx, engine, term, req)
	stop()
	return errors.Join(end, work.wait())
}

// follow starts the run and waits for its end. The first interrupt cancels the
// run properly, a second one ends the program.
func (l *local) follow(ctx context.Context, engine *pipeline.Engine, term *terminal, req pipeline.Request) error {
	interrupts := make(chan os.Signal, 1)
	signal.Notify(interrupts, os.Interrupt, syscall.SIGTERM)
	defer signal.Stop(interrupts)
	r, err := engine.Start(ctx, req)
	if err != nil {
		return err
	}
	for {
		select {
		case r = <-term.ended:
			if r.State != pipeline.Succeeded {
				return fmt.Errorf("%s %s", r.Pipeline.Name, strings.ReplaceAll(string(r.State), "_", " "))
			}
			return nil
		case gate := <-term.asks:
			answer := pipeline.Approval{Gate: gate, Yes: term.confirm(gate), By: req.Actor, Via: "cli", Reason: "answered on the terminal"}
			if _, err := engine.Approve(ctx, r.ID, answer); err != nil {
				return err
			}
		case <-interrupts:
			signal.Reset(os.Interrupt, syscall.SIGTERM) // the next one ends the program
			_, err := engine.Cancel(ctx, r.ID, pipeline.Cancellation{By: req.Actor, Code: "cancelled", Reason: "Interrupted."})
			if err != nil && pipeline.Code(err) == "" {
				return err
			}
		}
	}
}

// request is what is run: the pipeline as the working tree's file has it.
func (l *local) request(tree *worktree) (pipeline.Request, error) {
	path := filepath.Join(tree.root, fileName)
	src, err := os.ReadFile(path)
	if err != nil {
		return pipeline.Request{}, fmt.Errorf("%w; it is where pipelines are described", err)
	}
	cfg, err := pipeline.Parse(fileName, src, knownRunners())
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
		return pipeline.Request{}, &usageError{err}
	}
	req := pipeline.Request{Repo: pipeline.Repo{ID: 1, Owner: "local", Name: filepath.Base(tree.root)}, Service: cfg.Service, Pipeline: *p,
		SHA: tree.sha, Ref: tree.branch, Trigger: pipeline.ByCommand, Actor: pipeline.Actor{ID: 1, Login: tree.user}, Params: params, Origin: pipeline.Origin{Surface: "cli"}}
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

// worktree is the repository somebody stands in: the source of the run's files
// and, where the bot asks GitHub, the one who answers.
type worktree struct {
	root, sha, branch, user string
}

// findWorktree takes the working tree as it is, files that are not committed
// included, as a commit that no branch knows.
func findWorktree(ctx context.Context) (*worktree, error) {
	root, err := git(ctx, ".", nil, "rev-parse", "--show-toplevel")
	if err != nil {
		return nil, errors.New("this is not a git repository; go to the one whose pipeline you want to run")
	}
	index, err := os.CreateTemp("", "shipmate-index-")
	if err != nil {
		return nil, err
	}
	defer os.Remove(index.Name())
	if err := index.Close(); err != nil {
		return nil, err
	}
	if err := os.Remove(index.Name()); err != nil { // git makes its own; an empty file is no index
		return nil, err
	}
	env := []string{"GIT_INDEX_FILE=" + index.Name(), "GIT_AUTHOR_NAME=shipmate", "GIT_AUTHOR_EMAIL=shipmate@localhost", "GIT_COMMITTER_NAME=shipmate", "GIT_COMMITTER_EMAIL=shipmate@localhost"}
	if _, err := git(ctx, root, env, "add", "--all"); err != nil {
		return nil, err
	}
	tree, err := git(ctx, root, env, "write-tree")
	if err != nil {
		return nil, err
	}
	w := &worktree{root: root, user: "you"}
	commit := []string{"commit-tree", tree, "-m", "working tree"}
	if head, err := git(ctx, root, nil, "rev-parse", "--verify", "-q", "HEAD"); err == nil {
		commit = append(commit, "-p", head)
		same, err := git(ctx, root, nil, "rev-parse", "HEAD^{tree}")
		if err == nil && same == tree {
			w.sha = head
		}
	}
	if w.sha == "" {
		if w.sha, err = git(ctx, root, env, commit...); err != nil {
			return nil, err
		}
	}
	if branch, err := git(ctx, root, nil, "symbolic-ref", "--short", "-q", "HEAD"); err == nil {
		w.branch = branch
	}
	return w, nil
}

// Checkout writes the files of the commit into dir.
func (w *worktree) Checkout(ctx context.Context, _ pipeline.Repo, sha, dir string) error {
	env := []string{"GIT_INDEX_FILE=" + filepath.Join(filepath.Dir(dir), "index-"+filepath.Base(dir))}
	defer os.Remove(strings.TrimPrefix(env[0], "GIT_INDEX_FILE="))
	if _, err := git(ctx, w.root, env, "read-tree", sha); err != nil {
		return err
	}
	if _, err := git(ctx, w.root, env, "checkout-index", "--all", "--prefix="+dir+"/"); err != nil {
		return err
	}
	return gitsource.Incomplete(strings.TrimPrefix(env[0], "GIT_INDEX_FILE="), dir)
}

// Live: whoever runs a pipeline on their own machine may do so.
func (w *worktree) Live(context.Context, *pipeline.Run) (pipeline.Live, error) {
	return pipeline.Live{OnDefault: true, People: map[int64]pipeline.Standing{1: {Login: w.user, Permission: pipeline.Admin}}}, nil
}

// Changed lists what differs from the commit before.
func (w *worktree) Changed(ctx context.Context, r *pipeline.Run) ([]string, error) {
	out, err := git(ctx, w.root, nil, "diff", "--name-only", r.SHA+"^", r.SHA)
	return strings.Fields(out), err
}

func git(ctx context.Context, dir string, env []string, args ...string) (string, error) {
	cmd := exec.CommandContext(ctx, "git", append([]string{"-C", dir}, args...)...)
	cmd.Env = append(os.Environ(), env...)
	out, err := cmd.Output()
	var exit *exec.ExitError
	if errors.As(err, &exit) {
		err = fmt.Errorf("git %s: %s", args[0], strings.TrimSpace(string(exit.Stderr)))
	}
	return strings.TrimSpace(string(out)), err
}
