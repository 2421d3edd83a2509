package e2e

import (
	"fmt"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/shipmate/shipmate/pipeline/redisstore/redistest"
	"github.com/shipmate/shipmate/test/sim/github"
	"github.com/shipmate/shipmate/test/sim/slack"
	"github.com/shipmate/shipmate/test/world"
)

// slowDeploy has a step that writes a line when it begins and one when it ends,
// and ends when there is a file "go" in dir.
func slowDeploy(dir string) string {
	return fmt.Sprintf(`
service: shop
environments:
  staging: {}
pipelines:
  deploy:
    on: {command: deploy}
    steps:
      - name: release
        run: |
          echo began >> %[1]s/steps
          while [ ! -e %[1]s/go ]; do sleep 0.05; done
          echo ended >> %[1]s/steps
`, dir)
}

func written(dir string) string {
	b, _ := os.ReadFile(filepath.Join(dir, "steps"))
	return string(b)
}

// A step outlives the bot that began it; the next bot adopts it.
func TestStepsOutliveTheBot(t *testing.T) {
	for name, end := range map[string]func(*world.World) error{"SIGTERM": (*world.World).StopBot, "kill -9": (*world.World).KillBot} {
		t.Run(name, func(t *testing.T) {
			s := open(t, world.Config{})
			dir := t.TempDir()
			s.shop(slowDeploy(dir))
			s.say("/deploy staging")
			s.wait("the step begins", func() bool { return written(dir) == "began\n" })
			began := time.Now()
			if err := end(s.w); err != nil {
				t.Fatal(err)
			}
			if took := time.Since(began); took > 30*time.Second {
				t.Errorf("the bot took %s to end", took)
			}
			if err := os.WriteFile(filepath.Join(dir, "go"), nil, 0o600); err != nil {
				t.Fatal(err)
			}
			if err := s.w.StartBot(s.ctx); err != nil {
				t.Fatal(err)
			}
			if name == "kill -9" {
				s.wait("the next bot knows that the leases are a dead one's", func() bool {
					b, _ := os.ReadFile(s.w.LogFile())
					return strings.Contains(string(b), "leases of a process that has ended are taken over")
				})
			}
			s.settle()
			s.wantStatus("shipmate/deploy/staging", "success")
			if got := written(dir); got != "began\nended\n" {
				t.Errorf("the step wrote %q: it did not run exactly once", got)
			}
		})
	}
}

// Without Redis nothing is taken, and people are told; with it all goes on.
func TestRedisAway(t *testing.T) {
	redis := redistest.Start(t)
	s := open(t, world.Config{RedisURL: redis.URL()})
	s.shop(file)
	redis.Kill()

	s.say("/deploy staging")
	if err := s.w.GitHub.WaitDelivered(s.ctx); err != nil {
		t.Fatal(err)
	}
	lost := s.newestDelivery()
	if lost.StatusCode != http.StatusServiceUnavailable {
		t.Errorf("a webhook is answered %d, want 503", lost.StatusCode)
	}
	d, err := s.w.Slack.SlashCommand(s.ctx, slack.Command{User: "mona", Channel: world.Channel, Name: "/deploy", Text: "shop staging"})
	if err != nil || d.Error != "" || !strings.Contains(d.Ack, "Not accepted") {
		t.Errorf("a slash command is answered %q %s, %v; want a sentence", d.Ack, d.Error, err)
	}
	for path, want := range map[string]int{"/readyz": http.StatusServiceUnavailable, "/healthz": http.StatusOK} {
		if got := s.get(path); got != want {
			t.Errorf("%s answers %d, want %d", path, got, want)
		}
	}

	redis.Start()
	s.wait("ready again", func() bool { return s.get("/readyz") == http.StatusOK })
	if err := s.w.GitHub.Redeliver(lost.GUID); err != nil {
		t.Fatal(err)
	}
	s.settle()
	s.wantStatus("shipmate/deploy/staging", "success")
}

// newestDelivery is the last webhook that GitHub sent.
func (s *scene) newestDelivery() github.Delivery {
	all := s.w.GitHub.Deliveries()
	return all[len(all)-1]
}

func (s *scene) get(path string) int {
	s.t.Helper()
	res, err := http.Get(s.w.URL + path)
	if err != nil {
		s.t.Fatal(err)
	}
	if err := res.Body.Close(); err != nil {
		s.t.Fatal(err)
	}
	return res.StatusCode
}
