package github

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"time"

	"github.com/google/go-github/v60/github"
	"github.com/shipmate/shipmate/commands"
	"github.com/shipmate/shipmate/pipeline"
)

// PullRequest reads one, as gates need it.
func (c *Client) PullRequest(ctx context.Context, repo pipeline.Repo, number int) (pipeline.PullRequest, error) {
	p, err := c.pull(ctx, repo, number)
	if err != nil {
		return pipeline.PullRequest{}, err
	}
	return pipeline.PullRequest{
		Number: p.GetNumber(), Title: p.GetTitle(), Branch: p.GetHead().GetRef(),
		Head: p.GetHead().GetSHA(), Base: p.GetBase().GetSHA(), Into: p.GetBase().GetRef(), Merge: mergeable(p), Author: p.GetUser().GetID(),
		Open: p.GetState() == "open", Merged: p.GetMerged(), Draft: p.GetDraft(),
		Fork: fork(p, repo),
	}, nil
}

// fork goes by the ids: a fork may have a branch of the same name, or a name that
// was ours. Where the fork is gone GitHub tells of no head repository, and what
// is not known to be ours is a fork's.
func fork(p *github.PullRequest, repo pipeline.Repo) bool {
	head, base := p.GetHead().GetRepo().GetID(), p.GetBase().GetRepo().GetID()
	return head == 0 || head != base || repo.ID != 0 && head != repo.ID
}

// mergeable: null means that GitHub has begun to find out.
func mergeable(p *github.PullRequest) pipeline.Mergeable {
	switch {
	case p.Mergeable == nil:
		return pipeline.MergeUnknown
	case *p.Mergeable:
		return pipeline.MergeClean
	}
	return pipeline.MergeConflicts
}

func (c *Client) pull(ctx context.Context, repo pipeline.Repo, number int) (*github.PullRequest, error) {
	p, _, err := c.as(repo, forReading).PullRequests.Get(ctx, repo.Owner, repo.Name, number)
	if err = fail(fmt.Sprintf("read %s#%d", repo, number), err); errors.Is(err, errMissing) {
		return nil, &pipeline.Error{Code: "unknown_pull_request", Message: fmt.Sprintf("There is no pull request %d in %s.", number, repo), Err: err}
	}
	if err == nil && (p.Head == nil || p.Base == nil || !isSHA(p.GetHead().GetSHA())) {
		err = fmt.Errorf("read %s#%d: it has no head", repo, number)
	}
	if err != nil {
		return nil, err
	}
	is := state{SHA: p.GetHead().GetSHA(), Base: p.GetBase().GetRef(), Closed: p.GetState() != "open", Draft: p.GetDraft()}
	return p, c.heed(ctx, repo, aboutPull(number), fact{Is: is, At: p.GetUpdatedAt().Time})
}

// CommentUnchanged reports whether a comment still says what it said when it
// was written. A comment that is gone has changed. Its times say nothing: GitHub
// moves them for other reasons than an edit, and within a second it does not.
func (c *Client) CommentUnchanged(ctx context.Context, repo pipeline.Repo, at pipeline.Origin, body string) (bool, error) {
	facts, err := c.told.facts(ctx, repo.ID, aboutRemark(at))
	if err != nil {
		return false, err
	}
	if n := len(facts); n > 0 && facts[n-1].Is.SHA != textDigest(body) {
		return false, nil // edited or deleted, whatever is shown yet
	}
	now, err := c.readSpot(ctx, spot{repo, at})
	if errors.Is(err, errMissing) {
		return false, nil
	}
	return err == nil && textDigest(now) == textDigest(body), err
}

// textDigest is equal for texts that say the same: line ends and blanks around
// lines are GitHub's and the browser's to change.
func textDigest(text string) string {
	lines := strings.Split(strings.ReplaceAll(strings.ReplaceAll(text, "\r\n", "\n"), "\r", "\n"), "\n")
	for i, line := range lines {
		lines[i] = strings.TrimRight(line, " \t")
	}
	sum := sha256.Sum256([]byte(strings.Trim(strings.Join(lines, "\n"), "\n")))
	return hex.EncodeToString(sum[:])
}

// move is one movement of a branch, by the clock of GitHub.
type move struct {
	Before    string    `json:"before"`
	After     string    `json:"after"`
	Ref       string    `json:"ref"`
	Kind      string    `json:"activity_type"`
	Timestamp time.Time `json:"timestamp"`
	Actor     struct {
		ID    int64  `json:"id"`
		Login string `json:"login"`
		Type  string `json:"type"` // User, Bot
	} `json:"actor"`
}

// activity lists the last movements of a branch, newest first. Where the server
// has no such list (Enterprise Server before 3.9) it is empty.
// Source: docs.github.com, "List repository activities".
func (c *Client) activity(ctx context.Context, repo pipeline.Repo, branch string) ([]move, error) {
	gh := c.as(repo, forReading)
	ref := "refs/heads/" + branch
	r, err := gh.NewRequest(http.MethodGet, repoPath(repo, "activity")+"?per_page=100&ref="+url.QueryEscape(ref), nil)
	if err != nil {
		return nil, err
	}
	var list []move
	_, err = gh.Do(ctx, r, &list)
	if err = fail("list activity of "+repo.String(), err); err != nil && !errors.Is(err, errMissing) {
		return nil, err
	}
	var moves []move
	for _, m := range list {
		if m.Ref == ref {
			moves = append(moves, m)
		}
	}
	if err != nil || len(moves) == 0 {
		return nil, nil
	}
	return moves, c.listsLast(ctx, repo, branch, moves)
}

// listsLast has a list of movements asked for once more that lacks the last one
// that GitHub has told us of: who pushed it, and when, would not be known.
func (c *Client) listsLast(ctx context.Context, repo pipeline.Repo, branch string, moves []move) error {
	facts, err := c.told.facts(ctx, repo.ID, aboutBranch(branch))
	if err != nil || len(facts) == 0 {
		return err
	}
	last := facts[len(facts)-1]
	if !last.exists() || slices.ContainsFunc(moves, func(m move) bool { return m.After == last.Is.SHA }) {
		return nil
	}
	return c.listedLate(ctx, repo, last.Is.SHA)
}

// WasHead reports whether GitHub shows that the commit was the head of the pull
// request strictly before a time and did not move since. Unknown is no: times in
// commits are chosen by whoever makes them, so only the list of branch
// movements counts. Its seconds are whole; what happened in the same second
// may have happened after.
func (c *Client) WasHead(ctx context.Context, repo pipeline.Repo, pr int, sha string, before time.Time) (bool, error) {
	p, err := c.pull(ctx, repo, pr)
	if err != nil {
		return false, err
	}
	if p.GetHead().GetSHA() != sha || p.GetHead().GetRepo().GetID() != repo.ID || !p.GetCreatedAt().Before(before) {
		return false, nil
	}
	moves, err := c.activity(ctx, repo, p.GetHead().GetRef())
	if err != nil || len(moves) == 0 {
		return false, err
	}
	last := moves[0]
	for _, m := range moves {
		if m.Timestamp.After(last.Timestamp) {
			last = m
		}
	}
	if last.After != sha { // the list is behind
		return false, c.listedLate(ctx, repo, sha)
	}
	return last.Timestamp.Before(before.Truncate(time.Second)), nil
}

// CameAfter reports whether it is known, by what GitHub has told of it or by its
// list of branch movements, that the branch was at another commit at a time.
func (c *Client) CameAfter(ctx context.Context, repo pipeline.Repo, head commands.Head, at time.Time) (bool, error) {
	for _, about := range []string{aboutBranch(head.Branch), aboutPull(head.PR)} {
		facts, err := c.told.facts(ctx, repo.ID, about)
		if err != nil {
			return false, err
		}
		// What an answer showed had happened at some time before.
		facts = slices.DeleteFunc(facts, func(f fact) bool { return f.By == "answer" })
		n := len(facts)
		if n == 0 || facts[n-1].Is.SHA != head.SHA {
			continue
		}
		if was := facts[n-1].At; !was.IsZero() && was.Before(at.Truncate(time.Second)) {
			return false, nil // it was there before
		}
		if sha, known := headAt(facts, at); known {
			return sha != head.SHA, nil
		}
	}
	moves, err := c.activity(ctx, repo, head.Branch)
	if err != nil || len(moves) == 0 {
		return false, err
	}
	var listed []fact
	for _, m := range moves {
		listed = append(listed, fact{Is: state{SHA: m.After}, Was: &state{SHA: m.Before}, At: m.Timestamp})
	}
	slices.Reverse(listed)
	inOrder(listed)
	if listed[len(listed)-1].Is.SHA != head.SHA {
		return false, c.listedLate(ctx, repo, head.SHA)
	}
	sha, known := headAt(listed, at)
	return known && sha != head.SHA, nil
}

// listedLate has a list of movements asked for once more that lacks the one to a
// commit, if GitHub has told us of that just now.
func (c *Client) listedLate(ctx context.Context, repo pipeline.Repo, sha string) error {
	facts, err := c.told.facts(ctx, repo.ID, aboutCommit(sha))
	if err != nil || len(facts) == 0 || !facts[len(facts)-1].young(c.cfg.Now()) {
		return err
	}
	readsOf(ctx).forget()
	return facts[len(facts)-1].again(c.cfg.Now(), "the activity of "+repo.String()+" does not list the last push yet")
}
