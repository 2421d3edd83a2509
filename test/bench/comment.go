package main

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"syscall"
	"time"

	"github.com/shipmate/shipmate/test/sim/github"
	"github.com/shipmate/shipmate/test/world"
)

// measureComment: from the webhook of a comment "/deploy staging" to the first
// line of the first step's script, on an idle bot, one deploy at a time. What
// the simulated GitHub takes to answer is measured by a front and taken off.
func measureComment(ctx context.Context, b *bench) error {
	f := b.commentFigures()
	s, err := b.newStage(ctx)
	if err != nil {
		return err
	}
	defer s.close()
	bare, err := b.startBareDeploys(ctx, s)
	if err != nil {
		return err
	}
	defer bare.close()
	var paths []path
	var plain []time.Duration
	for len(paths) < b.comments {
		ps, err := s.deploys(ctx, min(perOrg, b.comments-len(paths)))
		if err != nil {
			return err
		}
		paths = append(paths, ps...)
		for range ps {
			took, err := bare.once()
			if err != nil {
				return fmt.Errorf("%s: %w", bareComment, err)
			}
			plain = append(plain, took)
		}
	}
	if b.trace {
		writeTrace(os.Stderr, paths)
	}
	f.add(paths, plain)
	return nil
}

// commentFigures are what is told of the paths from comments to scripts.
type commentFigures struct{ p50, p99, whole, asked *figure }

func (b *bench) commentFigures() commentFigures {
	return commentFigures{
		p50:   b.table.figure("comment to first step, without GitHub's time, p50", "ms", target{AtMost: 15}),
		p99:   b.table.figure("comment to first step, without GitHub's time, p99", "ms", target{AtMost: 50}),
		whole: b.table.figure("comment to first step, with GitHub's time, p50", "ms"),
		asked: b.table.figure("comment to first step: requests to GitHub, reports included", "requests"),
	}
}

func (f commentFigures) add(paths []path, plain []time.Duration) {
	var net, gross []time.Duration
	requests := 0
	for _, p := range paths {
		net, gross = append(net, p.took-p.github), append(gross, p.took)
		requests += p.requests
	}
	f.p50.add(ours, micros(net, 50)/1000)
	f.p50.add(bareComment, micros(plain, 50)/1000)
	f.p99.add(ours, micros(net, 99)/1000)
	f.p99.add(bareComment, micros(plain, 99)/1000)
	f.whole.add(ours, micros(gross, 50)/1000)
	f.asked.add(ours, float64(requests)/float64(len(paths)))
}

// perOrg is how many deploys an organization sees: GitHub lets an installation
// make 80 things a minute, and every deploy makes about ten.
const perOrg = 4

// stage is a bot and a script that tells when it runs.
type stage struct {
	world   *world.World
	front   *front
	pipe    string   // a named pipe; each script writes a line
	started *os.File // the pipe
	tracer  *tracer  // nil: nobody asked for it
	orgs    int
}

// path is what one deploy took until its first step ran.
type path struct {
	began        time.Time
	took, github time.Duration
	requests     int
	trace        []moment // if asked for
}

func (b *bench) newStage(ctx context.Context) (s *stage, err error) {
	s = &stage{pipe: filepath.Join(b.dir, "started")}
	if err := syscall.Mkfifo(s.pipe, 0o600); err != nil {
		return nil, err
	}
	defer func() {
		if err != nil {
			s.close()
		}
	}()
	// Open for writing as well, so that it never ends.
	if s.started, err = os.OpenFile(s.pipe, os.O_RDWR, 0); err != nil {
		return s, err
	}
	if s.front, err = startFront(); err != nil {
		return s, err
	}
	if s.world, err = b.startWorld(ctx, "comment", s.front.env()...); err != nil {
		return s, err
	}
	s.front.bind(s.world)
	if b.trace {
		s.tracer, err = startTracer(ctx, b.redis.addr)
	}
	return s, err
}

// deploys makes an organization with a repository and a pull request, and
// deploys it n times, after once to fetch the repository and to fill caches.
func (s *stage) deploys(ctx context.Context, n int) ([]path, error) {
	s.orgs++
	repo, pull, err := s.newPull(fmt.Sprintf("acme-%d", s.orgs))
	if err != nil {
		return nil, err
	}
	var ps []path
	for i := range n + 1 {
		p, err := s.deploy(ctx, repo, pull)
		if err != nil {
			return nil, fmt.Errorf("deploy %d of %s: %w", i+1, repo, err)
		}
		ps = append(ps, p)
	}
	return ps[1:], nil
}

const pipelineFile = `
service: shop-%d
environments: {staging: {}}
pipelines:
  deploy:
    on: {command: deploy}
    steps:
      - {name: release, run: "echo begun > %s"}
`

func (s *stage) newPull(org string) (repo string, pull int, err error) {
	gh, dev := s.world.GitHub, s.dev()
	if _, err := gh.AddUser(github.NewUser{Login: dev}); err != nil {
		return "", 0, err
	}
	if _, err := gh.AddOrg(github.NewOrg{Login: org, Owners: []string{"octavia"}}); err != nil {
		return "", 0, err
	}
	r, err := gh.CreateRepo(github.NewRepo{Owner: org, Name: "shop", Collaborators: map[string]string{dev: "write"},
		Files: map[string]string{".shipmate.yaml": fmt.Sprintf(pipelineFile, s.orgs, s.pipe), "README.md": "# shop\n"}})
	if err != nil {
		return "", 0, err
	}
	if _, err := gh.Install(r.FullName); err != nil {
		return "", 0, err
	}
	them := gh.As(dev)
	if _, err := them.Push(github.Push{Repo: r.FullName, Branch: "sale", Files: map[string]string{"sale.txt": "x"}, Message: "Add a sale"}); err != nil {
		return "", 0, err
	}
	pr, err := them.OpenPR(github.NewPR{Repo: r.FullName, Head: "sale", Title: "Add a sale"})
	return r.FullName, pr.Number, err
}

// dev deploys in the newest organization alone: nobody may give more than 60
// commands a minute.
func (s *stage) dev() string { return fmt.Sprintf("dev-%d", s.orgs) }

// calm is how long after a deploy the bot counts as idle: by then it has made
// ready for the next.
const calm = 300 * time.Millisecond

// deploy comments when the bot is idle and waits for the script.
func (s *stage) deploy(ctx context.Context, repo string, pull int) (path, error) {
	ctx, cancel := context.WithTimeout(ctx, 20*time.Second)
	defer cancel()
	if err := s.world.Settle(ctx); err != nil {
		return path{}, err
	}
	if err := pause(ctx, calm); err != nil {
		return path{}, err
	}
	s.front.forget()
	if _, err := s.world.GitHub.As(s.dev()).Comment(repo, pull, "/deploy staging"); err != nil {
		return path{}, err
	}
	if err := s.awaitScript(); err != nil {
		return path{}, err
	}
	began := time.Now()
	p, err := s.front.path(began)
	if err == nil && s.tracer != nil {
		p.trace = s.tracer.between(p.began, began, s.front.spans)
	}
	return p, err
}

// awaitScript waits until a script has written its line.
func (s *stage) awaitScript() error {
	if err := s.started.SetReadDeadline(time.Now().Add(20 * time.Second)); err != nil {
		return err
	}
	if _, err := bufio.NewReader(s.started).ReadString('\n'); err != nil {
		return fmt.Errorf("its script did not begin: %w", err)
	}
	return nil
}

func (s *stage) close() error {
	var errs []error
	if s.tracer != nil {
		errs = append(errs, s.tracer.close())
	}
	if s.world != nil {
		errs = append(errs, s.world.Close())
	}
	if s.front != nil {
		errs = append(errs, s.front.close())
	}
	return errors.Join(append(errs, s.started.Close())...)
}
