package test

import (
	"encoding/json"
	"errors"
	"fmt"
	"go/ast"
	"go/parser"
	"go/token"
	"io"
	"io/fs"
	"os"
	"os/exec"
	"path"
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

const module = "github.com/shipmate/shipmate"

// goPackage is what "go list" says of a package of ours.
type goPackage struct {
	ImportPath   string
	Imports      []string
	TestImports  []string
	XTestImports []string
}

func listPackages(t *testing.T) []goPackage {
	t.Helper()
	cmd := exec.Command("go", "list", "-json=ImportPath,Imports,TestImports,XTestImports", "./...")
	cmd.Dir = ".."
	cmd.Stderr = os.Stderr
	out, err := cmd.Output()
	if err != nil {
		t.Fatal(err)
	}
	var all []goPackage
	for d := json.NewDecoder(strings.NewReader(string(out))); ; {
		var p goPackage
		if err := d.Decode(&p); errors.Is(err, io.EOF) {
			return all
		} else if err != nil {
			t.Fatal(err)
		}
		all = append(all, p)
	}
}

// rules say what a folder may import of ours, and which modules of others. The
// first that fits counts. "*" is one folder.
var rules = []struct {
	folder string
	ours   []string
	others []string // nil: any; otherwise these and the standard library
}{
	{folder: "cmd/**", ours: []string{"**"}},
	{folder: "test/**", ours: []string{"**"}},
	{folder: "bot", ours: []string{"commands", "pipeline"}},
	{folder: "bot/*", ours: []string{"bot", "commands", "pipeline"}},
	{folder: "commands", ours: []string{"pipeline"}, others: []string{"golang.org/x/text"}},
	{folder: "integrations", ours: []string{"integrations/**", "pipeline"}, others: []string{}},
	// script and artifact are what the runners of scripts have in common, objectdiff what planners show.
	{folder: "integrations/*", ours: []string{"pipeline", "pipeline/artifact", "pipeline/objectdiff", "pipeline/script"}}, // and what is below its own folder
	{folder: "integrations/*/**", ours: []string{"pipeline", "pipeline/artifact", "pipeline/script"}},                     // likewise
	// robfig/cron reads the grammar of cron lines and nothing else; goccy/go-yaml says where a file is wrong.
	{folder: "pipeline", others: []string{"go.yaml.in/yaml/v3", "github.com/goccy/go-yaml", "cel.dev/cel-go", "github.com/robfig/cron/v3"}},
	// redistest is for tests alone, and says what they need.
	{folder: "pipeline/redisstore/redistest", ours: []string{"pipeline", "pipeline/**", "test/needs"}},
	{folder: "pipeline/**", ours: []string{"pipeline", "pipeline/**"}},
}

func TestImportsGoOneWay(t *testing.T) {
	for _, p := range listPackages(t) {
		folder := strings.TrimPrefix(strings.TrimPrefix(p.ImportPath, module), "/")
		for _, wrong := range wrongImports(folder, p.Imports) {
			t.Error(wrong)
		}
	}
}

// TestTheRulesForbid shows that the rules say no where they should.
func TestTheRulesForbid(t *testing.T) {
	for folder, imports := range map[string][]string{
		"pipeline":            {module + "/bot", module + "/pipeline/redisstore", "github.com/google/go-github/v60/github", "k8s.io/client-go"},
		"pipeline/redisstore": {module + "/bot", module + "/commands", module + "/integrations/shell"},
		"commands":            {module + "/bot", module + "/pipeline/redisstore", "github.com/slack-go/slack"},
		"bot":                 {module + "/bot/slack", module + "/integrations", module + "/pipeline/redisstore"},
		"bot/slack":           {module + "/bot/github", module + "/integrations/shell"},
		"bot/api":             {module + "/bot/github", module + "/pipeline/redisstore"},
		"integrations/shell":  {module + "/integrations/env", module + "/bot", module + "/commands"},
		"integrations":        {module + "/bot", "github.com/spf13/cobra"},
	} {
		for _, i := range imports {
			if len(wrongImports(folder, []string{i})) == 0 {
				t.Errorf("%s may import %s", folder, i)
			}
		}
	}
}

func wrongImports(folder string, imports []string) []string {
	var wrong []string
	for _, r := range rules {
		if !within(r.folder, folder) {
			continue
		}
		for _, i := range imports {
			if !allowed(folder, i, r.ours, r.others) {
				wrong = append(wrong, fmt.Sprintf("%s must not import %s", folder, i))
			}
		}
		return wrong
	}
	return []string{fmt.Sprintf("no rule says what %q may import", folder)}
}

func allowed(folder, imported string, ours, others []string) bool {
	if own, ok := strings.CutPrefix(imported, module+"/"); ok {
		top, _, _ := strings.Cut(strings.TrimPrefix(folder, "integrations/"), "/")
		sameLeaf := strings.HasPrefix(folder, "integrations/") && strings.HasPrefix(own+"/", "integrations/"+top+"/")
		return sameLeaf || slices.ContainsFunc(ours, func(pattern string) bool { return within(pattern, own) })
	}
	first, _, _ := strings.Cut(imported, "/")
	standard := !strings.Contains(first, ".")
	return standard || others == nil || slices.ContainsFunc(others, func(m string) bool { return imported == m || strings.HasPrefix(imported, m+"/") })
}

// within matches a folder with a pattern in which "**" at the end is everything
// below and the folder itself.
func within(pattern, folder string) bool {
	if head, ok := strings.CutSuffix(pattern, "**"); ok {
		head = strings.TrimSuffix(head, "/")
		n := strings.Count(head, "/") + 1
		parts := strings.Split(folder, "/")
		if head == "" {
			return true
		}
		return len(parts) >= n && within(head, strings.Join(parts[:n], "/"))
	}
	ok, err := path.Match(pattern, folder)
	return ok && err == nil
}

func TestNothingButTestsImportsTestCode(t *testing.T) {
	for _, p := range listPackages(t) {
		folder := strings.TrimPrefix(p.ImportPath, module+"/")
		for _, i := range p.Imports {
			test := strings.HasPrefix(i, module+"/test/") || strings.HasSuffix(i, "test") && strings.HasPrefix(i, module)
			if test && !strings.HasPrefix(folder, "test/") && folder != "cmd/playground" && !strings.HasSuffix(folder, "test") {
				t.Errorf("%s imports %s, which is for tests", folder, i)
			}
		}
	}
}

// source calls f with every Go file of ours.
func source(t *testing.T, f func(file string, fset *token.FileSet, tree *ast.File)) {
	t.Helper()
	fset := token.NewFileSet()
	err := filepath.WalkDir("..", func(file string, d fs.DirEntry, err error) error {
		switch {
		case err != nil:
			return err
		case d.IsDir() && (strings.HasPrefix(d.Name(), ".") && file != ".." || d.Name() == "testdata" || d.Name() == "node_modules"):
			return filepath.SkipDir
		case d.IsDir() && file != "..":
			if _, err := os.Stat(filepath.Join(file, "go.mod")); err == nil {
				return filepath.SkipDir // a module of its own
			}
		case !strings.HasSuffix(file, ".go"):
			return nil
		}
		if d.IsDir() {
			return nil
		}
		tree, err := parser.ParseFile(fset, file, nil, parser.SkipObjectResolution|parser.ParseComments)
		if err == nil {
			f(strings.TrimPrefix(file, "../"), fset, tree)
		}
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
}

func TestPackageNames(t *testing.T) {
	never := []string{"util", "utils", "common", "helper", "helpers", "model", "models", "types", "base", "misc", "shared"}
	source(t, func(file string, _ *token.FileSet, tree *ast.File) {
		if slices.Contains(never, tree.Name.Name) {
			t.Errorf("%s: %s says nothing about what a package is for", file, tree.Name.Name)
		}
	})
}

func TestNoInit(t *testing.T) {
	source(t, func(file string, fset *token.FileSet, tree *ast.File) {
		for _, d := range tree.Decls {
			if f, ok := d.(*ast.FuncDecl); ok && f.Recv == nil && f.Name.Name == "init" {
				t.Errorf("%s: func init; wire it in cmd/shipmate/run.go", fset.Position(f.Pos()))
			}
		}
	})
}

// Nothing sleeps in a test: it waits for what it waits for. A method of a test file may hold the test.
func TestNoSleep(t *testing.T) {
	source(t, func(file string, fset *token.FileSet, tree *ast.File) {
		if !strings.HasSuffix(file, "_test.go") {
			return
		}
		for _, d := range tree.Decls {
			if f, ok := d.(*ast.FuncDecl); ok && (f.Recv != nil || takesTest(f)) {
				ast.Inspect(f, func(n ast.Node) bool {
					if s, ok := n.(*ast.SelectorExpr); ok && isSelector(s, "time", "Sleep") {
						t.Errorf("%s: time.Sleep", fset.Position(s.Pos()))
					}
					return true
				})
			}
		}
	})
}

// takesTest reports whether a function is given a *testing.T or the like. One
// that is not may be a program that a test starts.
func takesTest(f *ast.FuncDecl) bool {
	found := false
	ast.Inspect(f.Type, func(n ast.Node) bool {
		s, ok := n.(*ast.SelectorExpr)
		found = found || ok && isSelector(s, "testing", s.Sel.Name)
		return true
	})
	return found
}

func isSelector(s *ast.SelectorExpr, of, name string) bool {
	x, ok := s.X.(*ast.Ident)
	return ok && x.Name == of && s.Sel.Name == name
}

// A variable of a package is a table, an error, a pattern or an embedded file:
// something that is never assigned again.
func TestNoMutablePackageVariables(t *testing.T) {
	vars := map[string]map[string]token.Position{} // by folder and name
	source(t, func(file string, fset *token.FileSet, tree *ast.File) {
		if strings.HasSuffix(file, "_test.go") {
			return
		}
		folder := filepath.Dir(file)
		for _, d := range tree.Decls {
			g, ok := d.(*ast.GenDecl)
			if !ok || g.Tok != token.VAR {
				continue
			}
			for _, spec := range g.Specs {
				v := spec.(*ast.ValueSpec)
				if len(v.Values) == 0 && !embeds(g.Doc) && !embeds(v.Doc) {
					t.Errorf("%s: %s has no value, so it is there to be assigned", fset.Position(v.Pos()), v.Names[0].Name)
				}
				for _, name := range v.Names {
					if name.Name == "_" {
						continue
					}
					if vars[folder] == nil {
						vars[folder] = map[string]token.Position{}
					}
					vars[folder][name.Name] = fset.Position(name.Pos())
				}
			}
		}
	})
	source(t, func(file string, fset *token.FileSet, tree *ast.File) {
		if strings.HasSuffix(file, "_test.go") {
			return
		}
		for _, d := range tree.Decls {
			if f, ok := d.(*ast.FuncDecl); ok && f.Body != nil {
				for _, w := range assigned(f, vars[filepath.Dir(file)]) {
					t.Errorf("%s: the package's variable %s is assigned", fset.Position(w.Pos()), w.Name)
				}
			}
		}
	})
}

func embeds(doc *ast.CommentGroup) bool {
	return doc != nil && slices.ContainsFunc(doc.List, func(c *ast.Comment) bool { return strings.HasPrefix(c.Text, "//go:embed") })
}

// assigned lists the variables of the package that a function writes to,
// leaving out names that the function declares itself.
func assigned(f *ast.FuncDecl, vars map[string]token.Position) []*ast.Ident {
	local := map[string]bool{}
	ast.Inspect(f, func(n ast.Node) bool {
		switch n := n.(type) {
		case *ast.AssignStmt:
			if n.Tok == token.DEFINE {
				for _, l := range n.Lhs {
					if id, ok := l.(*ast.Ident); ok {
						local[id.Name] = true
					}
				}
			}
		case *ast.RangeStmt:
			for _, e := range []ast.Expr{n.Key, n.Value} {
				if id, ok := e.(*ast.Ident); ok && n.Tok == token.DEFINE {
					local[id.Name] = true
				}
			}
		case *ast.ValueSpec:
			for _, id := range n.Names {
				local[id.Name] = true
			}
		case *ast.Field:
			for _, id := range n.Names {
				local[id.Name] = true
			}
		}
		return true
	})
	var out []*ast.Ident
	wrote := func(e ast.Expr) {
		for {
			switch x := e.(type) {
			case *ast.IndexExpr:
				e = x.X
				continue
			case *ast.ParenExpr:
				e = x.X
				continue
			case *ast.Ident:
				if _, ours := vars[x.Name]; ours && !local[x.Name] {
					out = append(out, x)
				}
			}
			return
		}
	}
	ast.Inspect(f.Body, func(n ast.Node) bool {
		switch n := n.(type) {
		case *ast.AssignStmt:
			if n.Tok != token.DEFINE {
				for _, l := range n.Lhs {
					wrote(l)
				}
			}
		case *ast.IncDecStmt:
			wrote(n.X)
		}
		return true
	})
	return out
}
