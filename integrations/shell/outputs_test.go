package shell

import (
	"slices"
	"strings"
	"testing"
	"unicode/utf8"

	"github.com/shipmate/shipmate/pipeline"
	"github.com/shipmate/shipmate/pipeline/script"
)

func TestWhatScriptsPutOutIsChecked(t *testing.T) {
	for name, c := range map[string]struct {
		script   string
		declared []string
		code     string
		message  string
	}{
		"plain lines":              {script: `printf 'a=1\r\n\nb=x=y\n' >> $SHIPMATE_OUTPUT`},
		"no file at all":           {script: `rm $SHIPMATE_OUTPUT`},
		"declared and written":     {script: `echo a=1 >> $SHIPMATE_OUTPUT`, declared: []string{"a"}},
		"declared, not written":    {script: `true`, declared: []string{"a"}, code: "invalid_output", message: `did not write its output "a"`},
		"written, not declared":    {script: `echo b=1 >> $SHIPMATE_OUTPUT; echo a=1 >> $SHIPMATE_OUTPUT`, declared: []string{"a"}, code: "invalid_output", message: "b is not one"},
		"not name=value":           {script: `echo hello >> $SHIPMATE_OUTPUT`, code: "invalid_output"},
		"a name with a path":       {script: `echo ../a=1 >> $SHIPMATE_OUTPUT`, code: "invalid_output"},
		"alike but for a dash":     {script: `echo a-b=1 >> $SHIPMATE_OUTPUT; echo a_b=2 >> $SHIPMATE_OUTPUT`, code: "invalid_output", message: "a-b and a_b become one"},
		"alike but for the case":   {script: `echo Tag=1 >> $SHIPMATE_OUTPUT; echo tag=1 >> $SHIPMATE_OUTPUT`, code: "invalid_output", message: "Tag and tag become one"},
		"one name twice":           {script: `echo a=1 >> $SHIPMATE_OUTPUT; echo a=2 >> $SHIPMATE_OUTPUT`},
		"a value too long":         {script: `echo a=$(head -c 5000 /dev/zero | tr '\0' x) >> $SHIPMATE_OUTPUT`, code: "invalid_output", message: "longer than 4 KiB"},
		"a file too long":          {script: `head -c 2000000 /dev/zero >> $SHIPMATE_OUTPUT`, code: "invalid_output", message: "too large"},
		"too many":                 {script: `for i in $(seq 65); do echo a$i=1; done >> $SHIPMATE_OUTPUT`, code: "invalid_output", message: "more than 64"},
		"a terminal sequence":      {script: `printf 'a=\033[31m\n' >> $SHIPMATE_OUTPUT`, code: "invalid_output", message: "plain text"},
		"an 8-bit control":         {script: `printf 'a=\302\233x\n' >> $SHIPMATE_OUTPUT`, code: "invalid_output", message: "plain text"},
		"not UTF-8":                {script: `printf 'a=\377\n' >> $SHIPMATE_OUTPUT`, code: "invalid_output", message: "plain text"},
		"a secret":                 {script: `echo "a=x${TOKEN}y" >> $SHIPMATE_OUTPUT`, code: "invalid_output", message: "secret"},
		"a link to somewhere else": {script: `ln -sf /etc/passwd $SHIPMATE_OUTPUT`, code: "invalid_output"},
		"a device without an end":  {script: `ln -sf /dev/zero $SHIPMATE_OUTPUT`, code: "invalid_output"},
		"a fifo nobody writes to":  {script: `rm $SHIPMATE_OUTPUT; mkfifo $SHIPMATE_OUTPUT`, code: "invalid_output"},
		"nonsense, and it failed":  {script: `echo hello >> $SHIPMATE_OUTPUT; exit 3`, code: "script_failed"},
	} {
		t.Run(name, func(t *testing.T) {
			b := newBench(t, c.script)
			b.step.Step.Outputs = c.declared
			b.step.Step.Secrets = []string{"TOKEN"}
			b.step.Secrets = map[string]pipeline.Secret{"TOKEN": pipeline.NewSecret("hunter-22")}
			res := b.run()
			if res.Code != c.code || !strings.Contains(res.Message, c.message) {
				t.Errorf("code %q, message %q", res.Code, res.Message)
			}
			if (c.code == "") != (res.State == pipeline.Succeeded) || c.code != "" && len(res.Outputs) > 0 {
				t.Errorf("state %s, outputs %v", res.State, res.Outputs)
			}
		})
	}
}

func TestASummaryIsCutBetweenCharacters(t *testing.T) {
	b := newBench(t, `for i in $(seq 4000); do printf 'a€😀'; done > $SHIPMATE_SUMMARY`)
	res := b.run()
	if len(res.Summary) > script.MaxSummary || len(res.Summary) < script.MaxSummary-4 || !utf8.ValidString(res.Summary) {
		t.Errorf("%d bytes, ends in %q", len(res.Summary), res.Summary[len(res.Summary)-8:])
	}
}

func TestASummaryHoldsNoSecretsAndNoControls(t *testing.T) {
	b := newBench(t, `printf 'x\377\000\033]8;;http://evil\007 %s y\n' "$TOKEN" > $SHIPMATE_SUMMARY`)
	b.step.Step.Secrets = []string{"TOKEN"}
	b.step.Secrets = map[string]pipeline.Secret{"TOKEN": pipeline.NewSecret("hunter-22")}
	if res := b.run(); res.Summary != "x\uFFFD]8;;http://evil [secret] y\n" {
		t.Errorf("%q", res.Summary)
	}
	b = newBench(t, `ln -sf /etc/passwd $SHIPMATE_SUMMARY`)
	if res := b.run(); res.Summary != "" || res.State != pipeline.Succeeded {
		t.Errorf("%+v", res)
	}
}

func TestAnnotations(t *testing.T) {
	b := newBench(t, `cat >> $SHIPMATE_ANNOTATIONS <<END
src/a.go:12:4: undefined: x
./b.py:3: warning: line too long
$PWD/c.c:7:1: error: expected ;
d.sh:1: note: $TOKEN was here
In file included from x.h:
/etc/passwd:1: not ours
../up.go:2: not ours
e.go:0: no such line
e.go:999999999999: no such line
make: *** [lint] Error 1
END
exit 2`)
	b.step.Step.Secrets = []string{"TOKEN"}
	b.step.Secrets = map[string]pipeline.Secret{"TOKEN": pipeline.NewSecret("hunter-22")}
	want := []pipeline.Annotation{
		{Path: "src/a.go", Line: 12, Level: "failure", Message: "undefined: x"},
		{Path: "b.py", Line: 3, Level: "warning", Message: "line too long"},
		{Path: "c.c", Line: 7, Level: "failure", Message: "expected ;"},
		{Path: "d.sh", Line: 1, Level: "notice", Message: "[secret] was here"},
	}
	if res := b.run(); !slices.Equal(res.Annotations, want) {
		t.Errorf("%+v", res.Annotations)
	}
	b = newBench(t, `for i in $(seq 2000); do echo "a.go:$i: x"; done >> $SHIPMATE_ANNOTATIONS`)
	if res := b.run(); len(res.Annotations) != script.MaxAnnotations || res.State != pipeline.Succeeded {
		t.Errorf("%d annotations, %s", len(res.Annotations), res.State)
	}
}
