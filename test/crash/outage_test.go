//go:build crash

package crash

import (
	"context"
	"math/rand/v2"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/shipmate/shipmate/pipeline"
	"github.com/shipmate/shipmate/test/sim/github"
	"github.com/shipmate/shipmate/test/sim/slack"
)

// TestRedisKilledUnderLoad kills Redis while many commands are under way:
// whatever was answered with 202 comes to its end, once.
func TestRedisKilledUnderLoad(t *testing.T) {
	repos, kills := 12, 3
	if testing.Short() {
		repos, kills = 4, 1
	}
	l := newLane(t)
	ctx, cancel := context.WithTimeout(context.Background(), 3*patience)
	defer cancel()
	l.plenty(ctx)
	var plays []*play
	for range repos {
		p, err := l.prepare(ctx, stories[0])
		l.must(err)
		plays = append(plays, p)
	}
	l.bot.gate.set(point{}, false)
	since := len(l.github.Deliveries())
	for i, p := range plays {
		l.must(p.comment(1, "/deploy staging"))
		if i%(repos/kills) == 0 {
			l.must(until(ctx, "the bot is in the middle", func() bool { return l.bot.gate.busy(i * 100 / kills) }))
			l.redis.Kill()
			l.redis.Start()
		}
	}
	l.must(until(ctx, "the bot is ready again", func() bool { return l.answers(ctx, "/readyz") == http.StatusOK }))
	l.must(plays[0].redeliver(ctx, since))
	began := time.Now()
	l.must(plays[0].settled())
	for _, p := range plays {
		wrong := p.check()
		for _, w := range wrong {
			t.Errorf("%s: %s", p.name, w)
		}
		if len(wrong) > 0 {
			p.dump(point{}, outcome{what: "Redis killed", wrong: wrong})
		}
	}
	t.Logf("%d kills of Redis under %d deploys; settled %v after the last", kills, repos, time.Since(began).Round(time.Millisecond))
}

// busy reports whether so many commands were sent since the gate was set.
func (g *gate) busy(commands int) bool {
	g.mu.Lock()
	defer g.mu.Unlock()
	return g.counts[redisBefore] >= commands
}

// answers is the status of a page of the bot.
func (l *lane) answers(ctx context.Context, path string) int {
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, "http://"+l.bot.addr+path, nil)
	l.must(err)
	res, err := http.DefaultClient.Do(req)
	if err != nil {
		return 0
	}
	res.Body.Close()
	return res.StatusCode
}

// TestRedisAway: while Redis is gone nothing is half accepted, and everybody
// is told; when it is back, what is delivered again works.
func TestRedisAway(t *testing.T) {
	l := newLane(t)
	ctx, cancel := context.WithTimeout(context.Background(), 2*patience)
	defer cancel()
	s := *stories[0]
	p, err := l.prepare(ctx, &s)
	l.must(err)
	l.redis.Kill()
	since := len(l.github.Deliveries())
	l.must(p.comment(1, "/deploy staging"))
	l.must(l.github.WaitDelivered(ctx))
	for _, d := range l.github.Deliveries()[since:] {
		if d.StatusCode != http.StatusServiceUnavailable {
			t.Errorf("the webhook was answered %d %q, not 503", d.StatusCode, d.ResponseBody)
		}
	}
	d, err := l.slack.SlashCommand(ctx, slack.Command{User: "mona", Channel: p.name, Name: "/deploy", Text: p.name + " prod"})
	l.must(err)
	if d.Error != "" || !strings.Contains(d.Ack, "Not accepted") || d.Took > 3*time.Second {
		t.Errorf("Slack was answered %q %q after %v", d.Error, d.Ack, d.Took)
	}
	if ready, healthy := l.answers(ctx, "/readyz"), l.answers(ctx, "/healthz"); ready != http.StatusServiceUnavailable || healthy != http.StatusOK {
		t.Errorf("readyz %d, healthz %d", ready, healthy)
	}
	l.redis.Start()
	back := time.Now()
	l.must(until(ctx, "the bot is ready again", func() bool { return l.answers(ctx, "/readyz") == http.StatusOK }))
	l.must(p.redeliver(ctx, since))
	l.must(p.settled())
	t.Logf("a run after a redelivery had ended %v after Redis was back", time.Since(back).Round(time.Millisecond))
	for _, w := range p.check() {
		t.Error(w)
	}
}

// TestDuplicates delivers every webhook one to five times, shuffled, a fifth of
// them under another id: the effects are those of a clean sequence.
func TestDuplicates(t *testing.T) {
	repos := 10
	if testing.Short() {
		repos = 4
	}
	l := newLane(t)
	ctx, cancel := context.WithTimeout(context.Background(), 2*patience)
	defer cancel()
	l.plenty(ctx)
	both := story{name: "duplicates", file: deployFile + checksPart,
		ends: []pipeline.State{pipeline.Succeeded, pipeline.Succeeded}, starts: []string{"build", "release", "unit"}}
	var plays []*play
	var all []github.Webhook
	seed := uint64(time.Now().UnixNano())
	t.Logf("seed %d", seed)
	random := rand.New(rand.NewPCG(seed, 0))
	for range repos {
		p, err := l.prepare(ctx, &both)
		l.must(err)
		plays = append(plays, p)
	}
	l.github.HoldWebhooks()
	since := len(l.github.Deliveries())
	for _, p := range plays {
		l.must(onePR(p))
		l.must(p.comment(1, "/deploy staging"))
	}
	for _, d := range l.github.Deliveries()[since:] {
		for range 1 + random.IntN(5) {
			w := github.Webhook{Event: d.Event, GUID: d.GUID, Body: d.Body}
			if random.IntN(5) == 0 {
				w.GUID = "" // another
			}
			all = append(all, w)
		}
	}
	random.Shuffle(len(all), func(i, j int) { all[i], all[j] = all[j], all[i] })
	for _, w := range all {
		code, err := l.github.SendWebhook(ctx, w)
		if err != nil || code/100 != 2 {
			t.Errorf("%s was answered %d: %v", w.Event, code, err)
		}
	}
	l.github.ReleaseWebhooks()
	l.must(plays[0].settled())
	for _, p := range plays {
		wrong := p.check()
		for _, w := range wrong {
			t.Errorf("%s: %s", p.name, w)
		}
		if len(wrong) > 0 {
			p.dump(point{}, outcome{what: "duplicates", wrong: wrong})
		}
	}
	t.Logf("%d deliveries of %d webhooks", len(all), len(l.github.Deliveries())-since)
}

const checksPart = `
  checks:
    on: {pull_request: {branches: [main]}}
    steps:
      - {name: unit, run: WORK}
`
