// Package kubernetes deploys the objects of a repository to Kubernetes.
//
// Two runners share one way of doing it. The objects are read from the run's
// commit ([manifest.Load]); what is about to change is written down in a
// ConfigMap beside them (record.go), so that it can be brought back; every
// object is written by server-side apply under a fence (write.go), so that a
// call that lost its lease changes nothing; then watches tell when all is ready
// (ready.go), or why it is not (stuck.go).
//
// [apply] does just that. [rollout] adds how the pods of a Deployment are
// exchanged: rolling, blue-green or canary. Below cluster/ is how clusters are
// reached, below manifest/ how objects are read.
package kubernetes

import (
	"context"
	"fmt"
	"maps"
	"path"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/shipmate/shipmate/integrations/kubernetes/cluster"
	"github.com/shipmate/shipmate/integrations/kubernetes/manifest"
	"github.com/shipmate/shipmate/pipeline"
)

// Source writes the tree of a commit into a folder.
type Source interface {
	// Checkout fills dir, an empty folder, with the tree of the commit; sha is
	// 40 hexadecimal digits, never a branch.
	Checkout(ctx context.Context, repo pipeline.Repo, sha, dir string) error
}

// Config is what the runners are made from.
type Config struct {
	Clusters *cluster.Clusters // nil: none
	Source   Source
	Now      func() time.Time
	// Runner finds the runner of a step within a step: a smoke test, an analysis.
	Runner func(name string) (pipeline.Uses, bool)
	// Patience is how long pods may stand in a state that does not pass by
	// itself, such as an image that cannot be pulled; default 1 minute.
	Patience time.Duration
}

func (cfg Config) patience() time.Duration {
	if cfg.Patience == 0 {
		return time.Minute
	}
	return cfg.Patience
}

// Integration are the runners.
func Integration(cfg Config) pipeline.Integration {
	return pipeline.Integration{Name: "kubernetes", Runners: []pipeline.Uses{
		{Name: "kubernetes.apply", Class: pipeline.Idempotent, SavesFirst: true, Params: applyParams(), Check: checkSource, Runner: apply{cfg}},
		{Name: "kubernetes.rollout", Class: pipeline.Queryable, SavesFirst: true, Params: rolloutParams(), Check: checkRollout, Runner: rollout{cfg}},
	}}
}

// sourceParams say where the objects are.
func sourceParams() []pipeline.Param {
	return []pipeline.Param{
		{Name: "manifests", Type: "list", Help: "Files with Kubernetes objects, as globs."},
		{Name: "kustomize", Type: "string", Help: "A Kustomize directory, instead of manifests."},
		{Name: "chart", Type: "map", Help: "A Helm chart of the repository, rendered, instead: {path, values, set, release}."},
		{Name: "images", Type: "map", Help: "Images to run instead, by their names without tags."},
		{Name: "replicas", Type: "map", Help: "How many pods a Deployment or StatefulSet is to have, by its name."},
		{Name: "force", Type: "bool", Help: "Takes fields over that others manage."},
		{Name: "ready_within", Type: "duration", Default: "10m", Help: "How long it may take until all is ready."},
	}
}

// checkSource: the objects come from one place.
func checkSource(with map[string]any) error {
	ways := 0
	for _, name := range []string{"manifests", "kustomize", "chart"} {
		if _, ok := with[name]; ok {
			ways++
		}
	}
	if ways != 1 {
		return pipeline.Refuse("bad_param", "Say where the objects are, in one way: `manifests: [deploy/*.yaml]`, `kustomize: deploy/prod` or `chart: {path: deploy/chart}`.")
	}
	_, replicas := replicasOf(with)
	chart, err := chartOf(with)
	if chart == nil {
		chart = &manifest.Chart{Path: "."}
	}
	kustomize, ok := with["kustomize"].(string)
	if !ok {
		kustomize = "."
	}
	errs := []error{pipeline.InParam("replicas", replicas), pipeline.InParam("chart", err), pipeline.InParam("kustomize", local("kustomize", kustomize)), pipeline.InParam("chart", local("chart: path", chart.Path))}
	for _, err := range checkGlobs(with["manifests"]) {
		errs = append(errs, pipeline.InParam("manifests", err))
	}
	return together(slices.DeleteFunc(errs, func(err error) bool { return err == nil }))
}

// checkGlobs: each describes files of the repository. At load one may still be an
// expression.
func checkGlobs(v any) (errs []error) {
	list, ok := v.([]any)
	if ok && len(list) == 0 {
		errs = append(errs, pipeline.Refuse("bad_param", "`manifests:` is empty. List files with Kubernetes objects, such as `[deploy/*.yaml]`."))
	}
	includes := len(list) == 0
	for _, item := range list {
		glob, ok := item.(string)
		if !ok {
			errs = append(errs, pipeline.Refuse("bad_param", "`manifests:` holds %v, which is no text. List files, such as `[deploy/*.yaml]`.", item))
			continue
		}
		if strings.Contains(glob, "${{") {
			includes = true
			continue
		}
		glob, out := strings.CutPrefix(glob, "!")
		includes = includes || !out
		if err := local("manifests", glob); err != nil {
			errs = append(errs, err)
		} else if _, err := pipeline.MatchGlob(path.Clean(glob), ""); err != nil {
			errs = append(errs, pipeline.Refuse("bad_param", "`manifests:` %s.", strings.TrimSuffix(err.Error(), ".")))
		}
	}
	if !includes {
		errs = append(errs, pipeline.Refuse("bad_param", "`manifests:` only excludes files. Put a pattern before, such as `deploy/*.yaml`."))
	}
	return errs
}

// local: the path stays in the repository.
func local(param, p string) error {
	switch {
	case strings.Contains(p, "${{"), filepath.IsLocal(p):
		return nil
	case p == "":
		return pipeline.Refuse("bad_param", "`%s:` holds an empty path. Write one that begins at the root of the repository, such as deploy/prod.", param)
	}
	return pipeline.Refuse("bad_param", "`%s:` %q leads out of the repository. Write a path that begins at its root, such as deploy/prod.", param, p)
}

// chartOf reads the parameter "chart"; nil: there is none.
func chartOf(with map[string]any) (*manifest.Chart, error) {
	m, ok := with["chart"].(map[string]any)
	if !ok {
		return nil, nil
	}
	known := []string{"path", "values", "set", "release"}
	for _, key := range slices.Sorted(maps.Keys(m)) {
		if !slices.Contains(known, key) {
			near, _ := pipeline.Nearest(key, known)
			return nil, pipeline.Refuse("bad_param", "`chart:` has no key %q.%s It takes %s.", key, didYouMean(near), strings.Join(known, ", "))
		}
	}
	c := &manifest.Chart{Values: texts(m["values"])}
	c.Path, _ = m["path"].(string)
	c.Release, _ = m["release"].(string)
	c.Set, _ = m["set"].(map[string]any)
	if c.Path == "" {
		return nil, pipeline.Refuse("bad_param", "`chart:` needs a path: {path: deploy/chart}.")
	}
	return c, nil
}

// replicasOf are the numbers of pods by names of workloads. At load a number
// may still be an expression, which is left out.
func replicasOf(with map[string]any) (map[string]int64, error) {
	said, ok := with["replicas"].(map[string]any)
	if !ok {
		return nil, nil
	}
	out := map[string]int64{}
	for _, name := range slices.Sorted(maps.Keys(said)) {
		text := fmt.Sprint(said[name])
		n, err := strconv.ParseInt(text, 10, 32)
		switch {
		case strings.Contains(text, "${{"):
		case err != nil, n < 0:
			return nil, pipeline.Refuse("bad_param", "`replicas:` says %s for %s; write a number of pods, such as 3.", text, name)
		default:
			out[name] = n
		}
	}
	return out, nil
}

// within is a parameter that is a duration; it was checked.
func within(with map[string]any, name string) time.Duration {
	text, _ := with[name].(string)
	d, _ := pipeline.ParseDuration(text)
	return d
}
