package e2e

import (
	"testing"

	"github.com/shipmate/shipmate/test/world"
)

const secretFile = `
environments:
  staging: {secrets: {TOKEN: "env:SHOP_TOKEN"}}
pipelines:
  deploy:
    on: {command: deploy}
    steps:
      - {name: release, run: 'test "$TOKEN" = hunter-22-secret', secrets: [TOKEN]}
`

// A rule of the operator's means the repository that had the name. Renamed it
// keeps its secrets; another one that takes the name gets none, even if it did
// so while the bot was away.
func TestARepositoryThatTakesANameGetsNoSecrets(t *testing.T) {
	s := open(t, world.Config{Settings: "secrets: {allow: [{repo: acme/Shop, refs: [\"env:SHOP_*\"]}]}\n", Env: []string{"SHIPMATE_SECRET_SHOP_TOKEN=hunter-22-secret"}})
	s.shop(secretFile)
	first := s.pr
	if err := s.w.StopBot(); err != nil { // nobody has deployed yet: to see the repository is enough
		t.Fatal(err)
	}
	if err := s.w.GitHub.RenameRepo("acme/shop", "acme/store"); err != nil {
		t.Fatal(err)
	}
	s.makeShop(secretFile)
	if err := s.w.StartBot(s.ctx); err != nil {
		t.Fatal(err)
	}
	s.settle()

	s.say("/deploy staging " + s.pr.Head.SHA)
	s.settle()
	s.wantStatus("shipmate/deploy/staging", "failure")
	s.wantSaid("The operator's rule for `acme/Shop` means the repository with the id", "had that name when the rule was first read")

	s.repo, s.pr = "acme/store", first
	s.say("/deploy staging " + s.pr.Head.SHA)
	s.settle()
	s.wantStatus("shipmate/deploy/staging", "success")
}
