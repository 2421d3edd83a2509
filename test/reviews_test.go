package test

import (
	"fmt"
	"time"

	"github.com/shipmate/shipmate/test/sim/github"
)

// What people and other Apps say of a pull request and its commits.

// lateComment is one that GitHub could not get through for a while.
func lateComment(s *stage, a action) error {
	ago, err := time.ParseDuration(a.what)
	if err != nil {
		return err
	}
	s.last, err = s.as(a).CommentBefore(s.repo, s.pr, ago, a.text)
	return err
}

func retarget(s *stage, a action) error { return s.as(a).Retarget(s.repo, s.pr, a.where) }

func review(s *stage, a action) error {
	state := map[string]string{"approve": "APPROVED", "request changes": "CHANGES_REQUESTED", "comment": "COMMENTED"}[a.what]
	re, err := s.as(a).Review(s.repo, s.pr, github.NewReview{State: state, Body: a.text})
	s.reviews[a.who] = re.ID
	return err
}

// onLine is a comment on a file of the diff.
func onLine(s *stage, a action) (err error) {
	s.line, err = s.as(a).CommentOnLine(s.repo, s.pr, a.where, a.text)
	return err
}

// editReview is about the newest review of somebody, or the newest comment on a line.
func editReview(s *stage, a action) error {
	if a.what == "line" {
		return s.as(a).EditLineComment(s.repo, s.line.ID, a.text)
	}
	return s.w.GitHub.As(a.where).EditReview(s.repo, s.pr, s.reviews[a.where], a.text)
}

// dismiss is about the newest review of somebody.
func dismiss(s *stage, a action) error {
	return s.as(a).DismissReview(s.repo, s.pr, s.reviews[a.where])
}

// reports is a check run by an App that is not ours, on the head of the pull
// request or of main. Pending: it begins.
func reports(s *stage, a action) error {
	app, known := s.apps[a.who]
	if !known {
		var err error
		if app, err = s.w.GitHub.AddApp(a.who, 0); err != nil {
			return err
		}
		s.apps[a.who] = app
	}
	sha, err := s.head()
	if a.where != "" {
		sha = s.w.GitHub.Head(s.repo, "main")
	}
	if err != nil {
		return err
	}
	in := github.CheckRunRequest{Name: &a.what, HeadSHA: &sha, Conclusion: &a.text}
	if running := "in_progress"; a.text == "pending" {
		in.Status, in.Conclusion = &running, nil
	}
	_, err = app.CreateCheckRun(s.repo, in)
	return err
}

func sets(s *stage, a action) error {
	sha, err := s.head()
	if err != nil {
		return err
	}
	_, err = s.as(a).CreateStatus(s.repo, sha, github.StatusRequest{State: a.text, Context: &a.what})
	return err
}

func (s *stage) head() (string, error) {
	pr, ok := s.w.GitHub.PullRequest(s.repo, s.pr)
	if !ok {
		return "", fmt.Errorf("no pull request %d", s.pr)
	}
	return pr.Head.SHA, nil
}
