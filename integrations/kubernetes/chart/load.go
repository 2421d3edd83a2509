package chart

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path"
	"path/filepath"
	"regexp"
	"slices"
	"strings"

	"helm.sh/helm/v4/pkg/chart/loader/archive"
	v2 "helm.sh/helm/v4/pkg/chart/v2"
	"helm.sh/helm/v4/pkg/chart/v2/loader"
	"helm.sh/helm/v4/pkg/ignore"

	"github.com/shipmate/shipmate/pipeline"
)

// maxChart bounds what is read of a chart. Helm keeps a chart with each release
// in a Secret, which cannot hold more than 1 MiB, compressed.
const maxChart = 20 << 20

// Load reads the chart in a folder of a checkout and merges the values for it:
// files of the checkout, of which a later one wins, and set, which wins over
// them. Its keys are names such as "image.tag"; "a\.b" is a name with a dot.
// Dependencies must be in the chart's folder charts.
func Load(checkout, folder string, values []string, set map[string]any) (*v2.Chart, map[string]any, error) {
	root, err := os.OpenRoot(checkout)
	if err != nil {
		return nil, nil, err
	}
	defer func() { _ = root.Close() }()
	clean := path.Clean(filepath.ToSlash(folder))
	if !fs.ValidPath(clean) {
		return nil, nil, pipeline.Refuse("no_chart", "The chart %q is outside of the repository.", folder)
	}
	folder = clean
	files, err := readFolder(root, folder)
	if err != nil {
		return nil, nil, err
	}
	c, err := loader.LoadFiles(files)
	if err != nil {
		return nil, nil, &pipeline.Error{Code: "invalid_chart", Err: err, Message: fmt.Sprintf("The chart %s cannot be read: %s.", folder, oneLine(err))}
	}
	if err := errors.Join(missing(c, folder), foreign(c, folder)); err != nil {
		return nil, nil, err
	}
	merged, err := merge(root, values, set)
	return c, merged, err
}

// below is where dir is below the root.
func below(root, dir string) (string, error) {
	if !filepath.IsAbs(dir) && filepath.IsAbs(root) {
		dir = filepath.Join(root, dir)
	}
	rel, err := filepath.Rel(root, dir)
	if err != nil || !filepath.IsLocal(rel) {
		return "", pipeline.Refuse("no_chart", "The chart %q is outside of the repository.", dir)
	}
	return filepath.ToSlash(rel), nil
}

// readFolder reads the files of a chart. Links are followed as long as they stay
// in the checkout.
func readFolder(root *os.Root, folder string) ([]*archive.BufferedFile, error) {
	if info, err := root.Stat(path.Join(folder, "Chart.yaml")); err != nil || !info.Mode().IsRegular() {
		return nil, noChart(root, folder)
	}
	rules := ignore.Empty()
	if text, err := root.ReadFile(path.Join(folder, ignore.HelmIgnore)); err == nil {
		if rules, err = ignore.Parse(bytes.NewReader(text)); err != nil {
			return nil, pipeline.Refuse("invalid_chart", "The file %s/.helmignore cannot be read: %v.", folder, err)
		}
	}
	rules.AddDefaults()
	var files []*archive.BufferedFile
	size := 0
	err := fs.WalkDir(root.FS(), folder, func(name string, d fs.DirEntry, err error) error {
		rel := strings.TrimPrefix(strings.TrimPrefix(name, folder), "/")
		if err != nil || name == folder {
			return err
		}
		info, err := root.Stat(name)
		switch {
		case err != nil:
			return pipeline.Refuse("invalid_chart", "The chart's file %s cannot be read; is it a link that leads nowhere, or out of the repository?", name)
		case rules.Ignore(rel, info) && info.IsDir() && d.IsDir():
			return fs.SkipDir
		case rules.Ignore(rel, info), d.IsDir():
			return nil
		case !info.Mode().IsRegular():
			return pipeline.Refuse("invalid_chart", "%s in the chart is a link to a folder, or no file at all. Put the files themselves there.", name)
		case size+int(info.Size()) > maxChart:
			return pipeline.Refuse("invalid_chart", "The chart %s is larger than %d MiB. Leave out what is not needed, with a .helmignore.", folder, maxChart>>20)
		}
		data, err := root.ReadFile(name)
		size += len(data)
		files = append(files, &archive.BufferedFile{Name: rel, ModTime: info.ModTime(), Data: bytes.TrimPrefix(data, []byte("\xef\xbb\xbf"))})
		return err
	})
	return files, err
}

// noChart says which chart may have been meant.
func noChart(root *os.Root, folder string) error {
	var charts []string
	_ = fs.WalkDir(root.FS(), ".", func(name string, d fs.DirEntry, err error) error {
		if err == nil && d.IsDir() && (d.Name() == ".git" || strings.Count(name, "/") > 5) {
			return fs.SkipDir
		}
		if err == nil && d.Name() == "Chart.yaml" {
			charts = append(charts, path.Dir(name))
		}
		return nil
	})
	if near, ok := pipeline.Nearest(folder, charts); ok {
		return pipeline.Refuse("no_chart", "There is no Chart.yaml in %s. Did you mean %s?", folder, near)
	}
	if len(charts) > 0 {
		return pipeline.Refuse("no_chart", "There is no Chart.yaml in %s. The repository has charts in %s.", folder, strings.Join(charts[:min(len(charts), 5)], ", "))
	}
	return pipeline.Refuse("no_chart", "There is no Chart.yaml in %s.", folder)
}

// missing names dependencies that are not in the folder charts: nothing is fetched.
func missing(c *v2.Chart, folder string) error {
	var names []string
	for _, d := range c.Metadata.Dependencies {
		if !slices.ContainsFunc(c.Dependencies(), func(have *v2.Chart) bool { return have.Name() == d.Name }) {
			names = append(names, d.Name)
		}
	}
	if len(names) == 0 {
		return nil
	}
	return pipeline.Refuse("missing_dependency", "The chart %s depends on %s, which is not in %s/charts. Run `helm dependency update %s` and commit that folder; nothing is fetched while deploying.", folder, strings.Join(names, ", "), folder, folder)
}

// foreign refuses schemas of values that refer to other files or addresses:
// Helm would read them, wherever they are.
func foreign(c *v2.Chart, folder string) error {
	var any any
	if len(c.Schema) > 0 && json.Unmarshal(c.Schema, &any) == nil {
		if ref, ok := outside(any); ok {
			return pipeline.Refuse("invalid_chart", "The file values.schema.json of the chart %s refers to %q. Only references within the file (\"#/...\") are followed.", folder, ref)
		}
	}
	for _, d := range c.Dependencies() {
		if err := foreign(d, path.Join(folder, "charts", d.Name())); err != nil {
			return err
		}
	}
	return nil
}

var knownSchema = regexp.MustCompile(`^https?://json-schema\.org/`)

func outside(v any) (string, bool) {
	switch v := v.(type) {
	case map[string]any:
		for key, value := range v {
			text, isText := value.(string)
			if isText && (key == "$ref" || key == "$dynamicRef" || key == "$recursiveRef") && !strings.HasPrefix(text, "#") {
				return text, true
			}
			if isText && key == "$schema" && !knownSchema.MatchString(text) {
				return text, true
			}
			if ref, ok := outside(value); ok {
				return ref, true
			}
		}
	case []any:
		for _, value := range v {
			if ref, ok := outside(value); ok {
				return ref, true
			}
		}
	}
	return "", false
}
