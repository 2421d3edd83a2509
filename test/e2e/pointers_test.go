package e2e

import (
	"fmt"
	"strings"
	"testing"

	"github.com/shipmate/shipmate/test/sim/github"
	"github.com/shipmate/shipmate/test/world"
)

const pointersFile = `
environments:
  staging: {}
pipelines:
  deploy:
    on: {command: deploy}
    steps:
      - name: release
        run: "cat model.bin lib/lib.txt 2>&1; printf 'error: the disk is slow\n'; for i in 1 2 3; do printf 'tick %s\\r' $i; done; printf 'done\\n'; echo begun >> \"$SHIPMATE_SUMMARY\""
`

// What a commit only points at is there when a script begins, or it does not begin.
func TestAScriptSeesLargeFilesAndSubmodules(t *testing.T) {
	s := open(t, world.Config{Settings: "submodules: {allow: [{repo: acme/shop, submodules: [acme/lib]}]}\n"})
	lib := s.must(s.w.AddRepo("lib", map[string]string{"lib.txt": "from the submodule\n"}))
	s.must(s.w.AddRepo("secret", map[string]string{"lib.txt": "a secret of others\n"}))
	s.shop(pointersFile)
	mona := s.w.GitHub.As("mona")
	head := func(of string) string {
		return s.must(mona.Push(github.Push{Repo: of, Branch: "main", Files: map[string]string{"more.txt": "x"}}))
	}
	push := func(model, url string) {
		sha := s.must(mona.Push(github.Push{Repo: s.repo, Branch: "sale", Links: map[string]string{"lib": head(lib)}, Files: map[string]string{
			"model.bin": model, ".gitattributes": "*.bin filter=lfs diff=lfs merge=lfs -text\n", ".gitmodules": fmt.Sprintf("[submodule \"lib\"]\n\tpath = lib\n\turl = %s\n", url),
		}}))
		s.pr.Head.SHA = sha
		s.settle()
		s.say("/deploy staging")
		s.settle()
	}
	pointer := s.must(s.w.GitHub.LargeFile(s.repo, "from LFS\n"))

	push(pointer, "../lib.git")
	s.wantStatus("shipmate/deploy/staging", "success")
	s.say("/logs")
	s.settle()
	if said := s.lastComment(); !strings.Contains(said, "from LFS\nfrom the submodule\nerror: the disk is slow\ndone") || strings.Contains(said, "tick") {
		t.Errorf("the log is not what was to be seen:\n%s", said)
	}

	push(missing, "../lib.git")
	s.wantStatus("shipmate/deploy/staging", "failure")
	s.wantSaid("Git LFS of acme/shop does not give out the object", "Nothing was started")

	push(pointer, "../secret.git")
	s.wantStatus("shipmate/deploy/staging", "failure")
	s.wantSaid("`lib` in acme/shop is a submodule, and it is not fetched", "does not allow acme/shop to use acme/secret")
	for _, c := range s.w.GitHub.Comments(s.repo, s.pr.Number) {
		if strings.Contains(c.Body, "a secret of others") {
			t.Errorf("a repository of others is read:\n%s", c.Body)
		}
	}
}

var missing = "version https://git-lfs.github.com/spec/v1\noid sha256:" + strings.Repeat("ab", 32) + "\nsize 12\n"

// lastComment is the last one of the pull request.
func (s *scene) lastComment() string {
	s.t.Helper()
	all := s.w.GitHub.Comments(s.repo, s.pr.Number)
	if len(all) == 0 {
		s.t.Fatal("nothing was said")
	}
	return all[len(all)-1].Body
}

// wantSaid looks for words in what the bot says on the pull request.
func (s *scene) wantSaid(words ...string) {
	s.t.Helper()
	var all []string
	for _, c := range s.w.GitHub.Comments(s.repo, s.pr.Number) {
		all = append(all, c.Body)
	}
	for _, w := range words {
		if text := strings.Join(all, "\n---\n"); !strings.Contains(text, w) {
			s.t.Errorf("nobody says %q:\n%s", w, text)
		}
	}
}
