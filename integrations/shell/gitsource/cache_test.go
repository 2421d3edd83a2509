package gitsource

import (
	"os"
	"path/filepath"
	"sync"
	"testing"
	"time"
)

// TestACacheIsNotRemovedUnderItsUser has caches that count as unused removed
// again and again while others lock them to fetch into them.
func TestACacheIsNotRemovedUnderItsUser(t *testing.T) {
	cache := filepath.Join(t.TempDir(), "42.git")
	var users, cleaner sync.WaitGroup
	for range 4 {
		users.Go(func() {
			for range 200 {
				lock, err := lockCache(cache)
				if err != nil {
					t.Errorf("lock: %v", err)
					return
				}
				for _, name := range []string{"HEAD", "objects/pack", "refs/shipmate"} {
					if _, err := os.Stat(filepath.Join(cache, name)); err != nil {
						t.Errorf("while it is locked: %v", err)
					}
				}
				lock.Close()
			}
		})
	}
	done := make(chan struct{})
	cleaner.Go(func() {
		for {
			select {
			case <-done:
				return
			default:
			}
			if err := removeUnused(cache, -time.Hour); err != nil && !os.IsNotExist(err) {
				t.Errorf("clean: %v", err)
			}
		}
	})
	users.Wait()
	close(done)
	cleaner.Wait()
}
