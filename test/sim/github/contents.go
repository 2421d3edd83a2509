package github

import (
	"encoding/base64"
	"path"
	"strings"
)

// Content is a file, or an entry of a directory.
type Content struct {
	Type        string       `json:"type"`
	Encoding    string       `json:"encoding,omitempty"`
	Size        int          `json:"size"`
	Name        string       `json:"name"`
	Path        string       `json:"path"`
	Content     *string      `json:"content,omitempty"`
	SHA         string       `json:"sha"`
	URL         string       `json:"url"`
	GitURL      string       `json:"git_url"`
	HTMLURL     string       `json:"html_url"`
	DownloadURL *string      `json:"download_url"`
	Links       ContentLinks `json:"_links"`
}

// ContentLinks repeats the links of a Content.
type ContentLinks struct {
	Git  string `json:"git"`
	Self string `json:"self"`
	HTML string `json:"html"`
}

func (s *Server) getContents(c *call) (*reply, error) {
	ref := c.query.Get("ref")
	if ref == "" {
		ref = c.repo.defaultBranch
	}
	sha, found := c.repo.git.resolve(ref)
	if !found {
		return nil, &apiError{status: 404, message: "No commit found for the ref " + ref}
	}
	name := strings.Trim(c.params["path"], "/")
	if name == "" {
		return s.directory(c, sha, ref, "")
	}
	if path.Clean(name) != name || strings.HasPrefix(name, "../") {
		return nil, notFound()
	}
	entries, err := c.repo.git.list(sha, name)
	if err != nil || len(entries) != 1 {
		return nil, notFound()
	}
	if entries[0].kind == "tree" {
		return s.directory(c, sha, ref, name+"/")
	}
	return s.file(c, ref, entries[0])
}

func (s *Server) directory(c *call, sha, ref, name string) (*reply, error) {
	entries, err := c.repo.git.list(sha, name)
	if err != nil {
		return nil, err
	}
	out := []Content{}
	for _, e := range entries {
		out = append(out, s.content(c.repo, ref, e))
	}
	return ok(out), nil
}

// file sends the content up to 1 MB in JSON and up to 100 MB raw, as GitHub does.
func (s *Server) file(c *call, ref string, e gitEntry) (*reply, error) {
	blob, err := c.repo.git.blob(e.sha)
	if err != nil {
		return nil, err
	}
	if c.accepts("raw") {
		return &reply{status: 200, raw: blob, media: "application/vnd.github.raw+json; charset=utf-8"}, nil
	}
	out := s.content(c.repo, ref, e)
	text := ""
	out.Encoding = "none"
	if len(blob) <= 1<<20 {
		text, out.Encoding = wrap64(blob), "base64"
	}
	out.Content = &text
	return ok(out), nil
}

func (s *Server) content(r *repository, ref string, e gitEntry) Content {
	out := Content{
		Type:    "file",
		Size:    e.size,
		Name:    path.Base(e.path),
		Path:    e.path,
		SHA:     e.sha,
		URL:     s.api("/repos/%s/contents/%s?ref=%s", r.fullName(), e.path, ref),
		GitURL:  s.api("/repos/%s/git/blobs/%s", r.fullName(), e.sha),
		HTMLURL: s.page("%s/blob/%s/%s", r.fullName(), ref, e.path),
	}
	if e.kind == "tree" {
		out.Type = "dir"
	} else {
		raw := s.page("%s/raw/%s/%s", r.fullName(), ref, e.path)
		out.DownloadURL = &raw
	}
	out.Links = ContentLinks{out.GitURL, out.URL, out.HTMLURL}
	return out
}

// wrap64 breaks base64 into lines of 60, as GitHub does.
func wrap64(b []byte) string {
	text := base64.StdEncoding.EncodeToString(b)
	var out strings.Builder
	for len(text) > 60 {
		out.WriteString(text[:60] + "\n")
		text = text[60:]
	}
	out.WriteString(text + "\n")
	return out.String()
}
