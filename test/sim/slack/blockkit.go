package slack

import (
	"bytes"
	_ "embed"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"
	"sync"

	"github.com/santhosh-tekuri/jsonschema/v6"
	"github.com/santhosh-tekuri/jsonschema/v6/kind"
)

// blockkit.schema.json is generated from the type definitions of the npm package
// @slack/types 3.2 (MIT, see blockkit.schema.LICENSE). It knows shapes,
// not limits; those are in blocklimits.go.
//
//go:embed blockkit.schema.json
var blockKitSchema []byte

// blockKit holds the compiled schemas: of each block type and of the two views.
type blockKit struct {
	blocks map[string]*jsonschema.Schema
	views  map[string]*jsonschema.Schema
}

// schemas are compiled once per process. The schema is part of the program, so a
// mistake in it is one in the program.
var schemas = sync.OnceValue(func() blockKit {
	const home = "blockkit.schema.json"
	document, err := jsonschema.UnmarshalJSON(bytes.NewReader(blockKitSchema))
	if err != nil {
		panic(err)
	}
	compiler := jsonschema.NewCompiler()
	if err := compiler.AddResource(home, document); err != nil {
		panic(err)
	}
	kit := blockKit{blocks: map[string]*jsonschema.Schema{}, views: map[string]*jsonschema.Schema{}}
	definitions := document.(Block)["definitions"].(Block)
	for name, definition := range definitions {
		into := kit.blocks
		switch {
		case name == "HomeView" || name == "ModalView":
			into = kit.views
		case !strings.HasSuffix(name, "Block"):
			continue
		}
		of, ok := typeOf(definition.(Block))
		if ok {
			into[of] = compiler.MustCompile(home + "#/definitions/" + name)
		}
	}
	return kit
})

// typeOf reads the constant that a definition demands of "type"; its alternatives, if
// it has some, demand the same.
func typeOf(definition Block) (string, bool) {
	if alternatives, ok := definition["anyOf"].([]any); ok {
		definition = alternatives[0].(Block)
	}
	properties, _ := definition["properties"].(Block)
	kind, _ := properties["type"].(Block)
	of, ok := kind["const"].(string)
	return of, ok
}

// checkMessageBlocks refuses what the original refuses in the blocks of a message.
func checkMessageBlocks(blocks []Block) error {
	var found findings
	found.surface("message", blocks)
	if found.textLength > maxBlocksText {
		return refuse("msg_blocks_too_long")
	}
	if found.problems != nil {
		return &refusal{code: "invalid_blocks", messages: found.problems}
	}
	return nil
}

// checkView does the same for a modal or a Home tab.
func checkView(definition Block) error {
	found := findings{prefix: "/view"}
	surface := text(definition["type"])
	shell := maps.Clone(definition)
	shell["blocks"] = []any{} // they are looked at one by one, for better messages
	found.schema("", schemas().views[surface], shell)
	found.limits("", definition)
	if _, ok := definition["blocks"].([]any); ok {
		found.surface(surface, blockList(definition["blocks"]))
	}
	if surface == "modal" && plain(definition["submit"]) == "" && len(inputs(blockList(definition["blocks"]))) > 0 {
		found.add("/submit", "must be present when there is an `input` block")
	}
	if found.problems != nil {
		return &refusal{code: "invalid_arguments", messages: found.problems}
	}
	return nil
}

// findings collects what is wrong with a payload.
type findings struct {
	prefix     string
	problems   []string
	textLength int
}

func (f *findings) add(pointer, problem string) {
	problem = fmt.Sprintf("%s [json-pointer:%s%s]", problem, f.prefix, pointer)
	if !slices.Contains(f.problems, problem) {
		f.problems = append(f.problems, problem)
	}
}

// surface checks the blocks of a message, modal or home.
func (f *findings) surface(surface string, blocks []Block) {
	if most := maxBlocks[surface]; len(blocks) > most {
		f.add("/blocks", fmt.Sprintf("no more than %d items allowed", most))
	}
	ids := map[string]bool{}
	for i, b := range blocks {
		pointer := fmt.Sprintf("/blocks/%d", i)
		of := text(b["type"])
		schema, known := schemas().blocks[of]
		switch {
		case of == "":
			f.add(pointer, "missing required field: type")
		case !known || !allowedOn(surface, of):
			f.add(pointer, "unsupported type: "+of)
		default:
			f.schema(pointer, schema, b)
			f.limits(pointer, b)
		}
		if id := text(b["block_id"]); id != "" && ids[id] {
			f.add(pointer+"/block_id", "`block_id` has to be unique")
		} else {
			ids[id] = true
		}
	}
}

func (f *findings) schema(pointer string, schema *jsonschema.Schema, value Block) {
	if schema == nil {
		return
	}
	var invalid *jsonschema.ValidationError
	if err := schema.Validate(value); errors.As(err, &invalid) {
		f.explain(pointer, invalid)
	}
}

// explain turns a schema error into the sentences of the original. Of alternatives,
// only the one that the value's "type" chooses is explained.
func (f *findings) explain(pointer string, e *jsonschema.ValidationError) {
	at := pointer
	for _, part := range e.InstanceLocation {
		at += "/" + part
	}
	switch k := e.ErrorKind.(type) {
	case *kind.AdditionalProperties:
		for _, p := range k.Properties {
			f.add(at, "invalid additional property: "+p)
		}
		return
	case *kind.Required:
		for _, p := range k.Missing {
			f.add(at, "missing required field: "+p)
		}
		return
	case *kind.AnyOf:
		f.explainAlternatives(pointer, at, e.Causes)
		return
	}
	if len(e.Causes) == 0 {
		f.add(at, "must be a valid value")
		return
	}
	for _, cause := range e.Causes {
		f.explain(pointer, cause)
	}
}

func (f *findings) explainAlternatives(pointer, at string, alternatives []*jsonschema.ValidationError) {
	var meant []*jsonschema.ValidationError
	for _, a := range alternatives {
		if !mistyped(a, len(a.InstanceLocation)+1) {
			meant = append(meant, a)
		}
	}
	if len(meant) == 0 {
		f.add(at, "unsupported type")
		return
	}
	for _, a := range meant {
		f.explain(pointer, a)
	}
}

// mistyped says whether an alternative fails already at the "type" of the value itself,
// which lies so deep in the instance. A choice within it fails there if all of it does.
func mistyped(e *jsonschema.ValidationError, depth int) bool {
	wrong := func(c *jsonschema.ValidationError) bool { return mistyped(c, depth) }
	switch e.ErrorKind.(type) {
	case *kind.Const:
		at := e.InstanceLocation
		return len(at) == depth && at[depth-1] == "type"
	case *kind.AnyOf:
		if len(e.InstanceLocation) == depth-1 {
			return !slices.ContainsFunc(e.Causes, func(c *jsonschema.ValidationError) bool { return !wrong(c) })
		}
	}
	return slices.ContainsFunc(e.Causes, wrong)
}
