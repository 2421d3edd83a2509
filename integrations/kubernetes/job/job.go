// Package job runs a step's "run:" script as a Kubernetes Job.
//
// A Job's pod waits, under a shim that an init container brought, until it is
// given an order. So its spec holds nothing of the script, no environment and no
// secret, and there is a moment between "the pod is there" and "the script
// begins" in which the bot saves which pod it is:
//
//	bot: creates the Job         ──▶ pod: the shim listens on its loopback
//	bot: order, source           ──▶ shim: ready            (through the API server's port-forward)
//	bot: saves its checkpoint: the pod's UID
//	bot: go                      ──▶ shim: runs the script
//	bot: follows the output      ◀── shim
//	bot: asks how it ended       ◀── shim: exit code, outputs, summary, artifacts
//	bot: deletes the Job, once the result is recorded
//
// Start reading at [Runner.Run]; the other side is [ShimMain], what they say to
// each other is in protocol.go. Only the pod in the checkpoint is ever told to
// go, so a script never runs twice unnoticed: a bot that finds no checkpoint
// deletes the Job, for nothing has begun; one that finds it takes up that very
// pod, or learns from Kubernetes what became of it. A shim whose bot is away
// for long leaves the end of its script in the pod's termination message.
package job

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"sync"
	"time"

	"k8s.io/apimachinery/pkg/types"

	"github.com/shipmate/shipmate/integrations/kubernetes/cluster"
	"github.com/shipmate/shipmate/pipeline"
	"github.com/shipmate/shipmate/pipeline/artifact"
	"github.com/shipmate/shipmate/pipeline/script"
)

// Source writes the tree of a commit into a folder, whole: it is taken elsewhere.
type Source interface {
	Checkout(ctx context.Context, repo pipeline.Repo, sha, dir string) error
}

// Needs is what a Runner works with. Clusters, Keys, Source, Artifacts and Dir must be given.
type Needs struct {
	Clusters  *cluster.Clusters
	Repos     pipeline.RuleRepos // which repository a place is for
	Keys      []pipeline.Secret  // that all replicas of the bot have; the first is the newest
	Source    Source
	Artifacts *artifact.Store
	Dir       string // checkouts lie in Dir/orders until they are sent
	BaseURL   string // of the bot, for SHIPMATE_URL; may be empty
	MaxLog    int64  // bytes of output kept; default 50 MiB
	Logger    *slog.Logger
	Now       func() time.Time
}

// Runner is the runner behind "run:". It implements pipeline.Runner, Reverter,
// Canceller and Forgetter.
type Runner struct {
	cfg  Config
	with Needs

	sending chan struct{} // a place for each order that is sent at the same time

	mu    sync.Mutex
	ended map[attempt][]checkpoint // whose result is about to be recorded
}

type attempt struct {
	run  pipeline.RunID
	step string
	n    int
}

// New checks the configuration and removes what an earlier process left in Dir.
func New(cfg Config, with Needs) (*Runner, error) {
	if with.Clusters == nil || len(with.Keys) == 0 || with.Source == nil || with.Artifacts == nil || with.Dir == "" {
		return nil, errors.New("job: Clusters, Keys, Source, Artifacts and Dir must be set")
	}
	if err := cfg.Check(with.Clusters.Names()); err != nil {
		return nil, err
	}
	if with.MaxLog == 0 {
		with.MaxLog = 50 << 20
	}
	if with.Logger == nil {
		with.Logger = slog.New(slog.DiscardHandler)
	}
	if with.Now == nil {
		with.Now = time.Now
	}
	with.Dir = filepath.Join(with.Dir, "orders")
	if err := os.RemoveAll(with.Dir); err != nil {
		return nil, fmt.Errorf("job: %w", err)
	}
	if err := os.MkdirAll(with.Dir, 0o700); err != nil {
		return nil, fmt.Errorf("job: %w", err)
	}
	const atOnce = 8 // each is a git process and a compressor
	return &Runner{cfg: cfg.withDefaults(), with: with, sending: make(chan struct{}, atOnce), ended: map[attempt][]checkpoint{}}, nil
}

// Integration is the runner under its name, "run".
func (r *Runner) Integration() pipeline.Integration {
	return pipeline.Integration{
		Name:    "kubernetes jobs",
		Runners: []pipeline.Uses{{Name: "run", Class: pipeline.Queryable, SavesFirst: true, UndoSavesFirst: true, Runner: r}},
	}
}

// Run starts the step's script in a pod, or takes up the one an earlier call
// started, and returns when it has ended. When ctx ends the Job is deleted,
// unless the cause says that another call takes it up: then it goes on.
func (r *Runner) Run(ctx context.Context, c *pipeline.StepContext) (pipeline.Result, error) {
	return r.call(ctx, script.Call{StepContext: c})
}

// CanRevert reports whether the step has an "undo:".
func (r *Runner) CanRevert(c *pipeline.StepContext) bool { return c.Step.Undo != "" }

// Revert runs the step's "undo:" as Run runs "run:", in a Job of its own.
func (r *Runner) Revert(ctx context.Context, c *pipeline.StepContext) (pipeline.Result, error) {
	if c.Step.Undo == "" {
		return pipeline.Result{}, pipeline.Refuse("cannot_revert", "`%s` has no `undo:`, so it cannot be reverted.", c.Step.Name)
	}
	return r.call(ctx, script.Call{StepContext: c, Undo: true})
}

// Cancel deletes the Job of a step no call is in flight for, and returns nil
// when its pod is gone. Without a checkpoint there may still be one.
func (r *Runner) Cancel(ctx context.Context, c *pipeline.StepContext) error {
	var cp checkpoint
	if err := c.Restore(&cp); err != nil {
		return err
	}
	s := c.Run.Step(c.Step.Name)
	call := script.Call{StepContext: c, Undo: s != nil && s.Reverting}
	if !cp.leads() || cp.Undo != call.Undo {
		at, err := r.site(ctx, c)
		if pipeline.IsTemporary(err) {
			return err
		}
		if err != nil {
			return nil //nolint:nilerr // then no Job was made either
		}
		cp = checkpoint{Cluster: r.cfg.Cluster, Namespace: at.namespace, Job: jobName(call)}
	}
	w, err := r.open(ctx, cp)
	if err != nil {
		return err
	}
	defer w.close()
	return w.remove(ctx)
}

// Forget deletes the Jobs of an attempt whose result is safe. Those of calls
// that this process does not know of Kubernetes removes in time.
func (r *Runner) Forget(run pipeline.RunID, step string, n int, fence int64) error {
	const patience = 10 * time.Second
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	defer cancel()
	at := attempt{run, step, n}
	r.mu.Lock()
	var now, later []checkpoint
	for _, cp := range r.ended[at] {
		if cp.Fence <= fence {
			now = append(now, cp)
		} else {
			later = append(later, cp)
		}
	}
	delete(r.ended, at)
	if len(later) > 0 {
		r.ended[at] = later
	}
	r.mu.Unlock()
	var errs []error
	for _, cp := range now {
		t, err := r.with.Clusters.Target(cp.Cluster, cp.Namespace)
		if err == nil {
			err = deleteJob(ctx, t, cp, background)
		}
		errs = append(errs, err)
	}
	return errors.Join(errs...)
}

func (r *Runner) call(ctx context.Context, c script.Call) (pipeline.Result, error) {
	var cp checkpoint
	if err := c.Restore(&cp); err != nil {
		return pipeline.Result{}, err
	}
	switch {
	case cp.Undo != c.Undo:
		return r.begin(ctx, c, checkpoint{})
	case !cp.leads():
		return r.begin(ctx, c, checkpoint{Reruns: cp.Reruns})
	}
	w, err := r.open(ctx, cp)
	switch {
	case err != nil && cp.PodUID != "" && !pipeline.IsTemporary(err):
		return r.opened(ctx, untaken(cp, err))
	case err != nil:
		return r.opened(ctx, err)
	}
	defer w.close()
	if cp.PodUID == "" {
		return w.await(ctx, c)
	}
	return w.resume(ctx, c)
}

// untaken is why the pod of an earlier call could not be looked at. Its script
// goes on, so that is not the end of the step, whatever the reason.
func untaken(cp checkpoint, err error) error {
	return pipeline.Temporary(&pipeline.Error{Code: pipeline.Code(err), Err: err, Message: fmt.Sprintf(
		"%s The pod %s in the namespace %s of %s may be at work meanwhile, so this is tried again.", pipeline.Message(err), cp.Pod, cp.Namespace, cp.Cluster)})
}

// opened is what it comes to that a cluster could not be reached.
func (r *Runner) opened(ctx context.Context, err error) (pipeline.Result, error) {
	switch cause := pipeline.HandedOver(ctx); {
	case cause != nil:
		err = pipeline.Temporary(cause)
	case ctx.Err() != nil && pipeline.Code(err) == "": // the next call is Cancel
		err = pipeline.Temporary(&pipeline.Error{Message: "It is being stopped.", Err: err})
	case ctx.Err() != nil:
		err = pipeline.Temporary(err)
	}
	return pipeline.Result{}, err
}

// checkpoint is what leads a later call to the Job of an earlier one, and once
// its pod has its order to that pod. What the shim knows the bot by is not in
// it, see pass.go.
type checkpoint struct {
	Cluster   string    `json:"cluster"`
	Namespace string    `json:"namespace"`
	Job       string    `json:"job"`
	JobUID    types.UID `json:"job_uid"`
	Pass      pass      `json:"pass"`
	Created   time.Time `json:"created"`
	Pod       string    `json:"pod,omitempty"`
	PodUID    types.UID `json:"pod_uid,omitempty"` // that it has its order, and may have been told to go
	Fence     int64     `json:"fence"`             // of the call that made the Job
	Undo      bool      `json:"undo,omitempty"`
	LogBase   int64     `json:"log_base,omitempty"` // bytes of the log before the script's output
	Reruns    int       `json:"reruns,omitempty"`   // how often the script was lost and begun again
	Ended     bool      `json:"ended,omitempty"`    // the result was returned
}

// leads reports whether there is a Job to come back to.
func (cp checkpoint) leads() bool { return cp.Job != "" && !cp.Ended }

func (cp checkpoint) encode() json.RawMessage { return pipeline.EncodeCheckpoint(cp) }
