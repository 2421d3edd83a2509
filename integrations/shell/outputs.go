package shell

import (
	"cmp"
	"errors"
	"io/fs"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"unicode"
	"unicode/utf8"

	"github.com/shipmate/shipmate/pipeline"
)

const (
	maxOutputs     = 64
	maxOutputValue = 4 << 10
	maxSummary     = 16 << 10
	maxAnnotations = 50 // they are part of the run's record
	maxAnnotation  = 500
)

var outputName = regexp.MustCompile(`^[A-Za-z_][A-Za-z0-9_-]{0,62}$`)

// readOutputs reads the lines name=value a script wrote to SHIPMATE_OUTPUT.
// They are stored, shown and handed to other steps, so what does not fit is an
// error: better than a wrong version deployed by the next step.
func readOutputs(dir folder, j job) (map[string]string, error) {
	b, more, err := readRegular(dir.outputs(), maxOutputs*(maxOutputValue+128))
	if err != nil && !errors.Is(err, fs.ErrNotExist) { // removed by the script: none
		return nil, refuseOutput(j, "the file cannot be read")
	}
	if more {
		return nil, refuseOutput(j, "the file is too large")
	}
	outputs := map[string]string{}
	for line := range strings.Lines(string(b)) {
		line = strings.TrimRight(line, "\r\n")
		if line == "" {
			continue
		}
		name, value, ok := strings.Cut(line, "=")
		if err := checkOutput(j, name, value, ok); err != nil {
			return nil, err
		}
		outputs[name] = value
	}
	if len(outputs) > maxOutputs {
		return nil, refuseOutput(j, "there are more than 64")
	}
	for _, name := range j.Step.Outputs {
		if _, ok := outputs[name]; !ok && !j.undo {
			return nil, pipeline.Refuse("invalid_output", "`%s` ended well but did not write its output %q. Add: echo \"%s=...\" >> \"$SHIPMATE_OUTPUT\".", j.Step.Name, name, name)
		}
	}
	return outputs, nil
}

func checkOutput(j job, name, value string, ok bool) error {
	switch {
	case !ok || !outputName.MatchString(name):
		return refuseOutput(j, "a line is not name=value with a plain name")
	case len(value) > maxOutputValue:
		return refuseOutput(j, "the value of "+name+" is longer than 4 KiB")
	case !utf8.ValidString(value) || strings.ContainsFunc(value, func(c rune) bool { return c != '\t' && unicode.IsControl(c) }):
		return refuseOutput(j, "the value of "+name+" is not plain text")
	case len(j.Step.Outputs) > 0 && !j.undo && !slices.Contains(j.Step.Outputs, name):
		return refuseOutput(j, name+" is not one of its declared outputs ("+strings.Join(j.Step.Outputs, ", ")+")")
	case hasSecret(j, value):
		return refuseOutput(j, "the value of "+name+" holds a secret, and outputs are stored")
	}
	return nil
}

func refuseOutput(j job, why string) error {
	return pipeline.Refuse("invalid_output", "`%s` ended well, but what it wrote to SHIPMATE_OUTPUT was not accepted: %s.", j.Step.Name, why)
}

// shortest secret that is looked for: shorter ones are in everything.
const minSecret = 6

func hasSecret(j job, value string) bool {
	for _, s := range j.Secrets {
		if v := strings.TrimSpace(s.Reveal()); len(v) >= minSecret && strings.Contains(value, v) {
			return true
		}
	}
	return false
}

// readSummary reads the markdown a script wrote to SHIPMATE_SUMMARY, cut to
// what a report holds. A summary is decoration: one that cannot be read is none.
func readSummary(dir folder, j job) string {
	// Some more than fits, so that a secret across the cut is still found.
	b, _, err := readRegular(dir.summary(), 4*maxSummary)
	if err != nil {
		return ""
	}
	s := forPeople(j, b)
	if len(s) <= maxSummary {
		return s
	}
	n := maxSummary
	for !utf8.RuneStart(s[n]) {
		n--
	}
	return s[:n]
}

// readAnnotations reads what a script wrote to SHIPMATE_ANNOTATIONS: lines as
// compilers and linters print them, path:line: message. Others are left out,
// so that all a tool prints can be sent there.
func readAnnotations(dir folder, j job) (out []pipeline.Annotation) {
	b, _, err := readRegular(dir.annotations(), 64<<10)
	if err != nil {
		return nil
	}
	for line := range strings.Lines(forPeople(j, b)) {
		m := annotationLine.FindStringSubmatch(strings.TrimSpace(line))
		if m == nil {
			continue
		}
		path := strings.TrimPrefix(strings.TrimPrefix(m[1], dir.src()+"/"), "./")
		at, err := strconv.Atoi(m[2])
		if err != nil || at < 1 || !filepath.IsLocal(path) {
			continue
		}
		level := map[string]string{"warning": "warning", "note": "notice", "notice": "notice", "info": "notice"}[strings.ToLower(m[3])]
		out = append(out, pipeline.Annotation{Path: path, Line: at, Level: cmp.Or(level, "failure"), Message: strings.ToValidUTF8(m[4][:min(len(m[4]), maxAnnotation)], "")})
		if len(out) == maxAnnotations {
			break
		}
	}
	return out
}

var annotationLine = regexp.MustCompile(`^([^:\s][^:]*):(\d{1,9})(?::\d+)?:\s*(?i:(error|warning|notice|note|info)\s*:\s*)?(\S.*)$`)

// forPeople is text of a script as it may be shown: without secrets and controls.
func forPeople(j job, b []byte) string {
	s := strings.ToValidUTF8(string(b), "\uFFFD")
	for _, secret := range j.Secrets {
		for line := range strings.Lines(secret.Reveal()) {
			if line = strings.TrimSpace(line); len(line) >= minSecret {
				s = strings.ReplaceAll(s, line, "[secret]")
			}
		}
	}
	return strings.Map(func(c rune) rune {
		if c != '\n' && c != '\t' && unicode.IsControl(c) {
			return -1
		}
		return c
	}, s)
}
