// Package e2e plays whole stories with the real binary between simulated
// platforms, and looks at what people would see.
package e2e

import (
	"context"
	"fmt"
	"os"
	"testing"

	"github.com/shipmate/shipmate/test/needs"
	"github.com/shipmate/shipmate/test/world"
)

var binary string

func TestMain(m *testing.M) {
	dir, err := os.MkdirTemp("", "shipmate-e2e-")
	if err == nil {
		binary, err = world.Build(context.Background(), dir)
	}
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
	code := m.Run()
	_ = os.RemoveAll(dir)
	os.Exit(code)
}

// start makes a world that ends with the test, and shows the bot's log if the
// test fails.
func start(ctx context.Context, t *testing.T, cfg world.Config) *world.World {
	t.Helper()
	needs.On(t, needs.Git())
	cfg.Binary, cfg.Dir = binary, t.TempDir()
	w, err := world.Start(ctx, cfg)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := w.Close(); err != nil {
			t.Error(err)
		}
		if log, err := os.ReadFile(w.LogFile()); err == nil && t.Failed() {
			t.Logf("the bot's log:\n%s", log)
		}
	})
	return w
}

func settle(ctx context.Context, t *testing.T, w *world.World) {
	t.Helper()
	if err := w.Settle(ctx); err != nil {
		t.Fatal(err)
	}
}
