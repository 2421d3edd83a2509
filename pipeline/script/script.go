// Package script is what every runner of "run:" scripts has in common: the
// environment a script sees ([Environment]), how it is watched over
// ([Process]), what it tells in the files it was given ([Read], [Told]) and how
// its end is put into words ([Result]). Where it runs is for the runners to say.
package script

import (
	"path"
	"regexp"
	"strings"

	"github.com/shipmate/shipmate/pipeline"
)

// Call is one script to bring to its end: of a step, or its undo.
type Call struct {
	*pipeline.StepContext
	Undo bool
}

// Text is the script.
func (c Call) Text() string {
	if c.Undo {
		return c.Step.Undo
	}
	return c.Step.Run
}

// Name is the step's name as messages have it.
func (c Call) Name() string {
	if c.Undo {
		return c.Step.Name + " (undo)"
	}
	return c.Step.Name
}

// Place is where a script finds what is its own: paths as it sees them.
type Place struct {
	Src         string `json:"src"` // the checkout, its working directory
	Home        string `json:"home"`
	Outputs     string `json:"outputs"`
	Summary     string `json:"summary"`
	Annotations string `json:"annotations"`
}

// Interpreter is what runs the script: the program its first line names after
// "#!", split as Linux does it, or else sh, which stops at the first command
// that fails.
func (c Call) Interpreter() ([]string, error) {
	text := c.Text()
	if strings.TrimSpace(text) == "" {
		return nil, pipeline.Refuse("no_script", "`%s` has no script to run.", c.Step.Name)
	}
	line, _, _ := strings.Cut(text, "\n")
	rest, ok := strings.CutPrefix(line, "#!")
	if !ok {
		return []string{"/bin/sh", "-e"}, nil
	}
	program, arg, _ := strings.Cut(strings.TrimSpace(rest), " ")
	if !strings.HasPrefix(program, "/") {
		return nil, pipeline.Refuse("invalid_interpreter", "The script begins with `#!%s`: the program after `#!` must be a full path such as /bin/bash.", strings.TrimSpace(rest))
	}
	if arg = strings.TrimSpace(arg); arg != "" {
		return []string{program, arg}, nil
	}
	return []string{program}, nil
}

// imageName is a reference as the OCI distribution specification has it, loosely.
var imageName = regexp.MustCompile(`^[A-Za-z0-9][A-Za-z0-9._:/@-]{0,254}$`)

// CheckImage refuses what cannot name an image, and what names no version of
// it: that may be another one the next time, and a reviewer sees neither.
func CheckImage(name string) error {
	if !imageName.MatchString(name) {
		return pipeline.Refuse("invalid_image", "%q is not the name of an image.", name)
	}
	if strings.Contains(name, "@") {
		return nil
	}
	_, tag, _ := strings.Cut(path.Base(name), ":") // before the last slash a colon is a registry's port
	if tag == "" || tag == "latest" {
		return pipeline.Refuse("image_refused", "The image %s names no version, so it may be another one every time. Name a version (`%s:1.2`) or a digest (`@sha256:...`).", name, strings.TrimSuffix(name, ":"+tag))
	}
	return nil
}
