//go:build crash

package crash

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/redis/go-redis/v9"

	"github.com/shipmate/shipmate/pipeline/redisstore"
	"github.com/shipmate/shipmate/pipeline/redisstore/redistest"
	"github.com/shipmate/shipmate/test/sim/github"
	"github.com/shipmate/shipmate/test/sim/slack"
	"github.com/shipmate/shipmate/test/world"
)

const (
	signingSecret = "a-signing-secret-of-the-simulated-slack"
	patience      = 60 * time.Second // how long anything may take to settle
)

// lane is a world in which plays are given one after the other: one Redis, one
// GitHub, one Slack, and a bot that is killed and started again.
type lane struct {
	t      testing.TB
	dir    string
	redis  *redistest.Server
	github *github.Server
	slack  *slack.Server
	bot    *bot
	plays  int

	mu     sync.Mutex
	checks map[string]int // check runs made, by external id
	more   []*bot
}

// newLane makes a lane with its bot running; it ends with the test.
func newLane(t testing.TB, settings ...string) *lane {
	t.Helper()
	l := &lane{t: t, dir: t.TempDir(), redis: redistest.Start(t, settings...), checks: map[string]int{}}
	l.bot = l.newBot("a")
	l.platforms()
	l.bot.address(l)
	t.Cleanup(l.close)
	l.bot.start()
	return l
}

// platforms starts GitHub and Slack behind the gate of the first bot. The
// limits of the platforms are another test's business.
func (l *lane) platforms() {
	gh, err := github.New(github.Config{
		Root: filepath.Join(l.dir, "git"), Limits: github.Unlimited(), PrivateKey: appKey,
		Wrap: func(next http.Handler) http.Handler {
			return gated(l.bot.gate, githubBefore, githubAfter, next, l.seen)
		},
	})
	l.must(err)
	_, err = gh.Start()
	l.must(err)
	l.github = gh
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	l.must(err)
	l.slack = slack.New(slack.Config{SigningSecret: signingSecret, BaseURL: "http://" + listener.Addr().String()})
	l.slack.EnforceLimits(false)
	server := &http.Server{Handler: gated(l.bot.gate, slackBefore, slackAfter, l.slack, func(*http.Request, []byte, int) {})}
	served := make(chan struct{})
	go func() { defer close(served); _ = server.Serve(listener) }()
	l.t.Cleanup(func() { _ = server.Close(); <-served; l.slack.Close(); _ = gh.Close() })
	l.people()
}

func (l *lane) people() {
	var identities strings.Builder
	for _, p := range world.People {
		_, err := l.github.AddUser(github.NewUser{Login: p.Login, ID: p.ID})
		l.must(err)
		l.slack.AddUser(slack.User{ID: p.Slack, Name: p.Login})
		fmt.Fprintf(&identities, "- {slack_team: %s, slack_user: %s, github_id: %d, github_login: %s}\n", world.Team, p.Slack, p.ID, p.Login)
	}
	l.must(os.WriteFile(l.path("identities.yaml"), []byte(identities.String()), 0o600))
	l.must(os.WriteFile(l.path("app.pem"), l.github.PrivateKeyPEM(), 0o400))
	_, err := l.github.AddOrg(github.NewOrg{Login: world.Org, Owners: []string{"octavia"}})
	l.must(err)
	_, err = l.github.AddTeam(github.NewTeam{Org: world.Org, Slug: "release-leads", Members: []string{"octavia"}})
	l.must(err)
	var everybody []string
	for _, p := range world.People {
		everybody = append(everybody, p.Login)
	}
	for n := range maxPlays { // all at once: the bot keeps the list it read for a minute
		l.slack.AddChannel(playName(n+1), everybody...)
	}
}

// maxPlays is how many plays can be given in one lane.
const maxPlays = 700

func playName(n int) string { return fmt.Sprintf("shop%d", n) }

// seen notes which check runs were made: GitHub's own list shows the newest only.
func (l *lane) seen(r *http.Request, body []byte, status int) {
	if r.Method != http.MethodPost || status != http.StatusCreated || !strings.HasSuffix(r.URL.Path, "/check-runs") {
		return
	}
	var made struct {
		Name       string `json:"name"`
		ExternalID string `json:"external_id"`
	}
	if json.Unmarshal(body, &made) != nil {
		return
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	l.checks[made.Name+" of "+made.ExternalID]++
}

func (l *lane) close() {
	for _, b := range append(l.more, l.bot) {
		b.gate.shut()
		b.kill()
		b.proxy.close()
	}
}

func (l *lane) path(name string) string { return filepath.Join(l.dir, name) }

func (l *lane) must(err error) {
	l.t.Helper()
	if err != nil {
		l.t.Fatal(err)
	}
}

// store opens what the bot keeps, past the gate, to look at it.
func (l *lane) store(ctx context.Context) *redisstore.Store {
	l.t.Helper()
	s, err := redisstore.Open(ctx, redisstore.Config{URL: l.redis.URL()})
	l.must(err)
	return s
}

// lapse lets the time of all leases of a dead bot run out, on the clock of
// Redis. Nothing else moves on: a bot that would not look for lapsed leases is
// still found out.
func (l *lane) lapse(ctx context.Context, dead string) {
	c := l.redis.Client()
	defer c.Close()
	streams, err := c.Keys(ctx, "sm:{*}:q:*").Result()
	l.must(err)
	for _, stream := range streams {
		pending, err := c.XPendingExt(ctx, &redis.XPendingExtArgs{Stream: stream, Group: "w", Start: "-", End: "+", Count: 1000}).Result()
		l.must(err)
		for _, p := range pending {
			if strings.Contains(p.Consumer, dead) {
				l.must(c.Do(ctx, "XCLAIM", stream, "w", p.Consumer, 0, p.ID, "IDLE", leaseTTL.Milliseconds(), "RETRYCOUNT", p.RetryCount, "JUSTID").Err())
			}
		}
	}
}

const leaseTTL = 15 * time.Second // of the bot's leases

// refill gives back what was spent of the bot's own budgets for the platforms.
func (l *lane) refill(ctx context.Context) {
	c := l.redis.Client()
	defer c.Close()
	keys, err := c.Keys(ctx, "sm:{*}:budget:*").Result()
	l.must(err)
	if len(keys) > 0 {
		l.must(c.Del(ctx, keys...).Err())
	}
}

// plenty gives budgets back all the time, for a test in which more happens in a
// minute than the platforms allow, until ctx ends.
func (l *lane) plenty(ctx context.Context) {
	c := l.redis.Client()
	ctx, cancel := context.WithCancel(ctx)
	done := make(chan struct{})
	go func() {
		defer close(done)
		tick := time.NewTicker(100 * time.Millisecond)
		defer tick.Stop()
		for {
			select {
			case <-ctx.Done():
				return
			case <-tick.C:
			}
			keys, err := c.Keys(ctx, "sm:{*}:budget:*").Result() // Redis may be away
			if err == nil && len(keys) > 0 {
				_ = c.Del(ctx, keys...).Err()
			}
		}
	}()
	l.t.Cleanup(func() { cancel(); <-done; c.Close() })
}

// forgetDead empties the dead letters, which another play would be blamed for.
func (l *lane) forgetDead(ctx context.Context) {
	c := l.redis.Client()
	defer c.Close()
	keys, err := c.Keys(ctx, "sm:{*}:dead").Result()
	l.must(err)
	for _, k := range keys {
		l.must(c.XTrimMaxLen(ctx, k, 0).Err())
	}
}

// redeliver sends again, in order, what GitHub could not deliver since the
// delivery of that number, as the catch-up of a GitHub App does.
func (l *lane) redeliver(ctx context.Context, since int) error {
	for range 10 {
		if err := l.github.WaitDelivered(ctx); err != nil {
			return err
		}
		failed := undelivered(l.github.Deliveries()[since:])
		if len(failed) == 0 {
			return nil
		}
		for _, guid := range failed {
			if err := l.github.Redeliver(guid); err != nil {
				return err
			}
		}
	}
	return errors.New("webhooks are refused for ever")
}

func undelivered(all []github.Delivery) (guids []string) {
	done := map[string]bool{}
	for _, d := range all {
		done[d.GUID] = done[d.GUID] || d.StatusCode/100 == 2
	}
	for _, d := range all {
		if !done[d.GUID] && !slices.Contains(guids, d.GUID) {
			guids = append(guids, d.GUID)
		}
	}
	return guids
}

// numbers reads metrics of a bot, summed over their labels.
func numbers(ctx context.Context, addr string) (map[string]float64, error) {
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, "http://"+addr+"/metrics", nil)
	if err != nil {
		return nil, err
	}
	res, err := http.DefaultClient.Do(req)
	if err != nil {
		return nil, err
	}
	defer res.Body.Close()
	if res.StatusCode != http.StatusOK {
		return nil, fmt.Errorf("metrics: %s", res.Status)
	}
	out := map[string]float64{}
	lines := bufio.NewScanner(res.Body)
	for lines.Scan() {
		name, value, ok := strings.Cut(lines.Text(), " ")
		if !ok || name == "#" {
			continue
		}
		name, _, _ = strings.Cut(name, "{")
		v, err := strconv.ParseFloat(value[strings.LastIndexByte(value, ' ')+1:], 64)
		if err == nil {
			out[name] += v
		}
	}
	return out, lines.Err()
}

// until asks every few milliseconds, as long as ctx lasts.
func until(ctx context.Context, what string, ok func() bool) error {
	tick := time.NewTicker(25 * time.Millisecond)
	defer tick.Stop()
	for !ok() {
		select {
		case <-tick.C:
		case <-ctx.Done():
			return fmt.Errorf("%s: %w", what, context.Cause(ctx))
		}
	}
	return nil
}
