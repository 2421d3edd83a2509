package main

import (
	"bytes"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"github.com/goccy/go-yaml"
	"github.com/santhosh-tekuri/jsonschema/v6"

	"github.com/shipmate/shipmate/pipeline"
)

var fences = regexp.MustCompile("(?ms)^ *```yaml\n(.*?)^ *```")

// What the manual shows of pipelines is taken by `shipmate validate`, and by
// the schema that editors use.
func TestTheExamplesOfTheManualAreValid(t *testing.T) {
	files, err := filepath.Glob("../../docs/*.md")
	if err != nil {
		t.Fatal(err)
	}
	schema := editorSchema(t)
	found := map[string]int{}
	for _, file := range append(files, "../../README.md") {
		text, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		for _, example := range fences.FindAllStringSubmatch(string(text), -1) {
			src, ok := wholeFile(example[1])
			if !ok {
				continue
			}
			found[filepath.Base(file)]++
			if _, err := pipeline.Parse(filepath.Base(file), []byte(src), knownRunners()); err != nil {
				t.Errorf("%v\n%s", err, src)
			}
			doc, err := yaml.YAMLToJSON([]byte(src))
			if err != nil {
				t.Fatal(err)
			}
			value, err := jsonschema.UnmarshalJSON(bytes.NewReader(doc))
			if err != nil {
				t.Fatal(err)
			}
			if err := schema.Validate(value); err != nil {
				t.Errorf("%s: %v\n%s", file, err, src)
			}
		}
	}
	if found["kubernetes.md"] != 3 || found["README.md"] == 0 {
		t.Errorf("examples of pipelines were found in %v", found)
	}
}

// wholeFile is the .shipmate.yaml that an example stands for, if it is of one.
func wholeFile(example string) (string, bool) {
	var keys map[string]any
	if yaml.Unmarshal([]byte(example), &keys) != nil {
		return "", false
	}
	_, whole := keys["pipelines"]
	_, with := keys["with"]
	if with {
		example = "service: shop\npipelines:\n  deploy:\n    steps:\n      - name: rollout\n        uses: kubernetes.rollout\n" + regexp.MustCompile("(?m)^").ReplaceAllString(strings.TrimSpace(example), "        ")
	}
	return example, whole || with
}

func editorSchema(t *testing.T) *jsonschema.Schema {
	t.Helper()
	text, err := pipeline.Schema(knownRunners()...)
	if err != nil {
		t.Fatal(err)
	}
	doc, err := jsonschema.UnmarshalJSON(bytes.NewReader(text))
	if err != nil {
		t.Fatal(err)
	}
	c := jsonschema.NewCompiler()
	if err := c.AddResource("shipmate.json", doc); err != nil {
		t.Fatal(err)
	}
	s, err := c.Compile("shipmate.json")
	if err != nil {
		t.Fatal(err)
	}
	return s
}
