package github

import (
	"slices"
	"strconv"
	"strings"
	"time"
)

type pull struct {
	id          int64
	number      int
	repo        *repository
	headRepo    *repository
	headRef     string
	headSHA     string
	baseRef     string
	baseSHA     string
	title       string
	body        string
	author      *account
	state       string // open, closed
	draft       bool
	locked      bool // its conversation
	mergedBy    *account
	mergedAt    *time.Time
	mergeCommit string
	closedAt    *time.Time
	created     time.Time
	updated     time.Time
	comments    []*comment
	lines       []*comment // on lines of the diff
	reviews     []*review
	timeline    []timelineItem
	reads       int // since head or base moved, see Config.MergeableAfter
}

type review struct {
	id     int64
	by     *account
	body   string
	state  string // APPROVED, CHANGES_REQUESTED, COMMENTED, DISMISSED
	commit string
	at     time.Time
}

// Protection is what a protected branch asks of a pull request.
type Protection struct {
	Reviews  int      // approving reviews
	Checks   []string // statuses or check runs that must be green
	UpToDate bool     // the head must contain the base
}

// signature names an account in a commit.
func (s *Server) signature(a *account) signature {
	name := a.name
	if name == "" {
		name = a.login
	}
	return signature{name, a.email, s.now()}
}

func (r *repository) pull(number int) *pull {
	for _, p := range r.pulls {
		if p.number == number {
			return p
		}
	}
	return nil
}

func (c *call) pull() (*pull, error) {
	if p := c.repo.pull(int(c.number("number"))); p != nil {
		return p, nil
	}
	return nil, notFound()
}

func (p *pull) commits() ([]*gitCommit, error) {
	return p.repo.git.log("--reverse", "--topo-order", p.baseTip()+".."+p.headSHA)
}

// baseTip is where the base branch is, or was when the pull request was merged.
func (p *pull) baseTip() string {
	if p.mergedAt != nil {
		return p.baseSHA
	}
	if tip := p.repo.git.branches[p.baseRef]; tip != "" {
		return tip
	}
	return p.baseSHA
}

func (p *pull) files() ([]gitFile, error) {
	git := p.repo.git
	return git.diff(git.mergeBase(p.baseTip(), p.headSHA), p.headSHA)
}

// mergeable answers as GitHub does: whether, and the state in a word.
func (s *Server) mergeable(p *pull) (*bool, string) {
	if p.state != "open" || p.reads < s.cfg.MergeableAfter {
		return nil, "unknown"
	}
	clean := p.repo.git.mergeTree(p.baseTip(), p.headSHA).clean
	return &clean, s.mergeableState(p, clean)
}

func (s *Server) mergeableState(p *pull, clean bool) string {
	rule := p.repo.protection[p.baseRef]
	approvals, refused := p.verdicts()
	failing := s.checkContexts(p.repo, p.headRef, p.headSHA, nil) != nil
	switch {
	case !clean:
		return "dirty"
	case p.draft:
		return "draft"
	case rule.UpToDate && !p.repo.git.isAncestor(p.baseTip(), p.headSHA):
		return "behind"
	case approvals < rule.Reviews || rule.Reviews > 0 && refused,
		len(rule.Checks) > 0 && s.checkContexts(p.repo, p.headRef, p.headSHA, &rule.Checks) != nil:
		return "blocked"
	case failing:
		return "unstable"
	default:
		return "clean"
	}
}

// verdicts counts who approves, by the last review of each person.
func (p *pull) verdicts() (approvals int, refused bool) {
	last := map[int64]string{}
	for _, re := range p.reviews {
		if re.state != "COMMENTED" {
			last[re.by.id] = re.state
		}
	}
	for _, state := range last {
		switch state {
		case "APPROVED":
			approvals++
		case "CHANGES_REQUESTED":
			refused = true
		}
	}
	return approvals, refused
}

func (s *Server) getPull(c *call) (*reply, error) {
	p, err := c.pull()
	if err != nil {
		return nil, err
	}
	info := s.pullInfo(p)
	p.reads++
	return ok(info), nil
}

func (s *Server) listPulls(c *call) (*reply, error) {
	q := c.query
	state := q.Get("state")
	if state == "" {
		state = "open"
	}
	out := []PullRequestSimple{}
	for _, p := range slices.Backward(c.repo.pulls) {
		label := p.headOwner() + ":" + p.headRef
		if (state == "all" || state == p.state) && matches(q.Get("base"), p.baseRef) && (q.Get("head") == "" || strings.EqualFold(q.Get("head"), label)) {
			out = append(out, s.pullSimple(p))
		}
	}
	return ok(pageOf(c, out)), nil
}

func (s *Server) listCommitPulls(c *call) (*reply, error) {
	sha, found := c.repo.git.resolve(c.params["ref"])
	if !found {
		return nil, unprocessable("No commit found for SHA: %s", c.params["ref"])
	}
	out := []PullRequestSimple{}
	for _, p := range slices.Backward(c.repo.pulls) {
		list, err := p.commits()
		if err != nil {
			return nil, err
		}
		if p.mergeCommit == sha || slices.ContainsFunc(list, func(gc *gitCommit) bool { return gc.sha == sha }) {
			out = append(out, s.pullSimple(p))
		}
	}
	return ok(pageOf(c, out)), nil
}

// maxPullFiles is how many files GitHub lists of a pull request.
const maxPullFiles = 3000

func (s *Server) listPullFiles(c *call) (*reply, error) {
	p, err := c.pull()
	if err != nil {
		return nil, err
	}
	files, err := p.files()
	if err != nil {
		return nil, err
	}
	return ok(s.files(c.repo, p.headSHA, pageOf(c, files[:min(maxPullFiles, len(files))]))), nil
}

func (s *Server) listPullCommits(c *call) (*reply, error) {
	p, err := c.pull()
	if err != nil {
		return nil, err
	}
	list, err := p.commits()
	if err != nil {
		return nil, err
	}
	return ok(s.commits(c.repo, pageOf(c, list[:min(250, len(list))]))), nil // GitHub lists 250
}

func (s *Server) listReviews(c *call) (*reply, error) {
	p, err := c.pull()
	if err != nil {
		return nil, err
	}
	out := []Review{}
	for _, re := range pageOf(c, p.reviews) {
		out = append(out, s.reviewInfo(p, re))
	}
	return ok(out), nil
}

func (s *Server) getIssue(c *call) (*reply, error) {
	p, err := c.pull()
	if err != nil {
		return nil, err
	}
	return ok(s.issueInfo(p)), nil
}

func (s *Server) isMerged(c *call) (*reply, error) {
	p, err := c.pull()
	if err != nil || p.mergedAt == nil {
		return nil, notFound()
	}
	return noContent(), nil
}

func (s *Server) mergePull(c *call) (*reply, error) {
	p, err := c.pull()
	if err != nil {
		return nil, err
	}
	in := struct {
		Title   string `json:"commit_title"`
		Message string `json:"commit_message"`
		SHA     string `json:"sha"`
		Method  string `json:"merge_method"`
	}{Method: "merge"}
	if c.hasBody() {
		if err := c.decode(&in); err != nil {
			return nil, err
		}
	}
	if in.SHA != "" && in.SHA != p.headSHA {
		return nil, conflict("Head branch was modified. Review and try the merge again.")
	}
	if err := s.merge(p, c.actor(), in.Method); err != nil {
		return nil, err
	}
	return ok(map[string]any{"sha": p.mergeCommit, "merged": true, "message": "Pull Request successfully merged"}), nil
}

// merge merges a pull request by merge commit or squash.
func (s *Server) merge(p *pull, by *account, method string) error {
	git := p.repo.git
	base := git.branches[p.baseRef]
	m := git.mergeTree(base, p.headSHA)
	state := s.mergeableState(p, m.clean)
	if p.state != "open" || slices.Contains([]string{"dirty", "draft", "blocked", "behind"}, state) {
		return &apiError{status: 405, message: "Pull Request is not mergeable"}
	}
	parents, message := []string{base, p.headSHA}, "Merge pull request #"+strconv.Itoa(p.number)+" from "+p.headOwner()+"/"+p.headRef+"\n\n"+p.title
	switch method {
	case "merge":
	case "squash", "rebase": // a rebase of one commit; GitHub would replay each
		parents, message = []string{base}, p.title+" (#"+strconv.Itoa(p.number)+")"
	default:
		return unprocessable("Invalid request.\n\n%s is not a member of [\"merge\", \"squash\", \"rebase\"].", method)
	}
	sha, err := git.commitTree(m.tree, parents, s.signature(by), message)
	if err != nil {
		return err
	}
	now := s.now()
	p.baseSHA, p.mergeCommit, p.mergedBy, p.mergedAt = base, sha, by, &now
	if err := s.moveBranch(p.repo, p.baseRef, sha, by, "pr_merge"); err != nil {
		return err
	}
	p.timeline = append(p.timeline, timelineItem{event: "merged", actor: by, at: now, commit: sha, id: s.db.newID()})
	s.closePull(p, by)
	return nil
}

func (s *Server) closePull(p *pull, by *account) {
	now := s.now()
	p.state, p.closedAt, p.updated = "closed", &now, now
	p.timeline = append(p.timeline, timelineItem{event: "closed", actor: by, at: now, id: s.db.newID()})
	s.sendPull("closed", p, by, nil)
	s.notify(Change{Kind: "pull_request", Repo: p.repo.fullName(), Number: p.number})
}

func (p *pull) headOwner() string {
	if p.headRepo == nil {
		return p.author.login
	}
	return p.headRepo.owner.login
}
