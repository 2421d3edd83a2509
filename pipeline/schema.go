package pipeline

import (
	"encoding/json"
	"slices"
)

// Schema returns the JSON Schema (draft 2020-12) of .shipmate.yaml, made of the
// tables Parse reads by. With runners it also describes their parameters;
// without, a step may name any.
//
// The schema helps editors. It accepts all that Parse accepts; Parse refuses
// more, because it sees what belongs together.
func Schema(uses ...Uses) ([]byte, error) {
	if len(uses) > 0 {
		uses = slices.Concat(BuiltIn(), uses)
	}
	s := schema{
		"$schema": "https://json-schema.org/draft/2020-12/schema",
		"title":   ".shipmate.yaml",
	}
	for key, value := range fileShape(uses).schema {
		s[key] = value
	}
	return json.MarshalIndent(s, "", "  ")
}

// withSchema says which runner takes which parameters.
func withSchema(uses []Uses) schema {
	if len(uses) == 0 {
		return schema{}
	}
	var rules []any
	names := []string{}
	for _, u := range uses {
		names = append(names, u.Name)
		properties, required := schema{}, []string{}
		for _, p := range u.Params {
			properties[p.Name] = p.schema()
			if p.Required {
				required = append(required, p.Name)
			}
		}
		then := schema{"properties": schema{"with": schema{"properties": properties, "additionalProperties": false, "required": required}}}
		if len(required) > 0 {
			then["required"] = []string{"with"}
		}
		rules = append(rules, schema{"if": schema{"properties": schema{"uses": schema{"const": u.Name}}, "required": []string{"uses"}}, "then": then})
	}
	rules = append(rules, schema{"properties": schema{"uses": schema{"enum": names}}})
	return schema{"allOf": rules}
}

// schema of a runner's parameter; a text with an expression is good for any.
func (p Param) schema() schema {
	s := map[string]schema{
		"int": {"type": "integer"}, "number": {"type": "number"}, "bool": {"type": "boolean"}, "map": {"type": "object"}, "any": {},
		"list":     {"type": "array", "items": schema{"type": "string"}},
		"people":   {"type": "array", "items": schema{"type": "string", "anyOf": []any{schema{"pattern": peopleNames.pattern}, schema{"pattern": `\$\{\{`}}}},
		"duration": {"type": "string", "pattern": durationPattern},
	}[p.Type]
	if s == nil {
		s = schema{"type": "string"}
	}
	if p.Items == "map" {
		s["items"] = schema{"anyOf": []any{schema{"type": "object"}, schema{"type": "string", "pattern": `\$\{\{`}}}
	}
	if len(p.Enum) > 0 {
		s["enum"] = p.Enum
	}
	if p.Min != nil {
		s["minimum"] = *p.Min
	}
	if p.Max != nil {
		s["maximum"] = *p.Max
	}
	if p.Pattern != "" {
		s["pattern"] = "^(?:" + p.Pattern + ")$"
	}
	out := schema{"anyOf": []any{s, schema{"type": "string", "pattern": `\$\{\{`}}}
	if p.Help != "" {
		out["description"] = p.Help
	}
	return out
}
