package github

import (
	"fmt"
	"strings"
)

// OtherApp is a GitHub App that is not the one under test, such as a CI.
type OtherApp struct {
	s   *Server
	app *app
}

// AddApp registers another App. An id of 0 is the next free one.
func (s *Server) AddApp(slug string, id int64) (OtherApp, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	a, err := s.addApp(slug, id)
	return OtherApp{s, a}, err
}

// Rename gives the App another slug, its bot and its owner another login; the ids stay.
func (o OtherApp) Rename(slug string) {
	o.s.mu.Lock()
	defer o.s.mu.Unlock()
	delete(o.s.db.apps, o.app.slug)
	delete(o.s.db.accounts, strings.ToLower(o.app.bot.login))
	delete(o.s.db.accounts, strings.ToLower(o.app.owner.login))
	o.app.slug, o.app.bot.login = slug, slug+"[bot]"
	o.app.owner.login = slug + "-inc"
	o.s.db.accounts[o.app.owner.login] = o.app.owner
	o.s.db.apps[slug] = o.app
	o.s.db.accounts[strings.ToLower(o.app.bot.login)] = o.app.bot
}

// Hide makes the App private, so that others are not told of it.
func (o OtherApp) Hide() {
	o.s.mu.Lock()
	defer o.s.mu.Unlock()
	o.app.private = true
}

func (s *Server) getAppBySlug(c *call) (*reply, error) {
	a := s.db.apps[c.params["slug"]]
	if a == nil || a.private {
		return nil, notFound()
	}
	return ok(s.appInfo(a)), nil
}

// ID is the App's id, as check runs show it.
func (o OtherApp) ID() int64 { return o.app.id }

// CreateCheckRun reports a check run.
func (o OtherApp) CreateCheckRun(repo string, in CheckRunRequest) (CheckRun, error) {
	o.s.mu.Lock()
	defer o.s.mu.Unlock()
	r, err := o.s.db.repo(repo)
	if err != nil {
		return CheckRun{}, err
	}
	if err := o.s.happens(r); err != nil {
		return CheckRun{}, err
	}
	run, err := o.s.addCheckRun(r, o.app, in)
	if err != nil {
		return CheckRun{}, err
	}
	return o.s.checkRunInfo(r, run), nil
}

// UpdateCheckRun changes a check run of this App.
func (o OtherApp) UpdateCheckRun(repo string, id int64, in CheckRunRequest) (CheckRun, error) {
	o.s.mu.Lock()
	defer o.s.mu.Unlock()
	r, err := o.s.db.repo(repo)
	if err != nil {
		return CheckRun{}, err
	}
	if err := o.s.happens(r); err != nil {
		return CheckRun{}, err
	}
	run := r.checkRun(id)
	if run == nil || run.suite.app != o.app {
		return CheckRun{}, fmt.Errorf("%s has no check run %d", o.app.slug, id)
	}
	if err := o.s.changeCheckRun(r, run, in); err != nil {
		return CheckRun{}, err
	}
	return o.s.checkRunInfo(r, run), nil
}

// CreateStatus reports a commit status.
func (o OtherApp) CreateStatus(repo, sha string, in StatusRequest) (CommitStatus, error) {
	o.s.mu.Lock()
	defer o.s.mu.Unlock()
	r, err := o.s.db.repo(repo)
	if err != nil {
		return CommitStatus{}, err
	}
	if err := o.s.happens(r); err != nil {
		return CommitStatus{}, err
	}
	st, err := o.s.addStatus(r, sha, o.app.bot, in)
	if err != nil {
		return CommitStatus{}, err
	}
	return o.s.commitStatus(r, st), nil
}

// Comment comments on a pull request.
func (o OtherApp) Comment(repo string, number int, body string) (IssueComment, error) {
	o.s.mu.Lock()
	defer o.s.mu.Unlock()
	r, err := o.s.db.repo(repo)
	if err != nil {
		return IssueComment{}, err
	}
	p := r.pull(number)
	if p == nil {
		return IssueComment{}, fmt.Errorf("%s has no pull request %d", repo, number)
	}
	cm, err := o.s.addComment(p, o.app.bot, body)
	if err != nil {
		return IssueComment{}, err
	}
	return o.s.issueComment(cm), nil
}
