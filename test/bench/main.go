// Command bench measures shipmate against what else one could build on Redis,
// and prints absolute figures, ratios and the targets beside them. Start
// reading at measurements; each is a file of its own, and so is each contestant.
//
// It starts its own redis-server: TCP over loopback, append-only file with
// fsync every second, the same for everybody. Contestants take turns (A B A B
// ...) and the median of the rounds counts. Load generator, contestant and
// Redis share the machine, so ratios tell more than figures. A slow time is
// never an error; a measurement that does not work is.
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"os"
	"os/signal"
	"runtime"
	"slices"
	"strings"
	"syscall"
	"time"
)

// measurements are everything there is to measure, in order.
var measurements = []measurement{
	{name: "webhook", measure: measureWebhook, node: true},
	{name: "queue", measure: measureQueue, node: true},
	{name: "run", measure: measureRun},
	{name: "parked", measure: measureParked},
	{name: "idle", measure: measureIdle},
	{name: "comment", measure: measureComment},
}

type measurement struct {
	name    string
	measure func(context.Context, *bench) error
	node    bool // some contestants are written in JavaScript
}

// bench is what measurements share.
type bench struct {
	sizes
	redis *redisServer
	node  *node // nil: not looked for yet
	table *table
	bot   string // the bot's executable, once it is built
	dir   string // for everything written, removed at the end
	trace bool   // print what happens between a comment and its script
}

func main() {
	if len(os.Args) == 4 && os.Args[1] == "serve" {
		exit(serveWebhooks(os.Args[2], os.Args[3]))
	}
	only := flag.String("only", "", "measure only these, separated by commas: "+names())
	quick := flag.Bool("quick", false, "a short run that only shows that everything works")
	asJSON := flag.Bool("json", false, "print JSON")
	bot := flag.String("bot", "", "measure this executable of the bot, not one built as it is released")
	trace := flag.Bool("trace", false, "print, with the measurement comment, what happens until the script runs")
	flag.Parse()
	ctx, stop := signal.NotifyContext(context.Background(), syscall.SIGINT, syscall.SIGTERM)
	defer stop()
	exit(run(ctx, options{strings.FieldsFunc(*only, func(r rune) bool { return r == ',' }), *quick, *asJSON, *trace, *bot}))
}

func exit(err error) {
	if err != nil {
		fmt.Fprintln(os.Stderr, "bench:", err)
		os.Exit(1)
	}
	os.Exit(0)
}

// options are the flags.
type options struct {
	only                 []string
	quick, asJSON, trace bool
	bot                  string
}

func run(ctx context.Context, o options) error {
	for _, name := range o.only {
		if !slices.ContainsFunc(measurements, func(m measurement) bool { return m.name == name }) {
			return fmt.Errorf("--only %s: there are %s", name, names())
		}
	}
	dir, err := os.MkdirTemp("", "shipmate-bench-")
	if err != nil {
		return err
	}
	defer os.RemoveAll(dir)
	redis, err := startRedis(ctx, dir)
	if err != nil {
		return err
	}
	defer redis.stop()
	b := &bench{sizes: full, redis: redis, dir: dir, table: &table{}, trace: o.trace, bot: o.bot}
	if o.quick {
		b.sizes = short
	}
	b.table.note("redis-server %s, TCP over loopback, appendonly yes, appendfsync everysec; %s; %d CPUs; medians of up to %d rounds",
		redis.version, runtime.Version(), runtime.NumCPU(), b.rounds)
	err = b.measureAll(ctx, o.only)
	if o.asJSON {
		return errors.Join(b.table.writeJSON(os.Stdout), err)
	}
	b.table.write(os.Stdout)
	return err
}

// measureAll goes on after an error, so that one broken measurement does not hide the others.
func (b *bench) measureAll(ctx context.Context, only []string) error {
	var errs []error
	for _, m := range measurements {
		if len(only) > 0 && !slices.Contains(only, m.name) || ctx.Err() != nil {
			continue
		}
		fmt.Fprintln(os.Stderr, "measuring", m.name)
		began := time.Now()
		if m.node && b.node == nil {
			b.node = findNode(ctx, b)
		}
		if err := m.measure(ctx, b); err != nil {
			errs = append(errs, fmt.Errorf("%s: %w", m.name, err))
			b.table.note("%s: ended early: %v", m.name, err)
		}
		fmt.Fprintf(os.Stderr, "  took %s\n", time.Since(began).Round(time.Second))
	}
	return errors.Join(append(errs, ctx.Err())...)
}

func names() string {
	var all []string
	for _, m := range measurements {
		all = append(all, m.name)
	}
	return strings.Join(all, ", ")
}
