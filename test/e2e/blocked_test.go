package e2e

import (
	"context"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/shipmate/shipmate/pipeline/redisstore/redistest"
	"github.com/shipmate/shipmate/test/sim/github"
	"github.com/shipmate/shipmate/test/sim/slack"
	"github.com/shipmate/shipmate/test/world"
)

// What GitHub and Slack refuse for a while. In each of these the bot goes on
// with everything else, says it once, and shows the last state as soon as what
// refused it is over.

// held has steps wait for a file, so that a test can change the world meanwhile.
func held(t *testing.T) (config string, goOn func()) {
	t.Helper()
	config, goOn, _ = heldAt(t)
	return config, goOn
}

func heldAt(t *testing.T) (config string, goOn func(), began func() bool) {
	t.Helper()
	gate := t.TempDir() + "/go"
	began = func() bool { _, err := os.Stat(gate + ".began"); return err == nil }
	config = `
service: shop
environments:
  staging: {slack: "#deploys"}
pipelines:
  deploy:
    on: {command: deploy}
    steps:
      - {name: release, run: "touch ` + gate + `.began; for i in $(seq 1200); do test -e ` + gate + ` && exit; sleep 0.05; done; exit 1"}
`
	return config, func() {
		if err := os.WriteFile(gate, nil, 0o600); err != nil {
			t.Error(err)
		}
	}, began
}

func (s *scene) log() string {
	s.t.Helper()
	b, err := os.ReadFile(s.w.LogFile())
	if err != nil {
		s.t.Fatal(err)
	}
	return string(b)
}

// check is how the check of the deploy stands: its conclusion, or its status.
func (s *scene) check() (state, summary string) {
	s.w.GitHub.View(func(st *github.State) {
		run, _ := st.CheckRun(s.repo, s.pr.Head.SHA, "shipmate/deploy/staging")
		if state = run.Status; run.Conclusion != nil {
			state = *run.Conclusion
		}
		if run.Output.Summary != nil {
			summary = *run.Output.Summary
		}
	})
	return state, strings.ReplaceAll(summary, "\u200b", "")
}

func (s *scene) checked(want string) func() bool {
	return func() bool { state, _ := s.check(); return state == want }
}

// comment is the living comment.
func (s *scene) comment() string {
	for _, c := range s.w.GitHub.Comments(s.repo, s.pr.Number) {
		if strings.Contains(c.Body, "<!-- shipmate:pr -->") {
			return strings.ReplaceAll(c.Body, "\u200b", "")
		}
	}
	return ""
}

// thread is what stands in the channel, replies and all.
func (s *scene) thread() string {
	var all []string
	for _, m := range s.w.Slack.Snapshot().All(world.Channel) {
		all = append(all, m.Rendered)
	}
	return strings.ReplaceAll(strings.Join(all, "\n"), "\u200b", "")
}

func (s *scene) metric(name string) float64 {
	s.t.Helper()
	n, err := s.w.Metric(name)
	if err != nil {
		s.t.Fatal(err)
	}
	return n
}

// quietly checks that nobody was alarmed, and that the refusal was said once.
func (s *scene) quietly(code string) {
	s.t.Helper()
	if n := s.metric("shipmate_queue_dead"); n != 0 {
		s.t.Errorf("%v jobs were buried", n)
	}
	said := 0
	for line := range strings.Lines(s.log()) {
		if strings.Contains(line, "level=ERROR") || strings.Contains(line, `"level":"ERROR"`) {
			s.t.Errorf("an alarm: %s", line)
		}
		if strings.Contains(line, "refused for now") && strings.Contains(line, code) && strings.Contains(line, "WARN") {
			said++
		}
	}
	if said != 1 {
		s.t.Errorf("%s was said %d times", code, said)
	}
}

// deploying is a scene in which a deploy to staging runs until goOn is called.
func deploying(t *testing.T) (s *scene, goOn func()) {
	config, goOn, began := heldAt(t)
	s = open(t, world.Config{})
	s.shop(config)
	s.say("/deploy staging")
	s.wait("the script runs", began)
	s.settleBut(1)
	return s, goOn
}

// settleBut waits until nothing moves but so many steps.
func (s *scene) settleBut(steps int) {
	s.t.Helper()
	if err := s.w.SettleBut(s.ctx, func() int { return steps }); err != nil {
		s.t.Fatal(err)
	}
}

func TestASuspendedApp(t *testing.T) {
	s, goOn := deploying(t)
	if err := s.w.GitHub.Suspend(world.Org); err != nil {
		t.Fatal(err)
	}
	goOn()
	s.wait("Slack says how it ended", func() bool { return strings.Contains(s.thread(), "succeeded") })
	s.wait("Slack says what GitHub refuses", func() bool {
		return strings.Contains(s.thread(), "The check cannot be written now: The GitHub App is suspended for acme/shop.")
	})
	s.settle()
	if text := s.command("/deploy", "shop staging"); !strings.Contains(text, "The GitHub App is suspended for acme/shop") {
		t.Errorf("a command is answered %q", text)
	}
	if n := s.metric("shipmate_queue_blocked"); n < 3 {
		t.Errorf("%v jobs are blocked", n)
	}
	if err := s.w.GitHub.Unsuspend(world.Org); err != nil {
		t.Fatal(err)
	}
	s.wait("the check is completed", s.checked("success"))
	s.settle()
	s.wantStatus("shipmate/deploy/staging", "success")
	if c := s.comment(); !strings.Contains(c, "succeeded") || strings.Contains(c, "cannot be written") {
		t.Errorf("the comment says %s", c)
	}
	s.wait("Slack says it no more", func() bool { return !strings.Contains(s.thread(), "cannot be written") })
	if n := s.metric("shipmate_queue_blocked"); n != 0 {
		t.Errorf("%v jobs are blocked in the end", n)
	}
	s.quietly("app_suspended")
}

func TestPermissionsThatAreTakenAndGivenBack(t *testing.T) {
	s, goOn := deploying(t)
	if err := s.w.GitHub.Grant(world.Org, map[string]string{"checks": ""}); err != nil {
		t.Fatal(err)
	}
	s.w.GitHub.RevokeTokens()
	goOn()
	s.wait("the comment says so", func() bool {
		return strings.Contains(s.comment(), "The check cannot be written now: The GitHub App may not write checks in acme/shop.") && strings.Contains(s.comment(), "succeeded")
	})
	s.settle()
	s.wantStatus("shipmate/deploy/staging", "success")
	if err := s.w.GitHub.Grant(world.Org, map[string]string{"checks": "write"}); err != nil {
		t.Fatal(err)
	}
	s.wait("the check is completed", s.checked("success"))
	s.wait("the comment says it no more", func() bool { return !strings.Contains(s.comment(), "cannot be written") })
	s.settle()
	s.quietly("no_access")
}

// A token that was just made may be refused for some seconds. Nobody is told.
func TestANewTokenWithoutItsPermissions(t *testing.T) {
	config, goOn := held(t)
	goOn()
	s := open(t, world.Config{})
	s.w.GitHub.WithholdPermissions(3 * time.Second)
	s.shop(config)
	s.say("/deploy staging")
	s.wait("the check is completed", s.checked("success"))
	s.settle()
	s.wantStatus("shipmate/deploy/staging", "success")
	if log := s.log(); strings.Contains(log, "refused for now") || s.metric("shipmate_queue_dead") != 0 {
		t.Error("what passes in seconds was said, or buried")
	}
}

func TestALockedConversation(t *testing.T) {
	s, goOn := deploying(t)
	octavia := s.w.GitHub.As("octavia")
	if err := octavia.LockConversation(s.repo, s.pr.Number); err != nil {
		t.Fatal(err)
	}
	s.say("/status staging") // mona may write, the App may not answer
	goOn()
	s.wait("the check is completed", s.checked("success"))
	s.wait("the check says so", func() bool {
		_, summary := s.check()
		return strings.Contains(summary, "The comment on the pull request cannot be written now: The conversation of acme/shop#1 is locked.")
	})
	s.settle()
	s.wantStatus("shipmate/deploy/staging", "success")
	if !strings.Contains(s.log(), "answer not given") {
		t.Error("the log says nothing of the answer")
	}
	if err := octavia.UnlockConversation(s.repo, s.pr.Number); err != nil {
		t.Fatal(err)
	}
	s.wait("the comment shows the end", func() bool { return strings.Contains(s.comment(), "succeeded") })
	s.settle()
	s.quietly("conversation_locked")
}

func TestAnArchivedRepository(t *testing.T) {
	s, goOn := deploying(t)
	if err := s.w.GitHub.ArchiveRepo(s.repo); err != nil {
		t.Fatal(err)
	}
	goOn()
	s.wait("Slack says so", func() bool {
		return strings.Contains(s.thread(), "The check cannot be written now: acme/shop is archived") && strings.Contains(s.thread(), "succeeded")
	})
	if err := s.w.GitHub.UnarchiveRepo(s.repo); err != nil {
		t.Fatal(err)
	}
	s.wait("the check is completed", s.checked("success"))
	s.settle()
	s.quietly("repository_archived")
}

func TestAnAppThatIsTakenOffAndInstalledAgain(t *testing.T) {
	s, goOn := deploying(t)
	if err := s.w.GitHub.Uninstall(s.repo); err != nil {
		t.Fatal(err)
	}
	goOn()
	s.wait("Slack says so", func() bool {
		return strings.Contains(s.thread(), "The check cannot be written now: The GitHub App is not installed on the account that acme/shop belongs to") && strings.Contains(s.thread(), "succeeded")
	})
	if _, err := s.w.GitHub.Install(s.repo); err != nil {
		t.Fatal(err)
	}
	s.wait("the check is completed", s.checked("success"))
	s.settle()
	s.quietly("not_installed")
}

func TestATheThousandthStatus(t *testing.T) {
	config, goOn := held(t)
	goOn()
	s := open(t, world.Config{})
	s.shop(config)
	for range 1000 {
		if _, err := s.w.GitHub.As("mona").CreateStatus(s.repo, s.pr.Head.SHA, github.StatusRequest{State: "pending", Context: new("shipmate/deploy/staging")}); err != nil {
			t.Fatal(err)
		}
	}
	for range 2 {
		s.say("/deploy staging")
		s.settle()
	}
	if !s.checked("success")() || !strings.Contains(s.comment(), "succeeded") {
		t.Errorf("the check and the comment do not tell: %s", s.comment())
	}
	if n := strings.Count(s.log(), "no more statuses of this name"); n != 1 || s.metric("shipmate_queue_dead")+s.metric("shipmate_queue_blocked") != 0 {
		t.Errorf("said %d times, or not settled", n)
	}
}

func TestAnArchivedChannel(t *testing.T) {
	s, goOn := deploying(t)
	if err := s.w.Slack.Archive(world.Channel); err != nil {
		t.Fatal(err)
	}
	goOn()
	s.wait("the check is completed", s.checked("success"))
	s.wait("GitHub says so", func() bool {
		_, summary := s.check()
		const text = "The Slack thread cannot be written now: The Slack channel is archived."
		return strings.Contains(s.comment(), text) && strings.Contains(summary, text)
	})
	s.settle()
	s.slackEvent(s.w.Slack.Unarchive(s.ctx, world.Channel, "mona"))
	s.wait("the thread shows the end", func() bool { return strings.Contains(s.thread(), "succeeded") })
	s.wait("GitHub says it no more", func() bool { return !strings.Contains(s.comment(), "cannot be written") })
	s.settle()
	s.quietly("slack_is_archived")
}

// A channel is missing under its name, and another one gets the name.
func TestAChannelThatIsRenamed(t *testing.T) {
	config, goOn := held(t)
	goOn()
	s := open(t, world.Config{})
	s.slackEvent(s.w.Slack.Rename(s.ctx, world.Channel, "elsewhere", "mona"))
	s.shop(config)
	s.say("/deploy staging")
	s.wait("the comment says so", func() bool {
		return strings.Contains(s.comment(), "The Slack thread cannot be written now: There is no Slack channel #deploys") && strings.Contains(s.comment(), "succeeded")
	})
	s.settle()
	s.slackEvent(s.w.Slack.Rename(s.ctx, "elsewhere", world.Channel, "mona"))
	s.wait("the thread is there", func() bool { return strings.Contains(s.thread(), "succeeded") })
	s.settle()
	s.quietly("slack_channel_not_found")
}

// The app is put out of a private channel, and invited again.
func TestAPrivateChannelWithoutTheApp(t *testing.T) {
	config, goOn := held(t)
	goOn()
	s := open(t, world.Config{})
	id := s.w.Slack.CreateChannel(slack.Channel{Name: "secret", Private: true, Members: []string{"mona"}})
	s.shop(strings.ReplaceAll(config, "#deploys", "#secret"))
	s.say("/deploy staging")
	s.wait("the comment says so", func() bool {
		return strings.Contains(s.comment(), "The Slack thread cannot be written now: There is no Slack channel #secret that shipmate can see") && strings.Contains(s.comment(), "succeeded")
	})
	s.settle()
	s.slackEvent(s.w.Slack.Invite(s.ctx, id, "mona"))
	s.wait("the thread is there", func() bool {
		all := s.w.Slack.Snapshot().All(id)
		return len(all) > 0 && strings.Contains(all[0].Rendered, "succeeded")
	})
	s.settle()
	s.quietly("slack_channel_not_found")
}

func (s *scene) slackEvent(d slack.Delivery, err error) {
	s.t.Helper()
	if err != nil || d.Status != 200 {
		s.t.Fatalf("event: %+v, %v", d, err)
	}
}

// What was refused may be allowed while the bot is away: it tries at its start.
func TestWhatIsLiftedWhileTheBotIsAway(t *testing.T) {
	redis := redistest.Start(t).URL()
	config, goOn, began := heldAt(t)
	s := open(t, world.Config{RedisURL: redis})
	s.shop(config)
	s.say("/deploy staging")
	s.wait("the script runs", began)
	s.settleBut(1)
	if err := s.w.GitHub.Suspend(world.Org); err != nil {
		t.Fatal(err)
	}
	goOn()
	s.wait("Slack says how it ended", func() bool { return strings.Contains(s.thread(), "succeeded") })
	s.wait("the reports are blocked", func() bool { n, err := s.w.Metric("shipmate_queue_blocked"); return err == nil && n >= 3 })
	if err := s.w.StopBot(); err != nil {
		t.Fatal(err)
	}
	if err := s.w.GitHub.Unsuspend(world.Org); err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithTimeout(s.ctx, 20*time.Second)
	defer cancel()
	_ = s.w.GitHub.WaitDelivered(ctx)
	if err := s.w.StartBot(s.ctx); err != nil {
		t.Fatal(err)
	}
	s.wait("the check is completed", s.checked("success"))
	s.settle()
}
