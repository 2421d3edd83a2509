package github

import (
	"slices"
	"time"
)

type checkSuite struct {
	id      int64
	app     *app
	sha     string
	branch  string // empty for a fork's commit
	before  string
	created time.Time
	updated time.Time
}

type checkRun struct {
	id          int64
	suite       *checkSuite
	name        string
	externalID  string
	details     string
	status      string
	conclusion  string // empty: none yet
	started     time.Time
	completed   *time.Time
	title       *string
	summary     *string
	text        *string
	annotations []CheckAnnotation
	actions     []CheckAction
}

// CheckAction is a button on a check run.
type CheckAction struct {
	Label       string `json:"label"`
	Description string `json:"description"`
	Identifier  string `json:"identifier"`
}

// CheckAnnotation is a remark on lines of a file.
type CheckAnnotation struct {
	Path        string  `json:"path"`
	StartLine   int     `json:"start_line"`
	EndLine     int     `json:"end_line"`
	StartColumn *int    `json:"start_column"`
	EndColumn   *int    `json:"end_column"`
	Level       string  `json:"annotation_level"`
	Title       *string `json:"title"`
	Message     string  `json:"message"`
	RawDetails  *string `json:"raw_details"`
	BlobHref    string  `json:"blob_href"`
}

// CheckOutput is what an integration wants shown on a check run.
type CheckOutput struct {
	Title       *string           `json:"title"`
	Summary     *string           `json:"summary"`
	Text        *string           `json:"text"`
	Annotations []CheckAnnotation `json:"annotations"`
}

// CheckRunRequest creates a check run, or changes the fields that are not nil.
type CheckRunRequest struct {
	Name        *string        `json:"name"`
	HeadSHA     *string        `json:"head_sha"`
	DetailsURL  *string        `json:"details_url"`
	ExternalID  *string        `json:"external_id"`
	Status      *string        `json:"status"`
	Conclusion  *string        `json:"conclusion"`
	StartedAt   *time.Time     `json:"started_at"`
	CompletedAt *time.Time     `json:"completed_at"`
	Output      *CheckOutput   `json:"output"`
	Actions     *[]CheckAction `json:"actions"`
}

// suite finds or makes the check suite of an App for a commit.
func (s *Server) suite(r *repository, a *app, sha, branch, before string) (suite *checkSuite, isNew bool) {
	for _, su := range r.suites {
		if su.app == a && su.sha == sha {
			return su, false
		}
	}
	now := s.now()
	suite = &checkSuite{id: s.db.newID(), app: a, sha: sha, branch: branch, before: before, created: now, updated: now}
	r.suites = append(r.suites, suite)
	return suite, true
}

func (s *Server) addCheckRun(r *repository, a *app, in CheckRunRequest) (*checkRun, error) {
	if err := required(map[string]bool{"name": in.Name != nil, "head_sha": in.HeadSHA != nil}); err != nil {
		return nil, err
	}
	if err := in.check(); err != nil {
		return nil, err
	}
	if _, err := r.git.read(*in.HeadSHA); err != nil {
		return nil, unprocessable("No commit found for SHA: %s", *in.HeadSHA)
	}
	branch := ""
	if on := s.branchesWith(r, *in.HeadSHA); len(on) > 0 {
		branch = on[0].Name
	}
	suite, _ := s.suite(r, a, *in.HeadSHA, branch, "")
	run := &checkRun{id: s.db.newID(), suite: suite, status: "queued", started: s.now(), details: s.page("apps/%s", a.slug)}
	r.runs = append(r.runs, run)
	s.applyCheckRun(r, run, in)
	s.sendCheckRun("created", r, run, a.bot, "")
	s.afterCheckRun(r, run, "")
	return run, nil
}

func (s *Server) changeCheckRun(r *repository, run *checkRun, in CheckRunRequest) error {
	if err := in.check(); err != nil {
		return err
	}
	before := run.status
	s.applyCheckRun(r, run, in)
	s.afterCheckRun(r, run, before)
	return nil
}

func (s *Server) afterCheckRun(r *repository, run *checkRun, before string) {
	suite := run.suite
	suite.updated = s.now()
	if run.status == "completed" && before != "completed" {
		s.sendCheckRun("completed", r, run, suite.app.bot, "")
		if status, _ := r.suiteState(suite); status == "completed" {
			s.sendCheckSuite("completed", r, suite, suite.app.bot)
		}
	}
	s.notify(Change{Kind: "check_run", Repo: r.fullName(), SHA: suite.sha, ID: run.id})
}

func (s *Server) applyCheckRun(r *repository, run *checkRun, in CheckRunRequest) {
	for _, f := range []struct{ to, from *string }{
		{&run.name, in.Name}, {&run.externalID, in.ExternalID}, {&run.details, in.DetailsURL},
	} {
		if f.from != nil {
			*f.to = *f.from
		}
	}
	if in.StartedAt != nil {
		run.started = in.StartedAt.UTC()
	}
	switch {
	case in.Conclusion != nil: // implies completed
		done := s.now()
		if in.CompletedAt != nil {
			done = in.CompletedAt.UTC()
		}
		run.status, run.conclusion, run.completed = "completed", *in.Conclusion, &done
	case in.Status != nil:
		run.status, run.conclusion, run.completed = *in.Status, "", nil
	}
	if o := in.Output; o != nil {
		run.title, run.summary, run.text = o.Title, o.Summary, o.Text
		for _, a := range o.Annotations {
			a.BlobHref = s.page("%s/blob/%s/%s", r.fullName(), run.suite.sha, a.Path)
			run.annotations = append(run.annotations, a)
		}
	}
	if in.Actions != nil {
		run.actions = *in.Actions
	}
}

// suiteState sums up the latest run of each name.
func (r *repository) suiteState(su *checkSuite) (status, conclusion string) {
	runs := r.latestRuns(func(run *checkRun) bool { return run.suite == su })
	if len(runs) == 0 {
		return "queued", ""
	}
	conclusion = "success"
	for _, run := range runs {
		if run.status != "completed" {
			return "in_progress", ""
		}
		if rank(run.conclusion) > rank(conclusion) {
			conclusion = run.conclusion
		}
	}
	return "completed", conclusion
}

func rank(conclusion string) int {
	return slices.Index([]string{"skipped", "neutral", "success", "cancelled", "timed_out", "action_required", "failure"}, conclusion)
}

// latestRuns keeps, of each suite and name, the newest run that is wanted.
func (r *repository) latestRuns(want func(*checkRun) bool) []*checkRun {
	type key struct {
		suite int64
		name  string
	}
	at := map[key]int{}
	var out []*checkRun
	for _, run := range r.runs {
		if !want(run) {
			continue
		}
		k := key{run.suite.id, run.name}
		if i, seen := at[k]; seen {
			out[i] = run
			continue
		}
		at[k] = len(out)
		out = append(out, run)
	}
	return out
}

func (r *repository) checkRun(id int64) *checkRun {
	for _, run := range r.runs {
		if run.id == id {
			return run
		}
	}
	return nil
}

func (r *repository) checkSuite(id int64) *checkSuite {
	for _, su := range r.suites {
		if su.id == id {
			return su
		}
	}
	return nil
}
