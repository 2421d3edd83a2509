package bot_test

import (
	"context"
	"errors"
	"testing"

	"github.com/shipmate/shipmate/bot"
	"github.com/shipmate/shipmate/pipeline"
)

// ruled gives the bot rules of the operator's, as after a start.
func (s *scene) ruled(rules ...string) *bot.RuleRepos {
	s.bot.Rules = &bot.RuleRepos{Records: s.store, Locate: s.forge.Locate, Rules: rules}
	return s.bot.Rules
}

func (s *scene) fits(repo pipeline.Repo, rule string) bool {
	s.t.Helper()
	known, err := s.bot.Rules.Of(s.t.Context(), repo)
	if err != nil {
		s.t.Fatal(err)
	}
	return known.Fits(rule)
}

// A name in a rule means the repository that the bot has first seen with it,
// whatever becomes of the name, also after a restart.
func TestANameInARuleMeansTheFirst(t *testing.T) {
	s := newScene(t)
	s.ruled("Acme/Shop", "acme/*")
	s.known(shop)
	renamed, squatter := pipeline.Repo{ID: shop.ID, Owner: "acme", Name: "store"}, pipeline.Repo{ID: 99, Owner: "acme", Name: "shop"}
	s.forge.moved = map[int64]pipeline.Repo{shop.ID: renamed, squatter.ID: squatter}
	s.forge.files[squatter.ID] = shopFile
	for _, when := range []string{"at once", "after a restart"} {
		s.known(squatter)
		s.known(renamed)
		if !s.fits(renamed, "acme/shop") || !s.fits(shop, "acme/shop") { // also a run that has its name of then
			t.Errorf("%s: a rule does not mean the renamed repository", when)
		}
		if s.fits(squatter, "acme/shop") || !s.fits(squatter, "acme/*") {
			t.Errorf("%s: a rule means who has the name now, or a pattern does not", when)
		}
		s.ruled("Acme/Shop", "acme/*")
	}
}

// What is said late of a repository bears its name of then. It does not count.
func TestALateMessageGivesNoName(t *testing.T) {
	s := newScene(t)
	s.ruled("acme/shop", "acme/store")
	s.forge.moved = map[int64]pipeline.Repo{shop.ID: {ID: shop.ID, Owner: "acme", Name: "store"}}
	s.known(shop)
	next := pipeline.Repo{ID: 99, Owner: "acme", Name: "shop"}
	s.forge.files[next.ID] = shopFile
	s.known(next)
	if s.fits(shop, "acme/shop") || !s.fits(shop, "acme/store") || !s.fits(next, "acme/shop") {
		t.Error("the name of a late message was written down")
	}
}

// A rule may be older than the repository, and one that is not indexed is met
// when it is first asked about.
func TestARuleThatIsOlderThanTheRepository(t *testing.T) {
	s := newScene(t)
	s.ruled("acme/shop")
	if s.fits(cart, "acme/shop") || !s.fits(shop, "acme/shop") {
		t.Error("the first of the name is not meant")
	}
}

// One that the App cannot reach keeps the name it had, for what has to be
// undone, and takes none. Where GitHub or the records do not answer, nothing is decided.
func TestWhatCannotBeAskedTakesNoName(t *testing.T) {
	s := newScene(t)
	s.ruled("acme/shop", "acme/*")
	s.known(shop)
	s.forge.gone = true
	lost := pipeline.Repo{ID: 99, Owner: "acme", Name: "lost"}
	s.ruled("acme/shop", "acme/*", "acme/lost")
	if !s.fits(lost, "acme/*") || s.fits(lost, "acme/lost") {
		t.Error("what cannot be reached is known by a name")
	}
	away := pipeline.Temporary(errors.New("502"))
	s.bot.Rules.Locate = func(context.Context, pipeline.Repo) (pipeline.Repo, error) { return pipeline.Repo{}, away }
	if _, err := s.bot.Rules.Of(t.Context(), shop); !pipeline.IsTemporary(err) {
		t.Errorf("GitHub is away: %v", err)
	}
	if err := s.try(bot.KindInstalled, bot.Installed{Added: []pipeline.Repo{shop}}); !pipeline.IsTemporary(err) {
		t.Errorf("GitHub is away while a repository is indexed: %v", err)
	}
}
