package github

import (
	"errors"
	"fmt"
	"maps"
	"slices"
	"time"
)

// Person acts on github.com: what a Person does is checked against what the
// person may do, changes the state and sends the webhooks that follow.
type Person struct {
	s     *Server
	login string
}

// As is the person with this login.
func (s *Server) As(login string) Person { return Person{s, login} }

// on runs what the person does to a repository, if the role suffices.
func (p Person) on(repo, role string, do func(r *repository, me *account) error) error {
	p.s.mu.Lock()
	defer p.s.mu.Unlock()
	me, err := p.s.db.account(p.login)
	if err != nil {
		return err
	}
	r, err := p.s.db.repo(repo)
	if err != nil {
		return err
	}
	if err := p.s.require(r, me, role); err != nil {
		return err
	}
	if err := p.s.happens(r); err != nil {
		return err
	}
	return do(r, me)
}

// onPull is on for a pull request.
func (p Person) onPull(repo string, number int, role string, do func(pr *pull, me *account) error) error {
	return p.on(repo, role, func(r *repository, me *account) error {
		pr := r.pull(number)
		if pr == nil {
			return fmt.Errorf("%s has no pull request %d", repo, number)
		}
		return do(pr, me)
	})
}

// onOwnPull is onPull for what the author may do, and everybody with write.
func (p Person) onOwnPull(repo string, number int, do func(pr *pull, me *account) error) error {
	return p.onPull(repo, number, "read", func(pr *pull, me *account) error {
		if pr.author != me {
			if err := p.s.require(pr.repo, me, "write"); err != nil {
				return err
			}
		}
		return do(pr, me)
	})
}

// Push describes a git push.
type Push struct {
	Repo   string
	Branch string // made from the default branch where it is new

	// A new commit, on top of the branch or of Parent.
	Files   map[string]string
	Remove  []string
	Links   map[string]string // submodules: commits of other repositories, by path
	Message string
	Parent  string // a commit; together with Force
	// Who the commit claims to be from, and when: git believes everything.
	AuthorName, AuthorEmail string
	AuthoredAt              time.Time

	// Or, instead of a new commit, one that is there already.
	To     string
	Delete bool // the branch

	Force bool
}

// Push pushes and returns the new head.
func (p Person) Push(in Push) (sha string, err error) {
	err = p.on(in.Repo, "write", func(r *repository, me *account) error {
		sha, err = p.s.push(r, me, in)
		return err
	})
	return sha, err
}

func (s *Server) push(r *repository, me *account, in Push) (string, error) {
	before := r.git.branches[in.Branch]
	if in.Delete {
		return "", s.moveBranch(r, in.Branch, "", me, "push")
	}
	if in.To != "" {
		if before != "" && !in.Force && !r.git.isAncestor(before, in.To) {
			return "", errors.New("not a fast-forward: push with Force")
		}
		return in.To, s.moveBranch(r, in.Branch, in.To, me, "push")
	}
	parent := in.Parent
	if parent == "" {
		parent = before
	}
	if parent == "" {
		parent = r.git.branches[r.defaultBranch]
	}
	if before != "" && parent != before && !in.Force {
		return "", errors.New("not a fast-forward: push with Force")
	}
	author := s.signature(me)
	if in.AuthorName != "" {
		author.name = in.AuthorName
	}
	if in.AuthorEmail != "" {
		author.email = in.AuthorEmail
	}
	committer := s.signature(me)
	if !in.AuthoredAt.IsZero() {
		author.at, committer.at = in.AuthoredAt, in.AuthoredAt
	}
	if in.Message == "" {
		in.Message = "Update " + fmt.Sprint(sortedKeys(in.Files))
	}
	sha, err := r.git.commit(newCommit{
		branch: in.Branch, parent: parent, files: in.Files, remove: in.Remove, links: in.Links, author: author, committer: committer, message: in.Message,
	})
	if err != nil {
		return "", err
	}
	s.branchMoved(r, in.Branch, before, sha, me, "push")
	return sha, nil
}

// Fork copies a repository to the person's account and returns its full name.
func (p Person) Fork(repo string) (fullName string, err error) {
	err = p.on(repo, "read", func(r *repository, me *account) error {
		fork, err := p.s.newRepository(me, NewRepo{Name: r.name, Public: !r.private, DefaultBranch: r.defaultBranch})
		if err != nil {
			return err
		}
		if _, err := fork.git.run("fetch", "--quiet", r.git.dir, "+refs/heads/*:refs/heads/*"); err != nil {
			return err
		}
		fork.git.branches, fork.parent = maps.Clone(r.git.branches), r
		p.s.db.repos = append(p.s.db.repos, fork)
		fullName = fork.fullName()
		return nil
	})
	return fullName, err
}

// Comment comments on a pull request.
func (p Person) Comment(repo string, number int, body string) (out IssueComment, err error) {
	err = p.onPull(repo, number, "read", func(pr *pull, me *account) error {
		if err := p.s.unlocked(pr, me, "comment"); err != nil {
			return err
		}
		cm, err := p.s.addComment(pr, me, body)
		if err != nil {
			return err
		}
		out = p.s.issueComment(cm)
		return nil
	})
	return out, err
}

// CommentBefore writes a comment as if it had been a while ago, and GitHub had
// not got its webhook through since.
func (p Person) CommentBefore(repo string, number int, ago time.Duration, body string) (out IssueComment, err error) {
	err = p.onPull(repo, number, "read", func(pr *pull, me *account) error {
		at := p.s.now().Add(-ago)
		cm, err := p.s.addCommentAt(pr, me, body, at)
		if err != nil {
			return err
		}
		for _, old := range pr.repo.past { // only the webhook is late: the comment was there before all that lags
			if was := old.repo.pull(number); was != nil && !p.s.lags(at) {
				there := *cm
				there.pull = was
				was.comments = append(was.comments, &there)
			}
		}
		out = p.s.issueComment(cm)
		return nil
	})
	return out, err
}

// onComment finds a comment that the person may change: the own, or any with write.
func (p Person) onComment(repo string, id int64, do func(cm *comment, me *account) error) error {
	return p.on(repo, "read", func(r *repository, me *account) error {
		cm := r.comment(id)
		if cm == nil {
			return fmt.Errorf("%s has no comment %d", repo, id)
		}
		if cm.author != me {
			if err := p.s.require(r, me, "write"); err != nil {
				return err
			}
		}
		return do(cm, me)
	})
}

// EditComment changes the body of a comment: the own, or with write anybody's.
func (p Person) EditComment(repo string, id int64, body string) error {
	return p.onComment(repo, id, func(cm *comment, me *account) error { return p.s.editComment(cm, me, body) })
}

// DeleteComment deletes a comment: the own, or with write anybody's.
func (p Person) DeleteComment(repo string, id int64) error {
	return p.onComment(repo, id, func(cm *comment, me *account) error {
		p.s.removeComment(cm, me)
		return nil
	})
}

// React adds a reaction such as "rocket" to a comment.
func (p Person) React(repo string, id int64, content string) error {
	return p.on(repo, "read", func(r *repository, me *account) error {
		cm := r.comment(id)
		if cm == nil || (&Reactions{}).counter(content) == nil {
			return fmt.Errorf("no comment %d, or no reaction %q", id, content)
		}
		p.s.react(cm, me, content)
		return nil
	})
}

// NewReview describes a review.
type NewReview struct {
	State  string // APPROVED, CHANGES_REQUESTED, COMMENTED
	Commit string // default: the head
	Body   string

	Comments []NewLineComment
}

// Review reviews a pull request.
func (p Person) Review(repo string, number int, in NewReview) (out Review, err error) {
	err = p.onPull(repo, number, "read", func(pr *pull, me *account) error {
		if !slices.Contains([]string{"APPROVED", "CHANGES_REQUESTED", "COMMENTED"}, in.State) {
			return fmt.Errorf("no review state %q", in.State)
		}
		if pr.author == me && in.State != "COMMENTED" {
			return errors.New("nobody approves the own pull request")
		}
		if in.Commit == "" {
			in.Commit = pr.headSHA
		}
		re := &review{id: p.s.db.newID(), by: me, body: in.Body, state: in.State, commit: in.Commit, at: p.s.now()}
		lines, err := p.s.addLineComments(pr, re, in.Comments)
		if err != nil {
			return err
		}
		pr.reviews, pr.lines = append(pr.reviews, re), append(pr.lines, lines...)
		pr.timeline = append(pr.timeline, timelineItem{event: "reviewed", actor: me, at: re.at, review: re})
		p.s.sendReview("submitted", pr, re, me)
		for _, cm := range lines {
			p.s.sendReviewComment("created", cm, me, nil)
		}
		p.s.notify(Change{Kind: "review", Repo: repo, Number: number, ID: re.id})
		out = p.s.reviewInfo(pr, re)
		return nil
	})
	return out, err
}

// EditReview changes what the own review says.
func (p Person) EditReview(repo string, number int, id int64, body string) error {
	return p.onPull(repo, number, "read", func(pr *pull, me *account) error {
		for _, re := range pr.reviews {
			if re.id == id && re.by == me {
				before := re.body
				re.body = body
				p.s.sendReviewEdited(pr, re, me, before)
				p.s.notify(Change{Kind: "review", Repo: repo, Number: number, ID: id})
				return nil
			}
		}
		return fmt.Errorf("no review %d of %s", id, me.login)
	})
}

// DismissReview dismisses somebody's review.
func (p Person) DismissReview(repo string, number int, id int64) error {
	return p.onPull(repo, number, "write", func(pr *pull, me *account) error {
		for _, re := range pr.reviews {
			if re.id == id {
				re.state = "DISMISSED"
				p.s.sendReview("dismissed", pr, re, me)
				p.s.notify(Change{Kind: "review", Repo: repo, Number: number, ID: id})
				return nil
			}
		}
		return fmt.Errorf("no review %d", id)
	})
}
