package bot_test

import (
	"strings"
	"testing"

	"github.com/shipmate/shipmate/bot"
	"github.com/shipmate/shipmate/pipeline"
)

// known has the bot know the services of these repositories.
func (s *scene) known(repos ...pipeline.Repo) {
	s.t.Helper()
	s.handle(bot.KindInstalled, bot.Installed{Added: repos})
}

// On Slack the service follows from the words, a run, the thread or the channel.
func TestWhichServiceIsMeant(t *testing.T) {
	for _, row := range []struct {
		name, channel, thread, text string

		want string // the repository, or a reason code
		says string // the whole refusal, without its code; "": not looked at
	}{
		{"the channel belongs to it", "shop", "", "/status", "acme/shop", ""},
		{"another channel belongs to another", "cart", "", "/status", "acme/cart", ""},
		{"the name is said first", "random", "", "/status cart", "acme/cart", ""},
		{"the name in capitals", "random", "", "/status CART prod", "acme/cart", ""},
		{"the repository is said first", "random", "", "/status acme/cart", "acme/cart", ""},
		{"the name is a flag", "random", "", "/status --service cart", "acme/cart", ""},
		{"the repository is a flag", "random", "", "/status --service acme/cart", "acme/cart", ""},
		{"a name says more than the channel", "shop", "", "/status cart", "acme/cart", ""},
		{"a run says more than the channel", "shop", "", "/status r-cart0000", "acme/cart", ""},
		{"a run in capitals", "random", "", "/status R-CART0000", "acme/cart", ""},
		{"in the thread of a run it is the run's", "shop", "1.1", "/status prod", "acme/cart", ""},
		{"a name says more than the thread", "random", "1.1", "/status --service shop", "acme/shop", ""},
		{"an alias is an environment of the channel's", "shop", "", "/status production", "acme/shop", ""},
		{"a thread that is about no run counts for nothing", "shop", "9.9", "/status", "acme/shop", ""},
		{"a thread whose run is gone counts for nothing", "shop", "2.2", "/status", "acme/shop", ""},

		{"a name nearly right", "random", "", "/status crt", "unknown_service", "There is no service `crt`. Did you mean `/status cart`?"},
		{"a name nearly right, with more behind it", "random", "", "/deploy sohp prod", "unknown_service", "There is no service `sohp`. Did you mean `/deploy shop prod`?"},
		{"a name nearly right in the channel of another", "cart", "", "/deploy shp prod", "unknown_service", "There is no service `shp`. Did you mean `/deploy shop prod`?"},
		{"a name nothing is like", "random", "", "/deploy basket prod", "unknown_service", "There is no service `basket`. Name one of these: cart, shop."},
		{"a flag nothing is like", "random", "", "/deploy prod --service basket", "unknown_service", "There is no service `basket`. Name one of these: cart, shop."},
		{"nothing says which", "random", "", "/deploy prod", "which_service", "Say which service is meant, for example `/deploy cart prod`. The services here are: cart, shop."},
		{"a run nobody knows says nothing", "random", "", "/cancel r-0000none", "which_service", "Say which service is meant, for example `/cancel cart r-0000none`. The services here are: cart, shop."},
		{"two lines for two services", "random", "", "@shipmate status cart\n/status shop", "several_repositories", "These commands are for different repositories. Send them one by one."},
		{"a typing mistake in the channel of one", "cart", "", "/deploy prdo", "unknown_environment", "There is no environment `prdo`. Did you mean `/deploy prod`?"},
	} {
		t.Run(row.name, func(t *testing.T) {
			s := newScene(t)
			s.known(shop, cart)
			s.made(pipeline.Run{Request: pipeline.Request{ID: "r-cart0000", Repo: cart, Service: "cart"}, Progress: pipeline.Progress{State: pipeline.Running}})
			s.bot.Threads = threads{"1.1": "r-cart0000", "2.2": "r-0000gone"}
			a := s.slack("U0MONA", row.channel, row.thread, row.text)
			if strings.Contains(row.want, "/") {
				if a.Outcome != bot.Done || a.Repo.String() != row.want {
					t.Errorf("for %s: %s %q, want %s", a.Repo, a.Outcome, a.Text, row.want)
				}
				return
			}
			a.refused(t, row.says+" (`"+row.want+"`)")
		})
	}
}

func TestAChannelOfSeveralServices(t *testing.T) {
	s := newScene(t)
	s.forge.files[cart.ID] = strings.Replace(cartFile, "#cart", "#shop", 1)
	s.known(shop, cart)
	s.slack("U0MONA", "shop", "", "/deploy prod").
		refused(t, "Say which service is meant, for example `/deploy cart prod`. The services here are: cart, shop. (`which_service`)")
}

// A service may be called like an environment of another one, or like a command.
func TestAServiceCalledLikeAnEnvironment(t *testing.T) {
	for _, row := range []struct {
		name, called          string
		channel, thread, text string

		repo, says string // says: the start of the answer
	}{
		{"the environment of the channel's service is meant", "staging", "shop", "", "/status staging", "acme/shop", "**staging**: nothing"},
		{"in any case", "Staging", "shop", "", "/status STAGING", "acme/shop", "**staging**: nothing"},
		{"an alias too", "production", "shop", "", "/status production", "acme/shop", "**prod**: nothing"},
		{"of the only service of the thread too", "staging", "cart", "1.1", "/status staging", "acme/shop", "**staging**: nothing"},
		{"with a ref behind it", "staging", "shop", "", "/deploy staging 1111111", "acme/shop", "Deploying"},
		{"with the channel's service as a flag", "staging", "random", "", "/status staging --service shop", "acme/shop", "**staging**: nothing"},
		{"all environments of the channel's service", "all", "shop", "", "/lock all --reason x", "acme/shop", "All environments at once"},
		{"its own channel is its own", "staging", "cart", "", "/status staging", "acme/cart", "Environments of staging"},
		{"elsewhere it is the service", "staging", "random", "", "/status staging prod", "acme/cart", "**prod**: nothing"},
		{"as a flag it is the service", "staging", "shop", "", "/status prod --service staging", "acme/cart", "**prod**: nothing"},
		{"the help of a command", "deploy", "shop", "", "/help deploy", "", "`/deploy <env>"},
		{"who could mean both is asked", "staging", "shop", "", "/deploy staging prod", "", "`/deploy staging prod` can mean the environment staging of shop, or the service staging. " +
			"Say which: `/deploy staging prod --service shop` or `/deploy prod --service staging`. (`ambiguous_service`)"},
	} {
		t.Run(row.name, func(t *testing.T) {
			s := newScene(t)
			s.forge.files[cart.ID] = strings.Replace(cartFile, "service: cart", "service: "+row.called, 1)
			s.known(shop, cart)
			s.made(pipeline.Run{Request: pipeline.Request{ID: "r-shop0000", Repo: shop, Service: "shop"}, Progress: pipeline.Progress{State: pipeline.Running}})
			s.bot.Threads = threads{"1.1": "r-shop0000"}
			a := s.slack("U0MONA", row.channel, row.thread, row.text)
			if row.repo != "" && a.Repo.String() != row.repo || !strings.HasPrefix(a.Text, row.says) {
				t.Errorf("for %s: %s %q", a.Repo, a.Outcome, a.Text)
			}
		})
	}
}

func TestTheOnlyServiceNeedsNoName(t *testing.T) {
	s := newScene(t)
	s.known(cart)
	if a := s.slack("U0MONA", "random", "", "/status prod"); a.Repo != cart || a.Text != "**prod**: nothing deployed yet." {
		t.Errorf("for %s: %q", a.Repo, a.Text)
	}
}

func TestServicesOfOneName(t *testing.T) {
	other := pipeline.Repo{ID: 3, Owner: "acme", Name: "old-shop"}
	s := newScene(t)
	s.forge.files[other.ID] = shopFile
	s.known(shop, other)
	s.slack("U0MONA", "random", "", "/status shop").
		refused(t, "Several repositories call their service `shop`. Name the repository: acme/old-shop, acme/shop. (`ambiguous_service`)")
	if a := s.slack("U0MONA", "random", "", "/status acme/shop"); a.Outcome != bot.Done || a.Repo != shop {
		t.Errorf("for %s: %s %q", a.Repo, a.Outcome, a.Text)
	}
}

func TestNoServiceIsKnown(t *testing.T) {
	s := newScene(t)
	s.slack("U0MONA", "shop", "", "/deploy prod").
		refused(t, "No repository with a `.shipmate.yaml` is known yet. Install the GitHub App on one, and push the file to its default branch. (`no_services`)")
	if a := s.slack("U0MONA", "shop", "", "/help"); a.Outcome != bot.Done {
		t.Errorf("help needs a service: %q", a.Text)
	}
}

func TestWhoIsNotLinkedGetsHelpOnly(t *testing.T) {
	s := newScene(t)
	s.known(shop)
	s.slack("U0ZOE", "shop", "", "/status").refused(t, "Your Slack account is not linked. (`not_linked`)")
	if a := s.slack("U0ZOE", "shop", "", "/help"); a.Outcome != bot.Done {
		t.Errorf("%s %q", a.Outcome, a.Text)
	}
}

// In the thread of a run a command without a run is about that one.
func TestAThreadIsAboutItsRun(t *testing.T) {
	s := newScene(t)
	s.known(shop, cart)
	s.made(pipeline.Run{Request: pipeline.Request{ID: "r-cart0000", Repo: cart, Actor: octavia}, Progress: pipeline.Progress{State: pipeline.Running}})
	s.bot.Threads = threads{"1.1": "r-cart0000"}
	const about = "Run r-cart0000 of `1111111` by octavia is running."
	if a := s.slack("U0MONA", "random", "1.1", "/status"); a.Text != about || a.Run != "r-cart0000" {
		t.Errorf("%q, about %s", a.Text, a.Run)
	}
	if a := s.slack("U0MONA", "random", "1.1", "/status --service shop"); a.Repo != shop || a.Run != "" {
		t.Errorf("for %s about %s: %q", a.Repo, a.Run, a.Text)
	}
}

// On GitHub the place says which repository is meant, and words do not change it.
func TestOnAPullRequestTheRepositoryIsKnown(t *testing.T) {
	s := newScene(t)
	s.known(shop, cart)
	s.say(mona, "/deploy cart prod").refused(t, "There is no environment `cart`. Name one of shop: staging, prod. (`unknown_environment`)")
}

// A command that names two services must not be done to one of them.
func TestServicesThatContradict(t *testing.T) {
	s := newScene(t)
	s.known(shop, cart)
	if a := s.slack("U0MONA", "random", "", "/deploy shop prod --service cart"); a.Outcome != bot.Refused {
		t.Errorf("on Slack: %s %q", a.Outcome, a.Text)
	}
	if a := s.say(mona, "/deploy staging --service cart"); a.Outcome != bot.Refused {
		t.Errorf("on a pull request of shop: %s %q", a.Outcome, a.Text)
	}
}
