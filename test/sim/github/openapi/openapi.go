// Package openapi checks traffic against GitHub's official descriptions: REST
// requests and answers against the OpenAPI document of api.github.com, webhooks
// against the JSON Schemas of octokit. Both are MIT licensed npm packages,
// fetched once with npm and kept in the user's cache directory.
//
// Start with [Load] and [Spec.Transport] or [Spec.Handler]; in a test, with
// [ForTest].
package openapi

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"regexp"
	"slices"
	"strings"
	"sync"

	"github.com/santhosh-tekuri/jsonschema/v6"
)

// Spec is the description of the REST API. It is safe for concurrent use.
type Spec struct {
	doc   map[string]any
	paths []pathItem

	mu       sync.Mutex
	compiler *jsonschema.Compiler
	schemas  map[string]*jsonschema.Schema
}

type pathItem struct {
	template string
	pattern  *regexp.Regexp
	literals int
}

const docURL = "https://api.github.com/openapi.json"

// Load reads the description, from the cache or from npm.
func Load(ctx context.Context) (*Spec, error) {
	raw, err := npmFile(ctx, restPackage)
	if err != nil {
		return nil, err
	}
	doc, err := jsonschema.UnmarshalJSON(bytes.NewReader(raw))
	if err != nil {
		return nil, fmt.Errorf("read openapi: %w", err)
	}
	root, ok := translate(doc).(map[string]any)
	if !ok {
		return nil, errors.New("read openapi: not an object")
	}
	correct(root)
	s := &Spec{doc: root, compiler: newCompiler(), schemas: map[string]*jsonschema.Schema{}}
	s.compiler.RegisterFormat(&jsonschema.Format{Name: "uri", Validate: checkURI})
	if err := s.compiler.AddResource(docURL, root); err != nil {
		return nil, fmt.Errorf("read openapi: %w", err)
	}
	s.indexPaths()
	return s, nil
}

// correct mends the description where it contradicts itself: the account of an
// installation is a user or an enterprise, in this one place it says both.
func correct(root map[string]any) {
	var at any = root
	for _, key := range []string{"paths", "/app/installations", "get", "responses", "200", "content", "application/json", "schema", "items"} {
		m, _ := at.(map[string]any)
		at = m[key]
	}
	if items, _ := at.(map[string]any); items != nil {
		clear(items)
		items["$ref"] = "#/components/schemas/installation"
	}
}

func newCompiler() *jsonschema.Compiler {
	c := jsonschema.NewCompiler()
	c.DefaultDraft(jsonschema.Draft7)
	c.AssertFormat()
	c.RegisterFormat(&jsonschema.Format{Name: "uri-template", Validate: checkTemplate})
	return c
}

// checkURI takes the empty text as well: GitHub writes it where there is no URL,
// as in the target_url of a deployment status.
func checkURI(v any) error {
	text, isText := v.(string)
	if !isText || text == "" {
		return nil
	}
	u, err := url.Parse(text)
	if err == nil && !u.IsAbs() {
		err = errors.New("relative url")
	}
	return err
}

var template = regexp.MustCompile(`^([^{}]|\{[+#./;?&]?[\w,]+\})*$`)

func checkTemplate(v any) error {
	if text, isText := v.(string); isText && !template.MatchString(text) {
		return errors.New("malformed template")
	}
	return nil
}

// translate turns OpenAPI 3.0 schemas into JSON Schema: nullable becomes a type.
func translate(v any) any {
	switch v := v.(type) {
	case []any:
		for i := range v {
			v[i] = translate(v[i])
		}
	case map[string]any:
		delete(v, "examples")
		for k := range v {
			if k != "example" && k != "enum" {
				v[k] = translate(v[k])
			}
		}
		if v["nullable"] == true {
			return nullable(v)
		}
	}
	return v
}

func nullable(schema map[string]any) any {
	delete(schema, "nullable")
	name, simple := schema["type"].(string)
	if !simple || schema["allOf"] != nil || schema["oneOf"] != nil || schema["anyOf"] != nil {
		return map[string]any{"anyOf": []any{schema, map[string]any{"type": "null"}}}
	}
	schema["type"] = []any{name, "null"}
	if values, limited := schema["enum"].([]any); limited && !slices.Contains(values, nil) {
		schema["enum"] = append(values, nil)
	}
	return schema
}

var parameter = regexp.MustCompile(`\\\{(\w+)\\\}`)

func (s *Spec) indexPaths() {
	paths, _ := s.doc["paths"].(map[string]any)
	for template := range paths {
		expr := parameter.ReplaceAllStringFunc(regexp.QuoteMeta(template), func(p string) string {
			switch strings.Trim(p, `\{}`) {
			case "path", "ref", "branch", "basehead": // these hold slashes
				return "(.+)"
			default:
				return "([^/]+)"
			}
		})
		literals := len(strings.ReplaceAll(parameter.ReplaceAllString(regexp.QuoteMeta(template), ""), `\`, ""))
		s.paths = append(s.paths, pathItem{template, regexp.MustCompile("^" + expr + "$"), literals})
	}
	slices.SortFunc(s.paths, func(a, b pathItem) int { return b.literals - a.literals })
}

// Exchange is one request and its answer.
type Exchange struct {
	Method   string
	URL      *url.URL
	Body     []byte
	Status   int
	Header   http.Header // of the answer
	Response []byte
}

// Check returns everything about an exchange that the description does not allow.
func (s *Spec) Check(x Exchange) []error {
	path := "/" + strings.Trim(strings.TrimPrefix(x.URL.EscapedPath(), "/api/v3"), "/")
	template, op := s.operation(x.Method, byName(path))
	if op == nil {
		if x.Status == http.StatusNotFound {
			return nil
		}
		return []error{fmt.Errorf("%s %s: not in the description", x.Method, path)}
	}
	var problems []error
	add := func(what string, err error) {
		if err != nil {
			problems = append(problems, fmt.Errorf("%s %s: %s: %w", x.Method, template, what, err))
		}
	}
	where := pointer("paths", template, strings.ToLower(x.Method))
	if x.Status < 400 { // a request that was refused may have been wrong on purpose
		add("request", s.checkBody(op, where, x.Body))
		add("query", s.checkQuery(op, x.URL.Query()))
	}
	add(fmt.Sprintf("answer %d", x.Status), s.checkResponse(op, where, x))
	return problems
}

var numbered = regexp.MustCompile(`^/repositories/\d+`)

// byName maps /repositories/{id}, which the description leaves out, to its alias.
func byName(path string) string { return numbered.ReplaceAllString(path, "/repos/owner/repo") }

func (s *Spec) operation(method, path string) (string, map[string]any) {
	paths, _ := s.doc["paths"].(map[string]any)
	for _, p := range s.paths {
		if !p.pattern.MatchString(path) {
			continue
		}
		item, _ := paths[p.template].(map[string]any)
		if op, found := item[strings.ToLower(method)].(map[string]any); found {
			return p.template, op
		}
	}
	return "", nil
}

func (s *Spec) checkBody(op map[string]any, where string, body []byte) error {
	request, described := op["requestBody"].(map[string]any)
	if !described {
		if len(body) > 0 {
			return errors.New("has a body, the description has none")
		}
		return nil
	}
	if text := string(bytes.TrimSpace(body)); text == "" || text == "null" && request["required"] != true {
		if request["required"] == true {
			return errors.New("has no body")
		}
		return nil
	}
	return s.validate(where+"/requestBody/content/application~1json/schema", body)
}

func (s *Spec) checkQuery(op map[string]any, query url.Values) error {
	known := map[string]bool{}
	params, _ := op["parameters"].([]any)
	for _, p := range params {
		param, _ := s.deref(p).(map[string]any)
		if param["in"] != "query" {
			continue
		}
		name, _ := param["name"].(string)
		known[name] = true
		schema, _ := s.deref(param["schema"]).(map[string]any)
		if values, limited := schema["enum"].([]any); limited && query.Has(name) && !slices.Contains(values, any(query.Get(name))) {
			return fmt.Errorf("%s=%s is none of %v", name, query.Get(name), values)
		}
	}
	for name := range query {
		if !known[name] {
			return fmt.Errorf("%s is not described", name)
		}
	}
	return nil
}

func (s *Spec) checkResponse(op map[string]any, where string, x Exchange) error {
	responses, _ := op["responses"].(map[string]any)
	key := fmt.Sprint(x.Status)
	entry, described := responses[key].(map[string]any)
	if !described {
		return undescribed(x)
	}
	where += "/responses/" + key
	if ref, isRef := entry["$ref"].(string); isRef {
		where = strings.TrimPrefix(ref, "#")
		entry, _ = s.deref(entry).(map[string]any)
	}
	media := x.Header.Get("Content-Type")
	content, _ := entry["content"].(map[string]any)
	if !strings.HasPrefix(media, "application/json") || content["application/json"] == nil {
		return nil
	}
	return s.validate(where+"/content/application~1json/schema", x.Response)
}

// undescribed judges statuses that the description leaves out for an operation,
// which GitHub answers nevertheless: refusals, redirects, 304.
func undescribed(x Exchange) error {
	if x.Status == http.StatusNotModified || x.Status >= 500 {
		return nil
	}
	if x.Status < 300 {
		return errors.New("not in the description")
	}
	var fail struct{ Message *string }
	if err := json.Unmarshal(x.Response, &fail); err != nil || fail.Message == nil {
		return fmt.Errorf("a refusal without a message: %.200s", x.Response)
	}
	return nil
}

func (s *Spec) validate(where string, body []byte) error {
	schema, err := s.schema(where)
	if err != nil {
		return err
	}
	return validate(schema, body)
}

func validate(schema *jsonschema.Schema, body []byte) error {
	v, err := jsonschema.UnmarshalJSON(bytes.NewReader(body))
	if err != nil {
		return fmt.Errorf("not JSON: %w", err)
	}
	return schema.Validate(v)
}

func (s *Spec) schema(where string) (*jsonschema.Schema, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if known := s.schemas[where]; known != nil {
		return known, nil
	}
	schema, err := s.compiler.Compile(docURL + "#" + (&url.URL{Fragment: where}).EscapedFragment())
	if err != nil {
		return nil, fmt.Errorf("compile %s: %w", where, err)
	}
	s.schemas[where] = schema
	return schema, nil
}

// deref follows references inside the document.
func (s *Spec) deref(v any) any {
	m, _ := v.(map[string]any)
	ref, isRef := m["$ref"].(string)
	if !isRef {
		return v
	}
	var at any = s.doc
	for part := range strings.SplitSeq(strings.TrimPrefix(ref, "#/"), "/") {
		next, _ := at.(map[string]any)
		at = next[part]
	}
	return s.deref(at)
}

func pointer(parts ...string) string {
	escape := strings.NewReplacer("~", "~0", "/", "~1")
	out := ""
	for _, p := range parts {
		out += "/" + escape.Replace(p)
	}
	return out
}
