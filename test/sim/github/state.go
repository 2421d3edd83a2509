package github

import (
	"cmp"
	"slices"
)

// State is a consistent view of what GitHub knows, inside View and WaitFor.
// Unknown repositories and commits have nothing.
type State struct{ s *Server }

func (st *State) repo(name string) *repository {
	r, err := st.s.db.repo(name)
	if err != nil {
		return &repository{git: &gitRepo{}, owner: &account{}}
	}
	return r
}

// PullRequest is a pull request, false if there is none.
func (st *State) PullRequest(repo string, number int) (PullRequest, bool) {
	p := st.repo(repo).pull(number)
	if p == nil {
		return PullRequest{}, false
	}
	return st.s.pullInfo(p), true
}

// Comments lists the comments of a pull request, oldest first.
func (st *State) Comments(repo string, number int) []IssueComment {
	var out []IssueComment
	if p := st.repo(repo).pull(number); p != nil {
		for _, cm := range p.comments {
			out = append(out, st.s.issueComment(cm))
		}
	}
	return out
}

// Reactions lists the reactions to a comment.
func (st *State) Reactions(repo string, comment int64) []Reaction {
	var out []Reaction
	r := st.repo(repo)
	if cm := cmp.Or(r.comment(comment), r.lineComment(comment)); cm != nil {
		for _, re := range cm.reactions {
			out = append(out, st.s.reactionInfo(re))
		}
	}
	return out
}

// Statuses lists the latest status of each context of a commit.
func (st *State) Statuses(repo, sha string) []CommitStatus {
	r := st.repo(repo)
	var out []CommitStatus
	for _, status := range r.latestStatuses(sha) {
		out = append(out, st.s.commitStatus(r, status))
	}
	return out
}

// Status is the latest status of a context, false if there is none.
func (st *State) Status(repo, sha, context string) (CommitStatus, bool) {
	all := st.Statuses(repo, sha)
	i := slices.IndexFunc(all, func(cs CommitStatus) bool { return cs.Context == context })
	if i < 0 {
		return CommitStatus{}, false
	}
	return all[i], true
}

// CheckRuns lists the latest check run of each App and name of a commit.
func (st *State) CheckRuns(repo, sha string) []CheckRun {
	r := st.repo(repo)
	var out []CheckRun
	for _, run := range r.latestRuns(func(run *checkRun) bool { return run.suite.sha == sha }) {
		out = append(out, st.s.checkRunInfo(r, run))
	}
	return out
}

// CheckRun is the latest check run of a name, false if there is none.
func (st *State) CheckRun(repo, sha, name string) (CheckRun, bool) {
	all := st.CheckRuns(repo, sha)
	i := slices.IndexFunc(all, func(run CheckRun) bool { return run.Name == name })
	if i < 0 {
		return CheckRun{}, false
	}
	return all[i], true
}

// Annotations lists the remarks of a check run on lines of files.
func (s *Server) Annotations(repo string, id int64) (out []CheckAnnotation) {
	s.View(func(st *State) {
		if run := st.repo(repo).checkRun(id); run != nil {
			out = slices.Clone(run.annotations)
		}
	})
	return out
}

// Deployments lists the deployments of a repository with their statuses, newest first.
func (st *State) Deployments(repo string) []Deployment {
	r := st.repo(repo)
	var out []Deployment
	for _, d := range slices.Backward(r.deployments) {
		out = append(out, st.s.deploymentInfo(r, d))
	}
	return out
}

// Head is the commit a branch points at, empty if there is no such branch.
func (st *State) Head(repo, branch string) string { return st.repo(repo).git.branches[branch] }

// Deliveries lists the webhooks, oldest first.
func (st *State) Deliveries() []Delivery {
	var out []Delivery
	for _, dl := range st.s.hooks.all {
		out = append(out, *dl)
	}
	return out
}

// Requests lists the REST requests so far, oldest first.
func (st *State) Requests() []Request { return slices.Clone(st.s.requests) }

// PullRequest reads a pull request, see State.
func (s *Server) PullRequest(repo string, number int) (pr PullRequest, found bool) {
	s.View(func(st *State) { pr, found = st.PullRequest(repo, number) })
	return pr, found
}

// Comments lists the comments of a pull request, oldest first.
func (s *Server) Comments(repo string, number int) (out []IssueComment) {
	s.View(func(st *State) { out = st.Comments(repo, number) })
	return out
}

// Reactions lists the reactions to a comment.
func (s *Server) Reactions(repo string, comment int64) (out []Reaction) {
	s.View(func(st *State) { out = st.Reactions(repo, comment) })
	return out
}

// Statuses lists the latest status of each context of a commit.
func (s *Server) Statuses(repo, sha string) (out []CommitStatus) {
	s.View(func(st *State) { out = st.Statuses(repo, sha) })
	return out
}

// CheckRuns lists the latest check run of each App and name of a commit.
func (s *Server) CheckRuns(repo, sha string) (out []CheckRun) {
	s.View(func(st *State) { out = st.CheckRuns(repo, sha) })
	return out
}

// Deployments lists the deployments of a repository with their statuses, newest first.
func (s *Server) Deployments(repo string) (out []Deployment) {
	s.View(func(st *State) { out = st.Deployments(repo) })
	return out
}

// Head is the commit a branch points at, empty if there is no such branch.
func (s *Server) Head(repo, branch string) (sha string) {
	s.View(func(st *State) { sha = st.Head(repo, branch) })
	return sha
}
