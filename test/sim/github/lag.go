package github

import (
	"io/fs"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"time"
)

// The switch "everything lags". There is one database, and writes always change
// it as it is. While GitHub lags, reads of a repository meet an older copy of
// it instead: the one made before the oldest thing that happened within the lag.
// The copy holds the git repository too, so that git answers as before as well,
// and a write that names a commit is refused while the copy does not have it.

// past is a repository as it was before something happened to it.
type past struct {
	at   time.Time // when that happened
	repo *repository
}

// SetLag has GitHub answer for d as before, whenever a person or an App does
// something to a repository: REST and git show the old heads, comments, reviews
// and checks, and know no new commit. A token that was just made may do nothing
// for d, and a new comment was "updated" a second after it was written. What
// happened before SetLag does not lag. Zero ends it at once.
func (s *Server) SetLag(d time.Duration) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.lag = d
}

// happens keeps how the repository, and one it is a fork of, look before a
// change. The lock is held.
func (s *Server) happens(r *repository) error {
	if s.lag <= 0 {
		return nil
	}
	for _, one := range []*repository{r, r.parent} {
		if one == nil {
			continue
		}
		one.past = slices.DeleteFunc(one.past, func(p past) bool { return !s.lags(p.at) })
		s.copies++
		was, err := one.copy(filepath.Join(s.cfg.Root, "past", strconv.Itoa(s.copies)))
		if err != nil {
			return err
		}
		one.past = append(one.past, past{s.cfg.Now(), was})
	}
	return nil
}

// lags reports whether what happened then does not show yet.
func (s *Server) lags(at time.Time) bool { return s.cfg.Now().Before(at.Add(s.lag)) }

// shown is the repository as reads meet it now.
func (s *Server) shown(r *repository) *repository {
	for _, p := range r.past { // oldest first
		if s.lags(p.at) {
			return p.repo
		}
	}
	return r
}

// copy is the repository with everything in it that changes later. Its git
// repository lies in dir.
func (r *repository) copy(dir string) (*repository, error) {
	was := *r
	was.past = nil
	was.protection = maps.Clone(r.protection)
	was.statuses, was.activities, was.suites = slices.Clone(r.statuses), slices.Clone(r.activities), slices.Clone(r.suites)
	was.runs, was.deployments = copies(r.runs), copies(r.deployments)
	was.pulls = nil
	for _, p := range r.pulls {
		was.pulls = append(was.pulls, p.copy(&was))
	}
	var err error
	was.git, err = r.git.copy(filepath.Join(dir, filepath.Base(r.git.dir)))
	return &was, err
}

func (p *pull) copy(into *repository) *pull {
	was := *p
	if p.headRepo == p.repo {
		was.headRepo = into
	}
	was.repo, was.comments, was.reviews, was.timeline = into, copies(p.comments), copies(p.reviews), slices.Clone(p.timeline)
	for i, cm := range was.comments {
		cm.pull, cm.reactions = &was, slices.Clone(cm.reactions)
		replace(was.timeline, func(item *timelineItem) **comment { return &item.comment }, p.comments[i], cm)
	}
	for i, re := range was.reviews {
		replace(was.timeline, func(item *timelineItem) **review { return &item.review }, p.reviews[i], re)
	}
	return &was
}

// replace puts a copy where the original stands in a timeline.
func replace[T any](items []timelineItem, field func(*timelineItem) **T, original, copied *T) {
	for i := range items {
		if at := field(&items[i]); *at == original {
			*at = copied
		}
	}
}

func copies[T any](list []*T) []*T {
	out := make([]*T, len(list))
	for i, one := range list {
		c := *one
		out[i] = &c
	}
	return out
}

// copy links every file of the repository: git replaces files, and never
// changes one in place.
func (g *gitRepo) copy(dir string) (*gitRepo, error) {
	was := newGitRepo(dir)
	was.branches, was.tags = maps.Clone(g.branches), maps.Clone(g.tags)
	return was, filepath.WalkDir(g.dir, func(path string, d fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		rel, err := filepath.Rel(g.dir, path)
		switch {
		case err != nil:
			return err
		case d.IsDir():
			return os.MkdirAll(filepath.Join(dir, rel), 0o755)
		}
		return os.Link(path, filepath.Join(dir, rel))
	})
}
