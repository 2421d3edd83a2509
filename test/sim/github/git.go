package github

import (
	"bytes"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"time"
)

// gitRepo is a bare repository on disk. Commits never change, so what is read of
// them is kept; branches are kept beside the refs, as only this type moves them.
type gitRepo struct {
	dir      string
	branches map[string]string
	tags     map[string]string
	commits  map[string]*gitCommit
	diffs    map[string][]gitFile
	merges   map[string]mergeResult
	logs     map[string][]*gitCommit
	bases    map[string]string
}

type gitCommit struct {
	sha, tree string
	parents   []string
	author    signature
	committer signature
	message   string
}

type signature struct {
	name, email string
	at          time.Time
}

type mergeResult struct {
	tree  string
	clean bool
}

var errNoCommit = errors.New("no such commit")

func newGitRepo(dir string) *gitRepo {
	return &gitRepo{
		dir:      dir,
		branches: map[string]string{},
		tags:     map[string]string{},
		commits:  map[string]*gitCommit{},
		diffs:    map[string][]gitFile{},
		merges:   map[string]mergeResult{},
		logs:     map[string][]*gitCommit{},
		bases:    map[string]string{},
	}
}

func initGit(dir, branch string) (*gitRepo, error) {
	g := newGitRepo(dir)
	if err := os.MkdirAll(filepath.Dir(dir), 0o755); err != nil {
		return nil, err
	}
	if _, err := g.runIn("", nil, "init", "--quiet", "--bare", "--template=", "--initial-branch="+branch, dir); err != nil {
		return nil, err
	}
	// GitHub serves every object it knows by id, and keeps what a force push left behind.
	config := "[uploadpack]\n\tallowReachableSHA1InWant = true\n\tallowAnySHA1InWant = true\n\tallowFilter = true\n[gc]\n\tauto = 0\n[http]\n\treceivepack = false\n"
	f, err := os.OpenFile(filepath.Join(dir, "config"), os.O_APPEND|os.O_WRONLY, 0o644)
	if err != nil {
		return nil, err
	}
	_, err = f.WriteString(config)
	return g, errors.Join(err, f.Close())
}

func (g *gitRepo) run(args ...string) (string, error) { return g.runIn(g.dir, nil, args...) }

func (g *gitRepo) runIn(dir string, stdin []byte, args ...string) (string, error) {
	cmd := exec.Command("git", args...)
	cmd.Dir = dir
	cmd.Env = gitEnv()
	if stdin != nil {
		cmd.Stdin = bytes.NewReader(stdin)
	}
	var stderr bytes.Buffer
	cmd.Stderr = &stderr
	out, err := cmd.Output()
	if err != nil {
		return string(out), fmt.Errorf("git %s: %w: %s", args[0], err, strings.TrimSpace(stderr.String()))
	}
	return string(out), nil
}

func gitEnv() []string {
	return []string{
		"PATH=" + os.Getenv("PATH"), "HOME=" + os.DevNull, "LC_ALL=C",
		"GIT_CONFIG_NOSYSTEM=1", "GIT_CONFIG_GLOBAL=" + os.DevNull, "GIT_TERMINAL_PROMPT=0",
		"GIT_AUTHOR_NAME=GitHub", "GIT_AUTHOR_EMAIL=noreply@github.com",
		"GIT_COMMITTER_NAME=GitHub", "GIT_COMMITTER_EMAIL=noreply@github.com",
		// git http-backend refuses directories of other owners otherwise.
		"GIT_CONFIG_COUNT=1", "GIT_CONFIG_KEY_0=safe.directory", "GIT_CONFIG_VALUE_0=*",
	}
}

// newCommit is a commit to be made.
type newCommit struct {
	branch    string
	parent    string // empty: a root commit
	files     map[string]string
	remove    []string
	links     map[string]string // submodules: commits by path
	author    signature
	committer signature
	message   string
}

// commit writes c and moves its branch there.
func (g *gitRepo) commit(c newCommit) (string, error) {
	var b bytes.Buffer
	fmt.Fprintf(&b, "reset refs/heads/%s\n", c.branch)
	if c.parent != "" {
		fmt.Fprintf(&b, "from %s\n", c.parent)
	}
	fmt.Fprintf(&b, "\ncommit refs/heads/%s\n", c.branch)
	fmt.Fprintf(&b, "author %s\ncommitter %s\n", c.author, c.committer)
	fmt.Fprintf(&b, "data %d\n%s\n", len(c.message), c.message)
	for _, path := range c.remove {
		fmt.Fprintf(&b, "D %s\n", strconv.Quote(path))
	}
	for _, path := range sortedKeys(c.files) {
		content := c.files[path]
		fmt.Fprintf(&b, "M 100644 inline %s\ndata %d\n%s\n", strconv.Quote(path), len(content), content)
	}
	for _, path := range sortedKeys(c.links) {
		fmt.Fprintf(&b, "M 160000 %s %s\n", c.links[path], strconv.Quote(path))
	}
	if _, err := g.runIn(g.dir, b.Bytes(), "fast-import", "--quiet", "--force", "--date-format=raw"); err != nil {
		return "", err
	}
	out, err := g.run("rev-parse", "refs/heads/"+c.branch)
	if err != nil {
		return "", err
	}
	sha := strings.TrimSpace(out)
	g.branches[c.branch] = sha
	return sha, nil
}

func (sg signature) String() string {
	clean := strings.NewReplacer("<", "", ">", "", "\n", "")
	return fmt.Sprintf("%s <%s> %d +0000", clean.Replace(sg.name), clean.Replace(sg.email), sg.at.Unix())
}

// move points a branch at a commit; an empty sha deletes it.
func (g *gitRepo) move(branch, sha string) error {
	if sha == "" {
		delete(g.branches, branch)
		_, err := g.run("update-ref", "-d", "refs/heads/"+branch)
		return err
	}
	if _, err := g.read(sha); err != nil {
		return err
	}
	g.branches[branch] = sha
	return g.setRef("refs/heads/"+branch, sha)
}

func (g *gitRepo) setRef(ref, sha string) error {
	_, err := g.run("update-ref", ref, sha)
	return err
}

// fetch copies a commit of another repository to a ref here.
func (g *gitRepo) fetch(from *gitRepo, sha, ref string) error {
	if from == g {
		return g.setRef(ref, sha)
	}
	_, err := g.run("fetch", "--quiet", "--no-tags", from.dir, "+"+sha+":"+ref)
	return err
}

// resolve finds the commit that a branch, a tag or a (short) id names.
func (g *gitRepo) resolve(ref string) (string, bool) {
	for _, names := range []struct {
		prefix string
		known  map[string]string
	}{{"refs/heads/", g.branches}, {"heads/", g.branches}, {"", g.branches}, {"refs/tags/", g.tags}, {"tags/", g.tags}, {"", g.tags}} {
		if name, ok := strings.CutPrefix(ref, names.prefix); ok {
			if sha := names.known[name]; sha != "" {
				return sha, true
			}
		}
	}
	if strings.HasPrefix(ref, "refs/pull/") || strings.HasPrefix(ref, "pull/") {
		out, err := g.run("rev-parse", "--verify", "--quiet", "refs/"+strings.TrimPrefix(ref, "refs/")+"^{commit}")
		return strings.TrimSpace(out), err == nil
	}
	if !isHex(ref) || len(ref) < 4 || len(ref) > 40 {
		return "", false
	}
	if c := g.commits[ref]; c != nil {
		return ref, true
	}
	out, err := g.run("rev-parse", "--verify", "--quiet", ref+"^{commit}")
	return strings.TrimSpace(out), err == nil
}

func (g *gitRepo) read(sha string) (*gitCommit, error) {
	if c := g.commits[sha]; c != nil {
		return c, nil
	}
	if len(sha) != 40 || !isHex(sha) {
		return nil, errNoCommit
	}
	out, err := g.run("cat-file", "commit", sha)
	if err != nil {
		return nil, errNoCommit
	}
	c := parseCommit(sha, out)
	g.commits[sha] = c
	return c, nil
}

func parseCommit(sha, text string) *gitCommit {
	c := &gitCommit{sha: sha}
	head, message, _ := strings.Cut(text, "\n\n")
	c.message = strings.TrimSuffix(message, "\n")
	for line := range strings.Lines(head) {
		key, value, _ := strings.Cut(strings.TrimSuffix(line, "\n"), " ")
		switch key {
		case "tree":
			c.tree = value
		case "parent":
			c.parents = append(c.parents, value)
		case "author":
			c.author = parseSignature(value)
		case "committer":
			c.committer = parseSignature(value)
		}
	}
	return c
}

func parseSignature(s string) signature {
	name, rest, _ := strings.Cut(s, " <")
	email, when, _ := strings.Cut(rest, "> ")
	seconds, _, _ := strings.Cut(when, " ")
	n, _ := strconv.ParseInt(seconds, 10, 64)
	return signature{name: name, email: email, at: time.Unix(n, 0).UTC()}
}

// log lists commits newest first, as git rev-list does with these arguments. They
// name commits by their ids, so the answer is kept.
func (g *gitRepo) log(args ...string) ([]*gitCommit, error) {
	key := strings.Join(args, " ")
	if known, found := g.logs[key]; found {
		return known, nil
	}
	out, err := g.run(append([]string{"rev-list"}, args...)...)
	if err != nil {
		return nil, err
	}
	var commits []*gitCommit
	for _, sha := range strings.Fields(out) {
		c, err := g.read(sha)
		if err != nil {
			return nil, err
		}
		commits = append(commits, c)
	}
	g.logs[key] = commits
	return commits, nil
}

// mergeBase is empty where there is none, or one of the commits is not here yet.
func (g *gitRepo) mergeBase(a, b string) string {
	if known := g.bases[a+b]; known != "" {
		return known
	}
	out, _ := g.run("merge-base", a, b)
	base := strings.TrimSpace(out)
	g.bases[a+b] = base
	return base
}

func (g *gitRepo) isAncestor(old, young string) bool {
	return old == young || g.mergeBase(old, young) == old
}

// mergeTree is the tree of a merge of head into base.
func (g *gitRepo) mergeTree(base, head string) mergeResult {
	key := base + head
	if m, ok := g.merges[key]; ok {
		return m
	}
	if g.isAncestor(base, head) { // nothing to merge; also spares git a run
		if c, err := g.read(head); err == nil {
			return mergeResult{tree: c.tree, clean: true}
		}
	}
	out, err := g.run("merge-tree", "--write-tree", base, head)
	tree, _, _ := strings.Cut(out, "\n")
	m := mergeResult{tree: strings.TrimSpace(tree), clean: err == nil}
	g.merges[key] = m
	return m
}

// commitTree makes a commit of a ready tree, on no branch.
func (g *gitRepo) commitTree(tree string, parents []string, by signature, message string) (string, error) {
	args := []string{"hash-object", "-t", "commit", "-w", "--stdin"}
	var b strings.Builder
	fmt.Fprintf(&b, "tree %s\n", tree)
	for _, p := range parents {
		fmt.Fprintf(&b, "parent %s\n", p)
	}
	fmt.Fprintf(&b, "author %s\ncommitter %s\n\n%s\n", by, by, message)
	out, err := g.runIn(g.dir, []byte(b.String()), args...)
	return strings.TrimSpace(out), err
}

func isHex(s string) bool {
	return s != "" && strings.Trim(s, "0123456789abcdef") == ""
}
