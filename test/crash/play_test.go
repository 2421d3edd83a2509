//go:build crash

package crash

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"maps"
	"os"
	"slices"
	"strings"
	"sync"
	"syscall"
	"time"

	"github.com/shipmate/shipmate/test/sim/github"
	"github.com/shipmate/shipmate/test/sim/slack"
	"github.com/shipmate/shipmate/test/world"
)

// play is one performance of a story: a repository, a Slack channel and a
// folder of its own, and at most one kill.
type play struct {
	*lane
	story   *story
	ctx     context.Context
	name    string
	repo    string // full name
	repoID  int64
	folder  string
	since   int // deliveries before this play
	began   time.Time
	killed  time.Time
	again   chan struct{} // closed when the bot is back, nil without a kill
	natural bool          // leases lapse by themselves

	mu      sync.Mutex
	held    map[string]bool // steps that wait in the middle until released
	waiting []string        // that do
	release *os.File
}

// prepare makes what a play needs before people act.
func (l *lane) prepare(ctx context.Context, s *story) (*play, error) {
	l.plays++
	p := &play{lane: l, story: s, ctx: ctx, name: playName(l.plays), held: map[string]bool{}}
	for _, step := range s.hold {
		p.held[step] = true
	}
	p.folder = l.path(p.name)
	if err := p.fifos(); err != nil {
		return nil, err
	}
	roles := map[string]string{}
	for _, who := range world.People {
		roles[who.Login] = who.Permission
	}
	l.github.ForgetRequests()
	p.since = len(l.github.Deliveries())
	repo, err := l.github.CreateRepo(github.NewRepo{Owner: world.Org, Name: p.name, Collaborators: roles,
		Files: map[string]string{".shipmate.yaml": p.fill(s.file), "README.md": "# shop\n"}})
	if err != nil {
		return nil, err
	}
	p.repo, p.repoID = repo.FullName, repo.ID
	if _, err := l.github.Install(p.repo); err != nil {
		return nil, err
	}
	l.refill(ctx)
	if s.before != nil {
		if err := s.before(p); err != nil {
			return nil, err
		}
	}
	return p, p.settled()
}

// fill writes scripts in place of their short forms.
func (p *play) fill(file string) string {
	note := fmt.Sprintf(`echo "%%s $SHIPMATE_RUN $SHIPMATE_STEP $SHIPMATE_ATTEMPT" >>%[1]s/effects; echo "%%s $SHIPMATE_STEP" >%[1]s/said; read _ <%[1]s/go`, p.folder)
	begin, end := fmt.Sprintf(note, "start", "started"), fmt.Sprintf(note, "end", "ending")
	work := begin + "; " + end
	undo := fmt.Sprintf(`echo "undo $SHIPMATE_RUN $SHIPMATE_STEP $SHIPMATE_ATTEMPT" >>%s/effects`, p.folder)
	return strings.NewReplacer("WORK", quote(work), "FAIL", quote(work+"; exit 3"), "UNDO", quote(undo), "CHANNEL", p.name).Replace(file)
}

func quote(s string) string { return "'" + strings.ReplaceAll(s, "'", "''") + "'" }

// fifos are how scripts tell where they are and wait to go on.
func (p *play) fifos() error {
	if err := os.Mkdir(p.folder, 0o700); err != nil {
		return err
	}
	for _, name := range []string{"said", "go"} {
		if err := syscall.Mkfifo(p.folder+"/"+name, 0o600); err != nil {
			return err
		}
	}
	said, err := os.OpenFile(p.folder+"/said", os.O_RDWR, 0)
	if err != nil {
		return err
	}
	if p.release, err = os.OpenFile(p.folder+"/go", os.O_RDWR, 0); err != nil {
		return err
	}
	heard := make(chan struct{})
	go func() {
		defer close(heard)
		for lines := bufio.NewScanner(said); lines.Scan(); {
			p.hear(lines.Text())
		}
	}()
	p.t.Cleanup(func() { said.Close(); p.release.Close(); <-heard })
	return nil
}

// hear is told where a script is. It lets it go on: at once, or when the bot is
// back, or when the story says so.
func (p *play) hear(line string) {
	where, step, _ := strings.Cut(line, " ")
	k := scriptStarted
	if where == "ending" {
		k = scriptEnding
	}
	struck := !p.bot.gate.notice(k, line) // or the bot was dead before
	p.mu.Lock()
	defer p.mu.Unlock()
	switch {
	case k == scriptStarted && p.held[step]:
		p.waiting = append(p.waiting, step)
	case k == scriptStarted && struck && p.again != nil:
		again := p.again
		go func() { <-again; p.goOn() }()
	default:
		p.goOn()
	}
}

func (p *play) goOn() { _, _ = p.release.WriteString("\n") }

// waitHeld waits until a held step is in its middle.
func (p *play) waitHeld(step string) error {
	return until(p.ctx, step+" has started", func() bool {
		p.mu.Lock()
		defer p.mu.Unlock()
		return slices.Contains(p.waiting, step)
	})
}

// let lets held steps go on, those that wait and those to come.
func (p *play) let() {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.held = map[string]bool{}
	for range p.waiting {
		p.goOn()
	}
	p.waiting = nil
}

// outcome is what came of one play.
type outcome struct {
	counts map[kind]int
	what   string        // the point was; "" if it did not come
	took   time.Duration // from the kill to the end
	wrong  []string
}

// perform plays a story with one kill, or none with the zero point.
func (l *lane) perform(s *story, at point, natural bool) (o outcome, err error) {
	ctx, cancel := context.WithTimeout(context.Background(), 2*patience)
	defer cancel()
	p, err := l.prepare(ctx, s)
	if err != nil {
		return o, fmt.Errorf("prepare: %w", err)
	}
	p.natural, p.again = natural, make(chan struct{})
	over := make(chan struct{})
	fired := l.bot.gate.set(at, false)
	watched := make(chan error, 1)
	go func() { watched <- p.resurrect(fired, over) }()
	p.began = time.Now()
	told := s.tell(p)
	if told == nil {
		told = p.settled()
	}
	o.counts, o.what, _ = l.bot.gate.unset()
	close(over)
	if err := <-watched; err != nil {
		return o, err
	}
	if o.what != "" && told == nil { // it may have come at the very end
		told = p.settled()
		o.took = time.Since(p.killed)
	}
	if told != nil {
		o.wrong = append(o.wrong, "lost: "+told.Error())
	}
	o.wrong = append(o.wrong, p.check()...)
	if len(o.wrong) > 0 || o.took > 10*time.Second {
		p.dump(at, o)
	}
	return o, l.github.Uninstall(p.repo)
}

// resurrect starts the bot again after the kill, and has missed webhooks delivered.
func (p *play) resurrect(fired <-chan struct{}, over <-chan struct{}) error {
	select {
	case <-fired:
	case <-over:
		select {
		case <-fired:
		default:
			return nil
		}
	}
	p.killed = time.Now()
	dead := p.bot.consumer()
	p.bot.kill()
	if !p.natural {
		p.lapse(p.ctx, dead)
	}
	p.bot.gate.open()
	p.bot.launch()
	if err := p.bot.ready(p.ctx); err != nil {
		return err
	}
	close(p.again)
	return p.redeliver(p.ctx, p.since)
}

// settled waits until nothing moves any more: every webhook is answered, no
// job is ready, in hand or delayed, and no run is open.
func (p *play) settled() error { return p.settledOn(p.bot) }

func (p *play) settledOn(b *bot) error {
	ctx, cancel := context.WithTimeoutCause(p.ctx, patience, errors.New("not settled within "+patience.String()))
	defer cancel()
	var last map[string]float64
	err := until(ctx, "everything has ended", func() bool {
		if b.gate.shutting() || p.github.WaitDelivered(ctx) != nil {
			return false
		}
		n, err := numbers(ctx, b.metrics)
		if err != nil {
			return false
		}
		last = n
		return n["shipmate_queue_depth"]+n["shipmate_queue_delayed"]+n["shipmate_runs_open"] == 0 &&
			len(undelivered(p.github.Deliveries()[p.since:])) == 0 && !b.gate.shutting()
	})
	if err != nil {
		keep := maps.Clone(last)
		maps.DeleteFunc(keep, func(name string, _ float64) bool {
			return !strings.HasPrefix(name, "shipmate_queue") && !strings.HasPrefix(name, "shipmate_runs")
		})
		return fmt.Errorf("%w (%v; not delivered: %v)", err, keep, undelivered(p.github.Deliveries()[p.since:]))
	}
	return nil
}

// comment is a command on a pull request.
func (p *play) comment(pr int, text string) error {
	_, err := p.github.As("mona").Comment(p.repo, pr, text)
	return err
}

// openPR opens a pull request of mona's.
func (p *play) openPR(branch string) (int, error) {
	mona := p.github.As("mona")
	if _, err := mona.Push(github.Push{Repo: p.repo, Branch: branch, Files: map[string]string{branch + ".txt": "x"}, Message: "Add " + branch}); err != nil {
		return 0, err
	}
	pr, err := mona.OpenPR(github.NewPR{Repo: p.repo, Head: branch, Title: "Add " + branch})
	return pr.Number, err
}

// slash types a Slack command, again if Slack says that it failed, unless an
// answer came of it all the same.
func (p *play) slash(name, text string) error {
	answered := func() bool {
		_, asked := p.question(p.slack.Snapshot(), "mona")
		return asked
	}
	return p.insist(answered, func() (slack.Delivery, error) {
		return p.slack.SlashCommand(p.ctx, slack.Command{User: "mona", Channel: p.name, Name: name, Text: text})
	})
}

// question is the newest question that only this person sees.
func (p *play) question(st *slack.State, who string) (at slack.Click, asked bool) {
	for _, m := range st.All(p.name) {
		if len(m.Buttons) > 0 && m.Ephemeral() {
			at, asked = slack.Click{User: who, Channel: p.name, Message: m.TS, Button: m.Buttons[0].Text}, true
		}
	}
	return at, asked
}

// confirm waits for the question whether this commit is meant and says yes.
func (p *play) confirm(who string) error {
	var where slack.Click
	err := p.slack.WaitFor(p.ctx, func(st *slack.State) (asked bool) {
		where, asked = p.question(st, who)
		return asked
	})
	if err != nil {
		return err
	}
	return p.insist(func() bool { return p.repoRuns() > 0 }, func() (slack.Delivery, error) { return p.slack.Click(p.ctx, where) })
}

// click waits for a button and presses it, again if Slack says that it failed.
func (p *play) click(who, button string) error {
	where := slack.Click{User: who, Channel: p.name, Button: button}
	find := func(st *slack.State) bool {
		for _, m := range st.Messages(p.name) {
			if _, ok := m.Button(button); ok && !m.Ephemeral() {
				where.Message = m.TS
				return true
			}
		}
		return false
	}
	if err := p.slack.WaitFor(p.ctx, find); err != nil {
		return err
	}
	return p.insist(p.approved, func() (slack.Delivery, error) { return p.slack.Click(p.ctx, where) })
}

// insist does what a person does: tries again once, when the bot is back and
// has had its time, if it is not seen that the first try did something.
func (p *play) insist(did func() bool, try func() (slack.Delivery, error)) error {
	d, err := try()
	if err != nil || d.Error == "" {
		return err
	}
	select {
	case <-p.again:
	case <-p.ctx.Done():
		return context.Cause(p.ctx)
	}
	short, cancel := context.WithTimeout(p.ctx, 2*time.Second)
	defer cancel()
	if until(short, "it did something", did) == nil {
		return nil
	}
	d, err = try()
	if err == nil && d.Error != "" {
		err = errors.New(d.Error)
	}
	return err
}
