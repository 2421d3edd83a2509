package e2e

import (
	"fmt"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/shipmate/shipmate/pipeline/redisstore/redistest"
	"github.com/shipmate/shipmate/test/sim/github"
	"github.com/shipmate/shipmate/test/world"
)

const plain = `service: shop
environments:
  staging: {}
pipelines:
  deploy:
    on: {command: deploy}
    steps:
      - {name: release, run: echo released}
`

// calls are the calls to GitHub since they were last forgotten, by kind; those of
// the App itself, which mint tokens, are not among them.
func (s *scene) calls() (kinds []string, points int) {
	for _, r := range s.w.GitHub.Requests() {
		if r.App || strings.Contains(r.Path, ".git/") { // git has limits of its own
			continue
		}
		kinds = append(kinds, r.Method+" "+kindOf.ReplaceAllString(r.Path, "/x"))
		if points += 5; r.Method == "GET" {
			points -= 4
		}
	}
	slices.Sort(kinds)
	return kinds, points
}

var kindOf = regexp.MustCompile(`/([0-9]+|[0-9a-f]{40})\b`)

// A plain deploy costs what it must: five reads that decide, one look for the
// comment, and everything that tells of it once. One that takes seconds also
// tells how far it is, so where the machine is busy the cheapest of some counts.
func TestAPlainDeployIsCheap(t *testing.T) {
	const calls, points, things, tries = 12, 35, 6, 5 // docs/operating.md reckons with them
	s := open(t, world.Config{})
	s.shop(plain)
	s.say("/help") // whatever is read once and kept is read now
	s.settle()
	opened := time.Now().Unix()
	s.wait("the push lies a second back", func() bool { return time.Now().Unix() > opened })
	for try := 1; ; try++ {
		s.w.GitHub.ForgetRequests()
		s.say("/deploy staging")
		s.settle()
		s.wantStatus("shipmate/deploy/staging", "success")
		kinds, cost := s.calls()
		if len(kinds) <= calls && cost <= points && created(kinds) <= things {
			break
		}
		if try == tries {
			t.Fatalf("%d calls, %d points of GitHub's budget of a minute and %d things created, %d, %d and %d are enough:\n%s",
				len(kinds), cost, created(kinds), calls, points, things, strings.Join(kinds, "\n"))
		}
	}
	if n := len(s.botComments()); n != 2 { // the answer to /help, and the living comment
		t.Errorf("%d comments", n)
	}
}

// created counts what GitHub counts as created: its limits are 80 in a minute and 500 in an hour.
func created(kinds []string) (n int) {
	for _, k := range kinds {
		if strings.HasPrefix(k, "POST ") {
			n++
		}
	}
	return n
}

func (s *scene) botComments() (list []github.IssueComment) {
	for _, c := range s.w.GitHub.Comments(s.repo, s.pr.Number) {
		if strings.HasSuffix(c.User.Login, "[bot]") {
			list = append(list, c)
		}
	}
	return list
}

// Sixty deploys in a minute are all done; what tells of them takes the time that
// GitHub's limits want.
func TestSixtyDeploysBreakNoLimit(t *testing.T) {
	s := open(t, world.Config{})
	s.shop(strings.Replace(plain, "staging: {}", "staging: {}\n  two: {}\n  three: {}\n  four: {}\n  five: {}\n  six: {}", 1))
	for i := range 60 {
		s.say(fmt.Sprintf("/deploy %s --again", []string{"staging", "two", "three", "four", "five", "six"}[i%6]))
	}
	s.wait("all are done", func() bool {
		n, err := s.w.Metric("shipmate_run_seconds_count")
		return err == nil && n == 60
	})
	if v := s.w.GitHub.Violations(); v != (github.Violations{}) {
		t.Errorf("limits: %s", v)
	}
}

// shops makes repositories, each with a pull request and five environments, two
// for each of three owners, who each have an installation.
func (s *scene) shops() (repos []string, prs []github.PullRequest) {
	s.t.Helper()
	file := strings.Replace(plain, "staging: {}", "e0: {}\n  e1: {}\n  e2: {}\n  e3: {}\n  e4: {}", 1)
	for i := range 6 {
		owner := fmt.Sprintf("owner%d", i/2)
		if i%2 == 0 {
			if _, err := s.w.GitHub.AddOrg(github.NewOrg{Login: owner}); err != nil {
				s.t.Fatal(err)
			}
		}
		repo, err := s.w.GitHub.CreateRepo(github.NewRepo{Owner: owner, Name: fmt.Sprintf("shop%d", i), Collaborators: map[string]string{"mona": "write"},
			Files: map[string]string{".shipmate.yaml": strings.Replace(file, "service: shop", fmt.Sprintf("service: shop%d", i), 1)}})
		if err == nil {
			_, err = s.w.GitHub.Install(repo.FullName)
		}
		if err != nil {
			s.t.Fatal(err)
		}
		mona := s.w.GitHub.As("mona")
		s.must(mona.Push(github.Push{Repo: repo.FullName, Branch: "sale", Files: map[string]string{"sale.txt": "x"}, Message: "Add a sale"}))
		pr, err := mona.OpenPR(github.NewPR{Repo: repo.FullName, Head: "sale", Title: "Add a sale"})
		if err != nil {
			s.t.Fatal(err)
		}
		repos, prs = append(repos, repo.FullName), append(prs, pr)
	}
	s.settle()
	return repos, prs
}

// budgetMinute is less than it takes until a spent budget is new, and far more
// than the deploys take that do not wait for it, on a busy machine too.
const budgetMinute = 45 * time.Second

// ended is how many runs have ended.
func (s *scene) ended() int {
	n, err := s.w.Metric("shipmate_run_seconds_count")
	if err != nil {
		return 0
	}
	return int(n)
}

// Thirty deploys at once are all done soon, whatever there is to tell of them;
// and in the end all is told.
func TestThirtyDeploysDoNotWaitForTheirReports(t *testing.T) {
	s := open(t, world.Config{})
	repos, prs := s.shops()
	began := time.Now()
	for i := range 30 {
		if _, err := s.w.GitHub.As("mona").Comment(repos[i%6], prs[i%6].Number, fmt.Sprintf("/deploy e%d", i/6)); err != nil {
			t.Fatal(err)
		}
	}
	s.wait("all are done", func() bool { return s.ended() == 30 })
	done := time.Since(began)
	s.wait("all is told", func() bool {
		good := 0
		for i, repo := range repos {
			for _, st := range s.w.GitHub.Statuses(repo, prs[i].Head.SHA) {
				if st.State == "success" && strings.HasPrefix(st.Context, "shipmate/deploy/") {
					good++
				}
			}
		}
		return good == 30
	})
	t.Logf("done after %s, told after %s", done, time.Since(began))
	if done > budgetMinute {
		t.Errorf("they waited for the budget of the next minute: %s", done)
	}
	if v := s.w.GitHub.Violations(); v != (github.Violations{}) {
		t.Errorf("limits: %s", v)
	}
}

// A flood of comments: every pull request has an answer soon.
func TestAFloodIsAnsweredOnEveryPullRequest(t *testing.T) {
	s := open(t, world.Config{})
	s.repo = s.must(s.w.AddRepo("shop", map[string]string{".shipmate.yaml": plain}))
	mona := s.w.GitHub.As("mona")
	const pulls = 30
	var numbers []int
	for i := range pulls {
		branch := fmt.Sprintf("b%d", i)
		s.must(mona.Push(github.Push{Repo: s.repo, Branch: branch, Files: map[string]string{branch: "x"}, Message: "Change"}))
		pr, err := mona.OpenPR(github.NewPR{Repo: s.repo, Head: branch, Title: "Change"})
		if err != nil {
			t.Fatal(err)
		}
		numbers = append(numbers, pr.Number)
	}
	began := time.Now()
	for i := range 300 {
		who := []string{"mona", "octavia", "eve"}[i%3]
		if _, err := s.w.GitHub.As(who).Comment(s.repo, numbers[i%pulls], "/status"); err != nil {
			t.Fatal(err)
		}
	}
	s.wait("all are answered", func() bool {
		for _, number := range numbers {
			if !slices.ContainsFunc(s.w.GitHub.Comments(s.repo, number), func(c github.IssueComment) bool { return strings.HasSuffix(c.User.Login, "[bot]") }) {
				return false
			}
		}
		return true
	})
	t.Logf("all pull requests have an answer after %s", time.Since(began))
	if v := s.w.GitHub.Violations(); v != (github.Violations{}) {
		t.Errorf("limits: %s", v)
	}
}

// Redis is away for three seconds in the middle of twelve deploys.
func TestDeploysOutliveAMomentWithoutRedis(t *testing.T) {
	redis := redistest.Start(t)
	s := open(t, world.Config{RedisURL: redis.URL()})
	repos, prs := s.shops()
	for i := range 12 {
		if _, err := s.w.GitHub.As("mona").Comment(repos[i%6], prs[i%6].Number, fmt.Sprintf("/deploy e%d", i/6)); err != nil {
			t.Fatal(err)
		}
	}
	s.wait("some are done", func() bool { return s.ended() > 2 })
	redis.Kill()
	gone := time.Now()
	s.wait("three seconds go by", func() bool { return time.Since(gone) > 3*time.Second })
	redis.Start()
	back := time.Now()
	s.wait("all are done", func() bool { return s.ended() == 12 })
	t.Logf("all are done %s after Redis is back", time.Since(back))
	if took := time.Since(back); took > budgetMinute {
		t.Errorf("they waited for the budget of the next minute: %s", took)
	}
}
