package bot

import (
	"strings"
	"testing"

	"github.com/shipmate/shipmate/pipeline"
)

// at is a repository's file as it is read at some commit; "": there is none.
func at(t *testing.T, src string) ConfigFile {
	t.Helper()
	if src == "" {
		return ConfigFile{}
	}
	c, err := pipeline.Parse(".shipmate.yaml", []byte(src), []pipeline.Uses{{Name: "run"}})
	if err != nil {
		return ConfigFile{Err: &pipeline.Error{Code: "bad_config", Message: "bad", Err: err}, Digest: src}
	}
	return ConfigFile{Config: c, Digest: src}
}

const (
	goodFile   = "service: shop\nenvironments:\n  prod: {}\npipelines:\n  deploy:\n    on: {command: deploy}\n    steps:\n      - {name: build, run: make}\n"
	brokenFile = "service: shop\nenvironment: {}\npipelines: {}\nx: 1\n"
)

func TestConfigReport(t *testing.T) {
	for name, c := range map[string]struct {
		base, head, inForce string
		pushed              bool
		want                string // conclusion and title, "" for nothing to say
		says                string
		problems            bool
	}{
		"a repository without a file":                 {want: ""},
		"the file is not touched":                     {base: goodFile, head: goodFile, inForce: goodFile, want: "neutral `.shipmate.yaml` is not changed"},
		"into a branch without the file":              {inForce: goodFile, want: "neutral `.shipmate.yaml` is not changed"},
		"the first file":                              {head: goodFile, want: "success The file is good", says: "Pipeline **deploy** is new, with 1 step."},
		"only a comment changes":                      {base: goodFile, head: goodFile + "# x\n", inForce: goodFile, want: "success The file is good", says: "Nothing that counts changes"},
		"mistakes":                                    {base: goodFile, head: brokenFile, inForce: goodFile, want: "failure 3 errors, the first in line 2", says: "not in effect until it is merged", problems: true},
		"the file is deleted":                         {base: goodFile, inForce: goodFile, want: "neutral `.shipmate.yaml` is deleted", says: "no pipeline starts"},
		"untouched, but broken where it counts":       {base: goodFile, head: goodFile, inForce: brokenFile, want: "failure `.shipmate.yaml` on the default branch has errors, so no pipeline starts", says: "does not touch"},
		"untouched and broken here as there":          {base: brokenFile, head: brokenFile, inForce: brokenFile, want: "failure `.shipmate.yaml` on the default branch has errors, so no pipeline starts", problems: true},
		"untouched and broken here, but mended there": {base: brokenFile, head: brokenFile, inForce: goodFile, want: "neutral `.shipmate.yaml` is not changed"},
		"it mends what is broken":                     {base: brokenFile, head: goodFile, inForce: brokenFile, want: "success The file is good", says: "no pipeline starts until it is mended"},
		"a push that leaves it good":                  {base: goodFile, head: goodFile + "#\n", inForce: goodFile, pushed: true, want: ""},
		"a push that breaks it":                       {base: goodFile, head: brokenFile, inForce: brokenFile, pushed: true, want: "failure 3 errors, the first in line 2", says: "no pipeline starts, and of the commands only those", problems: true},
		"a push that mends it":                        {base: brokenFile, head: goodFile, inForce: goodFile, pushed: true, want: "success The file is good again"},
	} {
		t.Run(name, func(t *testing.T) {
			r, say := configChange{base: at(t, c.base), head: at(t, c.head), inForce: at(t, c.inForce), pushed: c.pushed}.report()
			got := ""
			if say {
				got = r.Conclusion + " " + r.Title
			}
			if got != c.want || !strings.Contains(r.Summary, c.says) || say && c.problems != (len(r.Problems) > 0) {
				t.Errorf("%q, %d problems\n%s", got, len(r.Problems), r.Summary)
			}
		})
	}
}

// TestWidenedRights: what gives people more, or asks for less, is marked.
func TestWidenedRights(t *testing.T) {
	env := func(policy string) string {
		return strings.Replace(goodFile, "prod: {}", "prod: {"+policy+"}\n  staging: {}", 1)
	}
	steps := func(more string) string { return goodFile + more }
	for name, c := range map[string]struct{ was, is, want string }{
		"one more deployer":              {env(`deployers: ["user:mona"]`), env(`deployers: ["user:mona", "user:eve"]`), "⚠️ **prod**: `user:mona`, `user:eve` may deploy; until now `user:mona`."},
		"one deployer less":              {env(`deployers: ["user:mona", "user:eve"]`), env(`deployers: ["user:mona"]`), "**prod**: `user:mona` may deploy; until now `user:mona`, `user:eve`."},
		"another deployer instead":       {env(`deployers: ["user:mona"]`), env(`deployers: ["user:eve"]`), "⚠️ **prod**: `user:eve` may deploy"},
		"no list of deployers any more":  {env(`deployers: ["user:mona"]`), env(``), "⚠️ **prod**: everybody with write access may deploy"},
		"the first list of deployers":    {env(``), env(`deployers: ["user:mona"]`), "- **prod**: `user:mona` may deploy"},
		"fewer approvals":                {env(`approvals: {count: 2}`), env(`approvals: {count: 1}`), "⚠️ **prod**: a deploy needs 1 approval of anybody"},
		"more approvals":                 {env(`approvals: {count: 1}`), env(`approvals: {count: 2}`), "- **prod**: a deploy needs 2 approvals"},
		"the requester's own counts":     {env(`approvals: {count: 1}`), env(`approvals: {count: 1, requester: true}`), "⚠️ **prod**: a deploy needs 1 approval of anybody with write access, the requester's own among them"},
		"other approvers":                {env(`approvals: {by: ["team:leads"]}`), env(`approvals: {by: ["team:leads", "user:eve"]}`), "⚠️ **prod**: a deploy needs 1 approval of `team:leads`, `user:eve`"},
		"no approvals":                   {env(`approvals: {count: 1}`), env(``), "⚠️ **prod**: a deploy needs no approval"},
		"not protected":                  {env(`protected: true`), env(``), "⚠️ **prod**: it is not protected any more."},
		"from anywhere":                  {env(`deploy_from: [default_branch]`), env(``), "⚠️ **prod**: deploys come from `pull_request`, `default_branch`; until now from `default_branch`."},
		"a check less":                   {env(`requires: {checks: [a, b]}`), env(`requires: {checks: [a]}`), "⚠️ **prod**: of a commit it requires the check `a`; until now the check `a`, the check `b`."},
		"fewer reviews":                  {env(`requires: {reviews: 2}`), env(`requires: {reviews: 1}`), "⚠️ **prod**: of a commit it requires 1 review"},
		"not after staging":              {env(`after: [staging]`), env(``), "⚠️ **prod**: the same commit must run before on no other environment"},
		"a freeze less":                  {env(`freeze: [{cron: "0 0 * * 5", for: 48h}]`), env(``), "⚠️ **prod**: its freezes change."},
		"an approval step is gone":       {steps("      - {name: ask, uses: approval}\n"), steps(""), "⚠️ Pipeline **deploy** does not ask for the approval `ask` any more."},
		"an approval step by others":     {steps("      - {name: ask, uses: approval, with: {by: [\"team:leads\"]}}\n"), steps("      - {name: ask, uses: approval}\n"), "⚠️ Pipeline **deploy** asks for the approval `ask`: 1 approval of anybody with write access, within 24h; until now 1 approval of `team:leads`, within 24h."},
		"it deploys by itself on a push": {goodFile, strings.Replace(goodFile, "command: deploy", "command: deploy, push: {branches: [main], environment: prod}", 1), "⚠️ Pipeline **deploy** deploys to **prod** by itself on a push to `main`."},
		"a secret for checks":            {goodFile, "checks: {secrets: {NEXUS: \"env:NEXUS\"}}\n" + goodFile, "⚠️ The secrets that checks of branches may use change: `NEXUS`."},
		"another secret behind the name": {"checks: {secrets: {NEXUS: \"env:NEXUS\"}}\n" + goodFile, "checks: {secrets: {NEXUS: \"env:PROD\"}}\n" + goodFile, "⚠️ The secrets that checks of branches may use change: `NEXUS`."},
		"a secret for checks is gone":    {"checks: {secrets: {NEXUS: \"env:NEXUS\"}}\n" + goodFile, goodFile, "- The secrets that checks of branches may use change: `NEXUS`."},
		"an environment that is new":     {goodFile, env(``), "- **staging**, which is new, can be deployed to by everybody with write access, with no approval."},
	} {
		t.Run(name, func(t *testing.T) {
			was, is := at(t, c.was), at(t, c.is)
			if was.Config == nil || is.Config == nil {
				t.Fatalf("%v %v", was.Err, is.Err)
			}
			rights, _ := diffConfigs(was.Config, is.Config)
			if got := rightsList(rights); !strings.Contains(got, c.want) || strings.HasPrefix(c.want, "**") && strings.Contains(got, "⚠️") {
				t.Errorf("got\n%s\nwant\n%s", got, c.want)
			}
		})
	}
}

func TestConfigCheckRef(t *testing.T) {
	for _, m := range []ConfigCheck{{PR: 12}, {Base: "abc"}, {Base: "abc", Push: true}} {
		var got ConfigCheck
		if !got.refers(m.Ref()+"/0123456789abcdef") || got.PR != m.PR || got.Base != m.Base || got.Push != m.Push {
			t.Errorf("%+v became %+v", m, got)
		}
	}
	var none ConfigCheck
	if none.refers("r-1a2b3c4d") {
		t.Error("a run's id is none")
	}
}
