package redisstore_test

import (
	"context"
	"fmt"
	"os"
	"time"

	"github.com/shipmate/shipmate/pipeline"
	"github.com/shipmate/shipmate/pipeline/redisstore"
)

// holdsLeases has the test's own program lease what it finds at that URL, say
// so, and hold it until it is killed.
const holdsLeases = "SHIPMATE_TEST_HOLDS_LEASES"

func holdLeases(url string) {
	ctx := context.Background()
	s, err := redisstore.Open(ctx, redisstore.Config{URL: url})
	if err != nil {
		fmt.Println(err)
		os.Exit(1)
	}
	for _, pool := range []pipeline.Pool{pipeline.Control, pipeline.Steps} {
		ls, err := s.Lease(ctx, pool, 10, 24*time.Hour)
		if err != nil {
			fmt.Println(err)
			os.Exit(1)
		}
		for _, l := range ls {
			fmt.Println("has", l.ID, l.Fence)
		}
	}
	select {}
}
