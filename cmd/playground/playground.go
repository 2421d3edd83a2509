package main

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"time"

	"github.com/shipmate/shipmate/test/sim/github"
	"github.com/shipmate/shipmate/test/world"
	"github.com/shipmate/shipmate/test/world/sample"
)

// Config says what playground to make. All of it is needed.
type Config struct {
	Dir      string // for everything the playground writes
	Binary   string // the shipmate executable
	Listener net.Listener
}

// Playground is a world with a sample service, and a page on it.
type Playground struct {
	URL   string
	World *world.World

	id   string // no other playground has it
	bin  string // the folder of the shipmate executable
	repo string
	pull int
	site *os.Root // a folder per environment, see package sample
	log  *botLog

	files []io.Closer // what open opened

	mu    sync.Mutex
	scene string // what is being set up; empty when all is ready
	bell  bell   // rings when scene or log changed

	stop   context.CancelFunc
	work   sync.WaitGroup
	server *http.Server
}

const (
	saleBranch   = "summer-sale" // of the pull request
	brokenBranch = "free-lamps"  // fails its smoke test when it is deployed
)

// Start makes the playground. When it returns the page can be used; the first
// deploys, which give people something to go back to, are still under way.
func Start(ctx context.Context, cfg Config) (*Playground, error) {
	p := &Playground{
		URL:   "http://" + cfg.Listener.Addr().String(),
		id:    rand.Text(),
		bin:   filepath.Dir(cfg.Binary),
		scene: "One moment: the bot gets to know the repository.",
		stop:  func() {},
	}
	p.log = &botLog{changed: p.bell.ring}
	if err := p.open(ctx, cfg); err != nil {
		return nil, errors.Join(err, cfg.Listener.Close(), p.Close())
	}
	ctx, p.stop = context.WithCancel(context.WithoutCancel(ctx)) // ends with Close, not with Start
	p.server = &http.Server{
		Handler:           p.handler(),
		ReadHeaderTimeout: 5 * time.Second,
		BaseContext:       func(net.Listener) context.Context { return ctx },
	}
	p.work.Go(func() { _ = p.server.Serve(cfg.Listener) }) // always http.ErrServerClosed
	p.work.Go(func() { p.prepare(ctx) })
	return p, nil
}

// open starts the world and puts the sample service into it.
func (p *Playground) open(ctx context.Context, cfg Config) error {
	dir := filepath.Join(cfg.Dir, "site")
	if err := os.MkdirAll(dir, 0o755); err != nil {
		return err
	}
	site, err := os.OpenRoot(dir)
	if err != nil {
		return err
	}
	p.site, p.files = site, append(p.files, site)
	file, err := os.Create(filepath.Join(cfg.Dir, "bot.log"))
	if err != nil {
		return err
	}
	p.log.file, p.files = file, append(p.files, file)
	if p.World, err = world.Start(ctx, world.Config{Binary: cfg.Binary, Dir: cfg.Dir, Log: p.log}); err != nil {
		return err
	}
	if p.repo, err = p.World.AddRepo("shop", sample.Files(dir, p.URL+"/site")); err != nil {
		return err
	}
	return p.openPull()
}

func (p *Playground) openPull() error {
	mona := p.World.GitHub.As("mona")
	if _, err := mona.Push(github.Push{Repo: p.repo, Branch: saleBranch, Files: sample.Sale(), Message: "Add a summer sale"}); err != nil {
		return err
	}
	if _, err := mona.Push(github.Push{Repo: p.repo, Branch: brokenBranch, Files: sample.Broken(), Message: "Give the lamp away"}); err != nil {
		return err
	}
	pr, err := mona.OpenPR(github.NewPR{
		Repo: p.repo, Head: saleBranch, Title: "Add a summer sale",
		Body: "A quarter off **everything**, and a banner that says so.\n\n- new prices in `products.txt`\n- `parts/banner.html`",
	})
	p.pull = pr.Number
	return err
}

// Close ends everything that Start started.
func (p *Playground) Close() error {
	p.stop()
	var errs []error
	if p.server != nil {
		errs = append(errs, p.server.Close())
	}
	p.work.Wait()
	if p.World != nil {
		errs = append(errs, p.World.Close())
	}
	for _, c := range p.files {
		errs = append(errs, c.Close())
	}
	return errors.Join(errs...)
}

func (p *Playground) setScene(text string) {
	p.mu.Lock()
	p.scene = text
	p.mu.Unlock()
	p.bell.ring()
}

// prepare deploys the default branch everywhere, by the ways everybody uses.
func (p *Playground) prepare(ctx context.Context) {
	err := p.firstDeploys(ctx)
	if err != nil && ctx.Err() == nil {
		p.setScene("The first deploys did not work: " + err.Error())
		return
	}
	p.setScene("")
}

func (p *Playground) firstDeploys(ctx context.Context) error {
	const patience = 2 * time.Minute
	ctx, cancel := context.WithTimeout(ctx, patience)
	defer cancel()
	if err := p.World.Settle(ctx); err != nil {
		return err
	}
	p.setScene("One moment: mona deploys main to staging, from Slack.")
	if err := p.slash(ctx, act{As: "mona", Text: "/deploy staging"}); err != nil {
		return err
	}
	if err := p.waitFor(ctx, deployed("staging")); err != nil {
		return fmt.Errorf("staging: %w", err)
	}
	p.setScene("One moment: mona asks for prod, and octavia approves.")
	if err := p.slash(ctx, act{As: "mona", Text: "/deploy prod"}); err != nil {
		return err
	}
	if err := p.press(ctx, "mona", "Deploy "); err != nil {
		return err
	}
	if err := p.press(ctx, "octavia", "Approve"); err != nil {
		return err
	}
	if err := p.waitFor(ctx, deployed("prod")); err != nil {
		return fmt.Errorf("prod: %w", err)
	}
	return nil
}

// press waits for a button whose text begins so, that the person sees, and clicks it.
func (p *Playground) press(ctx context.Context, who, begins string) error {
	asked := act{As: who}
	err := p.waitFor(ctx, func(s State) bool {
		for _, m := range s.Slack.Messages(world.Channel) {
			for _, b := range m.Buttons {
				if strings.HasPrefix(b.Text, begins) {
					asked.Message, asked.Button = m.TS, b.Text
					return true
				}
			}
		}
		return false
	})
	if err != nil {
		return fmt.Errorf("wait for the question %q: %w", begins, err)
	}
	return p.click(ctx, asked)
}

// deployed is the condition that an environment had a deploy that ended well.
func deployed(env string) func(State) bool {
	return func(s State) bool {
		for _, d := range s.GitHub.Deployments {
			if d.Environment == env && d.State == "success" {
				return true
			}
		}
		return false
	}
}
