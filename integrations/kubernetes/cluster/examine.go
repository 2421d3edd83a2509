package cluster

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"reflect"
	"slices"
	"strings"
	"time"

	authv1 "k8s.io/api/authorization/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/version"

	"github.com/shipmate/shipmate/pipeline"
)

// Reach says whether a cluster answers.
type Reach struct {
	Cluster string `json:"cluster"`
	Version string `json:"version,omitempty"`
	Problem string `json:"problem,omitempty"` // a sentence
}

// Rights say whether the bot may do in a namespace what a feature needs.
type Rights struct {
	Cluster   string  `json:"cluster"`
	Namespace string  `json:"namespace"`
	Feature   Feature `json:"feature"`
	Missing   []Need  `json:"missing,omitempty"`
	// Nothing is allowed there, and the bot may not look whether it exists.
	MayNotExist bool   `json:"may_not_exist,omitempty"`
	Problem     string `json:"problem,omitempty"` // why it could not be found out
}

// Examination is what [Clusters.Examine] found.
type Examination struct {
	Clusters   []Reach  `json:"clusters"`
	Namespaces []Rights `json:"namespaces"`
	Unknown    []string `json:"unknown,omitempty"` // sentences about what could not be found out and is to be set right
	Notes      []string `json:"notes,omitempty"`   // sentences about what cannot be judged from here, and need not be
}

// OK reports whether nothing is missing.
func (e Examination) OK() bool {
	return len(e.Unknown) == 0 &&
		!slices.ContainsFunc(e.Clusters, func(r Reach) bool { return r.Problem != "" }) &&
		!slices.ContainsFunc(e.Namespaces, func(r Rights) bool { return r.Problem != "" || len(r.Missing) > 0 })
}

// Place is a namespace in which the bot does something.
type Place struct {
	Cluster, Namespace string
	Feature            Feature
}

// Question is what is to be examined.
type Question struct {
	Deploying []Feature // what is done in the namespaces that rules allow
	Named     []string  // of those that rules allow by a glob; none: all that can be listed
	Places    []Place   // further ones
}

const examinePatience = 30 * time.Second // for each cluster

// Examine asks every cluster whether the bot may do what it is to do, in every
// namespace that a rule allows and in the places of the question. It changes nothing.
func (cs *Clusters) Examine(ctx context.Context, q Question) Examination {
	var e Examination
	for _, n := range q.Named {
		place := slices.ContainsFunc(q.Places, func(p Place) bool { return p.Namespace == n })
		if !place && !slices.ContainsFunc(cs.config.Allow, func(r Rule) bool { return pipeline.MatchGlobs(r.Namespaces, n) }) {
			e.Unknown = append(e.Unknown, fmt.Sprintf("No rule allows the namespace %s, so it is not looked at: see kubernetes.allow.", n))
		}
	}
	for _, name := range cs.Names() {
		ctx, cancel := context.WithTimeout(ctx, examinePatience)
		cs.examine(ctx, name, q, &e)
		cancel()
	}
	return e
}

func (cs *Clusters) examine(ctx context.Context, name string, q Question, e *Examination) {
	reach := Reach{Cluster: name}
	t, err := cs.Target(name, "")
	if err == nil {
		reach.Version, err = t.version(ctx)
	}
	if err != nil {
		reach.Problem = pipeline.Message(err)
	}
	e.Clusters = append(e.Clusters, reach)
	if err != nil {
		return
	}
	for _, p := range cs.places(ctx, t, q, e) {
		t.Namespace = p.Namespace
		e.Namespaces = append(e.Namespaces, t.rights(ctx, p.Feature))
	}
	t.Namespace = ""
	if len(q.Deploying) > 0 && cs.clusterWide(name) {
		note, unknown := t.clusterRights(ctx)
		e.Notes, e.Unknown = append(e.Notes, note...), append(e.Unknown, unknown...)
	}
}

// places are all of the question in one cluster, each once.
func (cs *Clusters) places(ctx context.Context, t Target, q Question, e *Examination) (all []Place) {
	add := func(p Place) {
		if p.Cluster == t.Name && !slices.Contains(all, p) {
			all = append(all, p)
		}
	}
	if len(q.Deploying) > 0 {
		for _, namespace := range cs.namespaces(ctx, t, q.Named, e) {
			for _, f := range q.Deploying {
				add(Place{t.Name, namespace, f})
			}
		}
	}
	for _, p := range q.Places {
		add(p)
	}
	return all
}

// rights says what the feature lacks in the target's namespace.
func (t Target) rights(ctx context.Context, f Feature) Rights {
	r := Rights{Cluster: t.Name, Namespace: t.Namespace, Feature: f}
	live, unseen := t.Typed.CoreV1().Namespaces().Get(ctx, t.Namespace, metav1.GetOptions{})
	switch {
	case apierrors.IsNotFound(unseen):
		r.Problem = fmt.Sprintf("there is no such namespace; make it, or correct its name in the bot's settings (kubectl create namespace %s)", t.Namespace)
		return r
	case unseen == nil && live.DeletionTimestamp != nil:
		r.Problem = "the namespace is being deleted; make it anew when it is gone, or correct its name in the bot's settings"
		return r
	}
	var err error
	if r.Missing, err = t.missing(ctx, Needs(f)); err != nil {
		r.Problem = pipeline.Message(t.Explain("ask for its rights", err))
	}
	r.MayNotExist = unseen != nil && reflect.DeepEqual(r.Missing, Needs(f))
	return r
}

func (cs *Clusters) clusterWide(name string) bool {
	return slices.ContainsFunc(cs.config.Allow, func(r Rule) bool { return r.ClusterWide && r.Cluster == name })
}

// clusterKinds are those without a namespace that people deploy most. A rule
// does not say which it is about, so none of them has to be allowed.
var clusterKinds = []Need{
	{"", "namespaces", apply},
	{"apiextensions.k8s.io", "customresourcedefinitions", apply},
	{"rbac.authorization.k8s.io", "clusterrolebindings", apply},
	{"rbac.authorization.k8s.io", "clusterroles", apply},
	{"scheduling.k8s.io", "priorityclasses", apply},
	{"storage.k8s.io", "storageclasses", apply},
}

// clusterRights says which objects that belong to no namespace can be deployed.
func (t Target) clusterRights(ctx context.Context) (note, unknown []string) {
	missing, err := t.missing(ctx, clusterKinds)
	if err != nil {
		return nil, []string{pipeline.Message(t.Explain("ask for its rights", err))}
	}
	var may, lacks []string
	for _, n := range missing {
		lacks = append(lacks, n.Resource)
	}
	for _, n := range clusterKinds {
		if !slices.Contains(lacks, n.Resource) {
			may = append(may, n.Resource)
		}
	}
	text := fmt.Sprintf("A rule allows objects that belong to no namespace in the cluster %s (cluster_wide).", t.Name)
	if len(may) > 0 {
		text += fmt.Sprintf(" shipmate may deploy %s there.", strings.Join(may, ", "))
	}
	if len(lacks) > 0 {
		text += fmt.Sprintf(" It may not deploy %s; what steps need of these and of other kinds, a ClusterRole of yours has to allow.", strings.Join(lacks, ", "))
	}
	return []string{text}, nil
}

func (t Target) version(ctx context.Context) (string, error) {
	body, err := t.Typed.Discovery().RESTClient().Get().AbsPath("/version").Do(ctx).Raw()
	if err != nil {
		return "", t.Explain("ask for its version", err)
	}
	var v version.Info
	if err := json.Unmarshal(body, &v); err != nil || v.GitVersion == "" {
		return "", pipeline.Refuse("no_cluster", "What answers for the cluster %s is no Kubernetes. Look at its address.", t.Name)
	}
	return v.GitVersion, nil
}

// namespaces are those that rules allow in the cluster. Globs stand for those
// that the bot may list.
func (cs *Clusters) namespaces(ctx context.Context, t Target, named []string, e *Examination) []string {
	found := map[string]bool{}
	var globs []string
	for _, rule := range cs.config.Allow {
		for _, g := range rule.Namespaces {
			switch {
			case rule.Cluster != t.Name:
			case strings.ContainsAny(g, `*?[{`):
				globs = append(globs, g)
			default:
				found[g] = true
			}
		}
	}
	for _, n := range named {
		if pipeline.MatchGlobs(globs, n) {
			found[n] = true
		}
	}
	if len(globs) > 0 && len(named) == 0 {
		all, err := t.Typed.CoreV1().Namespaces().List(ctx, metav1.ListOptions{})
		switch {
		case apierrors.IsForbidden(err):
			e.Notes = append(e.Notes, fmt.Sprintf("The namespaces %s of the cluster %s are not examined: shipmate may not list namespaces there, and need not. Name some with --namespace.", strings.Join(globs, ", "), t.Name))
		case err != nil:
			e.Unknown = append(e.Unknown, fmt.Sprintf("The namespaces %s of the cluster %s are not examined. %s", strings.Join(globs, ", "), t.Name, pipeline.Message(t.Explain("list namespaces", err))))
		default:
			for _, ns := range all.Items {
				if pipeline.MatchGlobs(globs, ns.Name) {
					found[ns.Name] = true
				}
			}
		}
	}
	return slices.Sorted(maps.Keys(found))
}

// missing are the needs that the API server does not grant, with the verbs that are missing.
func (t Target) missing(ctx context.Context, needs []Need) ([]Need, error) {
	var out []Need
	var errs []error
	for _, n := range needs {
		lacks := Need{Group: n.Group, Resource: n.Resource}
		for _, verb := range n.Verbs {
			ok, err := t.May(ctx, Right{Group: n.Group, Resource: n.Resource, Verb: verb})
			errs = append(errs, err)
			if err == nil && !ok {
				lacks.Verbs = append(lacks.Verbs, verb)
			}
		}
		if err := errors.Join(errs...); err != nil {
			return nil, err
		}
		if len(lacks.Verbs) > 0 {
			out = append(out, lacks)
		}
	}
	return out, nil
}

// Right is one verb on a resource, or on one object of it.
type Right struct {
	Group, Resource, Verb string
	Name                  string // "": all objects
}

// May asks the API server whether the bot may do that in the target's
// namespace; "" stands for objects outside of namespaces.
func (t Target) May(ctx context.Context, r Right) (bool, error) {
	resource, part, _ := strings.Cut(r.Resource, "/")
	review := &authv1.SelfSubjectAccessReview{Spec: authv1.SelfSubjectAccessReviewSpec{ResourceAttributes: &authv1.ResourceAttributes{
		Namespace: t.Namespace, Verb: r.Verb, Group: r.Group, Resource: resource, Subresource: part, Name: r.Name,
	}}}
	got, err := t.Typed.AuthorizationV1().SelfSubjectAccessReviews().Create(ctx, review, metav1.CreateOptions{})
	if err != nil {
		return false, err
	}
	return got.Status.Allowed, nil
}

// Rules is the YAML of a Role's rules for the needs, each a line.
func Rules(needs []Need) string {
	var out strings.Builder
	for _, n := range needs {
		fmt.Fprintf(&out, "- {apiGroups: [%q], resources: [%s], verbs: [%s]}\n", n.Group, n.Resource, strings.Join(n.Verbs, ", "))
	}
	return out.String()
}
