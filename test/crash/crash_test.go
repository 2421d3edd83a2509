//go:build crash

package crash

import (
	"cmp"
	"context"
	"crypto/rand"
	"crypto/rsa"
	"crypto/x509"
	"encoding/json"
	"encoding/pem"
	"flag"
	"fmt"
	"os"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/shipmate/shipmate/pipeline"
	"github.com/shipmate/shipmate/pipeline/redisstore"
	"github.com/shipmate/shipmate/test/world"
)

var (
	binary string
	appKey []byte

	only  = flag.String("story", "", "play only this story")
	kill  = flag.String("kill", "", `play only this point, such as "after a reply of Redis, number 7"`)
	lanes = flag.Int("lanes", 4, "plays at the same time")
	every = flag.Int("every", 30, "kill at every n-th point only; 1 takes hours")
)

func TestMain(m *testing.M) {
	flag.Parse()
	dir, err := os.MkdirTemp("", "shipmate-crash-")
	if err == nil {
		binary, err = world.Build(context.Background(), dir)
	}
	if err == nil {
		var key *rsa.PrivateKey
		if key, err = rsa.GenerateKey(rand.Reader, 2048); err == nil {
			appKey = pem.EncodeToMemory(&pem.Block{Type: "RSA PRIVATE KEY", Bytes: x509.MarshalPKCS1PrivateKey(key)})
		}
	}
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
	code := m.Run()
	_ = os.RemoveAll(dir)
	os.Exit(code)
}

// short is how many points of a story are played with -short.
const short = 4

// TestKilledAnywhere plays each story once to count its points, then once for
// each (see -every): kill -9 there, a new process, and in the end everything
// as if nothing had happened.
func TestKilledAnywhere(t *testing.T) {
	var cast []*story
	for _, s := range stories {
		if *only == "" || *only == s.name {
			cast = append(cast, s)
		}
	}
	var sum tally
	parts := make(chan part)
	go func() {
		defer close(parts)
		rehearse(t, cast, parts)
	}()
	var stage sync.WaitGroup
	for range min(*lanes, len(cast)*short) {
		stage.Go(func() {
			var l *lane
			for p := range parts {
				if l == nil {
					l = newLane(t)
				}
				if !sum.play(t, l, p) {
					l = nil // what is left over is not for the next play
				}
			}
		})
	}
	stage.Wait()
	sum.report(t, len(cast))
}

// part is one play to be given.
type part struct {
	story *story
	at    point
}

// rehearse counts the points of every story and sends out what is to be played.
func rehearse(t *testing.T, cast []*story, parts chan<- part) {
	l := newLane(t)
	var all []part
	for _, s := range cast {
		o, err := l.perform(s, point{}, false)
		if err != nil {
			t.Errorf("%s, nobody killed: %v", s.name, err)
			return
		}
		for _, w := range o.wrong {
			t.Errorf("%s, nobody killed: %s", s.name, w)
		}
		o.counts[redisAfter] = o.counts[redisBefore]
		o.counts[githubAfter], o.counts[slackAfter] = o.counts[githubBefore], o.counts[slackBefore]
		t.Logf("%s: %v", s.name, o.counts)
		all = append(all, s.points(o.counts)...)
	}
	for _, p := range all {
		if *kill == "" || *kill == p.at.String() {
			parts <- p
		}
	}
}

// points are those to be killed at, evenly spread over each kind: with -short
// only a few.
func (s *story) points(counts map[kind]int) (all []part) {
	for _, k := range kinds {
		step := min(*every, max(1, counts[k]))
		if *kill != "" {
			step = 1
		} else if testing.Short() {
			step = max(1, counts[k]*len(kinds)/short/2)
		}
		for n := 1 + (step-1)/2; n <= counts[k]; n += step {
			all = append(all, part{s, point{k, n}})
		}
	}
	return all
}

// tally counts what came of the plays.
type tally struct {
	mu     sync.Mutex
	kills  map[kind]int
	missed int
	wrong  map[string]map[kind]int // by word
	took   []time.Duration
}

func (c *tally) play(t *testing.T, l *lane, p part) (clean bool) {
	o, err := l.perform(p.story, p.at, false)
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.kills == nil {
		c.kills, c.wrong = map[kind]int{}, map[string]map[kind]int{}
	}
	if err != nil {
		t.Errorf("%s, killed %s: %v", p.story.name, p.at, err)
		return false
	}
	if o.what == "" {
		c.missed++
	} else {
		c.kills[p.at.kind]++
		c.took = append(c.took, o.took)
		if o.took > 10*time.Second {
			t.Logf("%s, killed %s (%s): it took %v to end", p.story.name, p.at, o.what, o.took.Round(time.Millisecond))
		}
	}
	words := map[string]bool{}
	for _, w := range o.wrong {
		t.Errorf("%s, killed %s (%s): %s", p.story.name, p.at, o.what, w)
		word, _, _ := strings.Cut(w, ":")
		words[word] = true
	}
	for word := range words {
		if c.wrong[word] == nil {
			c.wrong[word] = map[kind]int{}
		}
		c.wrong[word][p.at.kind]++
	}
	return len(o.wrong) == 0
}

func (c *tally) report(t *testing.T, stories int) {
	total := func(m map[kind]int) (n int) {
		for _, k := range kinds {
			n += m[k]
		}
		return n
	}
	t.Logf("%d kills in %d stories: %d lost, %d repeated, %d duplicated reports; %d points did not come again",
		total(c.kills), stories, total(c.wrong["lost"]), total(c.wrong["repeated"]), total(c.wrong["duplicated"]), c.missed)
	for _, k := range kinds {
		t.Logf("%-28s %4d kills: %d lost, %d repeated, %d duplicated", k, c.kills[k], c.wrong["lost"][k], c.wrong["repeated"][k], c.wrong["duplicated"][k])
	}
	if len(c.took) > 0 {
		slices.SortFunc(c.took, cmp.Compare)
		t.Logf("from the kill to the end of the story: median %v, longest %v", c.took[len(c.took)/2].Round(time.Millisecond), c.took[len(c.took)-1].Round(time.Millisecond))
	}
}

// dump writes down everything about a play that went wrong.
func (p *play) dump(at point, o outcome) {
	var b strings.Builder
	fmt.Fprintf(&b, "%s: killed %s (%s)\n%s\n\n", p.story.name, at, o.what, strings.Join(o.wrong, "\n"))
	p.look(func(ctx context.Context, s *redisstore.Store, runs []*pipeline.Run) {
		for _, r := range runs {
			progress, _ := json.MarshalIndent(r.Progress, "", " ")
			history, err := s.History(ctx, r.ID)
			fmt.Fprintf(&b, "run %s of %s, version %d\n%s\n%v %v\n", r.ID, r.Repo, r.Version, progress, history, err)
		}
	})
	snap, _ := p.github.Snapshot(p.repo)
	page, _ := json.MarshalIndent(snap, "", " ")
	effects, _ := os.ReadFile(p.folder + "/effects")
	log := p.bot.lastLines()
	for _, other := range p.more {
		log += "\n" + other.name + ":\n" + other.lastLines()
	}
	requests, _ := json.Marshal(p.github.Requests())
	fmt.Fprintf(&b, "\n%s\n%s\neffects:\n%s\nrequests: %s\nlog:\n%s", page, p.slack.Snapshot().Transcript(), effects, requests, log)
	f, err := os.CreateTemp("", "shipmate-crash-"+p.story.name+"-*.txt")
	if err != nil {
		return
	}
	defer f.Close()
	_, _ = f.WriteString(b.String())
	p.t.Logf("%s, killed %s: everything about it is in %s", p.story.name, at, f.Name())
}
