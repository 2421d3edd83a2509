package github

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"regexp"
	"slices"
	"strings"

	"github.com/google/go-github/v60/github"
	"github.com/shipmate/shipmate/pipeline"
)

// Commit finds the commit that a branch, a tag or a full or short id names; ""
// is the head of the default branch. Nothing found: an unknown_ref error.
func (c *Client) Commit(ctx context.Context, repo pipeline.Repo, ref string) (pipeline.Commit, error) {
	main, err := c.defaultHead(ctx, repo)
	if err != nil || ref == "" {
		return main, err
	}
	got, named, err := c.commit(ctx, repo, ref)
	if err != nil {
		return got, err
	}
	if got.OnDefault, err = c.contains(ctx, repo, main.SHA, got.SHA); err != nil || named || got.OnDefault {
		return got, err
	}
	ours, err := c.inPullOfOurs(ctx, repo, got.SHA)
	if err == nil && !ours {
		err = pipeline.Refuse("foreign_commit", "`%.7s` is neither on the default branch of %s nor in a pull request from a branch of it. Forks share their commits with us, so name the branch or the tag that it is on.", got.SHA, repo)
	}
	return got, err
}

// inPullOfOurs reports whether the commit is in a pull request that does not
// come from a fork.
func (c *Client) inPullOfOurs(ctx context.Context, repo pipeline.Repo, sha string) (bool, error) {
	gh := c.as(repo, forReading)
	pulls, err := pages(func(o github.ListOptions) ([]*github.PullRequest, *github.Response, error) {
		return gh.PullRequests.ListPullRequestsWithCommit(ctx, repo.Owner, repo.Name, sha, &o)
	})
	return slices.ContainsFunc(pulls, func(p *github.PullRequest) bool { return p.GetHead().GetRepo().GetID() == repo.ID }),
		fail("list pull requests of a commit of "+repo.String(), err)
}

// namedCommit is one of the things that a word can name.
type namedCommit struct {
	pipeline.Commit
	what  string // "the branch", ...
	write string // what to write to mean it
}

// commit finds a branch, a tag or, not named as ours by anything, a commit by
// its id. GitHub itself resolves more: pull/1/head, which may be a fork's. A
// word that names two commits is refused; refs/heads/x and refs/tags/x name one.
func (c *Client) commit(ctx context.Context, repo pipeline.Repo, ref string) (got pipeline.Commit, named bool, err error) {
	unknown := pipeline.Refuse("unknown_ref", "There is no branch, tag or commit %s in %s. Check how it is written, and that it is pushed; then say it again.", codeSpan(ref), repo)
	if !plainRef(ref) {
		return got, false, unknown
	}
	means, err := c.namesOf(ctx, repo, ref)
	if err != nil {
		return got, false, err
	}
	named = len(means) > 0
	if hexID.MatchString(ref) {
		found, err := c.readCommit(ctx, repo, ref)
		switch {
		case err != nil && !errors.Is(err, errMissing):
			return got, false, err
		case err == nil && strings.HasPrefix(found.GetSHA(), ref): // else something that has the name of a commit
			means = append(means, namedCommit{summary(found), "the commit", found.GetSHA()})
		}
	}
	if len(means) == 0 {
		return got, false, unknown
	}
	for _, other := range means[1:] {
		if other.SHA != means[0].SHA {
			return got, false, ambiguous(ref, means[0], other)
		}
	}
	return means[0].Commit, named, nil
}

func ambiguous(ref string, a, b namedCommit) error {
	return pipeline.Refuse("ambiguous_ref", "%s can mean %s, which is `%.7s` %s, or %s, which is `%.7s` %s. Write which: %s or %s.", codeSpan(ref),
		a.what, a.SHA, codeSpan(a.Title), b.what, b.SHA, codeSpan(b.Title), codeSpan(a.write), codeSpan(b.write))
}

const (
	heads = "refs/heads/"
	tags  = "refs/tags/"
)

// namesOf finds the branch and the tag that a word names.
func (c *Client) namesOf(ctx context.Context, repo pipeline.Repo, ref string) (means []namedCommit, err error) {
	branch, onlyBranch := strings.CutPrefix(ref, heads)
	tag, onlyTag := strings.CutPrefix(ref, tags)
	if isSHA(ref) { // no name has this form on GitHub
		return nil, nil
	}
	if !onlyTag {
		got, found, err := c.branch(ctx, repo, branch)
		if err != nil {
			return nil, err
		}
		if found {
			means = append(means, namedCommit{got, "the branch", heads + branch})
		}
	}
	if onlyBranch {
		return means, nil
	}
	there, err := c.isTag(ctx, repo, tag)
	if err != nil || !there {
		return means, err
	}
	found, err := c.readCommit(ctx, repo, tags+tag)
	if errors.Is(err, errMissing) { // of no commit
		return means, nil
	}
	return append(means, namedCommit{summary(found), "the tag", tags + tag}), err
}

func summary(found *github.RepositoryCommit) pipeline.Commit {
	return pipeline.Commit{SHA: found.GetSHA(), Title: firstLine(found.GetCommit().GetMessage())}
}

// hexID is how the id of a commit is written, in full or cut short.
var hexID = regexp.MustCompile(`^[0-9a-f]{7,64}$`)

func (c *Client) isTag(ctx context.Context, repo pipeline.Repo, name string) (bool, error) {
	gh := c.as(repo, forReading)
	r, err := gh.NewRequest(http.MethodGet, repoPath(repo, "git/ref/tags", name), nil)
	if err != nil {
		return false, err
	}
	var tag github.Reference
	_, err = gh.Do(ctx, r, &tag)
	err = fail("read tag of "+repo.String(), err)
	if errors.Is(err, errMissing) {
		return false, nil
	}
	return err == nil && tag.GetRef() == tags+name, err
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
	failed := fail(doing, err)
	if status(err) == http.StatusUnprocessableEntity && !pipeline.IsTemporary(failed) {
		return nil, fmt.Errorf("%s: %w", doing, errMissing)
	}
	return got, failed
}

// plainRef keeps what cannot be the name of a commit away from the API.
// Source: git-check-ref-format(1).
func plainRef(ref string) bool {
	return ref != "" && len(ref) <= 255 && !strings.HasPrefix(ref, "-") && !strings.HasSuffix(ref, "/") && !strings.Contains(ref, "..") &&
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
// pull request's, or where the branch was before the push, or else its parent. That GitHub does not know
// the commit, or does not let us read it, is an error marked pipeline.Lagging.
func (c *Client) Changed(ctx context.Context, r *pipeline.Run) ([]string, error) {
	files, err := c.changed(ctx, r)
	if err == nil || pipeline.IsTemporary(err) || pipeline.Code(err) != "" && pipeline.Code(err) != "no_access" {
		return files, err
	}
	return nil, pipeline.Lagging(&pipeline.Error{Code: "commit_not_found", Err: err,
		Message: fmt.Sprintf("GitHub does not say which files commit %s of %s changes. If its branch was force-pushed, ask again with the new commit.", r.ShortSHA(), r.Repo)})
}

func (c *Client) changed(ctx context.Context, r *pipeline.Run) ([]string, error) {
	if r.PR == 0 {
		return c.changedBy(ctx, r.Repo, r.SHA, r.Before)
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

// changedBy lists the files of the commit, and of those that a push brought with
// it; before is where the branch was, "" if that is not known.
func (c *Client) changedBy(ctx context.Context, repo pipeline.Repo, sha, before string) ([]string, error) {
	gh := c.as(repo, forReading)
	parent := ""
	files, err := pages(func(o github.ListOptions) ([]*github.CommitFile, *github.Response, error) {
		got, resp, err := gh.Repositories.GetCommit(ctx, repo.Owner, repo.Name, sha, &o)
		if err != nil {
			return nil, resp, err
		}
		if len(got.Parents) > 0 {
			parent = got.Parents[0].GetSHA()
		}
		return got.Files, resp, nil
	})
	if err != nil {
		return nil, fail(fmt.Sprintf("list files of %.7s of %s", sha, repo), err)
	}
	if before != "" && before != parent {
		all, err := c.changedSince(ctx, repo, before, sha)
		if !errors.Is(err, errMissing) { // a force-push may leave nothing to compare with
			return all, err
		}
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
