package github

import (
	"strings"
	"testing"

	"github.com/shipmate/shipmate/pipeline"
)

// Diffs and tables are shown as such, and what is in them is as dead as elsewhere.
func TestDiffsAndTables(t *testing.T) {
	s := newScene(t)
	r := s.run()
	r.State, r.Code = pipeline.Waiting, "approval"
	diff := "-  image: shop:1\n+  x: |\n+    @octo/team <img src=x> [a](http://evil.example) <!here>\n ```\n ````\n"
	r.Plans = []pipeline.Planning{{Gate: pipeline.EnvironmentGate, State: pipeline.Succeeded, Steps: []pipeline.StepPlan{
		{Step: "rollout", State: pipeline.Succeeded, Summary: "Helm release shop\n\n`````diff\n" + diff + "`````\n"}}}}
	r.Steps[0].Summary = "| object | |\n|---|---|\n| Deployment shop | 1/1 pods |\n" +
		"| a\\|b `c | d` @octo/team fixes #1 | ![x](https://track.example) </details><img src=x> <!-- --> deadbeef00 |\n| `` | \\\\| evil | http://evil.example |"
	for _, name := range []string{"github-comment", "github-check"} {
		if err := s.sink(name).show(s.ctx(), r); err != nil {
			t.Fatal(name, err)
		}
	}
	for where, text := range map[string]string{"comment": s.sim.Comments("octo/shop", s.pr)[0].Body, "check": value(s.sim.CheckRuns("octo/shop", s.sha)[0].Output.Text)} {
		for _, want := range []string{"```text\nHelm release shop\n```\n", "`````diff\n" + diff + "`````\n", "\n\n| object |  |\n|---|---|\n| Deployment shop | 1/1 pods |\n| a\\|b "} {
			if !strings.Contains(text, want) {
				t.Errorf("%s: %q is not in\n%s", where, want, text)
			}
		}
		dead(t, where, text)
	}
}

func TestLongTablesAreCut(t *testing.T) {
	s := newScene(t)
	r := s.run()
	r.Steps[0].Summary = "| object | |\n|---|---|\n" + strings.Repeat("| ConfigMap c | there |\n", 5000)
	text := summaries(r, 2000)
	if len(text) > 3000 || !strings.Contains(text, " more rows are not shown.\n") || !strings.Contains(text, "| ConfigMap c | there |\n") {
		t.Error(len(text), text)
	}
}
