package chart

import (
	"fmt"
	"io/fs"
	"maps"
	"os"
	"path"
	"path/filepath"
	"slices"
	"strings"

	"helm.sh/helm/v4/pkg/chart/v2/loader"

	"github.com/shipmate/shipmate/pipeline"
)

// merge reads the files of values, one over the other, and puts single values on top.
func merge(root *os.Root, files []string, set map[string]any) (map[string]any, error) {
	values := map[string]any{}
	for _, file := range files {
		more, err := readValues(root, file)
		if err != nil {
			return nil, err
		}
		values = loader.MergeMaps(values, more)
	}
	for _, key := range slices.Sorted(maps.Keys(set)) {
		if err := put(values, split(key), set[key]); err != nil {
			return nil, pipeline.Refuse("invalid_values", "The value %q under `set` does not fit: %v.", key, err)
		}
	}
	return values, nil
}

func readValues(root *os.Root, file string) (map[string]any, error) {
	name := file
	if filepath.IsAbs(name) {
		if rel, err := filepath.Rel(root.Name(), name); err == nil {
			name = rel
		}
	}
	name = path.Clean(filepath.ToSlash(name))
	if !fs.ValidPath(name) {
		return nil, pipeline.Refuse("no_values", "The values file %q is outside of the repository.", file)
	}
	if info, err := root.Stat(name); err != nil || !info.Mode().IsRegular() || info.Size() > maxChart {
		return nil, noValues(root, name)
	}
	text, err := root.ReadFile(name)
	if err != nil {
		return nil, noValues(root, name)
	}
	values, err := loader.LoadValues(strings.NewReader(string(text)))
	if err != nil {
		return nil, &pipeline.Error{Code: "invalid_values", Err: err, Message: fmt.Sprintf("The values file %s cannot be read: %s.", name, oneLine(err))}
	}
	return values, nil
}

// noValues names the file that may have been meant.
func noValues(root *os.Root, name string) error {
	var have []string
	entries, err := fs.ReadDir(root.FS(), path.Dir(name))
	for _, e := range entries {
		if !e.IsDir() {
			have = append(have, path.Join(path.Dir(name), e.Name()))
		}
	}
	if err != nil {
		return pipeline.Refuse("no_values", "There is no values file %s, not even its folder.", name)
	}
	if near, ok := pipeline.Nearest(name, have); ok {
		return pipeline.Refuse("no_values", "There is no values file %s. Did you mean %s?", name, near)
	}
	return pipeline.Refuse("no_values", "There is no values file %s.", name)
}

// split cuts a key at its dots, except at those behind a backslash.
func split(key string) []string {
	parts := []string{""}
	for i := 0; i < len(key); i++ {
		switch {
		case key[i] == '\\' && i+1 < len(key) && key[i+1] == '.':
			parts[len(parts)-1] += "."
			i++
		case key[i] == '.':
			parts = append(parts, "")
		default:
			parts[len(parts)-1] += string(key[i])
		}
	}
	return parts
}

// put sets one value, as it is: nothing in it is read as anything but a value.
func put(into map[string]any, at []string, value any) error {
	if at[0] == "" {
		return fmt.Errorf("a part of its name is empty")
	}
	if len(at) > 1 {
		next, ok := into[at[0]].(map[string]any)
		if there := into[at[0]]; !ok && there != nil {
			return fmt.Errorf("%s is no map in the values", at[0])
		}
		if next == nil {
			next = map[string]any{}
			into[at[0]] = next
		}
		return put(next, at[1:], value)
	}
	more, isMap := value.(map[string]any)
	have, wasMap := into[at[0]].(map[string]any)
	if isMap && wasMap {
		into[at[0]] = loader.MergeMaps(have, more)
		return nil
	}
	into[at[0]] = value
	return nil
}
