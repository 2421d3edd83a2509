// Package chart reads Helm charts from a checkout and renders them, without a
// cluster and without the network.
//
// A checkout is not trusted: nothing outside of it is read, whatever links and
// paths it holds. [Load] reads a chart with the values for it, [Render] turns
// both into manifests, [Explain] says in a sentence what is wrong with a chart.
package chart

import (
	"bytes"
	"context"
	"fmt"
	"slices"
	"strings"
	"text/template"
	"time"

	"helm.sh/helm/v4/pkg/chart/common"
	"helm.sh/helm/v4/pkg/chart/common/util"
	v2 "helm.sh/helm/v4/pkg/chart/v2"
	chartutil "helm.sh/helm/v4/pkg/chart/v2/util"
	"helm.sh/helm/v4/pkg/engine"
	releaseutil "helm.sh/helm/v4/pkg/release/v1/util"

	"github.com/shipmate/shipmate/pipeline"
)

// Options say what a chart is rendered with.
type Options struct {
	Root        string         // nothing outside of this folder is read; default: the chart's
	Release     string         // its name
	Namespace   string         //
	Values      []string       // files below Root; a later one wins
	Set         map[string]any // single values, which win over files; see Load
	KubeVersion string         // such as v1.37.2; default: the one Helm was built for
	APIVersions []string       // what .Capabilities.APIVersions.Has is true for, besides Helm's own
	Now         time.Time      // what the time is to templates; default: what it is
}

// Hook is an object of a chart that Helm would create at certain moments.
type Hook struct {
	Kind, Name string
	Events     []string // such as pre-upgrade
}

func (h Hook) String() string {
	return fmt.Sprintf("%s %s (%s)", h.Kind, h.Name, strings.Join(h.Events, ", "))
}

// Render returns the objects of the chart in dir as documents of YAML, in the
// order in which they are to be created, CustomResourceDefinitions of its crds
// folder first. Hooks are left out and named. The function lookup finds nothing.
// Errors are sentences with file and line.
func Render(ctx context.Context, dir string, o Options) (manifests []byte, hooks []Hook, err error) {
	if o.Root == "" {
		o.Root = dir
	}
	folder, err := below(o.Root, dir)
	if err != nil {
		return nil, nil, err
	}
	c, values, err := Load(o.Root, folder, o.Values, o.Set)
	if err != nil {
		return nil, nil, err
	}
	files, err := render(ctx, c, values, o)
	if err == nil {
		manifests, hooks, err = sorted(c, files)
	}
	if err = Explain(folder, err); err != nil && pipeline.Code(err) == "" && ctx.Err() == nil {
		err = &pipeline.Error{Code: "chart_error", Err: err, Message: fmt.Sprintf("The chart %s cannot be rendered: %s.", folder, oneLine(err))}
	}
	return manifests, hooks, err
}

func render(ctx context.Context, c *v2.Chart, values map[string]any, o Options) (map[string]string, error) {
	if err := chartutil.ValidateReleaseName(o.Release); err != nil {
		return nil, pipeline.Refuse("invalid_release", "%q cannot be the name of a Helm release: at most 53 small letters, digits, dots and dashes.", o.Release)
	}
	caps, err := capabilities(o)
	if err != nil {
		return nil, err
	}
	if need := c.Metadata.KubeVersion; need != "" && !chartutil.IsCompatibleRange(need, caps.KubeVersion.String()) {
		return nil, pipeline.Refuse("chart_incompatible", "The chart %s needs Kubernetes %s, and this one is %s.", c.Name(), need, caps.KubeVersion.Version)
	}
	if err := chartutil.ProcessDependencies(c, values); err != nil {
		return nil, err
	}
	release := common.ReleaseOptions{Name: o.Release, Namespace: o.Namespace, Revision: 1, IsInstall: true}
	all, err := util.ToRenderValues(c, values, release, caps)
	if err != nil {
		return nil, err
	}
	var e engine.Engine
	if !o.Now.IsZero() {
		e.CustomTemplateFuncs = template.FuncMap{"now": func() time.Time { return o.Now }}
	}
	return e.RenderWithContext(ctx, c, all)
}

func capabilities(o Options) (*common.Capabilities, error) {
	caps := common.DefaultCapabilities.Copy()
	if o.KubeVersion != "" {
		v, err := common.ParseKubeVersion(o.KubeVersion)
		if err != nil {
			return nil, fmt.Errorf("version of Kubernetes: %w", err)
		}
		caps.KubeVersion = *v
	}
	caps.APIVersions = append(caps.APIVersions, o.APIVersions...)
	return caps, nil
}

// sorted writes out what was rendered, without hooks, partials and notes.
func sorted(c *v2.Chart, files map[string]string) ([]byte, []Hook, error) {
	for name := range files {
		if strings.HasSuffix(name, "NOTES.txt") {
			delete(files, name)
		}
	}
	hooks, manifests, err := releaseutil.SortManifests(files, nil, releaseutil.InstallOrder)
	if err != nil {
		return nil, nil, err
	}
	var out bytes.Buffer
	for _, crd := range c.CRDObjects() {
		fmt.Fprintf(&out, "---\n# Source: %s\n%s\n", crd.Filename, bytes.TrimSpace(crd.File.Data))
	}
	for _, m := range manifests {
		fmt.Fprintf(&out, "---\n# Source: %s\n%s\n", m.Name, strings.TrimSpace(m.Content))
	}
	var left []Hook
	for _, h := range hooks {
		left = append(left, Hook{Kind: h.Kind, Name: h.Name, Events: events(h.Events)})
	}
	return out.Bytes(), left, nil
}

func events[E ~string](all []E) []string {
	var out []string
	for _, e := range all {
		out = append(out, string(e))
	}
	return slices.Compact(out)
}
