package github

import (
	"strings"
	"time"
)

// GitUser is who wrote or committed, as the commit says.
type GitUser struct {
	Name  string    `json:"name"`
	Email string    `json:"email"`
	Date  time.Time `json:"date"`
}

// GitTree points at the tree of a commit.
type GitTree struct {
	SHA string `json:"sha"`
	URL string `json:"url"`
}

// Verification says whether a commit's signature holds; here none is signed.
type Verification struct {
	Verified   bool    `json:"verified"`
	Reason     string  `json:"reason"`
	Signature  *string `json:"signature"`
	Payload    *string `json:"payload"`
	VerifiedAt *string `json:"verified_at"`
}

// Parent is a parent of a commit.
type Parent struct {
	SHA     string `json:"sha"`
	URL     string `json:"url"`
	HTMLURL string `json:"html_url"`
}

// GitCommit is a commit of the git database, GET /repos/{o}/{r}/git/commits/{sha}.
type GitCommit struct {
	SHA          string       `json:"sha"`
	NodeID       string       `json:"node_id"`
	URL          string       `json:"url"`
	HTMLURL      string       `json:"html_url"`
	Author       GitUser      `json:"author"`
	Committer    GitUser      `json:"committer"`
	Tree         GitTree      `json:"tree"`
	Message      string       `json:"message"`
	Parents      []Parent     `json:"parents"`
	Verification Verification `json:"verification"`
}

// CommitDetail is what git knows inside a Commit.
type CommitDetail struct {
	Author       GitUser      `json:"author"`
	Committer    GitUser      `json:"committer"`
	Message      string       `json:"message"`
	Tree         GitTree      `json:"tree"`
	URL          string       `json:"url"`
	CommentCount int          `json:"comment_count"`
	Verification Verification `json:"verification"`
}

// Commit is a commit with the accounts behind it.
type Commit struct {
	SHA         string        `json:"sha"`
	NodeID      string        `json:"node_id"`
	Commit      CommitDetail  `json:"commit"`
	URL         string        `json:"url"`
	HTMLURL     string        `json:"html_url"`
	CommentsURL string        `json:"comments_url"`
	Author      *User         `json:"author"`
	Committer   *User         `json:"committer"`
	Parents     []Parent      `json:"parents"`
	Stats       *CommitStats  `json:"stats,omitempty"`
	Files       []ChangedFile `json:"files,omitempty"`
}

// CommitStats counts lines.
type CommitStats struct {
	Total     int `json:"total"`
	Additions int `json:"additions"`
	Deletions int `json:"deletions"`
}

// ChangedFile is a file of a commit, a comparison or a pull request.
type ChangedFile struct {
	SHA              string `json:"sha"`
	Filename         string `json:"filename"`
	Status           string `json:"status"`
	Additions        int    `json:"additions"`
	Deletions        int    `json:"deletions"`
	Changes          int    `json:"changes"`
	BlobURL          string `json:"blob_url"`
	RawURL           string `json:"raw_url"`
	ContentsURL      string `json:"contents_url"`
	Patch            string `json:"patch,omitempty"`
	PreviousFilename string `json:"previous_filename,omitempty"`
}

func gitUser(sg signature) GitUser { return GitUser{sg.name, sg.email, sg.at} }

func (s *Server) parents(r *repository, c *gitCommit) []Parent {
	parents := []Parent{}
	for _, p := range c.parents {
		parents = append(parents, Parent{p, s.api("/repos/%s/commits/%s", r.fullName(), p), s.page("%s/commit/%s", r.fullName(), p)})
	}
	return parents
}

func (s *Server) commit(r *repository, c *gitCommit) Commit {
	url := s.api("/repos/%s/commits/%s", r.fullName(), c.sha)
	return Commit{
		SHA:    c.sha,
		NodeID: "C_" + c.sha,
		Commit: CommitDetail{
			Author:       gitUser(c.author),
			Committer:    gitUser(c.committer),
			Message:      c.message,
			Tree:         GitTree{c.tree, s.api("/repos/%s/git/trees/%s", r.fullName(), c.tree)},
			URL:          s.api("/repos/%s/git/commits/%s", r.fullName(), c.sha),
			Verification: Verification{Reason: "unsigned"},
		},
		URL:         url,
		HTMLURL:     s.page("%s/commit/%s", r.fullName(), c.sha),
		CommentsURL: url + "/comments",
		Author:      s.userOrNil(s.accountByEmail(c.author.email)),
		Committer:   s.userOrNil(s.accountByEmail(c.committer.email)),
		Parents:     s.parents(r, c),
	}
}

func (s *Server) accountByEmail(email string) *account {
	for _, a := range s.db.accounts {
		if a.email == email {
			return a
		}
	}
	return nil
}

func (s *Server) commits(r *repository, list []*gitCommit) []Commit {
	out := []Commit{}
	for _, c := range list {
		out = append(out, s.commit(r, c))
	}
	return out
}

func (s *Server) files(r *repository, sha string, list []gitFile) []ChangedFile {
	out := []ChangedFile{}
	for _, f := range list {
		out = append(out, ChangedFile{
			SHA:              f.sha,
			Filename:         f.name,
			Status:           f.status,
			Additions:        f.additions,
			Deletions:        f.deletions,
			Changes:          f.additions + f.deletions,
			BlobURL:          s.page("%s/blob/%s/%s", r.fullName(), sha, f.name),
			RawURL:           s.page("%s/raw/%s/%s", r.fullName(), sha, f.name),
			ContentsURL:      s.api("/repos/%s/contents/%s?ref=%s", r.fullName(), f.name, sha),
			Patch:            f.patch,
			PreviousFilename: f.previous,
		})
	}
	return out
}

// commitAt reads the commit that a path parameter names.
func (c *call) commitAt(ref string) (*gitCommit, error) {
	sha, found := c.repo.git.resolve(ref)
	if !found {
		return nil, unprocessable("No commit found for SHA: %s", ref)
	}
	return c.repo.git.read(sha)
}

func (s *Server) getCommit(c *call) (*reply, error) {
	commit, err := c.commitAt(c.params["ref"])
	if err != nil {
		return nil, err
	}
	from := ""
	if len(commit.parents) > 0 {
		from = commit.parents[0]
	}
	if c.accepts("sha") {
		return &reply{status: 200, raw: []byte(commit.sha), media: "application/vnd.github.sha; charset=utf-8"}, nil
	}
	files, err := c.repo.git.diff(from, commit.sha)
	if err != nil {
		return nil, err
	}
	full := s.commit(c.repo, commit)
	full.Stats = &CommitStats{}
	for _, f := range files {
		full.Stats.Additions += f.additions
		full.Stats.Deletions += f.deletions
	}
	full.Stats.Total = full.Stats.Additions + full.Stats.Deletions
	full.Files = s.files(c.repo, commit.sha, pageOf(c, files))
	return ok(full), nil
}

func (s *Server) listCommits(c *call) (*reply, error) {
	ref := c.query.Get("sha")
	if ref == "" {
		ref = c.repo.defaultBranch
	}
	sha, found := c.repo.git.resolve(ref)
	if !found {
		return nil, notFound()
	}
	args := []string{sha}
	if author := c.query.Get("author"); author != "" {
		if a := s.db.accounts[strings.ToLower(author)]; a != nil {
			author = a.email
		}
		args = append([]string{"--fixed-strings", "--author=" + author}, args...)
	}
	args = append(args, "--")
	if path := c.query.Get("path"); path != "" {
		args = append(args, path)
	}
	list, err := c.repo.git.log(args...)
	if err != nil {
		return nil, err
	}
	return ok(s.commits(c.repo, pageOf(c, list))), nil
}

func (s *Server) getGitCommit(c *call) (*reply, error) {
	commit, err := c.repo.git.read(c.params["sha"])
	if err != nil {
		return nil, notFound()
	}
	return ok(s.gitCommit(c.repo, commit)), nil
}

func (s *Server) gitCommit(r *repository, c *gitCommit) GitCommit {
	return GitCommit{
		SHA:          c.sha,
		NodeID:       "C_" + c.sha,
		URL:          s.api("/repos/%s/git/commits/%s", r.fullName(), c.sha),
		HTMLURL:      s.page("%s/commit/%s", r.fullName(), c.sha),
		Author:       gitUser(c.author),
		Committer:    gitUser(c.committer),
		Tree:         GitTree{c.tree, s.api("/repos/%s/git/trees/%s", r.fullName(), c.tree)},
		Message:      c.message,
		Parents:      s.parents(r, c),
		Verification: Verification{Reason: "unsigned"},
	}
}
