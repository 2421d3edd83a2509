package helm

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"time"

	v2 "helm.sh/helm/v4/pkg/chart/v2"
	v1 "helm.sh/helm/v4/pkg/release/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/client-go/kubernetes"

	"github.com/shipmate/shipmate/pipeline"
)

// Plan says what Run would change.
func (r *Runner) Plan(ctx context.Context, c *pipeline.StepContext) (pipeline.Result, error) {
	j, err := r.job(ctx, c)
	if err != nil {
		return pipeline.Result{}, err
	}
	defer j.progress.close()
	j.state.Began = j.config.Now()
	s, h, err := j.look(ctx)
	if err != nil {
		return pipeline.Result{}, err
	}
	if last := h.last(); last != nil && unfinished(last) {
		return pipeline.Result{}, pipeline.Refuse("release_busy", "The release %s is being changed right now (revision %d, %s), so what this would change cannot be said. Try again when that is done.", last.Name, last.Version, last.Info.Status)
	}
	res := pipeline.Result{Done: true}
	err = j.checkout(ctx, func(root string) error {
		if res.Digest, err = j.digest(root); err != nil {
			return err
		}
		res.Summary, err = j.plan(s, h, root)
		return err
	})
	return res, err
}

// look opens the step's release and reads its history.
func (j *job) look(ctx context.Context) (*session, history, error) {
	s, err := open(ctx, j.place, j.state.Release, j.mark, j.progress)
	if err != nil {
		return nil, nil, err
	}
	h, err := s.history()
	return s, h, err
}

// digest names what people say yes to: the chart's files, the values for it, and
// where it goes. What templates make of them does not count: with random values,
// the time or lookup it is something else each time, and nothing could be approved.
func (j *job) digest(root string) (string, error) {
	chart, values, err := j.load(root)
	if err != nil {
		return "", err
	}
	h := sha256.New()
	all := json.NewEncoder(h)
	err = all.Encode([]any{j.place.Cluster, j.place.Namespace, j.state.Release, j.chart, values})
	for _, f := range chart.Raw {
		err = errors.Join(err, all.Encode(f.Name), all.Encode(f.Data))
	}
	return hex.EncodeToString(h.Sum(nil)), err
}

// approved refuses to deploy what people did not say yes to.
func (j *job) approved(root string) error {
	if j.c.Planned == "" {
		return nil
	}
	now, err := j.digest(root)
	if err == nil && now != j.c.Planned {
		return pipeline.Refuse(pipeline.PlanChanged, "The chart or the values for it are not those that were approved. Start the deploy again, so that people see the new plan.")
	}
	return err
}

// plan renders the chart and returns what would change. Nothing is looked up for
// it: nobody has said yes to the commit yet, and many read what a plan says.
func (j *job) plan(s *session, h history, root string) (string, error) {
	chart, values, err := j.load(root)
	if err != nil {
		return "", err
	}
	next, err := s.preview(h, chart, values, max(j.left(), time.Second))
	if err != nil {
		return "", withoutLookup(chart, j.explain(s.ctx, s, "render "+j.chart, nil, err))
	}
	if err := inside(j.place, next); err != nil {
		return "", err
	}
	return s.hide(summary(current(h), next))
}

// hide blanks out the values of the namespace's Secrets: what an earlier
// revision looked up stands in its manifest, and so in a diff.
func (s *session) hide(text string) (string, error) {
	api, err := kubernetes.NewForConfig(restricted(s.ctx, s.place))
	if err != nil {
		return "", err
	}
	list, err := api.CoreV1().Secrets(s.place.Namespace).List(s.ctx, metav1.ListOptions{FieldSelector: "type!=helm.sh/release.v1"})
	if err != nil {
		return "", s.place.Explain("list the Secrets whose values are to be hidden", err)
	}
	var values []pipeline.Secret
	for _, one := range list.Items {
		for _, data := range one.Data {
			if v := pipeline.NewSecret(string(data)); pipeline.Maskable(v) == nil {
				values = append(values, v)
			}
		}
	}
	m, err := pipeline.NewMasker(values...)
	if err != nil {
		return "", err
	}
	return m.String(text), nil
}

// summary is the plan for the report of a deploy. That it cannot be made stops none.
func (j *job) summary(s *session, h history, root string) string {
	text, err := j.plan(s, h, root)
	if err != nil {
		return "What this deploy changes cannot be shown. " + pipeline.Message(err)
	}
	return text
}

// withoutLookup adds to the mistake in a template what may have led to it.
func withoutLookup(c *v2.Chart, err error) error {
	if pipeline.Code(err) != "template_error" || !looksUp(c) {
		return err
	}
	return &pipeline.Error{Code: "template_error", Err: err, Message: fmt.Sprintf("%s In a plan `lookup` finds nothing, as if nothing were there yet: let the template stand that.", pipeline.Message(err))}
}

func looksUp(c *v2.Chart) bool {
	for _, f := range c.Templates {
		if bytes.Contains(f.Data, []byte("lookup")) {
			return true
		}
	}
	return slices.ContainsFunc(c.Dependencies(), looksUp)
}

// current is the revision whose objects there are.
func current(h history) *v1.Release {
	if h.gone() {
		return nil
	}
	if r := h.revision(h.good(mark{})); r != nil {
		return r
	}
	return h.last()
}
