package github

import (
	"errors"
	"fmt"
	"time"
)

// What GitHub refuses now and takes later. Suspend and Grant, which refuse
// more, are with the installations.

// lockedDocs is where the answer about a locked conversation points.
const lockedDocs = "https://docs.github.com/articles/locking-conversations/"

// LockConversation locks a pull request's conversation.
func (p Person) LockConversation(repo string, number int) error {
	return p.setLocked(repo, number, true)
}

// UnlockConversation ends LockConversation.
func (p Person) UnlockConversation(repo string, number int) error {
	return p.setLocked(repo, number, false)
}

func (p Person) setLocked(repo string, number int, locked bool) error {
	return p.onPull(repo, number, "write", func(pr *pull, me *account) error {
		if pr.locked == locked {
			return errors.New("nothing to do")
		}
		pr.locked = locked
		word := "unlocked"
		if locked {
			word = "locked"
		}
		p.s.pullEvent(pr, me, word, word, nil)
		return nil
	})
}

// unlocked refuses what is written in a locked conversation by anybody but
// people with write access. Apps are none, whatever their permissions
// (github.com/renovatebot/renovate/issues/6215). Own comments cannot be edited
// either (LOCKED among GraphQL's CommentCannotUpdateReason, with the same
// sentence), and reactions cannot be added.
func (s *Server) unlocked(p *pull, by *account, what string) error {
	if !p.locked || by.app == nil && s.require(p.repo, by, "write") == nil {
		return nil
	}
	return &apiError{status: 403, message: fmt.Sprintf("Unable to create %s because issue is locked.", what), docs: lockedDocs}
}

// ArchiveRepo makes a repository read-only.
func (s *Server) ArchiveRepo(repo string) error { return s.setArchived(repo, true) }

// UnarchiveRepo ends ArchiveRepo.
func (s *Server) UnarchiveRepo(repo string) error { return s.setArchived(repo, false) }

func (s *Server) setArchived(repo string, archived bool) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	r, err := s.db.repo(repo)
	if err != nil {
		return err
	}
	if r.archived == archived {
		return errors.New("nothing to do")
	}
	r.archived = archived
	action := "unarchived"
	if archived {
		action = "archived"
	}
	s.send(s.db.installationOf(r), r, "repository", action, map[string]any{"sender": s.user(r.owner)})
	s.notify(Change{Kind: "repository", Repo: r.fullName(), ID: r.id})
	return nil
}

// WithholdPermissions has new tokens refused for so long after they were made
// everything but reading metadata, as GitHub does until all of its servers know
// them; zero ends it.
func (s *Server) WithholdPermissions(d time.Duration) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.withhold = d
}

func (s *Server) withheld(t *token, needs []string) bool {
	if len(needs) == 0 || len(needs) == 1 && needs[0] == "metadata=read" {
		return false
	}
	return s.cfg.Now().Before(t.made.Add(s.withhold))
}
