package job

import (
	"context"
	"maps"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/resource"

	"github.com/shipmate/shipmate/pipeline"
	"github.com/shipmate/shipmate/pipeline/script"
)

// site is where and as what a step's script runs.
type site struct {
	namespace      string
	serviceAccount string
	nodeSelector   map[string]string
	tolerations    []corev1.Toleration
	image          string
	requests       corev1.ResourceList
	limits         corev1.ResourceList
}

// site asks which repository this is, and then where its script runs.
func (r *Runner) site(ctx context.Context, c *pipeline.StepContext) (site, error) {
	repo, err := r.with.Repos.Of(ctx, c.Run.Repo)
	if err != nil {
		return site{}, err
	}
	return r.cfg.where(repo, c.Run.EnvironmentName(), c.Step)
}

// where decides that, or says why the operator does not allow it.
func (c Config) where(repo pipeline.RuleRepo, environment string, s pipeline.Step) (site, error) {
	at := site{namespace: c.Namespace}
	p, found, err := c.place(repo, environment)
	if err != nil {
		return site{}, err
	}
	if found {
		if p.Namespace != "" {
			at.namespace = p.Namespace
		}
		at.serviceAccount, at.nodeSelector = p.ServiceAccount, maps.Clone(p.NodeSelector)
		for _, t := range p.Tolerations {
			at.tolerations = append(at.tolerations, corev1.Toleration{Key: t.Key, Operator: corev1.TolerationOperator(t.Operator), Value: t.Value, Effect: corev1.TaintEffect(t.Effect)})
		}
	}
	if at.image, err = c.imageOf(s); err != nil {
		return site{}, err
	}
	at.requests, at.limits, err = c.resourcesOf(s)
	return at, err
}

// place is the first that fits. One that is for another repository, which had
// the name before, is not passed over: what comes after it was not meant.
func (c Config) place(repo pipeline.RuleRepo, environment string) (p Place, found bool, err error) {
	for _, p := range c.Places {
		if len(p.Environments) > 0 && !pipeline.MatchGlobs(p.Environments, environment) {
			continue
		}
		if repo.Fits(p.Repo) {
			return p, true, nil
		}
		if err := repo.Replaced(p.Repo); err != nil {
			return Place{}, false, err
		}
	}
	return Place{}, false, nil
}

func (c Config) imageOf(s pipeline.Step) (string, error) {
	switch {
	case s.Image == "" && c.DefaultImage == "":
		return "", pipeline.Refuse("no_image", "`%s` does not say in which image its script runs. Give it one: `image: ...`.", s.Name)
	case s.Image == "":
		return c.DefaultImage, nil
	case len(c.Images) > 0 && !pipeline.MatchGlobs(c.Images, s.Image):
		return "", pipeline.Refuse("image_refused", "The operator does not allow the image %s of `%s`. Use one that is allowed, or ask for it under `kubernetes: {jobs: {images: ...}}`.", s.Image, s.Name)
	}
	return s.Image, script.CheckImage(s.Image)
}

// resourcesOf: what a step asks for is both its request and its limit.
func (c Config) resourcesOf(s pipeline.Step) (requests, limits corev1.ResourceList, err error) {
	asked, err := Amounts(s.Resources).parse()
	if err != nil {
		return nil, nil, pipeline.Refuse("invalid_resources", "The resources of `%s` cannot be read: %v.", s.Name, err)
	}
	request, _ := c.Requests.parse() // both were checked
	limit, _ := c.Limits.parse()
	most, _ := c.Max.parse()
	requests, limits = corev1.ResourceList{}, corev1.ResourceList{}
	for _, kind := range []struct {
		name                        corev1.ResourceName
		asked, request, limit, most *resource.Quantity
	}{
		{corev1.ResourceCPU, asked.cpu, request.cpu, limit.cpu, most.cpu},
		{corev1.ResourceMemory, asked.memory, request.memory, limit.memory, most.memory},
	} {
		if kind.asked != nil {
			if kind.most != nil && kind.asked.Cmp(*kind.most) > 0 {
				return nil, nil, pipeline.Refuse("resources_refused", "`%s` asks for %s of %s, and the operator allows at most %s. Ask for less, or for a higher limit under `kubernetes: {jobs: {max: ...}}`.",
					s.Name, kind.asked, kind.name, kind.most)
			}
			kind.request, kind.limit = kind.asked, kind.asked
		}
		if kind.request != nil {
			requests[kind.name] = *kind.request
		}
		if kind.limit != nil {
			limits[kind.name] = *kind.limit
		}
	}
	return requests, limits, nil
}
