package bot_test

import (
	"strings"
	"testing"

	"github.com/shipmate/shipmate/bot"
	"github.com/shipmate/shipmate/pipeline"
)

const pushFile = `
service: shop
environments: {staging: {}}
pipelines:
  deploy:
    on: {command: deploy, push: {branches: [main], environment: staging}}
    steps:
      - {name: approve, uses: wait, with: {for: 1s}}
`

// What was deployed from a pull request is not deployed again by its merge,
// unless anything else would be done.
func TestTheSameFilesAreNotDeployedAgain(t *testing.T) {
	merged := strings.Repeat("2", 40)
	for _, row := range []struct {
		name    string
		change  func(*scene)
		nothing bool
	}{
		{"the same files", func(*scene) {}, true},
		{"other files", func(s *scene) { s.forge.same = false }, false},
		{"another pipeline", func(s *scene) { s.forge.files[shop.ID] = strings.Replace(pushFile, "1s", "2s", 1) }, false},
	} {
		t.Run(row.name, func(t *testing.T) {
			s := newScene(t)
			s.forge.files[shop.ID], s.forge.same, s.forge.tip = pushFile, true, merged
			cfg, err := s.forge.Config(t.Context(), shop)
			if err != nil {
				t.Fatal(err)
			}
			p, _ := cfg.Pipeline("deploy")
			r := s.made(pipeline.Run{Request: pipeline.Request{Repo: shop, Pipeline: *p, Environment: cfg.Environments[0], Trigger: pipeline.ByCommand}, Progress: pipeline.Progress{State: pipeline.Succeeded}})
			state, err := s.store.Environment(t.Context(), shop.ID, "staging")
			if err != nil {
				t.Fatal(err)
			}
			state.Current = &pipeline.Deployment{Run: r.ID, SHA: head, State: pipeline.Succeeded, Artifacts: map[string]string{"image.digest": "sha256:1"}}
			if err := s.store.Commit(t.Context(), pipeline.Change{Environment: state}); err != nil {
				t.Fatal(err)
			}
			row.change(s)
			s.handle(bot.KindPush, bot.Push{Repo: shop, Actor: mona, Branch: "main", Before: strings.Repeat("0", 40), After: merged})
			runs, err := s.store.Runs(t.Context(), pipeline.RunQuery{Repo: shop.ID, Limit: 1})
			if err != nil {
				t.Fatal(err)
			}
			after, err := s.store.Environment(t.Context(), shop.ID, "staging")
			if err != nil {
				t.Fatal(err)
			}
			switch got := runs[0]; {
			case row.nothing && (got.State != pipeline.Succeeded || got.Code != "nothing_to_do" || after.Current.SHA != merged || after.Current.Restores != r.ID || after.Current.Artifacts["image.digest"] != "sha256:1"):
				t.Errorf("run %s %s, environment %+v", got.State, got.Code, after.Current)
			case !row.nothing && (got.State.Terminal() || got.Nothing != ""):
				t.Errorf("run %s %s: %s", got.State, got.Code, got.Nothing)
			}
		})
	}
}
