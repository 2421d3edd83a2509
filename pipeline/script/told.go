package script

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

// Bounds of what is taken over: it is part of the run's record.
const (
	maxOutputs     = 64
	maxOutputValue = 4 << 10
	MaxSummary     = 16 << 10
	MaxAnnotations = 50
	MaxAnnotation  = 500 // bytes of one's message
)

var outputName = regexp.MustCompile(`^[A-Za-z_][A-Za-z0-9_-]{0,62}$`)

// Told is what a script wrote to the files it was given, as it stands there.
type Told struct {
	Src         string `json:"src"` // where it worked: paths in annotations may begin with it
	Outputs     []byte `json:"outputs,omitempty"`
	OutputsBad  string `json:"outputs_bad,omitempty"` // why Outputs is not all that was written
	Summary     []byte `json:"summary,omitempty"`
	Annotations []byte `json:"annotations,omitempty"`
}

// Read reads what a script has told. It trusts nothing that lies there.
func Read(p Place) Told {
	t := Told{Src: p.Src}
	b, more, err := ReadRegular(p.Outputs, maxOutputs*(maxOutputValue+128))
	switch {
	case err != nil && !errors.Is(err, fs.ErrNotExist): // removed by the script: none
		t.OutputsBad = "the file cannot be read"
	case more:
		t.OutputsBad = "the file is too large"
	default:
		t.Outputs = b
	}
	// Some more than fits, so that a secret across the cut is still found. What
	// cannot be read is none: both are decoration.
	t.Summary, _, _ = ReadRegular(p.Summary, 4*MaxSummary)
	t.Annotations, _, _ = ReadRegular(p.Annotations, 64<<10)
	return t
}

// outputs reads the lines name=value a script wrote to SHIPMATE_OUTPUT. They are
// stored, shown and handed to other steps, so what does not fit is an error:
// better than a wrong version deployed by the next step.
func (t Told) outputs(c Call) (map[string]string, error) {
	if t.OutputsBad != "" {
		return nil, refuseOutput(c, t.OutputsBad)
	}
	outputs, alike := map[string]string{}, map[string]string{}
	for line := range strings.Lines(string(t.Outputs)) {
		line = strings.TrimRight(line, "\r\n")
		if line == "" {
			continue
		}
		name, value, ok := strings.Cut(line, "=")
		if err := checkOutput(c, name, value, ok); err != nil {
			return nil, err
		}
		variable := pipeline.VariablePart(name)
		if other, taken := alike[variable]; taken && other != name {
			return nil, refuseOutput(c, "the names "+other+" and "+name+" become one environment variable for the steps after it")
		}
		outputs[name], alike[variable] = value, name
	}
	if len(outputs) > maxOutputs {
		return nil, refuseOutput(c, "there are more than 64")
	}
	for _, name := range c.Step.Outputs {
		if _, ok := outputs[name]; !ok && !c.Undo {
			return nil, pipeline.Refuse("invalid_output", "`%s` ended well but did not write its output %q. Add: echo \"%s=...\" >> \"$SHIPMATE_OUTPUT\".", c.Step.Name, name, name)
		}
	}
	return outputs, nil
}

func checkOutput(c Call, name, value string, ok bool) error {
	switch {
	case !ok || !outputName.MatchString(name):
		return refuseOutput(c, "a line is not name=value with a plain name")
	case len(value) > maxOutputValue:
		return refuseOutput(c, "the value of "+name+" is longer than 4 KiB")
	case !utf8.ValidString(value) || strings.ContainsFunc(value, func(r rune) bool { return r != '\t' && unicode.IsControl(r) }):
		return refuseOutput(c, "the value of "+name+" is not plain text")
	case len(c.Step.Outputs) > 0 && !c.Undo && !slices.Contains(c.Step.Outputs, name):
		return refuseOutput(c, name+" is not one of its declared outputs ("+strings.Join(c.Step.Outputs, ", ")+")")
	case hasSecret(c, value):
		return refuseOutput(c, "the value of "+name+" holds a secret, and outputs are stored")
	}
	return nil
}

func refuseOutput(c Call, why string) error {
	return pipeline.Refuse("invalid_output", "`%s` ended well, but what it wrote to SHIPMATE_OUTPUT was not accepted: %s.", c.Step.Name, why)
}

// shortest secret that is looked for: shorter ones are in everything.
const minSecret = 6

func hasSecret(c Call, value string) bool {
	for _, s := range c.Secrets {
		if Holds(value, s.Reveal()) {
			return true
		}
	}
	return false
}

// Holds reports whether a text holds a secret.
func Holds(text, secret string) bool {
	v := strings.TrimSpace(secret)
	return len(v) >= minSecret && strings.Contains(text, v)
}

// summary is the markdown a script wrote to SHIPMATE_SUMMARY, cut to what a
// report holds.
func (t Told) summary(c Call) string {
	s := forPeople(c, t.Summary)
	if len(s) <= MaxSummary {
		return s
	}
	n := MaxSummary
	for !utf8.RuneStart(s[n]) {
		n--
	}
	return s[:n]
}

// annotations are what a script wrote to SHIPMATE_ANNOTATIONS: lines as
// compilers and linters print them, path:line: message. Others are left out,
// so that all a tool prints can be sent there.
func (t Told) annotations(c Call) (out []pipeline.Annotation) {
	for line := range strings.Lines(forPeople(c, t.Annotations)) {
		m := annotationLine.FindStringSubmatch(strings.TrimSpace(line))
		if m == nil {
			continue
		}
		path := strings.TrimPrefix(strings.TrimPrefix(m[1], t.Src+"/"), "./")
		at, err := strconv.Atoi(m[2])
		if err != nil || at < 1 || !filepath.IsLocal(path) {
			continue
		}
		level := map[string]string{"warning": "warning", "note": "notice", "notice": "notice", "info": "notice"}[strings.ToLower(m[3])]
		out = append(out, pipeline.Annotation{Path: path, Line: at, Level: cmp.Or(level, "failure"), Message: strings.ToValidUTF8(m[4][:min(len(m[4]), MaxAnnotation)], "")})
		if len(out) == MaxAnnotations {
			break
		}
	}
	return out
}

var annotationLine = regexp.MustCompile(`^([^:\s][^:]*):(\d{1,9})(?::\d+)?:\s*(?i:(error|warning|notice|note|info)\s*:\s*)?(\S.*)$`)

// forPeople is text of a script as it may be shown: without secrets and controls.
func forPeople(c Call, b []byte) string {
	s := strings.ToValidUTF8(string(b), "\uFFFD")
	for _, secret := range c.Secrets {
		for line := range strings.Lines(secret.Reveal()) {
			if line = strings.TrimSpace(line); len(line) >= minSecret {
				s = strings.ReplaceAll(s, line, "[secret]")
			}
		}
	}
	return strings.Map(func(r rune) rune {
		if r != '\n' && r != '\t' && unicode.IsControl(r) {
			return -1
		}
		return r
	}, s)
}
