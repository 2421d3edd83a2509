package sample

import (
	"maps"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/shipmate/shipmate/integrations"
	"github.com/shipmate/shipmate/integrations/shell"
	"github.com/shipmate/shipmate/pipeline"
)

func TestConfigIsValid(t *testing.T) {
	var uses []pipeline.Uses
	for _, i := range integrations.All(integrations.Needs{Shell: &shell.Runner{}}) {
		uses = append(uses, i.Runners...)
	}
	files := Files("/srv/site", "http://127.0.0.1:7070/site")
	cfg, err := pipeline.Parse(".shipmate.yaml", []byte(files[".shipmate.yaml"]), uses)
	if err != nil {
		t.Fatal(err)
	}
	prod, ok := cfg.Environment("production")
	if !ok || prod.URL != "http://127.0.0.1:7070/site/prod/" || !prod.Protected {
		t.Errorf("prod is %+v", prod)
	}
	deploy, ok := cfg.CommandPipeline("deploy")
	if !ok || deploy.OnFailure != pipeline.Rollback || len(deploy.Steps) != 3 {
		t.Errorf("deploy is %+v", deploy)
	}
	if got := deploy.Steps[1].Environment["SITE"]; got != "/srv/site" {
		t.Errorf("SITE is %q", got)
	}
}

// shop is a checkout of one commit, as a step gets it.
type shop struct {
	t         *testing.T
	dir, site string
	env       []string
}

func checkout(t *testing.T, site, sha string, changes ...map[string]string) shop {
	t.Helper()
	files := Files(site, "http://example.com")
	for _, c := range changes {
		maps.Copy(files, c)
	}
	dir := t.TempDir()
	for name, text := range files {
		path := filepath.Join(dir, name)
		if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(path, []byte(text), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	return shop{t, dir, site, []string{
		"PATH=" + os.Getenv("PATH"), "SITE=" + site, "SHIPMATE_ENV=prod", "SHIPMATE_SHORT_SHA=" + sha,
		"SHIPMATE_OUTPUT=" + filepath.Join(dir, "outputs"), "SHIPMATE_SUMMARY=" + filepath.Join(dir, "summary"),
	}}
}

func (s shop) script(name string, env ...string) (output string, ok bool) {
	s.t.Helper()
	cmd := exec.Command("sh", name)
	cmd.Dir, cmd.Env = s.dir, append(s.env, env...)
	out, err := cmd.CombinedOutput()
	return string(out), err == nil
}

func (s shop) must(name string, env ...string) {
	s.t.Helper()
	if out, ok := s.script(name, env...); !ok {
		s.t.Fatalf("%s fails:\n%s", name, out)
	}
}

func (s shop) read(path ...string) string {
	s.t.Helper()
	text, err := os.ReadFile(filepath.Join(path...))
	if err != nil {
		s.t.Fatal(err)
	}
	return string(text)
}

func TestDeployAndUndo(t *testing.T) {
	site := t.TempDir()
	old, sale := checkout(t, site, "aaaaaaa"), checkout(t, site, "bbbbbbb", Sale())
	for _, s := range []shop{old, sale} {
		for _, script := range []string{"test.sh", "build.sh", "deploy.sh", "smoke.sh"} {
			s.must(script)
		}
	}
	current := filepath.Join(site, "prod", "current", "index.html")
	if page := sale.read(current); !strings.Contains(page, "Summer sale") || !strings.Contains(page, "Version 1.5.0, commit <code>bbbbbbb</code>") {
		t.Errorf("the sale is not deployed:\n%s", page)
	}
	if got := sale.read(sale.dir, "outputs"); got != "previous=releases/aaaaaaa\n" {
		t.Errorf("outputs are %q", got)
	}
	sale.must("undo.sh", "SHIPMATE_OUTPUT_RELEASE_PREVIOUS=releases/aaaaaaa")
	if page := old.read(current); strings.Contains(page, "Summer sale") {
		t.Errorf("the sale is still there:\n%s", page)
	}
	old.must("undo.sh")
	if _, err := os.Lstat(filepath.Join(site, "prod", "current")); !os.IsNotExist(err) {
		t.Errorf("undoing the first deploy leaves %v", err)
	}
}

func TestBrokenChangeIsFound(t *testing.T) {
	s := checkout(t, t.TempDir(), "ccccccc", Sale(), Broken())
	s.must("build.sh")
	out, ok := s.script("test.sh")
	if want := "products.txt:3: Deck lamp: the price is 0.00, and must be more than 0\n"; ok || !strings.Contains(out, want) || s.read(s.dir, "summary") != want {
		t.Errorf("test.sh says %v:\n%s", ok, out)
	}
	s.must("deploy.sh")
	if out, ok := s.script("smoke.sh"); ok {
		t.Errorf("smoke.sh is content:\n%s", out)
	}
}
