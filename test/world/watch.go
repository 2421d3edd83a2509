package world

import (
	"bufio"
	"context"
	"fmt"
	"net/http"
	"os"
	"strconv"
	"strings"
	"time"
)

// ready waits until the bot answers, or has ended.
func (w *World) ready(ctx context.Context) error {
	return w.poll(ctx, func() (bool, error) {
		res, err := http.Get(w.URL + "/readyz")
		if err != nil {
			return false, nil
		}
		return res.StatusCode == http.StatusOK, res.Body.Close()
	})
}

// poll asks until done, ctx ends or the bot does. The bot tells nobody when it
// is idle, so it has to be asked: every few milliseconds at first, then more
// rarely, so that many worlds can wait side by side.
func (w *World) poll(ctx context.Context, done func() (bool, error)) error {
	begun := time.Now()
	for {
		if ok, err := done(); ok || err != nil {
			return err
		}
		select {
		case <-ctx.Done():
			return fmt.Errorf("bot: %w; see %s", context.Cause(ctx), w.path("bot.log"))
		case <-w.exited:
			said, _ := os.ReadFile(w.path("bot.log"))
			return fmt.Errorf("bot ended: %w:\n%s", w.exit, said)
		case <-time.After(min(max(time.Since(begun)/10, 20*time.Millisecond), 250*time.Millisecond)):
		}
	}
}

// Settle waits until nothing moves any more but by a person or a timer of a
// run: all webhooks are answered and the bot's queues are empty.
func (w *World) Settle(ctx context.Context) error {
	return w.SettleBut(ctx, func() int { return 0 })
}

// SettleBut is Settle while so many steps, which end only when somebody stops
// them, stay in hand.
func (w *World) SettleBut(ctx context.Context, held func() int) error {
	quiet, queues := 0, ""
	err := w.poll(ctx, func() (bool, error) {
		if err := w.GitHub.WaitDelivered(ctx); err != nil {
			return false, err
		}
		var idle bool
		if idle, queues = w.idle(float64(held())); idle {
			quiet++
		} else {
			quiet = 0
		}
		return quiet == 2, nil // twice in a row, because a job may end after it caused a webhook
	})
	if err != nil {
		return fmt.Errorf("%w; when asked last: %s", err, queues)
	}
	return nil
}

// idle reports whether the queues are empty but for the held steps, and what
// is in them. A bot that does not answer is not idle.
func (w *World) idle(held float64) (idle bool, queues string) {
	m, err := w.scrape()
	if err != nil {
		return false, err.Error()
	}
	control, known := m[`shipmate_queue_depth{pool="control"}`]
	steps, soon := m[`shipmate_queue_depth{pool="steps"}`], m[`shipmate_queue_delayed{due="soon"}`]
	queues = fmt.Sprintf("%v control jobs, %v steps of which %v are held, %v jobs due soon", control, steps, held, soon)
	return known && control == 0 && steps == held && soon == 0, queues
}

// Metric sums a metric of the bot over its labels.
func (w *World) Metric(name string) (float64, error) {
	all, err := w.scrape()
	sum, found := 0.0, false
	for series, v := range all {
		if series == name || strings.HasPrefix(series, name+"{") {
			sum, found = sum+v, true
		}
	}
	if err == nil && !found {
		err = fmt.Errorf("no metric %s", name)
	}
	return sum, err
}

// scrape reads all metrics of the bot, by name and labels.
func (w *World) scrape() (map[string]float64, error) {
	res, err := http.Get("http://" + w.metrics + "/metrics")
	if err != nil {
		return nil, err
	}
	defer res.Body.Close()
	all := map[string]float64{}
	lines := bufio.NewScanner(res.Body)
	for lines.Scan() {
		i := strings.LastIndexByte(lines.Text(), ' ')
		if i < 0 || lines.Text()[0] == '#' {
			continue
		}
		if all[lines.Text()[:i]], err = strconv.ParseFloat(lines.Text()[i+1:], 64); err != nil {
			return nil, err
		}
	}
	return all, lines.Err()
}
