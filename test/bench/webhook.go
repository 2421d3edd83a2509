package main

import (
	"bufio"
	"context"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"os/exec"
	"strings"
	"time"
)

const (
	secret      = "a-webhook-secret-for-the-benchmark"
	connections = 64
)

// webhookContestants take deliveries, each in a process of its own. Those in Go
// are handlers; they get the address of Redis. All put the same few facts into
// their queue before they answer.
var webhookContestants = []struct {
	name    string
	handler func(redis string) (http.Handler, error)
}{
	{ours, oursWebhook},
	{hmacAlone, hmacWebhook},
	{"go-github + one script, SET NX and XADD", scriptWebhook},
	{"go-github + asynq", asynqWebhook},
	{probot, nil},
}

const (
	probot    = "Probot + BullMQ"
	hmacAlone = "HMAC alone, no Redis"
)

// said is what the baselines put into their queue: about what ours does.
type said struct {
	Repo         int64  `json:"repo"`
	Owner        string `json:"owner"`
	Name         string `json:"name"`
	Installation int64  `json:"installation"`
	PR           int    `json:"pr"`
	Comment      int64  `json:"comment"`
	Actor        int64  `json:"actor"`
	Login        string `json:"login"`
	Text         string `json:"text"`
	At           string `json:"at"`
}

func measureWebhook(ctx context.Context, b *bench) error {
	rate := b.table.figure("webhooks of 14 kB over 64 connections", "requests/s",
		target{Than: "go-github + asynq", AtLeast: 2}, target{Than: probot, AtLeast: 3})
	// 100 us was asked for where the HMAC takes 25; machines differ, the ratio does not.
	cost := b.table.figure("CPU of server and Redis per webhook", "us", target{AtMost: 100}, target{Than: hmacAlone, AtMost: 4})
	for range b.rounds {
		for _, c := range webhookContestants {
			if c.handler == nil && b.node.dir == "" {
				continue
			}
			requests, used, err := b.webhookRound(ctx, c.name)
			if err != nil {
				return fmt.Errorf("%s: %w", c.name, err)
			}
			rate.add(c.name, requests/b.webhooks.Seconds())
			cost.add(c.name, float64(used.Microseconds())/requests)
		}
	}
	return nil
}

// webhookRound loads one contestant, after a short while to warm up.
func (b *bench) webhookRound(ctx context.Context, name string) (requests float64, used time.Duration, err error) {
	if err := b.redis.flush(ctx); err != nil {
		return 0, 0, err
	}
	server, url, err := b.startWebhookServer(ctx, name)
	if err != nil {
		return 0, 0, err
	}
	defer func() {
		_ = server.Process.Kill()
		_ = server.Wait()
	}()
	l, err := newLoad(url)
	if err != nil {
		return 0, 0, err
	}
	if _, err := l.run(ctx, b.webhooks/5); err != nil {
		return 0, 0, err
	}
	pids := []int{server.Process.Pid, b.redis.cmd.Process.Pid}
	before, err := cpu(pids...)
	if err != nil {
		return 0, 0, err
	}
	n, err := l.run(ctx, b.webhooks)
	if err != nil {
		return 0, 0, err
	}
	after, err := cpu(pids...)
	return float64(n), after - before, err
}

// startWebhookServer starts a contestant, which prints its URL when it is ready.
func (b *bench) startWebhookServer(ctx context.Context, name string) (*exec.Cmd, string, error) {
	cmd := b.node.command(ctx, "probot.mjs", b.redis.addr, secret)
	if name != probot {
		self, err := os.Executable()
		if err != nil {
			return nil, "", err
		}
		cmd = exec.CommandContext(ctx, self, "serve", name, b.redis.addr)
	}
	cmd.Stderr = os.Stderr
	out, err := cmd.StdoutPipe()
	if err != nil {
		return nil, "", err
	}
	if err := startBound(cmd); err != nil {
		return nil, "", err
	}
	url, err := bufio.NewReader(out).ReadString('\n')
	if err != nil {
		_ = cmd.Process.Kill()
		return nil, "", fmt.Errorf("the server said nothing: %w", cmd.Wait())
	}
	go func() { _, _ = io.Copy(io.Discard, out) }() // ends with the process
	return cmd, strings.TrimSpace(url), nil
}

// serveWebhooks is the process of a contestant in Go.
func serveWebhooks(name, redis string) error {
	for _, c := range webhookContestants {
		if c.name != name || c.handler == nil {
			continue
		}
		h, err := c.handler(redis)
		if err != nil {
			return err
		}
		l, err := net.Listen("tcp", "127.0.0.1:0")
		if err != nil {
			return err
		}
		fmt.Printf("http://%s/github/webhook\n", l.Addr())
		return http.Serve(l, h)
	}
	return fmt.Errorf("no contestant %q", name)
}
