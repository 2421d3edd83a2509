package pipeline

import (
	"regexp"
	"strings"
)

// step warns of what a step names: images and files.
func (w *warner) step(n *node) {
	w.image(n.get("image"))
	if with := n.get("with"); with != nil {
		w.images(with.get("images"))
		for _, key := range []string{"manifests", "values"} {
			w.files(with.get(key))
		}
	}
	if condition := n.get("if"); condition != nil {
		for _, m := range changedCall.FindAllStringSubmatch(condition.text, -1) {
			w.globs(condition, []string{m[1] + m[2]}, w.around.Files, "file of this repository")
		}
	}
}

// changedCall is changed("glob") in an expression.
var changedCall = regexp.MustCompile(`\bchanged\(\s*(?:"([^"\\]+)"|'([^'\\]+)')\s*\)`)

// files are globs that a runner looks up in the commit.
func (w *warner) files(n *node) {
	if n == nil || n.kind != sequence {
		return
	}
	for _, item := range n.items {
		if item.kind == text && !strings.Contains(item.text, "${{") {
			w.globs(&node{items: []*node{item}}, []string{item.text}, w.around.Files, "file of this repository")
		}
	}
}

func (w *warner) images(n *node) {
	if n == nil || n.kind != mapping {
		return
	}
	for _, item := range n.items {
		w.image(item)
	}
}

// image warns of one that may be another tomorrow.
func (w *warner) image(n *node) {
	if n == nil || n.kind != text || strings.Contains(n.text, "${{") || strings.Contains(n.text, "@") {
		return
	}
	name, tag := n.text, ""
	if i := strings.LastIndexByte(name, ':'); i > strings.LastIndexByte(name, '/') { // else it is a registry's port
		name, tag = name[:i], name[i+1:]
	}
	const todo = "Write a version, %[2]s:1.2 for example, or a digest, %[2]s@sha256:..."
	switch tag {
	case "":
		w.d.report(n, "The image %[1]s has no version, so it may be another one in the next run. "+todo, quote(n.text), name)
	case "latest":
		w.d.report(n, "The image %[1]s may be another one in the next run: latest is moved. "+todo, quote(n.text), name)
	}
}
