//go:build crash

package crash

import (
	"context"
	"fmt"
	"os"
	"slices"
	"strings"
	"time"

	"github.com/shipmate/shipmate/pipeline"
	"github.com/shipmate/shipmate/pipeline/redisstore"
	"github.com/shipmate/shipmate/test/sim/github"
	"github.com/shipmate/shipmate/test/sim/slack"
)

// look reads the runs of the play's repository, oldest first, past the bot.
func (p *play) look(see func(ctx context.Context, s *redisstore.Store, runs []*pipeline.Run)) {
	ctx, cancel := context.WithTimeout(context.Background(), 10*time.Second)
	defer cancel()
	s := p.store(ctx)
	defer s.Close()
	runs, err := s.Runs(ctx, pipeline.RunQuery{Repo: p.repoID})
	p.must(err)
	slices.Reverse(runs)
	see(ctx, s, runs)
}

// waitRuns waits until the repository has so many runs.
func (p *play) waitRuns(n int) error {
	return until(p.ctx, fmt.Sprintf("there are %d runs", n), func() bool { return p.repoRuns() >= n })
}

func (p *play) repoRuns() (n int) {
	p.look(func(_ context.Context, _ *redisstore.Store, runs []*pipeline.Run) { n = len(runs) })
	return n
}

// approved reports whether a run of the repository has an approval.
func (p *play) approved() (yes bool) {
	p.look(func(_ context.Context, _ *redisstore.Store, runs []*pipeline.Run) {
		yes = slices.ContainsFunc(runs, func(r *pipeline.Run) bool { return len(r.Approvals) > 0 })
	})
	return yes
}

// check says what is not as the story wants it, each with the word it counts under.
func (p *play) check() (wrong []string) {
	say := func(word, format string, args ...any) { wrong = append(wrong, word+": "+fmt.Sprintf(format, args...)) }
	p.look(func(ctx context.Context, s *redisstore.Store, runs []*pipeline.Run) {
		p.checkRuns(runs, say)
		p.checkEffects(runs, say)
		p.checkEnvironments(ctx, s, runs, say)
		p.checkGitHub(runs, say)
		p.checkSlack(runs, say)
		stats, err := s.Stats(ctx)
		p.must(err)
		if stats.Dead > 0 {
			dead, err := s.Dead(ctx, 10)
			p.must(err)
			for _, d := range dead {
				say("lost", "a job was given up: %s: %s", d.Job.ID, d.Reason)
			}
			p.forgetDead(ctx)
		}
	})
	return wrong
}

type sayer func(word, format string, args ...any)

func (p *play) checkRuns(runs []*pipeline.Run, say sayer) {
	var ends []pipeline.State
	for _, r := range runs {
		ends = append(ends, r.State)
	}
	switch {
	case len(ends) > len(p.story.ends):
		say("repeated", "%d runs instead of %d: %v", len(ends), len(p.story.ends), ends)
	case !slices.Equal(ends, p.story.ends):
		say("lost", "the runs ended %v instead of %v", ends, p.story.ends)
	}
}

// checkEffects: every attempt of a step started once and, unless it was cut
// short, ended once.
func (p *play) checkEffects(runs []*pipeline.Run, say sayer) {
	text, err := os.ReadFile(p.folder + "/effects")
	if err != nil && !os.IsNotExist(err) {
		p.must(err)
	}
	var starts, undone []string
	times := map[string]int{}
	for line := range strings.Lines(string(text)) {
		line = strings.TrimSpace(line)
		if times[line]++; times[line] > 1 {
			say("repeated", "%q happened %d times", line, times[line])
		}
		words := strings.Fields(line)
		switch words[0] {
		case "start":
			starts = append(starts, words[2])
		case "undo":
			undone = append(undone, words[2])
		}
	}
	slices.Sort(starts)
	want := slices.Sorted(slices.Values(p.story.starts))
	if !slices.Equal(starts, want) && !(len(p.story.cut) > 0 && len(starts) == 0) {
		say(more(len(starts), len(want)), "the steps that started are %v instead of %v", starts, want)
	}
	if !slices.Equal(undone, p.story.undone) {
		say(more(len(undone), len(p.story.undone)), "undone is %v instead of %v", undone, p.story.undone)
	}
	for line, n := range times {
		if rest, ok := strings.CutPrefix(line, "start "); ok && times["end "+rest] != n && !slices.Contains(p.story.cut, strings.Fields(rest)[1]) {
			say("lost", "%q has no end", rest)
		}
	}
	for _, r := range runs {
		for _, s := range r.Steps {
			if s.State == pipeline.Unknown || s.Attempt > 1 {
				say("lost", "step %s is %s after %d attempts: %s", s.Name, s.State, s.Attempt, s.Message)
			}
		}
	}
}

func more(have, want int) string {
	if have > want {
		return "repeated"
	}
	return "lost"
}

func (p *play) checkEnvironments(ctx context.Context, s *redisstore.Store, runs []*pipeline.Run, say sayer) {
	for _, r := range runs {
		if r.Environment == nil {
			continue
		}
		env, err := s.Environment(ctx, p.repoID, r.Environment.Name)
		p.must(err)
		if env.Active != "" || len(env.Queue) > 0 || (env.Lock != nil) != p.story.locked {
			say("lost", "%s is not free: %+v", env.Name, env)
		}
	}
}

func (p *play) checkGitHub(runs []*pipeline.Run, say sayer) {
	snap, err := p.github.Snapshot(p.repo)
	p.must(err)
	replies := 0 // what is accepted is answered by the living comment
	for _, pr := range snap.PullRequests {
		ours := 0
		for _, c := range pr.Comments {
			switch {
			case strings.HasPrefix(c.Body, "<!-- shipmate:reply"):
				replies++
			case strings.HasPrefix(c.Body, "<!-- shipmate:pr"):
				ours++
				p.checkLiving(pr, c.Body, runs, say)
			}
		}
		if ours > 1 {
			say("duplicated", "%d living comments on pull request %d", ours, pr.Number)
		}
	}
	if replies > 0 {
		say("duplicated", "%d replies beside the living comment", replies)
	}
	p.checkChecks(snap, runs, say)
	p.checkDeployments(snap, runs, say)
}

// checkLiving: the living comment shows the newest run of each kind as it ended.
func (p *play) checkLiving(pr github.PullView, body string, runs []*pipeline.Run, say sayer) {
	for i, r := range runs {
		word := strings.ReplaceAll(string(r.State), "_", " ")
		newer := slices.ContainsFunc(runs[i+1:], func(o *pipeline.Run) bool { return o.PR == r.PR && o.Pipeline.Name == r.Pipeline.Name })
		if r.PR == pr.Number && !newer && (!strings.Contains(body, string(r.ID)) || !strings.Contains(body, word)) {
			say("lost", "the living comment does not say that run %s is %s:\n%s", r.ID, word, body)
		}
	}
}

// checkChecks: one check run for each run, and it and the status say how it ended.
func (p *play) checkChecks(snap github.Snapshot, runs []*pipeline.Run, say sayer) {
	good := map[bool]string{true: "success", false: "failure"}
	for _, r := range runs {
		name := "shipmate/" + r.Pipeline.Name
		if r.Environment != nil {
			name += "/" + r.Environment.Name
		}
		p.lane.mu.Lock()
		n := p.checks[name+" of "+string(r.ID)]
		p.lane.mu.Unlock()
		if n != 1 {
			word := "lost"
			if n > 1 {
				word = "duplicated"
			}
			say(word, "%d check runs %s for run %s", n, name, r.ID)
		}
		want := good[r.State == pipeline.Succeeded]
		cancelled := r.State == pipeline.Cancelled
		for _, pr := range snap.PullRequests {
			if pr.Number != r.PR {
				continue
			}
			for _, c := range pr.CheckRuns {
				if c.Name == name && c.Conclusion != want && !(cancelled && c.Conclusion == "cancelled") {
					say("lost", "check run %s is %s %s, the run %s", name, c.Status, c.Conclusion, r.State)
				}
			}
			for _, st := range pr.Statuses {
				if st.Context == name && st.State != want && !(cancelled && st.State == "error") {
					say("lost", "status %s is %s, the run %s", name, st.State, r.State)
				}
			}
			if len(pr.Statuses) == 0 {
				say("lost", "no status on pull request %d", pr.Number)
			}
		}
	}
}

// checkDeployments: one for each deploy, and the last one always. A deploy that is
// over before it was shown, and that another one followed, may be left out.
func (p *play) checkDeployments(snap github.Snapshot, runs []*pipeline.Run, say sayer) {
	most, last := 0, map[string]bool{}
	for _, r := range runs {
		if r.Environment != nil && r.Admitted {
			most++
			last[r.Environment.Name] = true
		}
	}
	var states []string
	for _, d := range snap.Deployments {
		states = append(states, d.State)
		if d.State == "in_progress" || d.State == "queued" || d.State == "pending" {
			say("lost", "a deployment is still %s", d.State)
		}
	}
	switch {
	case len(states) > most:
		say("duplicated", "%d deployments instead of %d: %v", len(states), most, states)
	case len(states) < len(last):
		say("lost", "%d deployments in %d environments: %v", len(states), len(last), states)
	}
}

// checkSlack: one message for each run, which says how it ended, and each note
// in its thread once.
func (p *play) checkSlack(runs []*pipeline.Run, say sayer) {
	messages := p.slack.Snapshot().Messages(p.name)
	shown := map[string][]slack.Message{}
	for _, m := range messages {
		if !m.Bot || m.Ephemeral() {
			continue
		}
		run := ""
		if payload, ok := m.Metadata["event_payload"].(map[string]any); ok {
			run, _ = payload["run"].(string)
		}
		shown[run] = append(shown[run], m)
	}
	for _, r := range runs {
		if r.Environment == nil || r.Environment.Slack == "" {
			continue
		}
		list := shown[string(r.ID)]
		if len(list) != 1 {
			word := "lost"
			if len(list) > 1 {
				word = "duplicated"
			}
			say(word, "%d Slack messages for run %s", len(list), r.ID)
			continue
		}
		word := strings.ReplaceAll(string(r.State), "_", " ")
		if text := slack.Text(list[0]); !strings.Contains(text, word) {
			say("lost", "Slack does not say that run %s is %s:\n%s", r.ID, word, text)
		}
		notes := map[string]int{}
		for _, n := range list[0].Replies {
			if notes[n.Text]++; notes[n.Text] == 2 {
				say("duplicated", "a note in the thread: %s", n.Text)
			}
		}
	}
}
