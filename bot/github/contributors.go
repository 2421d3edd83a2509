package github

import (
	"context"
	"errors"
	"net/url"
	"regexp"
	"strings"

	"github.com/google/go-github/v60/github"
	"github.com/shipmate/shipmate/pipeline"
)

// maxRange is how many commits are looked through for who wrote them.
const maxRange = 5000

// Contributors lists the user ids behind the commits after base up to sha:
// authors, committers, co-authors, those who pushed them to the branch if one
// is named and, on a pull request, its author and those who pushed to it.
// Without a base it is the pull request's commits, or the one commit.
func (c *Client) Contributors(ctx context.Context, repo pipeline.Repo, base, sha string, pr int, branch string) ([]int64, error) {
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
	in := map[string]bool{sha: true}
	for _, commit := range commits {
		in[commit.GetSHA()] = true
	}
	switch {
	case pr != 0:
		err = c.pullPeople(ctx, repo, pr, in, &people)
	case branch != "" && !isSHA(branch):
		err = c.pushers(ctx, repo, branch, in, &people)
	}
	return people.list, err
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
func (c *Client) pullPeople(ctx context.Context, repo pipeline.Repo, pr int, in map[string]bool, people *idSet) error {
	p, err := c.pull(ctx, repo, pr)
	if err != nil {
		return err
	}
	people.add(p.GetUser().GetID())
	if p.GetHead().GetRepo().GetID() != repo.ID {
		return nil
	}
	in[p.GetHead().GetSHA()] = true
	return c.pushers(ctx, repo, p.GetHead().GetRef(), in, people)
}

// pushers adds who moved the branch to one of the commits. To press "merge" is
// no work on them.
func (c *Client) pushers(ctx context.Context, repo pipeline.Repo, branch string, in map[string]bool, people *idSet) error {
	moves, err := c.activity(ctx, repo, branch)
	if err != nil {
		return err
	}
	for _, m := range moves {
		if in[m.After] && m.Kind != "pr_merge" && m.Kind != "merge_queue_merge" {
			people.add(m.Actor.ID)
		}
	}
	return nil
}
