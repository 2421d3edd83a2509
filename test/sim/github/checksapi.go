package github

import (
	"slices"
	"strconv"
	"strings"
)

func (c *call) checkRun() (*checkRun, error) {
	if run := c.repo.checkRun(c.number("run")); run != nil {
		return run, nil
	}
	return nil, notFound()
}

func (s *Server) createCheckRun(c *call) (*reply, error) {
	var in CheckRunRequest
	if err := c.decode(&in); err != nil {
		return nil, err
	}
	if in.HeadSHA != nil {
		if _, err := s.shown(c.repo).git.read(*in.HeadSHA); err != nil {
			return nil, unprocessable("No commit found for SHA: %s", *in.HeadSHA)
		}
	}
	run, err := s.addCheckRun(c.repo, s.db.own, in)
	if err != nil {
		return nil, err
	}
	return created(s.checkRunInfo(c.repo, run)), nil
}

func (s *Server) updateCheckRun(c *call) (*reply, error) {
	run, err := c.checkRun()
	if err != nil {
		return nil, err
	}
	if run.suite.app != s.db.own {
		return nil, forbidden("Invalid app_id `%d` - check run can only be modified by the GitHub App that created it.", s.db.own.id)
	}
	var in CheckRunRequest
	if err := c.decode(&in); err != nil {
		return nil, err
	}
	if err := s.changeCheckRun(c.repo, run, in); err != nil {
		return nil, err
	}
	return ok(s.checkRunInfo(c.repo, run)), nil
}

func (s *Server) getCheckRun(c *call) (*reply, error) {
	run, err := c.checkRun()
	if err != nil {
		return nil, err
	}
	return ok(s.checkRunInfo(c.repo, run)), nil
}

func (s *Server) listAnnotations(c *call) (*reply, error) {
	run, err := c.checkRun()
	if err != nil {
		return nil, err
	}
	return ok(pageOf(c, run.annotations)), nil
}

func (s *Server) listCheckRuns(c *call) (*reply, error) {
	sha, found := c.repo.git.resolve(c.params["ref"])
	if !found {
		return nil, unprocessable("No commit found for SHA: %s", c.params["ref"])
	}
	return s.checkRunPage(c, func(run *checkRun) bool { return run.suite.sha == sha })
}

func (s *Server) listSuiteRuns(c *call) (*reply, error) {
	su := c.repo.checkSuite(c.number("suite"))
	if su == nil {
		return nil, notFound()
	}
	return s.checkRunPage(c, func(run *checkRun) bool { return run.suite == su })
}

func (s *Server) checkRunPage(c *call, of func(*checkRun) bool) (*reply, error) {
	q := c.query
	want := func(run *checkRun) bool {
		return of(run) &&
			(q.Get("check_name") == "" || q.Get("check_name") == run.name) &&
			(q.Get("app_id") == "" || q.Get("app_id") == strconv.FormatInt(run.suite.app.id, 10))
	}
	runs := c.repo.latestRuns(want)
	if q.Get("filter") == "all" {
		runs = nil
		for _, run := range c.repo.runs {
			if want(run) {
				runs = append(runs, run)
			}
		}
	}
	if status := q.Get("status"); status != "" {
		runs = slices.DeleteFunc(slices.Clone(runs), func(run *checkRun) bool { return run.status != status })
	}
	slices.Reverse(runs)
	out := struct {
		TotalCount int        `json:"total_count"`
		CheckRuns  []CheckRun `json:"check_runs"`
	}{len(runs), []CheckRun{}}
	for _, run := range pageOf(c, runs) {
		out.CheckRuns = append(out.CheckRuns, s.checkRunInfo(c.repo, run))
	}
	return ok(out), nil
}

func (s *Server) listCheckSuites(c *call) (*reply, error) {
	sha, found := c.repo.git.resolve(c.params["ref"])
	if !found {
		return nil, unprocessable("No commit found for SHA: %s", c.params["ref"])
	}
	all := []CheckSuite{}
	for _, su := range c.repo.suites {
		if su.sha == sha && (c.query.Get("app_id") == "" || c.query.Get("app_id") == strconv.FormatInt(su.app.id, 10)) {
			all = append(all, s.checkSuiteInfo(c.repo, su))
		}
	}
	return ok(map[string]any{"total_count": len(all), "check_suites": pageOf(c, all)}), nil
}

func (s *Server) getCheckSuite(c *call) (*reply, error) {
	su := c.repo.checkSuite(c.number("suite"))
	if su == nil {
		return nil, notFound()
	}
	return ok(s.checkSuiteInfo(c.repo, su)), nil
}

func isWebURL(text string) bool {
	return strings.HasPrefix(text, "https://") || strings.HasPrefix(text, "http://")
}
