package manifest

import (
	"bufio"
	"bytes"
	"cmp"
	"errors"
	"fmt"
	"io"
	"regexp"
	"strconv"
	"strings"

	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/util/yaml"
	kyaml "sigs.k8s.io/kustomize/kyaml/yaml"

	"github.com/shipmate/shipmate/pipeline"
)

// Places say where objects were found, as far as it is known:
// "deploy/shop.yaml:12", "deploy/chart/templates/web.yaml", "kustomize deploy/prod".
type Places map[*unstructured.Unstructured]string

// file reads a file of the repository. A key that is there twice is refused:
// one of the two would be lost.
func (at Places) file(name string, content []byte) ([]*unstructured.Unstructured, error) {
	var objects []*unstructured.Unstructured
	err := documents(content, func(doc []byte, line int) error {
		place := func(relative int) string { return fmt.Sprintf("%s:%d", name, line+relative-1) }
		found, err := document(doc)
		if err != nil {
			relative, what := lineOf(err, doc)
			return refuse("%s: %s.", place(relative), what)
		}
		var root kyaml.Node
		_ = kyaml.Unmarshal(doc, &root) // it was read once
		if key := twice(&root); key != nil {
			return refuse("%s: the key %q is there twice in one mapping, and only one of both would count. Put them together.", place(key.Line), key.Value)
		}
		for i, u := range found {
			at[u] = place(beginning(&root, i, doc))
		}
		objects = append(objects, found...)
		return nil
	})
	if err != nil && pipeline.Code(err) == "" {
		err = refuse("%s: %v.", name, err)
	}
	return objects, err
}

// made reads what Kustomize or Helm made; where says which of their sources a
// document is from. Its lines are in no file, and what Helm takes is taken.
func (at Places) made(content []byte, where func(doc []byte) string) ([]*unstructured.Unstructured, error) {
	var objects []*unstructured.Unstructured
	err := documents(content, func(doc []byte, _ int) error {
		place := where(doc)
		found, err := document(doc)
		if err != nil {
			return refuse("%s: %s.", place, strings.TrimPrefix(err.Error(), conversion))
		}
		for _, u := range found {
			at[u] = place
		}
		objects = append(objects, found...)
		return nil
	})
	if err != nil && pipeline.Code(err) == "" {
		err = refuse("%s: %v.", where(nil), err)
	}
	return objects, err
}

// documents calls do with each document and the line of the content at which it begins.
func documents(content []byte, do func(doc []byte, line int) error) error {
	docs := yaml.NewYAMLReader(bufio.NewReader(bytes.NewReader(content)))
	for line := 1; ; {
		doc, err := docs.Read()
		if errors.Is(err, io.EOF) {
			return nil
		}
		if err == nil {
			err = do(doc, line)
		}
		if err != nil {
			return err
		}
		line += bytes.Count(doc, []byte("\n")) + 1
	}
}

// document reads the objects of one document; lists become their items.
func document(doc []byte) ([]*unstructured.Unstructured, error) {
	asJSON, err := yaml.ToJSON(doc)
	if err != nil {
		return nil, err
	}
	if trimmed := bytes.TrimSpace(asJSON); len(trimmed) == 0 || string(trimmed) == "null" {
		return nil, nil
	}
	var u unstructured.Unstructured
	if err := u.UnmarshalJSON(asJSON); err != nil {
		return nil, errors.New("it is no Kubernetes object: it needs apiVersion and kind")
	}
	if u.IsList() {
		var items []*unstructured.Unstructured
		err := u.EachListItem(func(o runtime.Object) error {
			item, ok := o.(*unstructured.Unstructured)
			if !ok {
				return errors.New("an item of the list is no object")
			}
			items = append(items, item)
			return named(item)
		})
		return items, err
	}
	return []*unstructured.Unstructured{&u}, named(&u)
}

func named(u *unstructured.Unstructured) error {
	name, there, _ := unstructured.NestedFieldNoCopy(u.Object, "metadata", "name")
	_, text := name.(string)
	switch {
	case u.GetAPIVersion() == "":
		return fmt.Errorf("the %s has no apiVersion", cmp.Or(u.GetKind(), "object"))
	case u.GetName() == "" && u.GetGenerateName() != "":
		return fmt.Errorf("the %s has a generateName; what is applied again needs a name", u.GetKind())
	case there && name != nil && !text:
		return fmt.Errorf("the metadata.name of the %s is %v, which is no text: put it in quotes", u.GetKind(), name)
	case u.GetName() == "":
		return fmt.Errorf("the %s has no metadata.name", u.GetKind())
	}
	return nil
}

// twice is a key that a mapping of the node has already.
func twice(n *kyaml.Node) *kyaml.Node {
	seen := map[string]bool{}
	for i, child := range n.Content {
		if n.Kind == kyaml.MappingNode && i%2 == 0 {
			if seen[child.Value] {
				return child
			}
			seen[child.Value] = child.Kind == kyaml.ScalarNode
		}
		if key := twice(child); key != nil {
			return key
		}
	}
	return nil
}

// beginning is the line of the document at which its object, or the item of its
// list, begins.
func beginning(root *kyaml.Node, item int, doc []byte) int {
	if len(root.Content) == 0 {
		return first(doc)
	}
	object := root.Content[0]
	for i := 0; i+1 < len(object.Content); i += 2 {
		if key, value := object.Content[i], object.Content[i+1]; key.Value == "items" && item < len(value.Content) {
			return value.Content[item].Line
		}
	}
	return object.Line
}

// first is the first line of a document that says something.
func first(doc []byte) int {
	lines := bytes.Split(doc, []byte("\n"))
	for i, line := range lines {
		if text := bytes.TrimSpace(line); len(text) > 0 && text[0] != '#' && !bytes.HasPrefix(text, []byte("---")) {
			return i + 1
		}
	}
	return 1
}

const conversion = "error converting YAML to JSON: "

var yamlLine = regexp.MustCompile(`^yaml: line (\d+): `)

// lineOf is the line of the document that an error is about, and what it says.
func lineOf(err error, doc []byte) (line int, what string) {
	what = strings.TrimPrefix(err.Error(), conversion)
	if said := yamlLine.FindStringSubmatch(what); said != nil {
		line, _ = strconv.Atoi(said[1])
		return line, strings.TrimPrefix(what, said[0])
	}
	return first(doc), strings.TrimPrefix(what, "yaml: ")
}
