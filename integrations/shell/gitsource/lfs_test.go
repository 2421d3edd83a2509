package gitsource

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/http/cgi"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/shipmate/shipmate/pipeline"
)

// lfsHost serves repositories with git's own backend and, beside it, the batch API
// of Git LFS as GitHub does: the batch needs the token, what it offers lies behind
// signed addresses that refuse a second means of authentication.
type lfsHost struct {
	*httptest.Server
	mu      sync.Mutex
	objects map[string]string
	batches int
	gets    int
	// change is called with each answer of the batch API.
	change func(w http.ResponseWriter, answer map[string]any) (done bool)
	send   func(w http.ResponseWriter, text string) (done bool)
}

func newLFSHost(t testing.TB, root string) *lfsHost {
	t.Helper()
	h := &lfsHost{objects: map[string]string{}}
	backend := &cgi.Handler{Path: filepath.Join(git(t, root, "--exec-path"), "git-http-backend"), Env: []string{"GIT_PROJECT_ROOT=" + root, "GIT_HTTP_EXPORT_ALL=1"}, InheritEnv: []string{"PATH"}, Stderr: io.Discard}
	h.Server = httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if strings.HasPrefix(r.URL.Path, "/media/") {
			h.media(w, r)
			return
		}
		if _, password, _ := r.BasicAuth(); password != token {
			w.Header().Set("WWW-Authenticate", "Basic")
			http.Error(w, "no", http.StatusUnauthorized)
			return
		}
		if strings.HasSuffix(r.URL.Path, "/info/lfs/objects/batch") {
			h.batch(t, w, r)
			return
		}
		backend.ServeHTTP(w, r)
	}))
	t.Cleanup(h.Close)
	return h
}

func (h *lfsHost) batch(t testing.TB, w http.ResponseWriter, r *http.Request) {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.batches++
	var asked struct {
		Operation string
		Transfers []string
		Objects   []struct {
			OID  string
			Size int64
		}
	}
	if err := json.NewDecoder(r.Body).Decode(&asked); err != nil || asked.Operation != "download" || len(asked.Objects) == 0 || len(asked.Objects) > 100 ||
		r.Header.Get("Accept") != lfsMedia || r.Header.Get("Content-Type") != lfsMedia || r.Method != http.MethodPost {
		t.Errorf("a batch that GitHub refuses: %v %+v %v", err, asked, r.Header)
		http.Error(w, "{}", http.StatusUnprocessableEntity)
		return
	}
	var objects []any
	for _, o := range asked.Objects {
		one := map[string]any{"oid": o.OID, "size": o.Size}
		if text, ok := h.objects[o.OID]; ok && int64(len(text)) == o.Size {
			one["actions"] = map[string]any{"download": map[string]any{"href": h.URL + "/media/" + o.OID + "?signed=yes", "header": map[string]string{"X-Signed": "yes"}, "expires_in": 3600}}
		} else {
			one["error"] = map[string]any{"code": 404, "message": "Object does not exist on the server"}
		}
		objects = append(objects, one)
	}
	answer := map[string]any{"transfer": "basic", "objects": objects}
	if h.change != nil && h.change(w, answer) {
		return
	}
	w.Header().Set("Content-Type", lfsMedia)
	_ = json.NewEncoder(w).Encode(answer)
}

func (h *lfsHost) media(w http.ResponseWriter, r *http.Request) {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.gets++
	if r.Header.Get("Authorization") != "" || r.Header.Get("X-Signed") != "yes" || r.URL.Query().Get("signed") != "yes" {
		http.Error(w, "Only one auth mechanism allowed", http.StatusBadRequest)
		return
	}
	text := h.objects[filepath.Base(r.URL.Path)]
	if h.send != nil && h.send(w, text) {
		return
	}
	_, _ = io.WriteString(w, text)
}

// large keeps a text and returns its pointer.
func (h *lfsHost) large(text string) string {
	h.mu.Lock()
	defer h.mu.Unlock()
	oid := sumOf(text)
	h.objects[oid] = text
	return fmt.Sprintf("version https://git-lfs.github.com/spec/v1\noid sha256:%s\nsize %d\n", oid, len(text))
}

func sumOf(text string) string {
	sum := sha256.Sum256([]byte(text))
	return hex.EncodeToString(sum[:])
}

// commit makes the repository name under root, if it is not there, and commits files.
func commit(t testing.TB, root, name string, files map[string]string) string {
	t.Helper()
	dir := filepath.Join(root, name+".git")
	if _, err := os.Stat(dir); err != nil {
		git(t, root, "init", "--quiet", dir)
		git(t, dir, "config", "uploadpack.allowAnySHA1InWant", "true")
	}
	for path, text := range files {
		mode := os.FileMode(0o644)
		if strings.HasSuffix(path, ".sh") {
			mode = 0o755
		}
		write(t, filepath.Join(dir, path), text, mode)
	}
	git(t, dir, "add", ".")
	git(t, dir, "commit", "--quiet", "--allow-empty", "-m", "x")
	return git(t, dir, "rev-parse", "HEAD")
}

const attributes = "*.bin filter=lfs diff=lfs merge=lfs -text\n"

func TestFilesInGitLFSAreFetched(t *testing.T) {
	root := t.TempDir()
	h := newLFSHost(t, root)
	big, script := strings.Repeat("model ", 100_000), "#!/bin/sh\necho from lfs\n"
	sha := commit(t, root, "octo/shop", map[string]string{
		".gitattributes": attributes, "deep/er/model.bin": h.large(big), "again.bin": h.large(big), "run.sh": h.large(script), "crlf.bin": strings.ReplaceAll(h.large("x"), "\n", "\r\n"),
		"empty": "", "plain.bin": "not a pointer\n", ".lfsconfig": "[lfs]\n\turl = http://127.0.0.1:1/evil\n",
		"talk.md": "version https://git-lfs.github.com/spec/v1\nis how a pointer begins" + strings.Repeat(".", 100) + "\n",
	})
	g := overHTTP(t, h.URL, token)
	for name, checkout := range map[string]func(ctx context.Context, repo pipeline.Repo, sha, dir string) error{"borrowed": g.Checkout, "whole": Whole{g}.Checkout} {
		t.Run(name, func(t *testing.T) {
			ws := t.TempDir()
			if err := checkout(t.Context(), repo, sha, ws); err != nil {
				t.Fatal(err)
			}
			for path, want := range map[string]string{"deep/er/model.bin": big, "again.bin": big, "run.sh": script, "crlf.bin": "x", "empty": "", "plain.bin": "not a pointer\n"} {
				if got := read(t, filepath.Join(ws, path)); got != want {
					t.Errorf("%s: %.80q", path, got)
				}
			}
			if info, err := os.Stat(filepath.Join(ws, "run.sh")); err != nil || info.Mode()&0o100 == 0 {
				t.Errorf("run.sh: %v, %v", info.Mode(), err)
			}
			if got := git(t, ws, "status", "--porcelain"); got != "" {
				t.Errorf("status: %s", got)
			}
		})
	}
	if h.batches != 1 || h.gets != 3 {
		t.Errorf("%d batches and %d objects fetched, want 1 and 3", h.batches, h.gets)
	}
}

func TestAFileThatIsMeantToBeAPointerStays(t *testing.T) {
	root := t.TempDir()
	h := newLFSHost(t, root)
	text := "version https://git-lfs.github.com/spec/v1\noid sha256:" + strings.Repeat("a", 64) + "\nsize 12\n"
	sha := commit(t, root, "octo/shop", map[string]string{".gitattributes": attributes + "testdata/** -filter\n", "testdata/x.bin": text})
	ws := t.TempDir()
	if err := overHTTP(t, h.URL, token).Checkout(t.Context(), repo, sha, ws); err != nil {
		t.Fatal(err)
	}
	if got := read(t, filepath.Join(ws, "testdata/x.bin")); got != text {
		t.Errorf("it became %q", got)
	}
}

func TestAPointerIsNeverLeftBehind(t *testing.T) {
	var evil *httptest.Server
	var leaked []string
	evil = httptest.NewServer(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
		leaked = append(leaked, r.URL.Path+" "+r.Header.Get("Authorization"))
	}))
	defer evil.Close()
	status := func(code int, text string) func(http.ResponseWriter, map[string]any) bool {
		return func(w http.ResponseWriter, _ map[string]any) bool {
			w.WriteHeader(code)
			_, _ = io.WriteString(w, text)
			return true
		}
	}
	href := func(to string) func(http.ResponseWriter, map[string]any) bool {
		return func(_ http.ResponseWriter, answer map[string]any) bool {
			answer["objects"].([]any)[0].(map[string]any)["actions"] = map[string]any{"download": map[string]any{"href": to}}
			return false
		}
	}
	for name, tt := range map[string]struct {
		files     map[string]string
		change    func(http.ResponseWriter, map[string]any) bool
		send      func(http.ResponseWriter, string) bool
		code      string
		says      string
		temporary bool
	}{
		"the object was never pushed": {files: map[string]string{"x.bin": pointerTo("never pushed")}, code: "lfs_missing", says: "does not exist"},
		"no .gitattributes":           {files: map[string]string{".gitattributes": "", "x.bin": pointerTo("never pushed")}, code: "lfs_missing", says: "does not exist"},
		"in a folder of its own":      {files: map[string]string{".gitattributes": "", "a/.gitattributes": attributes, "a/b/x.bin": pointerTo("never pushed")}, code: "lfs_missing"},
		"the wrong size":              {files: map[string]string{"x.bin": strings.Replace(pointerTo("here"), "size 4", "size 5", 1)}, code: "lfs_missing"},
		"larger than anything":        {files: map[string]string{"x.bin": strings.Replace(pointerTo("here"), "size 4", "size 99999999999", 1)}, code: "lfs_too_large"},
		"the budget is used up":       {change: status(403, `{"message":"This repository is over its data quota."}`), code: "lfs_missing", says: "over its data quota", temporary: true},
		"GitHub is away":              {change: status(503, "{}"), code: "lfs_failed", temporary: true},
		"too many requests":           {change: status(429, "{}"), code: "lfs_failed", temporary: true},
		"a redirect of the batch": {change: func(w http.ResponseWriter, _ map[string]any) bool {
			w.Header().Set("Location", evil.URL)
			w.WriteHeader(307)
			return true
		}, code: "lfs_missing"},
		"an address over http":         {change: href(evil.URL + "/object"), code: "lfs_failed", temporary: true},
		"an address that is a file":    {change: href("file:///etc/passwd"), code: "lfs_failed", temporary: true},
		"no address":                   {change: href(""), code: "lfs_failed", temporary: true},
		"an answer without the object": {change: func(_ http.ResponseWriter, a map[string]any) bool { a["objects"] = []any{}; return false }, code: "lfs_missing"},
		"another transfer":             {change: func(_ http.ResponseWriter, a map[string]any) bool { a["transfer"] = "ssh"; return false }, code: "lfs_failed", temporary: true},
		"other bytes":                  {send: func(w http.ResponseWriter, _ string) bool { _, _ = io.WriteString(w, "evil"); return true }, code: "lfs_failed", temporary: true},
		"fewer bytes":                  {send: func(w http.ResponseWriter, s string) bool { _, _ = io.WriteString(w, s[:1]); return true }, code: "lfs_failed", temporary: true},
		"more bytes":                   {send: func(w http.ResponseWriter, s string) bool { _, _ = io.WriteString(w, s+s); return true }, code: "lfs_failed", temporary: true},
		"a redirect of the object": {send: func(w http.ResponseWriter, _ string) bool {
			w.Header().Set("Location", evil.URL)
			w.WriteHeader(302)
			return true
		}, code: "lfs_failed", temporary: true},
		"the store of objects does refuse": {send: func(w http.ResponseWriter, _ string) bool { w.WriteHeader(403); return true }, code: "lfs_failed", temporary: true},
	} {
		t.Run(name, func(t *testing.T) {
			root := t.TempDir()
			h := newLFSHost(t, root)
			h.large("here")
			files := map[string]string{".gitattributes": attributes, "x.bin": pointerTo("here")}
			for path, text := range tt.files {
				files[path] = text
			}
			sha := commit(t, root, "octo/shop", files)
			h.change, h.send = tt.change, tt.send
			err := overHTTP(t, h.URL, token).Checkout(t.Context(), repo, sha, t.TempDir())
			if pipeline.Code(err) != tt.code || pipeline.IsTemporary(err) != tt.temporary || !strings.Contains(fmt.Sprint(err), tt.says) {
				t.Errorf("got %v (code %s, temporary %v)", err, pipeline.Code(err), pipeline.IsTemporary(err))
			}
			if strings.Contains(fmt.Sprint(err), "canary") {
				t.Errorf("the token is in %v", err)
			}
		})
	}
	if len(leaked) > 0 {
		t.Errorf("another host was asked: %q", leaked)
	}
}

func pointerTo(text string) string {
	return fmt.Sprintf("version https://git-lfs.github.com/spec/v1\noid sha256:%s\nsize %d\n", sumOf(text), len(text))
}

func TestObjectsThatNobodyUsesAreRemoved(t *testing.T) {
	root := t.TempDir()
	h := newLFSHost(t, root)
	sha := commit(t, root, "octo/shop", map[string]string{".gitattributes": attributes, "x.bin": h.large("here")})
	g := overHTTP(t, h.URL, token)
	if err := g.Checkout(t.Context(), repo, sha, t.TempDir()); err != nil {
		t.Fatal(err)
	}
	object := objectPath(filepath.Join(g.Cache, "42.git", "lfs"), sumOf("here"))
	old := time.Now().Add(-2 * time.Hour)
	if err := os.Chtimes(object, old, old); err != nil {
		t.Fatal(err)
	}
	if err := g.Clean(t.Context(), time.Hour); err != nil {
		t.Fatal(err)
	}
	if _, err := os.Stat(object); !os.IsNotExist(err) {
		t.Errorf("it is still there: %v", err)
	}
}
