package github

import (
	"strings"
)

// Comparison is the answer to GET /repos/{o}/{r}/compare/{base}...{head}.
type Comparison struct {
	URL             string        `json:"url"`
	HTMLURL         string        `json:"html_url"`
	PermalinkURL    string        `json:"permalink_url"`
	DiffURL         string        `json:"diff_url"`
	PatchURL        string        `json:"patch_url"`
	BaseCommit      Commit        `json:"base_commit"`
	MergeBaseCommit Commit        `json:"merge_base_commit"`
	Status          string        `json:"status"`
	AheadBy         int           `json:"ahead_by"`
	BehindBy        int           `json:"behind_by"`
	TotalCommits    int           `json:"total_commits"`
	Commits         []Commit      `json:"commits"`
	Files           []ChangedFile `json:"files"`
}

func (s *Server) compare(c *call) (*reply, error) {
	base, head, cut := strings.Cut(c.params["basehead"], "...")
	if !cut {
		return nil, notFound()
	}
	from, err := s.compareEnd(c, base)
	if err != nil {
		return nil, err
	}
	to, err := s.compareEnd(c, head)
	if err != nil {
		return nil, err
	}
	git := c.repo.git
	mergeBase := git.mergeBase(from, to)
	if mergeBase == "" {
		return nil, notFound()
	}
	ahead, err := git.log("--reverse", "--topo-order", from+".."+to)
	if err != nil {
		return nil, err
	}
	behind, err := git.log(to + ".." + from)
	if err != nil {
		return nil, err
	}
	files, err := git.diff(mergeBase, to)
	if err != nil {
		return nil, err
	}
	baseCommit, _ := git.read(from)
	middle, _ := git.read(mergeBase)
	name := c.repo.fullName()
	page := pageOf(c, ahead)
	if c.query.Get("page") == "" && c.query.Get("per_page") == "" {
		c.header.Del("Link")
		page = ahead[max(0, len(ahead)-250):] // without paging: the last 250
	}
	out := Comparison{
		URL:             s.api("/repos/%s/compare/%s...%s", name, base, head),
		HTMLURL:         s.page("%s/compare/%s...%s", name, base, head),
		PermalinkURL:    s.page("%s/compare/%s...%s", name, from[:12], to[:12]),
		DiffURL:         s.page("%s/compare/%s...%s.diff", name, base, head),
		PatchURL:        s.page("%s/compare/%s...%s.patch", name, base, head),
		BaseCommit:      s.commit(c.repo, baseCommit),
		MergeBaseCommit: s.commit(c.repo, middle),
		Status:          comparisonStatus(len(ahead), len(behind)),
		AheadBy:         len(ahead),
		BehindBy:        len(behind),
		TotalCommits:    len(ahead),
		Commits:         s.commits(c.repo, page),
		Files:           []ChangedFile{},
	}
	if atoi(c.query.Get("page"), 1) == 1 { // files are on the first page only, 300 at most
		out.Files = s.files(c.repo, to, files[:min(300, len(files))])
	}
	return ok(out), nil
}

// compareEnd resolves one end of a comparison; owner:branch names a fork, whose
// commits GitHub sees from here.
func (s *Server) compareEnd(c *call, ref string) (string, error) {
	if sha, found := c.repo.git.resolve(ref); found {
		return sha, nil
	}
	owner, branch, forked := strings.Cut(ref, ":")
	if forked {
		for _, r := range s.db.repos {
			if strings.EqualFold(r.owner.login, owner) && (r == c.repo || r.parent == c.repo) {
				if sha := r.git.branches[branch]; sha != "" {
					return sha, c.repo.git.fetch(r.git, sha, "refs/compare/"+sha)
				}
			}
		}
	}
	return "", notFound()
}

func comparisonStatus(ahead, behind int) string {
	switch {
	case ahead > 0 && behind > 0:
		return "diverged"
	case ahead > 0:
		return "ahead"
	case behind > 0:
		return "behind"
	default:
		return "identical"
	}
}
