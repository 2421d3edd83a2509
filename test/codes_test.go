package test

import (
	"go/ast"
	"go/parser"
	"go/token"
	"path/filepath"
	"strconv"
	"strings"
	"testing"

	"github.com/shipmate/shipmate/commands"
)

// codePackages are those whose reason codes people meet in chat.
var codePackages = []string{"pipeline", "pipeline/script", "pipeline/artifact", "commands", "bot", "bot/*", "integrations/*", "integrations/*/*", "cmd/shipmate"}

// inner are words that stand where codes do and are none.
var inner = []string{"not_ours", "read", "approved", "slack_", "done", "asked", "no_api", "unreachable"} // the last two are the command line's own

// Every reason code of the source is in the manual, and the manual has no other.
func TestReasonCodesAreDocumented(t *testing.T) {
	known := map[string]bool{}
	for _, r := range commands.Reasons() {
		if known[r.Code] || r.Meaning == "" {
			t.Errorf("code %s is there twice, or says nothing", r.Code)
		}
		known[r.Code] = true
	}
	text, used := "", map[string]bool{}
	for _, dir := range codePackages {
		files, err := filepath.Glob("../" + dir + "/*.go")
		if err != nil || len(files) == 0 {
			t.Fatalf("no files in %s: %v", dir, err)
		}
		for _, file := range files {
			if strings.HasSuffix(file, "_test.go") || strings.HasSuffix(file, "codes.go") {
				continue
			}
			f, err := parser.ParseFile(token.NewFileSet(), file, nil, 0)
			if err != nil {
				t.Fatal(err)
			}
			ast.Inspect(f, func(n ast.Node) bool {
				if s, ok := n.(*ast.BasicLit); ok && s.Kind == token.STRING {
					text += s.Value + "\n"
				}
				for _, code := range codesIn(n) {
					used[code] = true
				}
				return true
			})
		}
	}
	for _, word := range inner {
		delete(used, word)
	}
	for code := range used {
		if !known[code] {
			t.Errorf("code %s is not in commands.Reasons", code)
		}
	}
	for code := range known {
		if !used[code] && !strings.Contains(text, strconv.Quote(code)+"\n") {
			t.Errorf("code %s is in commands.Reasons, and nothing says it", code)
		}
	}
}

// codesIn are the codes a piece of source names: of a refusal, or of a value
// with a field Code.
func codesIn(n ast.Node) []string {
	var at []ast.Expr
	switch n := n.(type) {
	case *ast.CallExpr:
		name := ""
		switch f := n.Fun.(type) {
		case *ast.Ident:
			name = f.Name
		case *ast.SelectorExpr:
			name = f.Sel.Name
		}
		if name == "Refuse" && len(n.Args) > 0 {
			at = append(at, n.Args[0])
		}
	case *ast.KeyValueExpr:
		if key, ok := n.Key.(*ast.Ident); ok && key.Name == "Code" {
			at = append(at, n.Value)
		}
	}
	var codes []string
	for _, e := range at {
		if lit, ok := e.(*ast.BasicLit); ok && lit.Kind == token.STRING {
			if code, err := strconv.Unquote(lit.Value); err == nil && code != "" {
				codes = append(codes, code)
			}
		}
	}
	return codes
}
