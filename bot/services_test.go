package bot_test

import (
	"context"
	"errors"
	"fmt"
	"reflect"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/shipmate/shipmate/bot"
	"github.com/shipmate/shipmate/pipeline"
)

// services lists what is known, as "name repository".
func (s *scene) services() string {
	s.t.Helper()
	all, err := s.bot.Services.All(s.t.Context())
	if err != nil {
		s.t.Fatal(err)
	}
	var out []string
	for _, svc := range all {
		out = append(out, svc.Name+" "+svc.Repo.String())
	}
	return strings.Join(out, ", ")
}

func TestServicesAreSortedAndForgotten(t *testing.T) {
	s := newScene(t)
	for i, name := range []string{"web", "api", "shop"} {
		svc := bot.Service{Name: name, Repo: pipeline.Repo{ID: int64(10 + i), Owner: "acme", Name: name}}
		if err := s.bot.Services.Put(t.Context(), svc); err != nil {
			t.Fatal(err)
		}
	}
	twin := bot.Service{Name: "shop", Repo: pipeline.Repo{ID: 9, Owner: "other", Name: "shop"}}
	if err := s.bot.Services.Put(t.Context(), twin); err != nil {
		t.Fatal(err)
	}
	if got := s.services(); got != "api acme/api, shop acme/shop, shop other/shop, web acme/web" {
		t.Error(got)
	}
	for range 2 { // twice is as good as once
		if err := s.bot.Services.Remove(t.Context(), 10); err != nil {
			t.Fatal(err)
		}
	}
	if got := s.services(); got != "api acme/api, shop acme/shop, shop other/shop" {
		t.Error(got)
	}
}

func TestPutReplacesTheServiceOfItsRepository(t *testing.T) {
	s := newScene(t)
	renamed := shop
	renamed.Name = "store"
	for _, svc := range []bot.Service{{Name: "shop", Repo: shop}, {Name: "store", Repo: renamed}} {
		if err := s.bot.Services.Put(t.Context(), svc); err != nil {
			t.Fatal(err)
		}
	}
	if got := s.services(); got != "store acme/store" {
		t.Error(got)
	}
}

func TestAServiceIsReadFromItsFile(t *testing.T) {
	s := newScene(t)
	s.known(shop)
	got, err := s.bot.Services.All(t.Context())
	want := []bot.Service{{Name: "shop", Repo: shop, Environments: []string{"staging", "prod"}, Aliases: []string{"production"}, Channels: []string{"#shop"}}}
	if err != nil || !reflect.DeepEqual(got, want) {
		t.Errorf("got %+v, %v", got, err)
	}
}

func TestWhatIsInstalledAndPushedIsKnown(t *testing.T) {
	s := newScene(t)
	push := func(branch string, main bool) {
		t.Helper()
		s.handle(bot.KindPush, bot.Push{Repo: shop, Actor: mona, Branch: branch, Default: main, After: head})
	}
	want := func(want string) {
		t.Helper()
		if got := s.services(); got != want {
			t.Errorf("known are %q, want %q", got, want)
		}
	}
	s.known(shop, cart)
	want("cart acme/cart, shop acme/shop")

	s.forge.files[shop.ID] = strings.Replace(shopFile, "service: shop", "service: store", 1)
	push("topic", false)
	want("cart acme/cart, shop acme/shop")
	push("main", true)
	want("cart acme/cart, store acme/shop")

	s.forge.files[shop.ID] = "service: ["
	push("main", true)
	want("cart acme/cart, store acme/shop") // a mistake takes nothing away

	delete(s.forge.files, shop.ID)
	push("main", true)
	want("cart acme/cart")

	s.handle(bot.KindInstalled, bot.Installed{Removed: []pipeline.Repo{cart}})
	want("")
	s.slack("U0MONA", "cart", "", "/status").
		refused(t, "No repository with a `.shipmate.yaml` is known yet. Install the GitHub App on one, and push the file to its default branch. (`no_services`)")
	s.known(cart)
	want("cart acme/cart")
}

// At start every file is read. A list that cannot be had holds nothing up.
func TestIndexAll(t *testing.T) {
	for _, row := range []struct {
		name string
		list func(context.Context) ([]bot.Installed, error)
		want string
	}{
		{"without GitHub", nil, ""},
		{"GitHub is away", func(context.Context) ([]bot.Installed, error) { return nil, errors.New("away") }, ""},
		{"two installations", func(context.Context) ([]bot.Installed, error) {
			return []bot.Installed{{Added: []pipeline.Repo{shop}}, {Added: []pipeline.Repo{{ID: 99, Owner: "acme", Name: "notes"}, cart}}}, nil
		}, "cart acme/cart, shop acme/shop"},
	} {
		t.Run(row.name, func(t *testing.T) {
			s := newScene(t)
			if err := s.bot.IndexAll(t.Context(), row.list); err != nil {
				t.Fatal(err)
			}
			if got := s.services(); got != row.want {
				t.Errorf("got %q, want %q", got, row.want)
			}
		})
	}
}

// TestIndexAllIsPatient: GitHub may not know our token everywhere yet.
func TestIndexAllIsPatient(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newScene(t)
		asked := 0
		list := func(context.Context) ([]bot.Installed, error) {
			if asked++; asked < 5 {
				return nil, pipeline.Temporary(errors.New("a token is not known everywhere yet"))
			}
			return []bot.Installed{{Installation: 7, Added: []pipeline.Repo{shop, cart}}}, nil
		}
		s.forge.unread = pipeline.Temporary(errors.New("its token neither"))
		if err := s.bot.IndexAll(t.Context(), list); err != nil {
			t.Fatal(err)
		}
		if got := s.services(); got != "" {
			t.Errorf("at once %q", got)
		}
		s.forge.unread = nil
		for _, l := range s.store.Poll(pipeline.Control, 10, time.Hour) {
			if err := s.bot.Handlers()[l.Kind](t.Context(), l); err != nil {
				t.Fatal(err)
			}
		}
		if got := s.services(); got != "cart acme/cart, shop acme/shop" {
			t.Errorf("then %q", got)
		}
	})
}

func TestManyServices(t *testing.T) {
	s := newScene(t)
	for i := range 300 {
		svc := bot.Service{Name: fmt.Sprintf("s%03d", 299-i), Repo: pipeline.Repo{ID: int64(100 + i), Owner: "acme", Name: "x"}}
		if err := s.bot.Services.Put(t.Context(), svc); err != nil {
			t.Fatal(err)
		}
	}
	all, err := s.bot.Services.All(t.Context())
	if err != nil || len(all) != 300 || all[0].Name != "s000" || all[299].Name != "s299" {
		t.Errorf("%d services, %v", len(all), err)
	}
}

func TestSortedByName(t *testing.T) {
	s := newScene(t)
	for i, name := range []string{"shop-admin", "shop"} {
		if err := s.bot.Services.Put(t.Context(), bot.Service{Name: name, Repo: pipeline.Repo{ID: int64(10 + i), Owner: "acme", Name: name}}); err != nil {
			t.Fatal(err)
		}
	}
	if got := s.services(); got != "shop acme/shop, shop-admin acme/shop-admin" {
		t.Error(got)
	}
}
