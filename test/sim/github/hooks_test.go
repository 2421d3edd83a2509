package github_test

import (
	"context"
	"net/http"
	"slices"
	"testing"

	gh "github.com/google/go-github/v60/github"

	sim "github.com/shipmate/shipmate/test/sim/github"
)

func TestWebhooksAreSignedAndInOrder(t *testing.T) {
	s := newScene(t, sim.Config{})
	ctx := within(t)
	for _, body := range []string{"one", "two", "three"} {
		sim.Must(s.mona.Comment(shop, s.pr.Number, body))
	}
	if err := s.WaitDelivered(ctx); err != nil {
		t.Fatal(err)
	}
	for _, dl := range s.Deliveries() {
		if dl.Header["X-Hub-Signature-256"] != sim.Sign(s.WebhookSecret(), dl.Body) || dl.Status != "OK" {
			t.Errorf("%s: %s", dl.Event, dl.Status)
		}
		if _, err := gh.ParseWebHook(dl.Event, dl.Body); err != nil {
			t.Error(err)
		}
	}
	s.hook.mu.Lock()
	defer s.hook.mu.Unlock()
	want := []string{"installation", "push", "check_suite", "pull_request", "issue_comment", "issue_comment", "issue_comment"}
	if !slices.Equal(s.hook.events, want) {
		t.Errorf("got %v", s.hook.events)
	}
}

func TestHeldWebhooksComeInAnyOrder(t *testing.T) {
	s := newScene(t, sim.Config{Events: []string{"issue_comment"}})
	ctx := within(t)
	if err := s.WaitDelivered(ctx); err != nil {
		t.Fatal(err)
	}
	s.HoldWebhooks()
	sim.Must(s.mona.Comment(shop, s.pr.Number, "one"))
	sim.Must(s.mona.Comment(shop, s.pr.Number, "two"))
	var waiting []sim.Delivery
	for _, dl := range s.Deliveries() {
		if dl.Pending {
			waiting = append(waiting, dl)
		}
	}
	if len(waiting) != 2 {
		t.Fatalf("%d wait", len(waiting))
	}
	s.ReleaseWebhooks(waiting[1].GUID)
	err := s.WaitFor(ctx, func(st *sim.State) bool {
		all := st.Deliveries()
		return !all[len(all)-1].Pending && all[len(all)-2].Pending
	})
	if err != nil {
		t.Fatal(err)
	}
	s.ReleaseWebhooks()
	if err := s.WaitDelivered(ctx); err != nil {
		t.Fatal(err)
	}
	if err := s.Redeliver(waiting[0].GUID); err != nil {
		t.Fatal(err)
	}
	if err := s.WaitDelivered(ctx); err != nil {
		t.Fatal(err)
	}
	all := s.Deliveries()
	if last := all[len(all)-1]; !last.Redelivery || last.GUID != waiting[0].GUID {
		t.Errorf("redelivered %+v", last)
	}
}

func TestAFailedDeliveryIsRecordedAndNotRepeated(t *testing.T) {
	s := newScene(t, sim.Config{})
	ctx := within(t)
	if err := s.WaitDelivered(ctx); err != nil {
		t.Fatal(err)
	}
	before := len(s.Deliveries())
	s.hook.mu.Lock()
	s.hook.status = http.StatusServiceUnavailable
	s.hook.mu.Unlock()
	sim.Must(s.mona.Comment(shop, s.pr.Number, "one"))
	if err := s.WaitDelivered(ctx); err != nil {
		t.Fatal(err)
	}
	all := s.Deliveries()
	if len(all) != before+1 || all[before].StatusCode != 503 {
		t.Errorf("%d deliveries, last %d", len(all)-before, all[len(all)-1].StatusCode)
	}
	list, _, err := s.app(nil).Apps.ListHookDeliveries(ctx, nil)
	if err != nil || list[0].GetStatusCode() != 503 {
		t.Errorf("listed: %v", err)
	}
	code, err := s.SendWebhook(ctx, sim.Webhook{Event: "push", Body: all[before].Body})
	if err != nil || code != 503 {
		t.Errorf("by hand: %d, %v", code, err)
	}
}

func TestWaitForSeesAChangeAndGivesUp(t *testing.T) {
	s := newScene(t, sim.Config{})
	changes, stop := s.Subscribe()
	defer stop()
	waited := make(chan error, 1)
	go func() {
		waited <- s.WaitFor(t.Context(), func(st *sim.State) bool { return len(st.Comments(shop, s.pr.Number)) == 1 })
	}()
	sim.Must(s.mona.Comment(shop, s.pr.Number, "one"))
	if err := <-waited; err != nil {
		t.Error(err)
	}
	for c := range changes {
		if c.Kind == "comment" && c.Number == s.pr.Number {
			break
		}
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if err := s.WaitFor(ctx, func(*sim.State) bool { return false }); err == nil {
		t.Error("waited for ever")
	}
}
