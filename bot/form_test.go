package bot_test

import (
	"context"
	"encoding/json"
	"fmt"
	"log/slog"
	"testing"
	"time"

	"github.com/shipmate/shipmate/bot"
	"github.com/shipmate/shipmate/commands"
	"github.com/shipmate/shipmate/pipeline"
)

// screen shows the service it was filled in for; its hash counts up.
type screen struct {
	shows string
	hash  int
}

func (s *screen) Fill(_ context.Context, f bot.Form, c bot.Choices) error {
	if f.Hash != "" && f.Hash != fmt.Sprint(s.hash) {
		return bot.ErrFormChanged
	}
	s.hash++
	s.shows = fmt.Sprint(c.Service, " ", c.Environments, " ", c.Refs.Default)
	return nil
}

type menus struct{ *forge }

func (menus) Refs(context.Context, pipeline.Repo) (bot.Refs, error) {
	return bot.Refs{Default: "main"}, nil
}

func (s *scene) forms(screen *screen) func(f bot.Form) {
	s.t.Helper()
	svc := bot.Service{Name: "cart", Repo: cart, Environments: []string{"prod"}}
	if err := s.bot.Services.Put(s.t.Context(), svc); err != nil {
		s.t.Fatal(err)
	}
	forms := &bot.Forms{GitHub: menus{s.forge}, Services: s.bot.Services, Identities: s.bot.Identities, Commands: commands.All(commands.Desk{}), Records: s.store, Screen: screen, Log: slog.New(slog.DiscardHandler)}
	return func(f bot.Form) {
		s.t.Helper()
		f.View = "V1"
		if f.Actor.SlackUser == "" {
			f.Actor = pipeline.Actor{SlackTeam: "T0", SlackUser: "U0MONA"}
		}
		payload, err := json.Marshal(f)
		if err == nil {
			err = forms.Handlers()[bot.KindForm](s.t.Context(), &pipeline.Lease{Job: pipeline.Job{Kind: bot.KindForm, Payload: payload}})
		}
		if err != nil {
			s.t.Fatal(err)
		}
	}
}

func TestTheLastChoiceInAFormCounts(t *testing.T) {
	early := time.Date(2026, 3, 2, 9, 0, 0, 0, time.UTC)
	shopFirst := bot.Form{Hash: "0", Service: "shop", At: early}
	cartThen := bot.Form{Hash: "0", Service: "cart", At: early.Add(time.Second)}
	for name, order := range map[string][]bot.Form{
		"in order":         {shopFirst, cartThen},
		"the other way":    {cartThen, shopFirst},
		"handled again":    {shopFirst, cartThen, shopFirst, cartThen},
		"the last of them": {cartThen},
	} {
		t.Run(name, func(t *testing.T) {
			screen := &screen{}
			fill := onSlack(t).forms(screen)
			for _, f := range order {
				fill(f)
			}
			if screen.shows != "cart [prod] main" {
				t.Errorf("it shows %s", screen.shows)
			}
		})
	}
}

func TestAFormShowsNothingToWhoMayNotReadTheRepository(t *testing.T) {
	for name, user := range map[string]string{"who has no access": "U0EVE", "who is not linked": "U0ZOE"} {
		t.Run(name, func(t *testing.T) {
			s, screen := onSlack(t), &screen{}
			s.forge.rights[eve.ID] = pipeline.NoAccess
			s.forms(screen)(bot.Form{Hash: "0", Service: "shop", Actor: pipeline.Actor{SlackTeam: "T0", SlackUser: user}})
			if screen.shows != "" {
				t.Errorf("it shows %s", screen.shows)
			}
		})
	}
}
