package pipeline_test

import (
	"context"
	"strings"
	"testing"
	"time"

	"github.com/shipmate/shipmate/pipeline"
)

// checking is a check of mona's branch.
func checking() *pipeline.Run {
	r := &pipeline.Run{}
	r.ID, r.Repo, r.SHA, r.PR, r.Trigger = "r-1", pipeline.Repo{ID: 7, Owner: "acme", Name: "shop"}, "1111111111111111111111111111111111111111", 1, pipeline.ByPullRequest
	r.Actor = pipeline.Actor{ID: 1, Login: "mona"}
	r.Pipeline.Secrets = map[string]string{"NEXUS": "env:NEXUS", "SONAR": "vault:kv/shop/checks#sonar"}
	return r
}

// from is what GitHub says of it: somebody pushed it to a branch, or to a fork.
func from(who pipeline.Actor, fork bool) func(context.Context, *pipeline.Run) (pipeline.Provenance, error) {
	return func(_ context.Context, r *pipeline.Run) (pipeline.Provenance, error) {
		return pipeline.Provenance{PullRequest: &pipeline.PullRequest{Head: r.SHA, Open: true, Fork: fork}, Pusher: who,
			People: map[int64]pipeline.Standing{1: {Permission: pipeline.Write}}}, nil
	}
}

func TestVaultOfChecks(t *testing.T) {
	mona, app := pipeline.Actor{ID: 1, Login: "mona"}, pipeline.Actor{ID: 9, Login: "renovate[bot]"}
	rule := func(repo string, refs ...string) pipeline.CheckRule {
		return pipeline.CheckRule{Repo: repo, Refs: refs}
	}
	all := []pipeline.SecretRule{{Repo: "**", Refs: []string{"**"}}}
	for _, row := range []struct {
		name    string
		vault   pipeline.Vault
		secrets []string
		code    string
		asked   int
	}{
		{"without a rule nothing is allowed, env: neither", pipeline.Vault{Provenance: from(mona, false)}, []string{"NEXUS"}, "secret_refused", 0},
		{"rules of environments are none of checks", pipeline.Vault{Allow: all, Provenance: from(mona, false)}, []string{"NEXUS"}, "secret_refused", 0},
		{"a rule by name", pipeline.Vault{Checks: []pipeline.CheckRule{rule("acme/shop", "env:NEXUS")}, Provenance: from(mona, false)}, []string{"NEXUS"}, "", 1},
		{"a rule by id", pipeline.Vault{Checks: []pipeline.CheckRule{rule("7", "env:*", "vault:kv/shop/checks#*")}, Provenance: from(mona, false)}, []string{"NEXUS", "SONAR"}, "", 2},
		{"a rule for another id", pipeline.Vault{Checks: []pipeline.CheckRule{rule("8", "env:NEXUS")}, Provenance: from(mona, false)}, []string{"NEXUS"}, "secret_refused", 0},
		{"a pattern means no repository", pipeline.Vault{Checks: []pipeline.CheckRule{rule("acme/*", "env:NEXUS"), rule("**", "env:NEXUS")}, Provenance: from(mona, false)}, []string{"NEXUS"}, "secret_refused", 0},
		{"a rule for another reference", pipeline.Vault{Checks: []pipeline.CheckRule{rule("7", "env:NEX")}, Provenance: from(mona, false)}, []string{"NEXUS"}, "secret_refused", 0},
		{"one that is not allowed, and no store is asked", pipeline.Vault{Checks: []pipeline.CheckRule{rule("7", "env:*")}, Provenance: from(mona, false)}, []string{"NEXUS", "SONAR"}, "secret_refused", 0},
		{"one that the file does not declare for checks", pipeline.Vault{Checks: []pipeline.CheckRule{rule("7", "**")}, Provenance: from(mona, false)}, []string{"DB"}, "secret_refused", 0},
		{"a fork's", pipeline.Vault{Checks: []pipeline.CheckRule{rule("7", "env:*")}, Provenance: from(mona, true)}, []string{"NEXUS"}, "secrets_withheld", 0},
		{"nobody can be asked", pipeline.Vault{Checks: []pipeline.CheckRule{rule("7", "env:*")}}, []string{"NEXUS"}, "secrets_withheld", 0},
		{"an app's", pipeline.Vault{Checks: []pipeline.CheckRule{rule("7", "env:*")}, Provenance: from(app, false)}, []string{"NEXUS"}, "secrets_withheld", 0},
		{"a named app's", pipeline.Vault{Checks: []pipeline.CheckRule{{Repo: "7", Refs: []string{"env:*"}, Apps: []int64{9}}}, Provenance: from(app, false)}, []string{"NEXUS"}, "", 1},
		{"an app that is named for another secret", pipeline.Vault{Checks: []pipeline.CheckRule{rule("7", "env:*"), {Repo: "7", Refs: []string{"vault:**"}, Apps: []int64{9}}}, Provenance: from(app, false)}, []string{"NEXUS"}, "secrets_withheld", 0},
		{"an app that is named for another repository", pipeline.Vault{Checks: []pipeline.CheckRule{rule("7", "env:*"), {Repo: "8", Refs: []string{"env:*"}, Apps: []int64{9}}}, Provenance: from(app, false)}, []string{"NEXUS"}, "secrets_withheld", 0},
		{"on one's own machine", pipeline.Vault{Own: true}, []string{"NEXUS"}, "", 1},
		{"on one's own machine there is no other store", pipeline.Vault{Own: true}, []string{"SONAR"}, "secret_refused", 0},
	} {
		t.Run(row.name, func(t *testing.T) {
			store := &shelf{values: map[string]string{"NEXUS": "nexus-token", "kv/shop/checks#sonar": "sonar-token"}}
			row.vault.Stores = map[string]pipeline.SecretStore{"vault": store, "env": store}
			got, err := row.vault.Resolve(t.Context(), pipeline.SecretRequest{Run: checking(), Names: row.secrets})
			if pipeline.Code(err) != row.code || store.asked != row.asked || err == nil && len(got) != len(row.secrets) {
				t.Fatalf("got %d, %v after %d questions, want code %q after %d", len(got), err, store.asked, row.code, row.asked)
			}
			if why := row.vault.Withheld(t.Context(), checking(), row.secrets); pipeline.Code(why) != row.code || store.asked != row.asked {
				t.Errorf("beforehand it says %v", why)
			}
		})
	}
}

// A secret of an environment is none of checks, and the other way round.
func TestSecretsOfChecksAndOfEnvironmentsAreApart(t *testing.T) {
	store := &shelf{values: map[string]string{"NEXUS": "nexus-token", "TOKEN": "t0ken"}}
	v := pipeline.Vault{Stores: map[string]pipeline.SecretStore{"env": store}, Provenance: from(pipeline.Actor{ID: 1, Login: "mona"}, false),
		Allow: []pipeline.SecretRule{{Repo: "7", Refs: []string{"**"}}}, Checks: []pipeline.CheckRule{{Repo: "7", Refs: []string{"**"}}}}
	deploy := deploying()
	deploy.Pipeline.Secrets = checking().Pipeline.Secrets
	for _, q := range []pipeline.SecretRequest{{Run: checking(), Names: []string{"TOKEN"}}, {Run: deploy, Names: []string{"NEXUS"}}, {Run: deploy, Names: []string{"NEXUS"}, Begun: true}} {
		if _, err := v.Resolve(t.Context(), q); pipeline.Code(err) != "secret_refused" || store.asked != 0 {
			t.Errorf("%v: %v", q.Names, err)
		}
	}
}

// watched is the provenance of a stage's checks, and how often it was asked.
type watched struct {
	fork  bool
	asked int
}

func (w *watched) ask(ctx context.Context, r *pipeline.Run) (pipeline.Provenance, error) {
	w.asked++
	return from(pipeline.Actor{ID: 1, Login: "mona"}, w.fork)(ctx, r)
}

func (s *stage) check(w *watched, def pipeline.Step) *pipeline.Run {
	s.t.Helper()
	s.live.PullRequest = &pipeline.PullRequest{Head: checking().SHA, Open: true}
	s.engine.Secrets = pipeline.Vault{Stores: map[string]pipeline.SecretStore{"env": &shelf{values: map[string]string{"NEXUS": "nexus-token"}}},
		Checks: []pipeline.CheckRule{{Repo: "7", Refs: []string{"env:*"}}}, Provenance: w.ask}
	req := checking().Request
	def.Name, def.Secrets = "build", []string{"NEXUS"}
	req.ID, req.Pipeline = "", pipeline.Pipeline{Name: "checks", Secrets: req.Pipeline.Secrets, Steps: []pipeline.Step{def}}
	return s.start(req)
}

func TestAStepWhoseSecretsAreWithheldIsNotStarted(t *testing.T) {
	s := newStage(t)
	w := &watched{fork: true}
	r := s.check(w, pipeline.Step{Run: "make"})
	s.want(r, pipeline.Failed, "build=failed")
	b := r.Step("build")
	if b.Code != "secrets_withheld" || !strings.Contains(b.Message, "It may not have the secret `NEXUS`, so it is not started. The pull request comes from a fork.") || len(s.runner.calls) != 0 {
		t.Errorf("%s: %s, calls %v", b.Code, b.Message, s.runner.calls)
	}
}

// Whose code it is is asked again before every attempt, and not while a script
// is at work that has its secrets already: they hide what it says.
func TestWhoseCodeItIsIsAskedBeforeEachAttempt(t *testing.T) {
	s := newStage(t)
	w := &watched{}
	var had []int
	s.runner.do["build"] = func(c *pipeline.StepContext) pipeline.Result {
		had = append(had, len(c.Secrets))
		switch w.fork = true; {
		case len(c.Checkpoint) == 0:
			return pipeline.Result{RetryAfter: time.Second, Checkpoint: []byte(`"pid"`)}
		default:
			return pipeline.Result{Done: true, State: pipeline.Failed, Code: "exit", Message: "Exit 1."}
		}
	}
	r := s.check(w, pipeline.Step{Run: "make", Retry: pipeline.Retry{Attempts: 2, Backoff: pipeline.Duration(time.Second)}})
	for range 3 {
		s.store.Advance(10 * time.Second)
		s.work()
	}
	r = s.load(r.ID)
	if b := r.Step("build"); r.State != pipeline.Failed || b.Attempt != 2 || b.Code != "secrets_withheld" || w.asked != 2 || len(had) != 2 || had[1] != 1 {
		t.Errorf("%s, attempt %d: %s; asked %d times, secrets %v", r.State, b.Attempt, b.Code, w.asked, had)
	}
}

// Whoever takes over the name in a rule for checks gets nothing, nor does anybody
// while it is not known which repository the rule means.
func TestTheRulesOfChecksMeanTheRepositoryThatHadTheName(t *testing.T) {
	for _, row := range []struct {
		means int64
		err   error
		code  string
	}{{7, nil, ""}, {6, nil, "repository_replaced"}, {0, nil, "secret_refused"}, {7, pipeline.Refuse("cannot_verify", "GitHub does not answer."), "cannot_verify"}} {
		store := &shelf{values: map[string]string{"NEXUS": "nexus-token"}}
		v := pipeline.Vault{Stores: map[string]pipeline.SecretStore{"env": store}, Checks: []pipeline.CheckRule{{Repo: "acme/shop", Refs: []string{"env:*"}}},
			Provenance: from(pipeline.Actor{ID: 1, Login: "mona"}, false)}
		v.Repos = func(_ context.Context, repo pipeline.Repo) (pipeline.RuleRepo, error) {
			return pipeline.RuleRepo{Repo: repo, Means: map[string]int64{"acme/shop": row.means}}, row.err
		}
		_, err := v.Resolve(t.Context(), pipeline.SecretRequest{Run: checking(), Names: []string{"NEXUS"}})
		if pipeline.Code(err) != row.code || (store.asked == 1) != (row.code == "") {
			t.Errorf("means %d: %v, the store was asked %d times", row.means, err, store.asked)
		}
	}
}
