package cluster

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"

	authv1 "k8s.io/api/authorization/v1"
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
	Problem   string  `json:"problem,omitempty"` // why it could not be found out
}

// Examination is what [Clusters.Examine] found.
type Examination struct {
	Clusters   []Reach  `json:"clusters"`
	Namespaces []Rights `json:"namespaces"`
	Unknown    []string `json:"unknown,omitempty"` // sentences about namespaces that could not be listed
}

// OK reports whether nothing is missing.
func (e Examination) OK() bool {
	return len(e.Unknown) == 0 &&
		!slices.ContainsFunc(e.Clusters, func(r Reach) bool { return r.Problem != "" }) &&
		!slices.ContainsFunc(e.Namespaces, func(r Rights) bool { return r.Problem != "" || len(r.Missing) > 0 })
}

const examinePatience = 30 * time.Second // for each cluster

// Examine asks every cluster whether the bot may do what the features need, in
// every namespace that a rule allows; of those that rules allow by a glob, only
// in named ones and those that the bot may list. It changes nothing.
func (cs *Clusters) Examine(ctx context.Context, features []Feature, named []string) Examination {
	var e Examination
	for _, name := range cs.Names() {
		ctx, cancel := context.WithTimeout(ctx, examinePatience)
		cs.examine(ctx, name, question{features, named}, &e)
		cancel()
	}
	return e
}

// question is what is asked of each cluster.
type question struct {
	features []Feature
	named    []string // namespaces
}

func (cs *Clusters) examine(ctx context.Context, name string, q question, e *Examination) {
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
	namespaces, unknown := cs.namespaces(ctx, t, q.named)
	e.Unknown = append(e.Unknown, unknown...)
	for _, namespace := range namespaces {
		t.Namespace = namespace
		for _, f := range q.features {
			r := Rights{Cluster: name, Namespace: namespace, Feature: f}
			if r.Missing, err = t.missing(ctx, Needs(f)); err != nil {
				r.Problem = pipeline.Message(t.Explain("ask for its rights", err))
			}
			e.Namespaces = append(e.Namespaces, r)
		}
	}
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
func (cs *Clusters) namespaces(ctx context.Context, t Target, named []string) (names, unknown []string) {
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
		if matches(globs, n) {
			found[n] = true
		}
	}
	if len(globs) > 0 && len(named) == 0 {
		all, err := t.Typed.CoreV1().Namespaces().List(ctx, metav1.ListOptions{})
		if err != nil {
			unknown = append(unknown, fmt.Sprintf("The namespaces %s of the cluster %s are not examined: shipmate may not list namespaces there, and need not. Name some with --namespace.", strings.Join(globs, ", "), t.Name))
		} else {
			for _, ns := range all.Items {
				if matches(globs, ns.Name) {
					found[ns.Name] = true
				}
			}
		}
	}
	return slices.Sorted(maps.Keys(found)), unknown
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

// Rules is the YAML of a Role's rules for the needs.
func Rules(needs []Need) string {
	var out strings.Builder
	for _, n := range needs {
		fmt.Fprintf(&out, "- apiGroups: [%q]\n  resources: [%s]\n  verbs: [%s]\n", n.Group, n.Resource, strings.Join(n.Verbs, ", "))
	}
	return out.String()
}
