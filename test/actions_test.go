package test

import (
	"context"
	"errors"
	"fmt"
	"regexp"
	"strings"

	"github.com/shipmate/shipmate/test/sim/github"
)

// action is a line of a transcript, taken apart.
type action struct {
	who    string
	where  string // a channel, a check, a file
	what   string // a button
	text   string
	indent int // of lines that go on
}

const somebody = `(?P<who>mona|octavia|eve|alice|hubert|arthur|zoe|hubot)`

// actions are what can happen in a conversation, in the order of the manual.
var actions = []struct {
	form *regexp.Regexp
	do   func(*stage, action) error
}{
	{form(`given \.shipmate\.yaml:`), func(*stage, action) error { return nil }},        // see openStage
	{form(`given the operator's settings:`), func(*stage, action) error { return nil }}, // see openStage
	{form(`given acme/(?P<where>\S+) with:`), anotherRepo},
	{form(`given ` + somebody + ` is a guest`), guest},
	{form(`given ` + somebody + ` is of another workspace`), ofAnotherWorkspace},
	{nobody, func(*stage, action) error { return nil }},  // see openStage
	{canLink, func(*stage, action) error { return nil }}, // likewise
	{form(`(?P<who>api|cli)( (?P<where>acme/\S+))?> (?P<text>.*)`), program},
	{form(somebody + `> (?P<text>.*)`), comment},
	{form(somebody + ` \((?P<what>\d+[hm]) ago\)> (?P<text>.*)`), lateComment},
	{form(somebody + ` edits( mona's comment)?> (?P<text>.*)`), edit},
	{form(somebody + ` #(?P<where>\S+) \(thread\)> (?P<text>.*)`), inThread},
	{form(somebody + ` #(?P<where>\S+)> (?P<text>.*)`), inChannel},
	{form(somebody + ` clicks "(?P<what>[^"]+)" in #(?P<where>\S+)`), clickInSlack},
	{form(somebody + ` clicks "(?P<what>[^"]+)" in direct`), clickInDirect},
	{form(somebody + ` clicks "(?P<what>[^"]+)" on check (?P<where>\S+)`), clickOnCheck},
	{form(somebody + ` fills in (?P<text>.*)`), fillIn},
	{form(somebody + ` chooses (?P<what>[^:]+): (?P<text>.*)`), choose},
	{form(somebody + ` opens home`), openHome},
	{form(`hubot pushes and opens "(?P<text>.*)"`), hubotPushes},
	{form(somebody + ` may only read from now on`), leaves},
	{form(somebody + ` follows (?P<where>zoe|eve)'s link and signs in to GitHub as (?P<what>[a-z]+)`), followLink},
	{form(somebody + ` clicks "(?P<what>[^"]+)" at home`), clickAtHome},
	{form(somebody + ` uses shortcut "(?P<what>[^"]+)"( on (?P<text>a run|a word) in #(?P<where>\S+))?`), useShortcut},
	{form(somebody + ` pushes (?P<where>[^:]+): (?P<text>.*)`), push},
	{form(somebody + ` deletes (?P<where>\S+)`), remove},
	{form(somebody + ` proposes (?P<where>\S+) from a fork: (?P<text>.*)`), propose},
	{form(somebody + ` opens "(?P<text>.*)"(?P<what> as a draft| from a fork)?`), open},
	{form(somebody + ` (?P<what>closes|reopens|merges) the pull request`), pullRequest},
	{form(somebody + ` queues the pull request to be merged`), queueMerge},
	{form(somebody + ` retargets the pull request to (?P<where>\S+)`), retarget},
	{form(somebody + ` reviews (?P<what>approve|request changes|comment)`), review},
	{form(somebody + ` reviews (?P<what>approve|request changes|comment)> (?P<text>.*)`), review},
	{form(somebody + ` on (?P<where>[\w.-]+)> (?P<text>.*)`), onLine},
	{form(somebody + ` edits (?P<where>mona|hubert)'s (?P<what>review|line)> (?P<text>.*)`), editReview},
	{form(somebody + ` dismisses the review of (?P<where>\S+)`), dismiss},
	{form(`(?P<who>ci|evil) reports (?P<what>\S+) (?P<text>[a-z_]+)(?P<where> on main)?`), reports},
	{form(somebody + ` sets the status (?P<what>\S+) to (?P<text>[a-z]+)`), sets},
	{passing, timePasses},
	{form(`GitHub (?P<what>holds|releases) its webhooks`), webhooks},
	{form(`GitHub redelivers the comment(?P<what> under another id)?`), redeliver},
}

func form(pattern string) *regexp.Regexp { return regexp.MustCompile("^" + pattern + "$") }

// understand finds out what a line says is done; nil: nothing.
func understand(line string) (func(*stage, action) error, action) {
	for _, a := range actions {
		m := a.form.FindStringSubmatch(line)
		if m == nil {
			continue
		}
		act := action{indent: strings.Index(line, "> ") + 2}
		for name, to := range map[string]*string{"who": &act.who, "where": &act.where, "what": &act.what, "text": &act.text} {
			if i := a.form.SubexpIndex(name); i >= 0 {
				*to = m[i]
			}
		}
		if act.indent < 2 {
			act.indent = 4
		}
		return a.do, act
	}
	return nil, action{}
}

func (s *stage) as(a action) github.Person { return s.w.GitHub.As(a.who) }

// hubotPushes: an app, which may write to the repository, pushes to a branch and
// opens a pull request of it.
func hubotPushes(s *stage, a action) error {
	a.who = "hubot[bot]"
	if err := s.w.GitHub.SetCollaborator(s.repo, github.Collaborator{Login: a.who, Role: "write"}); err != nil {
		return err
	}
	return open(s, a)
}

// leaves: somebody may only read from now on.
func leaves(s *stage, a action) error {
	return s.w.GitHub.SetCollaborator(s.repo, github.Collaborator{Login: a.who, Role: "read"})
}

func anotherRepo(s *stage, a action) error {
	repo, err := s.w.AddRepo(a.where, map[string]string{".shipmate.yaml": strings.TrimLeft(a.text, "\n") + "\n"})
	s.know(s.w.GitHub.Head(repo, "main"))
	return err
}

func comment(s *stage, a action) (err error) {
	if a.who == "hubot" {
		_, err = s.hubot.Comment(s.repo, s.pr, a.text)
		return err
	}
	s.last, err = s.as(a).Comment(s.repo, s.pr, a.text)
	return err
}

func edit(s *stage, a action) error { return s.as(a).EditComment(s.repo, s.last.ID, a.text) }

// clickOnCheck presses a button of ours, or GitHub's own "Re-run".
func clickOnCheck(s *stage, a action) error {
	for i := len(s.commits) - 1; i >= 0; i-- {
		for _, check := range s.w.GitHub.CheckRuns(s.repo, s.commits[i]) {
			if check.Name != a.where {
				continue
			}
			for _, b := range check.Actions {
				if b.Label == a.what {
					return s.as(a).ClickCheckAction(s.repo, check.ID, b.Identifier)
				}
			}
			if a.what == "Re-run" {
				return s.as(a).Rerequest(s.repo, check.ID)
			}
		}
	}
	return fmt.Errorf("there is no such button")
}

func push(s *stage, a action) error {
	file, branch, other := strings.Cut(a.where, " to ")
	if !other {
		branch = "sale"
	}
	sha, err := s.as(a).Push(github.Push{Repo: s.repo, Branch: branch, Files: map[string]string{file: a.text + "\n"}, Message: "Change " + file})
	s.know(sha)
	return err
}

// remove takes a file off the pull request's branch.
func remove(s *stage, a action) error {
	sha, err := s.as(a).Push(github.Push{Repo: s.repo, Branch: "sale", Remove: []string{a.where}, Message: "Delete " + a.where})
	s.know(sha)
	return err
}

// propose opens a pull request from a fork that changes one file.
func propose(s *stage, a action) error {
	pr, err := s.as(a).ForkPR(github.NewPR{Repo: s.repo, Head: "proposal", Title: "Change " + a.where}, map[string]string{a.where: a.text + "\n"})
	s.know(pr.Head.SHA)
	s.pr = pr.Number
	return err
}

func queueMerge(s *stage, a action) error {
	group, err := s.as(a).MergeGroup(s.repo, s.pr)
	s.know(group.HeadSHA)
	return err
}

func open(s *stage, a action) error {
	branch := strings.ToLower(strings.ReplaceAll(a.text, " ", "-"))
	if a.what == " from a fork" {
		pr, err := s.as(a).ForkPR(github.NewPR{Repo: s.repo, Head: branch, Title: a.text}, map[string]string{branch: a.text})
		s.know(pr.Head.SHA)
		s.pr = pr.Number
		return err
	}
	sha, err := s.as(a).Push(github.Push{Repo: s.repo, Branch: branch, Files: map[string]string{branch: a.text}, Message: a.text})
	if err != nil {
		return err
	}
	s.know(sha)
	pr, err := s.as(a).OpenPR(github.NewPR{Repo: s.repo, Head: branch, Title: a.text, Draft: a.what != ""})
	s.pr = pr.Number
	return err
}

func pullRequest(s *stage, a action) error {
	switch a.what {
	case "closes":
		return s.as(a).ClosePR(s.repo, s.pr)
	case "reopens":
		return s.as(a).ReopenPR(s.repo, s.pr)
	}
	err := s.as(a).MergePR(s.repo, s.pr, "merge")
	s.know(s.w.GitHub.Head(s.repo, "main"))
	return err
}

func webhooks(s *stage, a action) error {
	if s.holding = a.what == "holds"; s.holding {
		s.w.GitHub.HoldWebhooks()
	} else {
		s.w.GitHub.ReleaseWebhooks()
	}
	return nil
}

// redeliver sends the newest comment once more; under another id it is not
// GitHub who does, but somebody who caught the delivery.
func redeliver(s *stage, a action) error {
	var found *github.Delivery
	for _, d := range s.w.GitHub.Deliveries() {
		if d.Event == "issue_comment" && strings.Contains(string(d.Body), fmt.Sprintf(`"id":%d`, s.last.ID)) {
			found = &d
		}
	}
	if found == nil {
		return errors.New("no delivery of the comment")
	}
	if a.what == "" {
		return s.w.GitHub.Redeliver(found.GUID)
	}
	return s.replay(found)
}

func (s *stage) replay(d *github.Delivery) error {
	status, err := s.w.GitHub.SendWebhook(context.WithoutCancel(s.ctx), github.Webhook{Event: d.Event, Body: d.Body})
	if err == nil && status/100 != 2 {
		return fmt.Errorf("answered %d", status)
	}
	return err
}
