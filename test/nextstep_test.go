package test

import (
	"go/ast"
	"go/parser"
	"go/token"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"
)

// answering are the files whose refusals are answers to people.
var answering = []string{"../commands/*.go", "../bot/*.go", "../bot/github/*.go", "../bot/slack/*.go", "../bot/link/*.go", "../pipeline/engine_people.go"}

// nextStep is what a sentence tells somebody to do: a line to say, a flag to
// write, or a sentence that begins with what is to be done.
var nextStep = regexp.MustCompile("`/[a-z]+|`--|(?:^|[.:;,] |, then |, and |, or )(?i:say|write|use|name|ask|read|try|wait|send|put|add|press|reopen|paste|close|push|merge|install|" +
	"did you mean|copy|type|see|split|check|deploy|switch|open|repair|cancel|look|give)\\b" +
	"|The whole of it: |For the (?:first|second)|, so name |operator (?:names|sets)|You most likely mean|To [a-z]+ ")

// words: there is more in it than placeholders.
var words = regexp.MustCompile("[a-z]{3}")

// dynamic are refusals whose whole sentence is made elsewhere: there it says what to do.
var dynamic = map[string]string{
	"bad_duration": "pipeline.BadDuration, which says how a duration is written",
	"bad_time":     "reading.one, which has the lines to paste",
}

// notAnswers are texts that reach nobody in this form.
var notAnswers = []string{
	"This is not a command of shipmate.", // left alone
	"the base branch %s is gone.",        // a part of a gate's sentence, which goes on "Try again in a minute."
	"the commit has no history in common with %s.",
	"%s was already asked for by %s, as run %s, so no other run was started.", // of what nobody asked for, for the log
}

// Every refusal says what to do next.
func TestEveryRefusalHasANextStep(t *testing.T) {
	seen := map[string]int{}
	for _, glob := range answering {
		files, err := filepath.Glob(glob)
		if err != nil || len(files) == 0 {
			t.Fatalf("no files in %s: %v", glob, err)
		}
		for _, file := range files {
			if strings.HasSuffix(file, "_test.go") {
				continue
			}
			for _, r := range refusalsIn(t, file) {
				seen[r.code]++
				switch {
				case slices.Contains(notAnswers, r.text), r.text == "%s" && dynamic[r.code] != "", r.code == "*" && !words.MatchString(r.text):
				case !nextStep.MatchString(r.text):
					t.Errorf("%s: %s says nothing to do: %q", r.at, r.code, r.text)
				}
			}
		}
	}
	for _, code := range []string{"unknown_ref", "nothing_open", "already_decided", "already_ended", "already_answered", "already_cancelled", "nothing_failed",
		"unknown_environment", "unknown_run", "not_allowed", "missing_argument", "unknown_command", "no_target", "not_locked", "not_unknown"} {
		if seen[code] == 0 {
			t.Errorf("no refusal %s was found: the test looks in the wrong place", code)
		}
	}
	if len(seen) < 70 {
		t.Errorf("only %d codes were found", len(seen))
	}
}

type refusal struct{ at, code, text string }

// refusalsIn are the calls of Refuse in a file. A code that is no literal is "*".
func refusalsIn(t *testing.T, file string) (out []refusal) {
	t.Helper()
	files := token.NewFileSet()
	f, err := parser.ParseFile(files, file, nil, 0)
	if err != nil {
		t.Fatal(err)
	}
	ast.Inspect(f, func(n ast.Node) bool {
		call, ok := n.(*ast.CallExpr)
		if !ok || len(call.Args) < 2 || !named(call.Fun, "Refuse") {
			return true
		}
		r := refusal{at: files.Position(call.Pos()).String(), code: "*", text: literal(call.Args[1])}
		if code := literal(call.Args[0]); code != "" {
			r.code = code
		}
		out = append(out, r)
		return true
	})
	return out
}

func named(f ast.Expr, name string) bool {
	switch f := f.(type) {
	case *ast.Ident:
		return f.Name == name
	case *ast.SelectorExpr:
		return f.Sel.Name == name
	}
	return false
}

// literal is the text of a string, or of strings that are added to each other.
func literal(e ast.Expr) string {
	switch e := e.(type) {
	case *ast.BasicLit:
		text, _ := strconv.Unquote(e.Value)
		return text
	case *ast.BinaryExpr:
		return literal(e.X) + literal(e.Y)
	}
	return ""
}

// The check itself can tell one from the other.
func TestANextStepIsKnown(t *testing.T) {
	for text, want := range map[string]bool{
		"There is no branch, tag or commit %s in %s.":         false,
		"Nothing waits for approval here.":                    false,
		"Run %s has already ended: it is %s.":                 false,
		"You have already answered for run %s.":               false,
		"The environment %s is not in the file any more.":     false,
		"Guests cannot give commands.":                        false,
		"There is no environment %s. Did you mean %s?":        true,
		"%s is over. To deploy now, leave `--at` out.":        true,
		"Only deployers of %s may do this. Ask one of them.":  true,
		"Run %s has ended. What came of it says `/status %s`": true,
	} {
		if got := nextStep.MatchString(text); got != want {
			t.Errorf("%q: %v", text, got)
		}
	}
}
