package main

import (
	"context"
	"errors"
	"runtime"
	"sync"
	"time"

	"github.com/shipmate/shipmate/pipeline"
)

// measureParked: runs that wait must cost memory in Redis and nothing else.
func measureParked(ctx context.Context, b *bench) error {
	goroutines := b.table.figure("goroutines more with "+number(float64(b.parked))+" waiting runs", "goroutines", target{AtMost: 5})
	asked := b.table.figure("idle engine and worker: commands to Redis", "commands/s")
	inside := b.table.figure("idle engine and worker: commands, those in scripts included", "commands/s")
	memory := b.table.figure("memory of Redis per waiting run", "bytes")
	m, err := startMachine(ctx, b)
	if err != nil {
		return err
	}
	defer m.close()
	before, stored, err := b.look(ctx, "no waiting runs", asked, inside)
	if err != nil {
		return err
	}
	if err := b.park(ctx, m); err != nil {
		return err
	}
	after, storedAfter, err := b.look(ctx, ours, asked, inside)
	if err != nil {
		return err
	}
	goroutines.add(ours, float64(after-before))
	memory.add(ours, (storedAfter-stored)/float64(b.parked))
	return nil
}

// look counts once things are quiet.
func (b *bench) look(ctx context.Context, name string, asked, inside *figure) (goroutines int, stored float64, err error) {
	if err := pause(ctx, 2*time.Second); err != nil {
		return 0, 0, err
	}
	t, err := b.redis.watch(ctx, b.watch)
	if err != nil {
		return 0, 0, err
	}
	asked.add(name, t.sent)
	inside.add(name, t.executed)
	stored, err = b.redis.stored(ctx)
	return runtime.NumGoroutine(), stored, err
}

// park makes runs that wait, one half for a person and the other for a time.
func (b *bench) park(ctx context.Context, m *machine) error {
	approval := pipeline.Pipeline{Name: "deploy", Steps: []pipeline.Step{{Name: "yes", Uses: "approval", With: map[string]any{"count": 2}}}}
	wait := pipeline.Pipeline{Name: "deploy", Steps: []pipeline.Step{{Name: "soak", Uses: "wait", With: map[string]any{"for": "2h"}}}}
	errs := make([]error, hands)
	var all sync.WaitGroup
	for h := range hands {
		all.Go(func() {
			for i := h; i < b.parked && errs[h] == nil; i += hands {
				p := approval
				if i%2 == 1 {
					p = wait
				}
				_, errs[h] = m.start(ctx, int64(i%1000+1), p)
			}
		})
	}
	all.Wait()
	return errors.Join(errs...)
}
