package pipeline

import (
	"fmt"
	"slices"
	"strings"
)

// schema is a piece of JSON Schema.
type schema = map[string]any

// kind is a sort of value in the file: how it is read and how it is described
// to editors. Both come from here, so that they cannot drift apart.
type kind[V any] struct {
	schema schema
	decode func(d *decoder, n *node) (V, bool) // false: it was wrong, and was reported
	empty  bool                                // a key without a value is read as V's zero value
}

// field is one key of a mapping.
type field[T any] struct {
	name   string
	help   string
	needed bool
	schema schema
	read   func(d *decoder, n *node, into *T)
}

// optional is a key that fills the place at returns.
func optional[T, V any](name string, k kind[V], at func(*T) *V, help string) field[T] {
	return field[T]{name: name, help: help, schema: k.schema, read: func(d *decoder, n *node, into *T) {
		if n.kind == nothing && !k.empty {
			d.noValue(n)
			return
		}
		if v, ok := k.decode(d, n); ok {
			*at(into) = v
		}
	}}
}

// needed is like optional, but the key must be there.
func needed[T, V any](name string, k kind[V], at func(*T) *V, help string) field[T] {
	f := optional(name, k, at, help)
	f.needed = true
	return f
}

// object is a mapping with these keys and no others. what names it in messages.
func object[T any](what, help string, fields ...field[T]) kind[T] {
	s := schema{"type": "object", "additionalProperties": false, "description": help}
	properties, required := schema{}, []string{}
	var names []string
	for _, f := range fields {
		names = append(names, f.name)
		properties[f.name] = described(f.schema, f.help)
		if f.needed {
			required = append(required, f.name)
		}
	}
	s["properties"] = properties
	if len(required) > 0 {
		s["required"] = required
	}
	return kind[T]{schema: s, decode: func(d *decoder, n *node) (v T, ok bool) {
		if !d.is(n, mapping, "Its keys are "+strings.Join(names, ", ")+".") {
			return v, false
		}
		for i, key := range n.keys {
			j := slices.IndexFunc(fields, func(f field[T]) bool { return f.name == key.text })
			if j < 0 {
				d.unknown(key, names, "%s is not a key of %s.", quote(key.text), what)
				continue
			}
			fields[j].read(d, n.items[i], &v)
		}
		for _, f := range fields {
			if f.needed && n.get(f.name) == nil {
				d.report(n, "%q is missing: %s needs it.", f.name, what)
			}
		}
		return v, true
	}}
}

// described adds a description without touching the schema others share.
func described(s schema, help string) schema {
	out := schema{"description": help}
	for k, v := range s {
		if k != "description" {
			out[k] = v
		}
	}
	return out
}

// and adds a check of the value read to a kind.
func (k kind[V]) and(check func(d *decoder, n *node, v *V)) kind[V] {
	decode := k.decode
	k.decode = func(d *decoder, n *node) (V, bool) {
		before := d.total
		v, ok := decode(d, n)
		if ok && d.total == before {
			check(d, n, &v)
		}
		return v, ok
	}
	return k
}

// saying adds to the schema what the check of and() means, where it can be said.
func (k kind[V]) saying(more schema) kind[V] {
	out := schema{}
	for _, s := range []schema{k.schema, more} {
		for key, v := range s {
			out[key] = v
		}
	}
	k.schema = out
	return k
}

// pointer makes a kind of pointers to what k reads.
func pointer[V any](k kind[V]) kind[*V] {
	return kind[*V]{schema: k.schema, empty: k.empty, decode: func(d *decoder, n *node) (*V, bool) {
		v, ok := k.decode(d, n)
		return &v, ok
	}}
}

// orEmpty lets a key stand alone, as in "pull_request:".
func orEmpty[V any](k kind[V]) kind[V] {
	decode := k.decode
	k.empty = true
	k.schema = schema{"anyOf": []any{k.schema, schema{"type": "null"}}}
	k.decode = func(d *decoder, n *node) (V, bool) {
		if n.kind == nothing {
			var zero V
			return zero, true
		}
		return decode(d, n)
	}
	return k
}

// list is a list of values that k reads. One value alone is not a list.
func list[V any](k kind[V]) kind[[]V] {
	return kind[[]V]{schema: schema{"type": "array", "items": k.schema}, decode: func(d *decoder, n *node) ([]V, bool) {
		hint := ""
		if n.kind == text && len(n.text) < 60 && !strings.Contains(n.text, "\n") {
			hint = "Write [" + n.text + "]."
		}
		if !d.is(n, sequence, hint) {
			return nil, false
		}
		values := make([]V, len(n.items)) // one for each item, also for wrong ones: values[i] belongs to items[i]
		for i, item := range n.items {
			if item.kind == nothing && !k.empty {
				d.noValue(item)
			} else {
				values[i], _ = k.decode(d, item)
			}
		}
		return values, true
	}}
}

// some is a list that holds at least one value, none twice.
func some(k kind[string]) kind[[]string] {
	return list(k).saying(schema{"minItems": 1, "uniqueItems": true}).and(func(d *decoder, n *node, v *[]string) {
		if len(*v) == 0 {
			d.report(n, "The list is empty. Leave the key out, or name at least one.")
		}
		d.unique(n, *v)
	})
}

// unique reports values that are in a list of texts twice.
func (d *decoder) unique(n *node, values []string) {
	for i, v := range values {
		if slices.Contains(values[:i], v) {
			d.report(n.item(i), "%s is in the list twice.", quote(v))
		}
	}
}

// named is a mapping from names to what k reads; set puts the name into it.
func named[V any](names grammar, k kind[V], set func(V, string) V) kind[[]V] {
	s := schema{"type": "object", "propertyNames": schema{"pattern": names.pattern}, "additionalProperties": k.schema}
	return kind[[]V]{schema: s, decode: func(d *decoder, n *node) ([]V, bool) {
		if !d.is(n, mapping, "") {
			return nil, false
		}
		values := make([]V, len(n.items)) // as in list
		for i, key := range n.keys {
			d.match(key, names)
			v, _ := k.decode(d, n.items[i])
			values[i] = set(v, key.text)
		}
		return values, true
	}}
}

// table is a mapping from names to texts.
func table(names grammar, k kind[string]) kind[map[string]string] {
	s := schema{"type": "object", "propertyNames": schema{"pattern": names.pattern}, "additionalProperties": k.schema}
	return kind[map[string]string]{schema: s, decode: func(d *decoder, n *node) (map[string]string, bool) {
		if !d.is(n, mapping, "") {
			return nil, false
		}
		values := map[string]string{}
		for i, key := range n.keys {
			d.match(key, names)
			if n.items[i].kind == nothing && !k.empty {
				d.noValue(n.items[i])
			} else if v, ok := k.decode(d, n.items[i]); ok {
				values[key.text] = v
			}
		}
		return values, true
	}}
}

// label names a value in a message, by its key if it has one.
func (n *node) label() string {
	switch {
	case n.name == "":
		return "The file"
	case strings.HasPrefix(n.name, "[") && n.parent != nil && n.parent.name != "":
		return fmt.Sprintf("An item of %q", n.parent.name)
	}
	return fmt.Sprintf("%q", n.name)
}

func quoteHint(n *node) string {
	if n.kind == integer || n.kind == decimal || n.kind == boolean {
		return fmt.Sprintf("Put it in quotes: \"%s\".", n.text)
	}
	return ""
}
