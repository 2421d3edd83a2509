package main

import (
	"context"
	"encoding/json"
	"fmt"
	"strconv"
	"time"
)

func bullBegin(ctx context.Context, b *bench, n int) ([]time.Duration, error) {
	return b.bullmq(ctx, "begin", n)
}

func bullFill(ctx context.Context, b *bench, n int) error {
	_, err := b.bullmq(ctx, "fill", n)
	return err
}

func bullDrain(ctx context.Context, b *bench, n int) (time.Duration, error) {
	took, err := b.bullmq(ctx, "drain", n)
	if err == nil && len(took) != 1 {
		err = fmt.Errorf("%d times", len(took))
	}
	if err != nil {
		return 0, err
	}
	return took[0], nil
}

// bullmq has the script do something; it prints the milliseconds it took, a JSON list.
func (b *bench) bullmq(ctx context.Context, do string, n int) ([]time.Duration, error) {
	ctx, cancel := context.WithTimeout(ctx, 5*time.Minute)
	defer cancel()
	out, err := output(b.node.command(ctx, "bullmq.mjs", b.redis.addr, do, strconv.Itoa(n), strconv.Itoa(hands)))
	if err != nil {
		return nil, err
	}
	var ms []float64
	if err := json.Unmarshal(out, &ms); err != nil {
		return nil, fmt.Errorf("bullmq.mjs %s: %w", do, err)
	}
	var took []time.Duration
	for _, t := range ms {
		took = append(took, time.Duration(t*float64(time.Millisecond)))
	}
	return took, nil
}
