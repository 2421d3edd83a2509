package helm

import (
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"time"

	"helm.sh/helm/v4/pkg/action"
	v2 "helm.sh/helm/v4/pkg/chart/v2"
	chartutil "helm.sh/helm/v4/pkg/chart/v2/util"
	"helm.sh/helm/v4/pkg/release/common"
	v1 "helm.sh/helm/v4/pkg/release/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"

	"github.com/shipmate/shipmate/pipeline"
)

// state is the step's checkpoint. It is saved before anything is changed.
type state struct {
	Release  string    `json:"release"`
	Before   int       `json:"before"`             // revision to go back to; 0: none
	Fresh    bool      `json:"fresh,omitempty"`    // there was no release
	Began    time.Time `json:"began"`              //
	Revision int       `json:"revision,omitempty"` // ours, once it is deployed
	Failed   *failure  `json:"failed,omitempty"`   // why it is being taken back
}

type failure struct {
	Code    string `json:"code"`
	Message string `json:"message"`
}

const defaultTimeout = 10 * time.Minute

// job is one call of the runner.
type job struct {
	config   Config
	c        *pipeline.StepContext
	place    Place
	mark     mark
	state    state
	chart    string
	values   []string
	set      map[string]any
	timeout  time.Duration
	patience time.Duration // of what is being waited for: the timeout, or what a rollback may take
	progress *progress
	touched  bool // the release may have been changed by this step
}

func (r *Runner) job(ctx context.Context, c *pipeline.StepContext) (*job, error) {
	place, err := r.config.Places(ctx, c.Run)
	if err != nil {
		return nil, err
	}
	j := &job{config: r.config, c: c, place: place, mark: markOf(c), timeout: defaultTimeout, progress: &progress{out: c.Log}}
	j.chart, _ = c.With["chart"].(string)
	j.set, _ = c.With["set"].(map[string]any)
	j.values = texts(c.With["values"])
	if text, ok := c.With["timeout"].(string); ok {
		if j.timeout, err = pipeline.ParseDuration(text); err != nil {
			return nil, fmt.Errorf("timeout: %w", err)
		}
	}
	j.patience = j.timeout
	if err := c.Restore(&j.state); err != nil || j.state.Release != "" {
		return j, err
	}
	name, _ := c.With["release"].(string)
	j.state.Release = cmp.Or(name, c.Run.Service)
	if chartutil.ValidateReleaseName(j.state.Release) != nil {
		return nil, pipeline.Refuse("invalid_release", "%q cannot be the name of a Helm release: at most 53 small letters, digits, dots and dashes. Name another with `release`.", j.state.Release)
	}
	return j, nil
}

func texts(list any) []string {
	if out, ok := list.([]string); ok {
		return out
	}
	var out []string
	all, _ := list.([]any)
	for _, v := range all {
		out = append(out, fmt.Sprint(v))
	}
	return out
}

// Run upgrades the release, or goes on with what an earlier call of the step
// began. What fails after the first change is taken back before it returns.
func (r *Runner) Run(ctx context.Context, c *pipeline.StepContext) (pipeline.Result, error) {
	j, err := r.job(ctx, c)
	if err != nil {
		return pipeline.Result{}, err
	}
	defer j.progress.close()
	if j.state.Failed == nil {
		res, err := j.upgrade(ctx)
		switch {
		case err == nil:
			return res, nil
		case pipeline.HandedOver(ctx) != nil:
			return pipeline.Result{}, context.Cause(ctx)
		case !j.touched, pipeline.IsTemporary(err) && ctx.Err() == nil && j.left() > 0:
			return pipeline.Result{}, err
		}
		j.state.Failed = j.failure(ctx, err)
		if err := j.save(ctx); err != nil {
			return pipeline.Result{}, err
		}
	}
	return j.giveBack(ctx)
}

func (j *job) left() time.Duration { return j.timeout - j.config.Now().Sub(j.state.Began) }

func (j *job) save(ctx context.Context) error {
	return j.c.Save(context.WithoutCancel(ctx), j.checkpoint())
}

func (j *job) checkpoint() json.RawMessage { return pipeline.EncodeCheckpoint(j.state) }

func (j *job) upgrade(ctx context.Context) (pipeline.Result, error) {
	s, err := open(ctx, j.place, j.state.Release, j.mark, j.progress)
	if err != nil {
		return pipeline.Result{}, err
	}
	h, err := s.history()
	if err != nil {
		return pipeline.Result{}, err
	}
	j.touched = h.touched(j.mark)
	if err := h.check(j.mark, j.place); err != nil {
		return pipeline.Result{}, err
	}
	if last := h.last(); last != nil && last.Info.Status == common.StatusDeployed && last.Info.RollbackRevision == 0 && j.mark.same(made(last)) {
		j.progress.say("An earlier call of this step has deployed revision %d already.", last.Version)
		return j.done(s, last, ""), nil
	}
	begin := j.prepare(h)
	if h, err = s.take(h); err != nil {
		return pipeline.Result{}, err
	}
	var summary string
	var rel *v1.Release
	err = j.checkout(ctx, func(root string) error {
		if err := j.approved(root); err != nil {
			return err
		}
		if err := j.rehearse(s, h, root); err != nil {
			return err
		}
		summary = j.summary(s, h, root)
		chart, values, err := j.load(root)
		if err != nil {
			return err
		}
		if err := begin(ctx); err != nil {
			return err
		}
		j.touched = true
		j.progress.say("Upgrading %s in namespace %s of %s; it has %s.", j.state.Release, j.place.Namespace, j.place.Cluster, j.left().Round(time.Second))
		rel, err = s.upgrade(h, chart, values, max(j.left(), time.Second), action.DryRunNone)
		return j.explain(ctx, s, "upgrade "+j.state.Release, rel, err)
	})
	if err != nil {
		return pipeline.Result{}, err
	}
	j.progress.say("Revision %d of %s is deployed.", rel.Version, rel.Name)
	return j.done(s, rel, summary), nil
}

// prepare notes what there is to go back to, once. begin saves it, before the first change.
func (j *job) prepare(h history) (begin func(context.Context) error) {
	if !j.state.Began.IsZero() {
		j.progress.say("An earlier call of this step was cut short; this one goes on.")
		return func(context.Context) error { return nil }
	}
	j.state.Began, j.state.Fresh = j.config.Now(), h.gone()
	if !j.state.Fresh {
		j.state.Before = h.good(j.mark)
	}
	return j.save
}

func (j *job) done(s *session, rel *v1.Release, summary string) pipeline.Result {
	j.state.Revision = rel.Version
	return pipeline.Result{
		Done: true, Checkpoint: j.checkpoint(), Summary: summary,
		Message: fmt.Sprintf("Revision %d of the release %s is deployed.", rel.Version, rel.Name),
		Images:  j.config.Images(rel.Manifest, s.pods()),
		Outputs: map[string]string{"revision": strconv.Itoa(rel.Version), "status": rel.Info.Status.String(), "release": rel.Name},
	}
}

// checkout calls do with a folder that holds the commit's files.
func (j *job) checkout(ctx context.Context, do func(root string) error) error {
	dir, err := os.MkdirTemp("", "shipmate-helm-")
	if err != nil {
		return err
	}
	defer os.RemoveAll(dir)
	root := filepath.Join(dir, "files")
	if err := os.Mkdir(root, 0o700); err != nil {
		return err
	}
	if err := j.config.Source.Checkout(ctx, j.c.Run.Repo, j.c.Run.SHA, root); err != nil {
		return err
	}
	return do(root)
}

func (j *job) load(root string) (*v2.Chart, map[string]any, error) {
	return j.config.Load(root, j.chart, j.values, j.set)
}

// rehearse renders the chart as it will be deployed and refuses what cannot be,
// before anything is changed.
func (j *job) rehearse(s *session, h history, root string) error {
	chart, values, err := j.load(root)
	if err != nil {
		return err
	}
	j.progress.say("Rendering the chart %s (%s %s).", j.chart, chart.Name(), chart.Metadata.Version)
	next, err := s.upgrade(h, chart, values, max(j.left(), time.Second), action.DryRunServer)
	if err != nil {
		return j.explain(s.ctx, s, "render "+j.chart, nil, err)
	}
	return inside(j.place, next)
}

// failure is why the step is taken back.
func (j *job) failure(ctx context.Context, err error) *failure {
	if ctx.Err() != nil {
		return &failure{Code: "cancelled", Message: fmt.Sprintf("The upgrade of %s was stopped.", j.state.Release)}
	}
	if pipeline.IsTemporary(err) {
		return &failure{Code: "timeout", Message: fmt.Sprintf("The upgrade of %s did not end within %s. %s", j.state.Release, j.timeout, pipeline.Message(err))}
	}
	return &failure{Code: cmp.Or(pipeline.Code(err), "upgrade_failed"), Message: pipeline.Message(err)}
}

// explain turns an error of Helm's into a sentence. rel is the revision that failed, if there is one.
func (j *job) explain(ctx context.Context, s *session, doing string, rel *v1.Release, err error) error {
	if err == nil || pipeline.HandedOver(ctx) != nil {
		return err
	}
	var wait unready
	if errors.As(err, &wait) && ctx.Err() == nil {
		said := []string{fmt.Sprintf("The release %s did not become ready within %s.", j.state.Release, j.patience), wait.sentences(), s.stuck(rel)}
		return &pipeline.Error{Code: "not_ready", Err: err, Message: strings.Join(strings.Fields(strings.Join(said, " ")), " ")}
	}
	if err = j.config.Explain(j.chart, err); pipeline.Code(err) != "" {
		return err
	}
	if apierrors.IsConflict(err) {
		return &pipeline.Error{Code: "field_conflict", Err: err, Message: fmt.Sprintf("The chart sets fields that somebody else has set since (%s): %s. Leave them out of the chart if they are others' to set, as a HorizontalPodAutoscaler's replicas are; otherwise take them back once, with `helm upgrade --force-conflicts`.", doing, oneLine(err))}
	}
	if err = j.place.Explain(doing, err); pipeline.Code(err) != "" || pipeline.IsTemporary(err) || ctx.Err() != nil {
		return err
	}
	return &pipeline.Error{Code: "helm_refused", Err: err, Message: fmt.Sprintf("Helm could not %s: %s.", doing, oneLine(err))}
}

func oneLine(err error) string {
	return strings.TrimSuffix(strings.Join(strings.Fields(err.Error()), " "), ".")
}
