package chart

import (
	"context"
	"errors"
	"fmt"
	"path"
	"regexp"
	"strings"

	"github.com/shipmate/shipmate/pipeline"
)

// Explain turns Helm's error about the chart in a folder of the repository into
// a sentence with file and line. Any other error stays as it is.
func Explain(folder string, err error) error {
	if err == nil || pipeline.Code(err) != "" || pipeline.IsTemporary(err) || errors.Is(err, context.Canceled) {
		return err
	}
	if where, what, ok := templateError(err.Error()); ok {
		return &pipeline.Error{Code: "template_error", Err: err, Message: fmt.Sprintf("The template %s cannot be rendered: %s.", inRepo(folder, where), what)}
	}
	if m := yamlError.FindStringSubmatch(oneLine(err)); m != nil {
		return &pipeline.Error{Code: "template_error", Err: err, Message: fmt.Sprintf("The template %s renders to something that is no YAML: %s (lines count in what was rendered).", inRepo(folder, m[1]), strings.TrimPrefix(m[2], "error converting YAML to JSON: "))}
	}
	if _, what, ok := strings.Cut(oneLine(err), "in the following chart(s): "); ok {
		return &pipeline.Error{Code: "invalid_values", Err: err, Message: fmt.Sprintf("The values do not fit the schema of the chart %s: %s. Correct the values files or `set`.", folder, what)}
	}
	return err
}

var (
	atPlace   = regexp.MustCompile(`(?:parse|execution) error (?:at|in) \(([^()\s]+)\): (.+)`)
	location  = regexp.MustCompile(`^[^\s:]+:\d+(?::\d+)?$`)
	raw       = regexp.MustCompile(`template: ([^\s:]+:\d+(?::\d+)?): `) // an error of text/template that Helm left as it is
	yamlError = regexp.MustCompile(`YAML parse error on (\S+): (.+)`)
)

// templateError reads where a template went wrong. Helm writes a chain of
// places, each on a line of its own with what was done there below it; the last
// one is where the mistake is.
func templateError(said string) (where, what string, ok bool) {
	if m := atPlace.FindStringSubmatch(said); m != nil {
		return m[1], strings.TrimSuffix(m[2], "."), true
	}
	lines := strings.Split(said, "\n")
	for i, line := range lines {
		if location.MatchString(strings.TrimSpace(line)) {
			where, what = strings.TrimSpace(line), strings.Join(lines[i+1:], " ")
		}
	}
	if all := raw.FindAllStringSubmatchIndex(said, -1); where == "" && len(all) > 0 {
		m := all[len(all)-1]
		where, what = said[m[2]:m[3]], said[m[1]:]
	}
	return where, strings.TrimSuffix(strings.Join(strings.Fields(what), " "), "."), where != ""
}

// inRepo turns Helm's name of a file, which begins with the chart's, into one of
// the repository.
func inRepo(folder, name string) string {
	_, rest, ok := strings.Cut(name, "/")
	if !ok {
		return name
	}
	return path.Join(folder, rest)
}

func oneLine(err error) string {
	return strings.TrimSuffix(strings.Join(strings.Fields(err.Error()), " "), ".")
}
