package github

import (
	"bytes"
	"io"
	"net/http"
	"net/http/cgi"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
)

var gitPath = regexp.MustCompile(`^/([^/]+)/([^/]+?)(\.git)?/(info/refs|git-upload-pack|git-receive-pack|HEAD|objects/.*)$`)

// serveGit serves clones and fetches through git's own http-backend. A private
// repository needs an installation token with contents:read as the password of
// x-access-token; nobody pushes this way.
func (s *Server) serveGit(w http.ResponseWriter, r *http.Request) {
	if fault := s.fault(r.Method, r.URL.Path); fault != nil {
		sleep(r.Context(), fault.Delay)
		if fault.Drop {
			panic(http.ErrAbortHandler)
		}
		if fault.Status != 0 {
			fault.write(w)
			return
		}
	}
	m := gitPath.FindStringSubmatch(r.URL.Path)
	repo, to, status := s.openGit(r, m[1]+"/"+m[2])
	s.recordGit(r, status)
	if to != "" {
		http.Redirect(w, r, s.URL()+"/"+to+".git/"+m[4]+"?"+r.URL.RawQuery, status)
		return
	}
	if status != http.StatusOK {
		w.Header().Set("WWW-Authenticate", `Basic realm="GitHub"`)
		http.Error(w, map[int]string{
			401: "Invalid username or token.",
			403: "Write access to repository not granted.",
			404: "Repository not found.",
		}[status], status)
		return
	}
	git, err := exec.LookPath("git")
	if err != nil {
		http.Error(w, err.Error(), http.StatusInternalServerError)
		return
	}
	// CGI cannot take a chunked body, and git sends one when it is large.
	body, err := io.ReadAll(r.Body)
	if err != nil {
		return // the caller is gone
	}
	inner := r.Clone(r.Context())
	inner.Body, inner.ContentLength, inner.TransferEncoding = io.NopCloser(bytes.NewReader(body)), int64(len(body)), nil
	inner.Header.Del("Authorization")
	inner.URL.Path = "/" + filepath.Base(repo.dir) + "/" + m[4]
	backend := cgi.Handler{
		Path:   git,
		Args:   []string{"http-backend"},
		Dir:    s.cfg.Root,
		Env:    append(gitEnv(), "GIT_PROJECT_ROOT="+filepath.Dir(repo.dir), "GIT_HTTP_EXPORT_ALL=1", "GIT_PROTOCOL="+r.Header.Get("Git-Protocol")),
		Stderr: io.Discard,
	}
	backend.ServeHTTP(w, inner)
}

// openGit finds the repository, or the status to answer; moved is the name to
// which a request for an old name is sent, if the caller may know it.
func (s *Server) openGit(r *http.Request, fullName string) (found *gitRepo, moved string, status int) {
	s.mu.Lock()
	defer s.mu.Unlock()
	who, err := s.identify(r)
	if err != nil || who.app || who.token != nil && s.lags(who.token.made) {
		return nil, "", http.StatusUnauthorized
	}
	repo, err := s.db.repo(fullName)
	if err != nil {
		if repo = s.db.repoByID(s.db.moved[strings.ToLower(fullName)]); repo != nil {
			moved = repo.fullName()
		}
	}
	write := strings.HasSuffix(r.URL.Path, "receive-pack") || r.URL.Query().Get("service") == "git-receive-pack"
	switch {
	case who.token == nil && (repo == nil || repo.private || write):
		return nil, "", http.StatusUnauthorized
	case repo == nil || repo.private && !who.token.sees(repo):
		return nil, "", http.StatusNotFound
	case repo.private && !who.token.may([]string{"contents=read"}) || write:
		return nil, "", http.StatusForbidden
	case moved != "":
		return nil, moved, http.StatusMovedPermanently
	}
	return s.shown(repo).git, "", http.StatusOK
}

func (s *Server) recordGit(r *http.Request, status int) {
	s.mu.Lock()
	who, _ := s.identify(r) // who was refused is recorded as nobody
	s.mu.Unlock()
	c := &call{s: s, r: r, path: r.URL.Path, query: r.URL.Query(), who: who}
	s.record(c, status, nil)
}
