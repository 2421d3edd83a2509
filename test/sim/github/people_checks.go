package github

import (
	"errors"
	"fmt"
	"slices"
)

// ClickCheckAction clicks a button of a check run of the App. GitHub shows the
// buttons once the check run is completed, to people with write.
func (p Person) ClickCheckAction(repo string, checkRunID int64, identifier string) error {
	return p.on(repo, "write", func(r *repository, me *account) error {
		run := r.checkRun(checkRunID)
		if run == nil {
			return fmt.Errorf("no check run %d", checkRunID)
		}
		if run.status != "completed" {
			return errors.New("the check run is not completed, so GitHub shows no buttons")
		}
		if !slices.ContainsFunc(run.actions, func(a CheckAction) bool { return a.Identifier == identifier }) {
			return fmt.Errorf("the check run has no button %q", identifier)
		}
		if run.suite.app == p.s.db.own {
			p.s.sendCheckRun("requested_action", r, run, me, identifier)
		}
		return nil
	})
}

// Rerequest clicks "Re-run" of a check run.
func (p Person) Rerequest(repo string, checkRunID int64) error {
	return p.on(repo, "write", func(r *repository, me *account) error {
		run := r.checkRun(checkRunID)
		if run == nil || run.status != "completed" {
			return fmt.Errorf("no completed check run %d", checkRunID)
		}
		if run.suite.app == p.s.db.own {
			p.s.sendCheckRun("rerequested", r, run, me, "")
		}
		return nil
	})
}

// RerequestSuite clicks "Re-run all checks" for the App's suite of a commit.
func (p Person) RerequestSuite(repo, sha string) error {
	return p.on(repo, "write", func(r *repository, me *account) error {
		for _, su := range r.suites {
			if su.sha == sha && su.app == p.s.db.own {
				p.s.sendCheckSuite("rerequested", r, su, me)
				return nil
			}
		}
		return fmt.Errorf("no check suite for %s", sha)
	})
}

// CreateStatus sets a commit status, as a script with the person's token does.
func (p Person) CreateStatus(repo, sha string, in StatusRequest) (out CommitStatus, err error) {
	err = p.on(repo, "write", func(r *repository, me *account) error {
		st, err := p.s.addStatus(r, sha, me, in)
		if err != nil {
			return err
		}
		out = p.s.commitStatus(r, st)
		return nil
	})
	return out, err
}
