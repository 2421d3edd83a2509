package artifact

import (
	"archive/tar"
	"bytes"
	"compress/gzip"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"gocloud.dev/blob/memblob"

	"github.com/shipmate/shipmate/pipeline"
)

func write(t *testing.T, dir string, files map[string]string) {
	t.Helper()
	for name, text := range files {
		if err := os.MkdirAll(filepath.Dir(filepath.Join(dir, name)), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(filepath.Join(dir, name), []byte(text), 0o755); err != nil {
			t.Fatal(err)
		}
	}
}

func list(t *testing.T, dir string) (names []string) {
	t.Helper()
	err := fs.WalkDir(os.DirFS(dir), ".", func(name string, d fs.DirEntry, err error) error {
		if err == nil && !d.IsDir() {
			names = append(names, name)
		}
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	return names
}

func TestWhatIsPackedComesBack(t *testing.T) {
	from, to := t.TempDir(), t.TempDir()
	write(t, from, map[string]string{"dist/app": "new", "dist/lib/a.so": "lib", "report.xml": "<r/>", "src/main.c": "int", "dist/app.map": "{}", ".git/config": "[core]"})
	if err := os.Symlink("/etc/passwd", filepath.Join(from, "dist", "passwd")); err != nil {
		t.Fatal(err)
	}
	write(t, to, map[string]string{"dist/app": "old"})
	var b bytes.Buffer
	if err := Pack(&b, from, []string{"./dist/", "*.xml", "!**/*.map"}, 1<<20); err != nil {
		t.Fatal(err)
	}
	if err := Unpack(&b, to, 1<<20); err != nil {
		t.Fatal(err)
	}
	if got := list(t, to); !slices.Equal(got, []string{"dist/app", "dist/lib/a.so", "report.xml"}) {
		t.Error(got)
	}
	text, err := os.ReadFile(filepath.Join(to, "dist/app"))
	info, statErr := os.Stat(filepath.Join(to, "dist/app"))
	if err != nil || statErr != nil || string(text) != "new" || info.Mode().Perm() != 0o755 {
		t.Error(string(text), info, err)
	}
}

func TestNamesThatAreFilesNames(t *testing.T) {
	from, to := t.TempDir(), t.TempDir()
	odd := []string{"dist/a\\b", "dist/caf\xe9/x", "dist/new\nline"}
	for _, name := range odd {
		write(t, from, map[string]string{name: "x"})
	}
	write(t, from, map[string]string{"other\xff/x": "x"})
	var b bytes.Buffer
	if err := Pack(&b, from, []string{"dist"}, 1<<20); err != nil {
		t.Fatal(err)
	}
	if err := Unpack(&b, to, 1<<20); err != nil {
		t.Fatal(err)
	}
	for _, name := range odd {
		if text, err := os.ReadFile(filepath.Join(to, name)); err != nil || string(text) != "x" {
			t.Errorf("%q: %v", name, err)
		}
	}
}

func TestWhichFoldersAreLookedInto(t *testing.T) {
	for pattern, folders := range map[string]map[string]bool{
		"dist":             {"dist": true, "dist/a": true, "dist/a/b": true, "src": false, "dist2": false},
		"./build/*/lib/":   {"build": true, "build/x": true, "build/x/lib": true, "build/x/lib/deep": true, "build/x/bin": false},
		"**/*.xml":         {"any": true, "any/thing": true},
		"a/**/b":           {"a": true, "a/x/y": true, "b": false},
		"*.xml":            {"a.xml": true, "a": false},
		"{a/b,c}/*.jar":    {"a": true, "c": true},
		"reports-[0-9]/**": {"reports-1": true, "reports-1/x": true, "reports": false},
	} {
		for folder, want := range folders {
			if got := entrance(pattern)(folder); got != want {
				t.Errorf("%s in %s: %v", pattern, folder, got)
			}
		}
	}
}

func TestWhatCannotBePackedIsSaid(t *testing.T) {
	dir := t.TempDir()
	write(t, dir, map[string]string{"dist/app": "12345678"})
	for name, c := range map[string]struct {
		patterns []string
		limit    int64
		code     string
	}{
		"nothing matches":     {[]string{"dist/**", "build/*.jar"}, 100, "missing_artifact"},
		"larger than allowed": {[]string{"dist"}, 7, "artifacts_too_large"},
		"just small enough":   {[]string{"dist"}, 8, ""},
		"no pattern at all":   {[]string{"["}, 8, "invalid_artifacts"},
	} {
		if err := Pack(io.Discard, dir, c.patterns, c.limit); pipeline.Code(err) != c.code || (err == nil) != (c.code == "") {
			t.Errorf("%s: %v", name, err)
		}
	}
}

func TestAFolderThatIsGone(t *testing.T) {
	if err := Pack(io.Discard, filepath.Join(t.TempDir(), "gone"), []string{"dist"}, 1); pipeline.Code(err) != "missing_artifact" {
		t.Error(err)
	}
}

func TestAnArchiveStaysInItsFolder(t *testing.T) {
	for name, h := range map[string]tar.Header{
		"a name that climbs":      {Name: "../evil", Typeflag: tar.TypeReg, Size: 4},
		"an absolute name":        {Name: "/tmp/evil", Typeflag: tar.TypeReg, Size: 4},
		"through a link":          {Name: "out/evil", Typeflag: tar.TypeReg, Size: 4},
		"a link of its own":       {Name: "link", Typeflag: tar.TypeSymlink, Linkname: "/etc"},
		"a hard link":             {Name: "hard", Typeflag: tar.TypeLink, Linkname: "/etc/passwd"},
		"a device":                {Name: "null", Typeflag: tar.TypeChar},
		"larger than it may be":   {Name: "big", Typeflag: tar.TypeReg, Size: 1 << 30},
		"a name that climbs back": {Name: "a/../../evil", Typeflag: tar.TypeReg, Size: 4},
	} {
		t.Run(name, func(t *testing.T) {
			top := t.TempDir()
			dir, outside := filepath.Join(top, "in"), filepath.Join(top, "outside")
			write(t, top, map[string]string{"in/there": "", "outside/there": ""})
			if err := os.Symlink(outside, filepath.Join(dir, "out")); err != nil {
				t.Fatal(err)
			}
			var b bytes.Buffer
			z := gzip.NewWriter(&b)
			w := tar.NewWriter(z)
			_ = w.WriteHeader(&h)
			_, _ = w.Write([]byte("evil"))
			_ = w.Flush()
			_ = z.Close()
			if err := Unpack(&b, dir, 1<<20); err == nil {
				t.Error("taken")
			}
			if got := strings.Join(list(t, top), " "); got != "in/out in/there outside/there" {
				t.Error(got)
			}
		})
	}
}

func TestAFileTakesThePlaceOfALink(t *testing.T) {
	from, to, outside := t.TempDir(), t.TempDir(), t.TempDir()
	write(t, from, map[string]string{"app": "new"})
	write(t, outside, map[string]string{"app": "precious"})
	if err := os.Symlink(filepath.Join(outside, "app"), filepath.Join(to, "app")); err != nil {
		t.Fatal(err)
	}
	var b bytes.Buffer
	if err := Pack(&b, from, []string{"app"}, 100); err != nil {
		t.Fatal(err)
	}
	if err := Unpack(&b, to, 100); err != nil {
		t.Fatal(err)
	}
	if text, _ := os.ReadFile(filepath.Join(outside, "app")); string(text) != "precious" {
		t.Errorf("written through the link: %s", text)
	}
}

func TestAStepFindsWhatItNeeds(t *testing.T) {
	run := func(code string, restores *pipeline.Deployment) *pipeline.Run {
		r := &pipeline.Run{}
		r.ID, r.Restores = "r-2", restores
		r.Pipeline.Steps = []pipeline.Step{
			{Name: "build", Artifacts: []string{"dist"}},
			{Name: "docs", Artifacts: []string{"site"}},
			{Name: "lint", Needs: []string{"build"}},
			{Name: "skipped", Artifacts: []string{"x"}},
			{Name: "deploy", Needs: []string{"lint", "skipped"}, Artifacts: []string{"log"}},
		}
		for _, s := range r.Pipeline.Steps {
			r.Steps = append(r.Steps, pipeline.StepRun{Name: s.Name, State: pipeline.Succeeded, Code: code})
		}
		r.Step("skipped").State = pipeline.Skipped
		return r
	}
	if got := Needed(run("", nil), "deploy"); !slices.Equal(got, []Set{{Run: "r-2", Step: "build"}}) {
		t.Error(got)
	}
	if got := Needed(run("reused", &pipeline.Deployment{Run: "r-9", Made: map[string]pipeline.RunID{"build": "r-1"}}), "deploy"); !slices.Equal(got, []Set{{Run: "r-2", Step: "build", From: "r-1"}}) {
		t.Error(got)
	}
	if got := Needed(run("", nil), "build"); got != nil {
		t.Error(got)
	}
}

func TestASetIsTakenOverFromTheRunThatMadeIt(t *testing.T) {
	bucket := memblob.OpenBucket(nil)
	defer bucket.Close()
	s := &Store{Bucket: bucket}
	if err := s.Put(t.Context(), Set{Run: "r-1", Step: "build"}, strings.NewReader("files")); err != nil {
		t.Fatal(err)
	}
	for _, set := range []Set{
		{Run: "r-1", Step: "build"},
		{Run: "r-2", Step: "build", From: "r-1"},
		{Run: "r-3", Step: "build", From: "r-2"}, // r-2 has its own copy
	} {
		r, size, err := s.Open(t.Context(), set)
		if err != nil {
			t.Fatal(set, err)
		}
		if text, _ := io.ReadAll(r); string(text) != "files" || size != 5 {
			t.Error(set, string(text), size)
		}
		r.Close()
	}
	if _, _, err := s.Open(t.Context(), Set{Run: "r-9", Step: "build"}); pipeline.Code(err) != "no_artifacts" {
		t.Error(err)
	}
	broken := io.MultiReader(strings.NewReader("half"), failing{})
	if err := s.Put(t.Context(), Set{Run: "r-5", Step: "build"}, broken); err == nil {
		t.Error("a torn set was kept")
	}
	if _, _, err := s.Open(t.Context(), Set{Run: "r-5", Step: "build"}); pipeline.Code(err) != "no_artifacts" {
		t.Error(err)
	}
}

type failing struct{}

func (failing) Read([]byte) (int, error) { return 0, io.ErrUnexpectedEOF }
