package pipeline

import (
	"bytes"
	"encoding/json"
	"errors"
	"path/filepath"
	"reflect"
	"slices"
	"strings"
	"testing"

	"github.com/goccy/go-yaml"
	"github.com/santhosh-tekuri/jsonschema/v6"
)

func compileSchema(t testing.TB, uses ...Uses) *jsonschema.Schema {
	t.Helper()
	b, err := Schema(uses...)
	if err != nil {
		t.Fatal(err)
	}
	doc, err := jsonschema.UnmarshalJSON(bytes.NewReader(b))
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

// document is a YAML file as a schema sees it.
func document(src []byte) (any, error) {
	var v any
	if err := yaml.Unmarshal(src, &v); err != nil {
		return nil, err
	}
	b, err := json.Marshal(v)
	if err != nil {
		return nil, err
	}
	return jsonschema.UnmarshalJSON(bytes.NewReader(b))
}

func TestValidFilesFitTheSchema(t *testing.T) {
	files, _ := filepath.Glob("testdata/valid/*.yaml")
	for _, s := range []*jsonschema.Schema{compileSchema(t), compileSchema(t, testUses()...)} {
		for _, file := range files {
			doc, err := document(readFile(t, file))
			if err != nil {
				t.Fatal(err)
			}
			if err := s.Validate(doc); err != nil {
				t.Errorf("%s: %v", file, err)
			}
		}
	}
}

// What a schema cannot see: the form of the YAML, expressions, names that refer
// to something, what keys mean together.
var beyondSchema = strings.Fields(`
	alias_to_itself bidi_override boolean_as_key complex_key octal_number two_documents
	expression_empty expression_of_later_step expression_of_wrong_type expression_on_several_lines
	expression_unknown_names expression_with_text_around_a_number expression_without_end secrets_in_expression
	if_dash if_folded if_itself if_marked if_not_a_condition if_params_alone if_syntax if_types if_unknown
	after_in_a_circle after_itself duplicate_alias too_few_approvers unknown_environment_in_after unknown_environment_in_triggers
	need_of_itself needs_in_a_circle steps_alike_in_variables two_pipelines_of_one_command two_steps_of_one_name unknown_need unknown_secret secrets_of_others required_pipeline
	matrix_of_one_name matrix_clash matrix_of_an_approval matrix_of_another matrix_in_expressions matrix_too_large matrix_needs
	directive merge_key tag_python approval_with_expressions outputs_alike numbers_that_change
`)

func TestBrokenFilesDoNotFitTheSchema(t *testing.T) {
	s := compileSchema(t, testUses()...)
	files, _ := filepath.Glob("testdata/broken/*.yaml")
	for _, file := range files {
		name := strings.TrimSuffix(filepath.Base(file), ".yaml")
		doc, err := document(readFile(t, file))
		if err != nil {
			continue // not YAML at all
		}
		if fits := s.Validate(doc) == nil; fits != slices.Contains(beyondSchema, name) {
			t.Errorf("%s fits the schema: %v", name, fits)
		}
	}
}

// The schema and Parse know the same keys: everything.yaml, which Parse takes
// and the schema too, holds every key of the schema.
func TestTheSchemaHasTheKeysOfTheFormatAndNoOthers(t *testing.T) {
	b, err := Schema()
	if err != nil {
		t.Fatal(err)
	}
	var s map[string]any
	if err := json.Unmarshal(b, &s); err != nil {
		t.Fatal(err)
	}
	known := map[string]bool{}
	schemaKeys(s, "", known)
	doc, err := document(readFile(t, "testdata/valid/everything.yaml"))
	if err != nil {
		t.Fatal(err)
	}
	used := map[string]bool{}
	usedKeys(doc, s, "", used)
	if !reflect.DeepEqual(sortedKeys(known), sortedKeys(used)) {
		t.Errorf("the schema has\n%s\nthe file uses\n%s", strings.Join(sortedKeys(known), "\n"), strings.Join(sortedKeys(used), "\n"))
	}
	if len(known) < 70 {
		t.Errorf("the schema has %d keys: %s", len(known), sortedKeys(known))
	}
}

// Every key is refused by Parse as soon as one letter of it is wrong.
func TestEveryKeyIsStrict(t *testing.T) {
	src := string(readFile(t, "testdata/valid/everything.yaml"))
	b, _ := Schema()
	var s map[string]any
	_ = json.Unmarshal(b, &s)
	known := map[string]bool{}
	schemaKeys(s, "", known)
	for path := range known {
		key := path[strings.LastIndex(path, ".")+1:]
		if !strings.Contains(src, key+":") {
			t.Fatalf("%s is not in the file", path)
		}
		_, err := parse(t, strings.ReplaceAll(src, key+":", key+"x:"))
		var ps Problems
		if !errors.As(err, &ps) || !strings.Contains(err.Error(), `"`+key+`x" is not a key`) && !strings.Contains(err.Error(), `has no parameter "`+key+`x"`) {
			t.Errorf("%sx is taken: %v", path, err)
		}
	}
}

func TestEveryKeyIsDescribed(t *testing.T) {
	b, _ := Schema(testUses()...)
	var walk func(path string, v any)
	walk = func(path string, v any) {
		switch v := v.(type) {
		case map[string]any:
			if props, ok := v["properties"].(map[string]any); ok && v["additionalProperties"] == false && v["description"] != nil {
				for name, p := range props {
					if help, _ := p.(map[string]any)["description"].(string); help == "" {
						t.Errorf("%s.%s has no description", path, name)
					}
				}
			}
			for k, item := range v {
				walk(path+"."+k, item)
			}
		case []any:
			for _, item := range v {
				walk(path, item)
			}
		}
	}
	var s any
	if err := json.Unmarshal(b, &s); err != nil {
		t.Fatal(err)
	}
	walk("", s)
}

// schemaKeys collects the paths of all declared keys; names people choose are *.
func schemaKeys(s map[string]any, path string, into map[string]bool) {
	for _, alternative := range alternatives(s) {
		for name, p := range members(alternative, "properties") {
			into[path+"."+name] = true
			schemaKeys(p.(map[string]any), path+"."+name, into)
		}
		if more, ok := alternative["additionalProperties"].(map[string]any); ok {
			schemaKeys(more, path+".*", into)
		}
		if items, ok := alternative["items"].(map[string]any); ok {
			schemaKeys(items, path+"[]", into)
		}
	}
}

// usedKeys collects the paths of a document's keys that a schema declares.
func usedKeys(doc any, s map[string]any, path string, into map[string]bool) {
	for _, alternative := range alternatives(s) {
		switch doc := doc.(type) {
		case map[string]any:
			for name, v := range doc {
				if p, ok := members(alternative, "properties")[name].(map[string]any); ok {
					into[path+"."+name] = true
					usedKeys(v, p, path+"."+name, into)
				} else if more, ok := alternative["additionalProperties"].(map[string]any); ok {
					usedKeys(v, more, path+".*", into)
				}
			}
		case []any:
			for _, v := range doc {
				if items, ok := alternative["items"].(map[string]any); ok {
					usedKeys(v, items, path+"[]", into)
				}
			}
		}
	}
}

func alternatives(s map[string]any) []map[string]any {
	all := []map[string]any{s}
	list, _ := s["anyOf"].([]any)
	for _, item := range list {
		all = append(all, item.(map[string]any))
	}
	return all
}

func members(s map[string]any, key string) map[string]any {
	m, _ := s[key].(map[string]any)
	return m
}

// FuzzParse: no file makes Parse panic, every problem has a place in the file,
// and what it takes fits the schema and can be stored.
func FuzzParse(f *testing.F) {
	for _, pattern := range []string{"testdata/valid/*.yaml", "testdata/broken/*.yaml"} {
		files, _ := filepath.Glob(pattern)
		for _, file := range files {
			f.Add(readFile(f, file))
		}
	}
	s := compileSchema(f, testUses()...)
	f.Fuzz(func(t *testing.T, src []byte) {
		c, err := Parse("f", src, testUses())
		if err != nil {
			var ps Problems
			if c != nil || !errors.As(err, &ps) || len(ps) == 0 {
				t.Fatalf("got %v, %v", c, err)
			}
			for _, p := range ps {
				if p.Line < 1 || p.Column < 1 || p.Message == "" || p.Line > bytes.Count(src, []byte("\n"))+2 {
					t.Errorf("a problem without a place: %+v", p)
				}
			}
			return
		}
		if _, err := json.Marshal(c); err != nil {
			t.Fatalf("it cannot be stored: %v", err)
		}
		doc, err := document(src)
		if err != nil {
			t.Fatalf("the YAML package refuses what Parse takes: %v", err)
		}
		if err := s.Validate(doc); err != nil {
			t.Fatalf("Parse takes it, the schema does not: %v", err)
		}
	})
}
