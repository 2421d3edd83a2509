package github

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"regexp"
	"strings"

	"github.com/google/go-github/v60/github"
	"github.com/shipmate/shipmate/pipeline"
)

// Commit finds the commit that a branch, a tag or a full or short id names; ""
// is the head of the default branch. Nothing found: an unknown_ref error.
func (c *Client) Commit(ctx context.Context, repo pipeline.Repo, ref string) (pipeline.Commit, error) {
	main, err := c.defaultHead(ctx, repo)
	if err != nil || ref == "" || ref == main.Branch {
		return main, err
	}
	got, err := c.commit(ctx, repo, ref)
	if err != nil {
		return got, err
	}
	got.OnDefault, err = c.contains(ctx, repo, main.SHA, got.SHA)
	return got, err
}

func (c *Client) commit(ctx context.Context, repo pipeline.Repo, ref string) (pipeline.Commit, error) {
	unknown := pipeline.Refuse("unknown_ref", "There is no branch, tag or commit %s in %s.", codeSpan(ref), repo)
	if !plainRef(ref) {
		return pipeline.Commit{}, unknown
	}
	if !isSHA(ref) {
		got, found, err := c.branch(ctx, repo, ref)
		if err != nil || found {
			return got, err
		}
	}
	got, err := c.readCommit(ctx, repo, ref)
	if errors.Is(err, errMissing) {
		return pipeline.Commit{}, unknown
	}
	if err != nil {
		return pipeline.Commit{}, err
	}
	if isSHA(ref) && got.GetSHA() != ref {
		return pipeline.Commit{}, unknown // a branch or tag with the name of a commit
	}
	return pipeline.Commit{SHA: got.GetSHA(), Title: firstLine(got.GetCommit().GetMessage())}, nil
}

// readCommit reads one commit; errMissing also for a name that is ambiguous or
// cannot be a commit, where GitHub answers 422.
func (c *Client) readCommit(ctx context.Context, repo pipeline.Repo, ref string) (*github.RepositoryCommit, error) {
	gh := c.as(repo, forReading)
	r, err := gh.NewRequest(http.MethodGet, repoPath(repo, "commits", ref)+"?per_page=1", nil)
	if err != nil {
		return nil, err
	}
	got := &github.RepositoryCommit{}
	_, err = gh.Do(ctx, r, got)
	doing := "read commit of " + repo.String()
	if status(err) == http.StatusUnprocessableEntity {
		return nil, fmt.Errorf("%s: %w", doing, errMissing)
	}
	return got, fail(doing, err)
}

// plainRef keeps what cannot be the name of a commit away from the API.
// Source: git-check-ref-format(1).
func plainRef(ref string) bool {
	return ref != "" && len(ref) <= 255 && !strings.HasPrefix(ref, "-") && !strings.Contains(ref, "..") &&
		!strings.ContainsAny(ref, " ~^:?*[\\\x7f") && !strings.ContainsFunc(ref, func(r rune) bool { return r < ' ' })
}

// contains reports whether a commit is part of another one's history.
func (c *Client) contains(ctx context.Context, repo pipeline.Repo, head, sha string) (bool, error) {
	if head == sha {
		return true, nil
	}
	cmp, _, err := c.compare(ctx, repo, head, sha, github.ListOptions{PerPage: 1})
	if errors.Is(err, errMissing) { // no common history
		return false, nil
	}
	if err != nil {
		return false, err
	}
	return cmp.GetStatus() == "behind" || cmp.GetStatus() == "identical", nil
}

func (c *Client) compare(ctx context.Context, repo pipeline.Repo, base, head string, o github.ListOptions) (*github.CommitsComparison, *github.Response, error) {
	gh := c.as(repo, forReading)
	path := repoPath(repo, "compare", base+"..."+head) + fmt.Sprintf("?per_page=%d&page=%d", o.PerPage, max(o.Page, 1))
	r, err := gh.NewRequest(http.MethodGet, path, nil)
	if err != nil {
		return nil, nil, err
	}
	cmp := &github.CommitsComparison{}
	resp, err := gh.Do(ctx, r, cmp)
	return cmp, resp, fail(fmt.Sprintf("compare %.7s and %.7s of %s", base, head, repo), err)
}

// maxFiles: GitHub lists no more files than this of a change.
const maxFiles = 3000

// maxComparedFiles: a comparison lists no more files than this.
const maxComparedFiles = 300

// Changed lists the files that the run's commit changes against its base: the
// pull request's, or else those of the commit itself.
func (c *Client) Changed(ctx context.Context, r *pipeline.Run) ([]string, error) {
	if r.PR == 0 {
		return c.changedBy(ctx, r.Repo, r.SHA)
	}
	pr, err := c.pull(ctx, r.Repo, r.PR)
	if err != nil {
		return nil, err
	}
	if pr.GetHead().GetSHA() != r.SHA {
		return c.changedSince(ctx, r.Repo, pr.GetBase().GetSHA(), r.SHA)
	}
	gh := c.as(r.Repo, forReading)
	files, err := pages(func(o github.ListOptions) ([]*github.CommitFile, *github.Response, error) {
		return gh.PullRequests.ListFiles(ctx, r.Repo.Owner, r.Repo.Name, r.PR, &o)
	})
	if err != nil {
		return nil, fail(fmt.Sprintf("list files of %s#%d", r.Repo, r.PR), err)
	}
	return fileNames(files, maxFiles)
}

func (c *Client) changedBy(ctx context.Context, repo pipeline.Repo, sha string) ([]string, error) {
	gh := c.as(repo, forReading)
	files, err := pages(func(o github.ListOptions) ([]*github.CommitFile, *github.Response, error) {
		got, resp, err := gh.Repositories.GetCommit(ctx, repo.Owner, repo.Name, sha, &o)
		if err != nil {
			return nil, resp, err
		}
		return got.Files, resp, nil
	})
	if err != nil {
		return nil, fail(fmt.Sprintf("list files of %.7s of %s", sha, repo), err)
	}
	return fileNames(files, maxFiles)
}

func (c *Client) changedSince(ctx context.Context, repo pipeline.Repo, base, sha string) ([]string, error) {
	cmp, _, err := c.compare(ctx, repo, base, sha, github.ListOptions{PerPage: 1})
	if err != nil {
		return nil, err
	}
	return fileNames(cmp.Files, maxComparedFiles)
}

// fileNames refuses a list that GitHub has cut: what is missing might matter.
func fileNames(files []*github.CommitFile, most int) ([]string, error) {
	if len(files) >= most {
		return nil, pipeline.Refuse("too_many_files", "The change touches %d files or more, and GitHub lists no more of them. Split it, or take the condition on files out.", most)
	}
	var names []string
	for _, f := range files {
		names = append(names, f.GetFilename())
		if old := f.GetPreviousFilename(); old != "" {
			names = append(names, old)
		}
	}
	return names, nil
}

// maxRange is how many commits are looked through for who wrote them.
const maxRange = 5000

// Contributors lists the user ids behind the commits after base up to sha:
// authors, committers, co-authors and, on a pull request, its author and those
// who pushed. Without a base it is the pull request's commits, or the one commit.
func (c *Client) Contributors(ctx context.Context, repo pipeline.Repo, base, sha string, pr int) ([]int64, error) {
	commits, err := c.commitRange(ctx, repo, base, sha, pr)
	if err != nil {
		return nil, err
	}
	people := idSet{}
	byMail := map[string]int64{}
	for _, commit := range commits {
		for _, p := range []struct {
			user *github.User
			git  *github.CommitAuthor
		}{{commit.GetAuthor(), commit.GetCommit().GetAuthor()}, {commit.GetCommitter(), commit.GetCommit().GetCommitter()}} {
			people.add(p.user.GetID())
			if p.user.GetID() != 0 {
				byMail[strings.ToLower(p.git.GetEmail())] = p.user.GetID()
			}
		}
	}
	for _, commit := range commits {
		for _, mail := range coAuthors(commit.GetCommit().GetMessage()) {
			id, err := c.idOfMail(ctx, repo, mail, byMail)
			if err != nil {
				return nil, err
			}
			people.add(id)
		}
	}
	if pr == 0 {
		return people.list, nil
	}
	return c.pullPeople(ctx, repo, pr, commits, people)
}

// idSet is a list without doubles and zeros.
type idSet struct{ list []int64 }

func (s *idSet) add(id int64) {
	if id == 0 || id == webFlow {
		return
	}
	for _, have := range s.list {
		if have == id {
			return
		}
	}
	s.list = append(s.list, id)
}

// webFlow is GitHub itself, the committer of what is merged or edited on its pages.
const webFlow = 19864447

func (c *Client) commitRange(ctx context.Context, repo pipeline.Repo, base, sha string, pr int) ([]*github.RepositoryCommit, error) {
	if base == "" && pr != 0 {
		p, err := c.pull(ctx, repo, pr)
		if err != nil {
			return nil, err
		}
		base = p.GetBase().GetSHA()
	}
	if base != "" {
		list, err := c.commitsBetween(ctx, repo, base, sha)
		if !errors.Is(err, errMissing) {
			return list, err
		}
	}
	one, err := c.readCommit(ctx, repo, sha)
	if err != nil {
		return nil, err
	}
	return []*github.RepositoryCommit{one}, nil
}

func (c *Client) commitsBetween(ctx context.Context, repo pipeline.Repo, base, sha string) ([]*github.RepositoryCommit, error) {
	return pages(func(o github.ListOptions) ([]*github.RepositoryCommit, *github.Response, error) {
		cmp, resp, err := c.compare(ctx, repo, base, sha, o)
		if err != nil {
			return nil, resp, err
		}
		if cmp.GetTotalCommits() > maxRange {
			return nil, resp, pipeline.Refuse("range_too_large", "There are %d commits between `%.7s` and `%.7s`, more than can be looked through for who wrote them. Deploy a commit in between first.", cmp.GetTotalCommits(), base, sha)
		}
		return cmp.Commits, resp, nil
	})
}

var coAuthorLine = regexp.MustCompile(`(?mi)^co-authored-by:[^<\r\n]*<([^>\s]+)>`)

// coAuthors lists the addresses in the trailers of a message.
func coAuthors(message string) []string {
	var mails []string
	for _, m := range coAuthorLine.FindAllStringSubmatch(message, -1) {
		mails = append(mails, strings.ToLower(m[1]))
	}
	return mails
}

// noreply is GitHub's own kind of address, 123+login@users.noreply.github.com.
var noreply = regexp.MustCompile(`^(?:(\d+)\+)?([a-z0-9-]+)@users\.noreply\.`)

// idOfMail is the account behind an address where GitHub lets us know it, else 0.
func (c *Client) idOfMail(ctx context.Context, repo pipeline.Repo, mail string, known map[string]int64) (int64, error) {
	if id := known[mail]; id != 0 {
		return id, nil
	}
	m := noreply.FindStringSubmatch(mail)
	if m == nil {
		return 0, nil
	}
	path := "users/" + url.PathEscape(m[2])
	if m[1] != "" {
		path = "user/" + m[1]
	}
	u, err := c.user(ctx, repo, path)
	if errors.Is(err, errMissing) {
		return 0, nil
	}
	known[mail] = u.GetID()
	return u.GetID(), err
}

// pullPeople adds the author of a pull request and who pushed its commits.
func (c *Client) pullPeople(ctx context.Context, repo pipeline.Repo, pr int, commits []*github.RepositoryCommit, people idSet) ([]int64, error) {
	p, err := c.pull(ctx, repo, pr)
	if err != nil {
		return nil, err
	}
	people.add(p.GetUser().GetID())
	if p.GetHead().GetRepo().GetID() != repo.ID {
		return people.list, nil
	}
	moves, err := c.activity(ctx, repo, p.GetHead().GetRef())
	if err != nil {
		return nil, err
	}
	in := map[string]bool{p.GetHead().GetSHA(): true}
	for _, commit := range commits {
		in[commit.GetSHA()] = true
	}
	for _, m := range moves {
		if in[m.After] {
			people.add(m.Actor.ID)
		}
	}
	return people.list, nil
}
