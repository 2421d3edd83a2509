package main

import (
	"context"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"time"

	"github.com/shipmate/shipmate/test/world"
)

// measureIdle watches the real bot, connected to GitHub and Slack, do nothing.
func measureIdle(ctx context.Context, b *bench) error {
	memory := b.table.figure("idle bot: memory", "MiB", target{AtMost: 60})
	load := b.table.figure("idle bot: CPU", "%", target{AtMost: 1})
	asked := b.table.figure("idle bot: commands to Redis", "commands/s", target{AtMost: 5})
	inside := b.table.figure("idle bot: commands, those in scripts included", "commands/s")
	ready := b.table.figure("bot: ready after its start", "ms", target{AtMost: 300})
	w, err := b.startWorld(ctx, "idle")
	if err != nil {
		return err
	}
	defer w.Close()
	if err := pause(ctx, 2*time.Second); err != nil {
		return err
	}
	before, err := cpu(w.Pid())
	if err != nil {
		return err
	}
	t, err := b.redis.watch(ctx, b.watch)
	if err != nil {
		return err
	}
	after, err := cpu(w.Pid())
	if err != nil {
		return err
	}
	mib, err := rss(w.Pid())
	if err != nil {
		return err
	}
	memory.add(ours, mib)
	load.add(ours, 100*(after-before).Seconds()/b.watch.Seconds())
	asked.add(ours, t.sent)
	inside.add(ours, t.executed)
	if err := w.StopBot(); err != nil {
		return err
	}
	begin := time.Now()
	if err := w.StartBot(ctx); err != nil {
		return err
	}
	ready.add(ours, float64(time.Since(begin).Milliseconds()))
	return nil
}

// startWorld starts the bot, and a GitHub and a Slack for it, on our Redis.
func (b *bench) startWorld(ctx context.Context, name string, env ...string) (*world.World, error) {
	binary, err := b.buildBot(ctx)
	if err != nil {
		return nil, err
	}
	dir := filepath.Join(b.dir, name)
	if err := os.Mkdir(dir, 0o700); err != nil {
		return nil, err
	}
	if err := b.redis.flush(ctx); err != nil {
		return nil, err
	}
	ctx, cancel := context.WithTimeout(ctx, 30*time.Second)
	defer cancel()
	w, err := world.Start(ctx, world.Config{Binary: binary, Dir: dir, RedisURL: b.redis.url(), Env: env})
	if err != nil {
		log, _ := os.ReadFile(filepath.Join(dir, "bot.log"))
		return nil, fmt.Errorf("start the bot: %w\n%s", err, lastLines(string(log), 5))
	}
	return w, nil
}

// buildBot compiles the bot, once, in its own module and as it is released.
func (b *bench) buildBot(ctx context.Context) (string, error) {
	if b.bot != "" {
		return b.bot, nil
	}
	root, err := output(exec.CommandContext(ctx, "go", "list", "-m", "-f", "{{.Dir}}", "github.com/shipmate/shipmate"))
	if err != nil {
		return "", fmt.Errorf("find the bot's module (run this in test/bench): %w", err)
	}
	binary := filepath.Join(b.dir, "shipmate")
	args := append([]string{"build", "-C", strings.TrimSpace(string(root)), "-trimpath", "-o", binary}, world.Release...)
	build := exec.CommandContext(ctx, "go", append(args, "./cmd/shipmate")...)
	build.Env = append(os.Environ(), "CGO_ENABLED=0")
	if _, err := output(build); err != nil {
		return "", fmt.Errorf("build the bot: %w", err)
	}
	b.bot = binary
	return binary, nil
}
