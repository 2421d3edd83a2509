package github

import "fmt"

// QueuedMerge is a merge group: what a merge queue wants checked.
type QueuedMerge struct {
	Ref     string
	HeadSHA string
	BaseSHA string
}

// MergeGroup puts a pull request into the merge queue: GitHub makes a branch
// with the merge and asks for checks of its head.
func (p Person) MergeGroup(repo string, number int) (out QueuedMerge, err error) {
	err = p.onPull(repo, number, "write", func(pr *pull, me *account) error {
		s, git := p.s, pr.repo.git
		base := git.branches[pr.baseRef]
		m := git.mergeTree(base, pr.headSHA)
		if !m.clean {
			return fmt.Errorf("pull request %d conflicts with %s", number, pr.baseRef)
		}
		sha, err := git.commitTree(m.tree, []string{base, pr.headSHA}, s.signature(me), fmt.Sprintf("Merge pull request #%d", number))
		if err != nil {
			return err
		}
		branch := fmt.Sprintf("gh-readonly-queue/%s/pr-%d-%s", pr.baseRef, number, base)
		if err := s.moveBranch(pr.repo, branch, sha, me, "branch_creation"); err != nil {
			return err
		}
		out = QueuedMerge{Ref: "refs/heads/" + branch, HeadSHA: sha, BaseSHA: base}
		commit, err := git.read(sha)
		if err != nil {
			return err
		}
		s.sendMergeGroup("checks_requested", pr.repo, map[string]any{
			"head_sha": sha, "head_ref": out.Ref, "base_sha": base, "base_ref": "refs/heads/" + pr.baseRef, "head_commit": simpleCommit(commit),
		}, me)
		return nil
	})
	return out, err
}
