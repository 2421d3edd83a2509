package openapi

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"sync"

	"github.com/santhosh-tekuri/jsonschema/v6"
)

// Webhooks are the JSON Schemas of webhook payloads. It is safe for concurrent use.
type Webhooks struct {
	definitions map[string]any

	mu       sync.Mutex
	compiler *jsonschema.Compiler
	schemas  map[string]*jsonschema.Schema
}

const hooksURL = "https://api.github.com/webhooks.json"

// LoadWebhooks reads the schemas, from the cache or from npm.
func LoadWebhooks(ctx context.Context) (*Webhooks, error) {
	raw, err := npmFile(ctx, hooksPackage)
	if err != nil {
		return nil, err
	}
	doc, err := jsonschema.UnmarshalJSON(bytes.NewReader(raw))
	if err != nil {
		return nil, fmt.Errorf("read webhook schemas: %w", err)
	}
	w := &Webhooks{compiler: newCompiler(), schemas: map[string]*jsonschema.Schema{}}
	root, _ := doc.(map[string]any)
	w.definitions, _ = root["definitions"].(map[string]any)
	correctPing(w.definitions)
	return w, w.compiler.AddResource(hooksURL, doc)
}

// correctPing adds the event merge_group, which the list in ping has forgotten.
func correctPing(definitions map[string]any) {
	events, _ := definitions["webhook-events"].(map[string]any)
	variants, _ := events["oneOf"].([]any)
	for _, v := range variants {
		variant, _ := v.(map[string]any)
		items, _ := variant["items"].(map[string]any)
		if names, listed := items["enum"].([]any); listed && len(names) > 1 {
			items["enum"] = append(names, "merge_group")
		}
	}
}

// Check tells what is wrong with the payload of an event such as "push".
func (w *Webhooks) Check(event string, body []byte) error {
	var head struct{ Action string }
	if err := json.Unmarshal(body, &head); err != nil {
		return fmt.Errorf("%s: %w", event, err)
	}
	name := event + "$" + head.Action
	if head.Action == "" {
		name = event + "$event"
	}
	if w.definitions[name] == nil {
		return fmt.Errorf("%s %s: there is no such webhook", event, head.Action)
	}
	schema, err := w.schema(name)
	if err != nil {
		return err
	}
	if err := validate(schema, body); err != nil {
		return fmt.Errorf("%s: %w", name, err)
	}
	return nil
}

func (w *Webhooks) schema(name string) (*jsonschema.Schema, error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	if known := w.schemas[name]; known != nil {
		return known, nil
	}
	schema, err := w.compiler.Compile(hooksURL + "#/definitions/" + name)
	if err != nil {
		return nil, fmt.Errorf("compile %s: %w", name, err)
	}
	w.schemas[name] = schema
	return schema, nil
}
