package github

import (
	"context"
	"fmt"
	"net/http"
	"strings"
	"time"

	"github.com/google/go-github/v60/github"
	"github.com/shipmate/shipmate/bot"
	"github.com/shipmate/shipmate/pipeline"
)

// Replies answers people where they wrote. It is a bot.Surface.
type Replies struct{ Client *Client }

var _ bot.Surface = Replies{}

// GitHub's names of the reactions we use.
const (
	eyes     = "eyes"
	rocket   = "rocket"
	minusOne = "-1"
)

// Ack looks at the comment. It gives way to what matters when a budget is short.
func (s Replies) Ack(ctx context.Context, repo pipeline.Repo, at pipeline.Origin) error {
	if at.Comment == 0 {
		return nil
	}
	err := s.react(context.WithValue(ctx, courtesy{}, true), repo, at.Comment, eyes)
	return notMissing(err)
}

// Reply ends the eyes with a rocket or a minus one, and writes one comment if
// there is something to say that the living comment does not show. Given again after a crash it finds that comment.
func (s Replies) Reply(ctx context.Context, repo pipeline.Repo, at pipeline.Origin, to pipeline.Actor, key string, a bot.Answer) error {
	ctx = context.WithValue(s.Client.ReadOnce(ctx), answering{}, true) // reactions have come since
	since := s.Client.cfg.Now().Add(-24 * time.Hour)
	if at.Comment != 0 {
		asked, err := s.settle(ctx, repo, at.Comment, a.Outcome)
		if err != nil {
			return notMissing(err)
		}
		since = asked
	}
	if a.Text == "" || a.Shown || at.PR == 0 {
		return nil
	}
	marker := marker("reply:" + key)
	text := ours(a.Text)
	if to.ID != 0 && isLogin(to.Login) {
		text = "@" + to.Login + " " + text
	}
	p := post{repo: repo, pr: at.PR, marker: marker, since: since, body: marker + "\n" + cutMiddle(text, maxText-len(marker)-1)}
	_, err := s.Client.write(ctx, p)
	return notMissing(err)
}

// settle shows the outcome on the comment and returns when it was written.
func (s Replies) settle(ctx context.Context, repo pipeline.Repo, comment int64, o bot.Outcome) (written time.Time, err error) {
	got, _, err := s.Client.as(repo, forReading).Issues.GetComment(ctx, repo.Owner, repo.Name, comment)
	if err != nil {
		return written, fail(fmt.Sprintf("read comment %d of %s", comment, repo), err)
	}
	if content := map[bot.Outcome]string{bot.Seen: eyes, bot.Done: rocket, bot.Refused: minusOne}[o]; content != "" {
		if err := s.react(ctx, repo, comment, content); err != nil {
			return written, err
		}
	}
	if o == bot.Seen || got.GetReactions().GetEyes() == 0 {
		return got.GetCreatedAt().Time, nil
	}
	return got.GetCreatedAt().Time, s.lookAway(ctx, repo, comment)
}

// react is the same however often it is done: GitHub keeps one of a kind.
func (s Replies) react(ctx context.Context, repo pipeline.Repo, comment int64, content string) error {
	_, _, err := s.Client.as(repo, forTalking).Reactions.CreateIssueCommentReaction(ctx, repo.Owner, repo.Name, comment, content)
	return fail(fmt.Sprintf("react to comment %d of %s", comment, repo), err)
}

// lookAway takes our eyes off the comment, and leaves other people's.
func (s Replies) lookAway(ctx context.Context, repo pipeline.Repo, comment int64) error {
	doing := fmt.Sprintf("take eyes off comment %d of %s", comment, repo)
	gh := s.Client.as(repo, forTalking)
	list, err := pages(func(o github.ListOptions) ([]*github.Reaction, *github.Response, error) {
		path := repoPath(repo, "issues/comments", fmt.Sprint(comment), "reactions") + fmt.Sprintf("?content=%s&per_page=%d&page=%d", eyes, o.PerPage, max(o.Page, 1))
		r, err := gh.NewRequest(http.MethodGet, path, nil)
		if err != nil {
			return nil, nil, err
		}
		var page []*github.Reaction
		resp, err := gh.Do(ctx, r, &page)
		return page, resp, err
	})
	if err != nil {
		return fail(doing, err)
	}
	for _, re := range list {
		if s.Client.isUs(re.GetUser()) && re.GetContent() == eyes {
			_, err := gh.Reactions.DeleteIssueCommentReaction(ctx, repo.Owner, repo.Name, comment, re.GetID())
			if err = notMissing(fail(doing, err)); err != nil {
				return err
			}
		}
	}
	return nil
}

// isUs: only Apps can have an account that ends in "[bot]".
func (c *Client) isUs(u *github.User) bool {
	return u.GetType() == "Bot" && strings.EqualFold(u.GetLogin(), c.cfg.Slug+"[bot]")
}

// isLogin keeps everything but a login out of a mention.
func isLogin(s string) bool {
	return s != "" && len(s) <= 39 && !strings.ContainsFunc(s, func(r rune) bool {
		return (r < 'a' || r > 'z') && (r < 'A' || r > 'Z') && (r < '0' || r > '9') && r != '-' && r != '_'
	})
}

// notMissing: where the comment or the pull request is gone, nobody reads an answer.
func notMissing(err error) error {
	if unreachable(err) {
		return nil
	}
	return err
}
