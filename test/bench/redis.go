package main

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"time"

	"github.com/redis/go-redis/v9"
)

// redisServer is a redis-server process of our own.
type redisServer struct {
	addr    string
	version string
	client  *redis.Client
	cmd     *exec.Cmd
}

func startRedis(ctx context.Context, dir string) (*redisServer, error) {
	addr, err := freeAddr()
	if err != nil {
		return nil, err
	}
	_, port, _ := strings.Cut(addr, ":")
	log, err := os.Create(filepath.Join(dir, "redis.log"))
	if err != nil {
		return nil, err
	}
	defer log.Close()
	cmd := exec.Command("redis-server", "--port", port, "--bind", "127.0.0.1", "--dir", dir, "--save", "",
		"--appendonly", "yes", "--appendfsync", "everysec", "--auto-aof-rewrite-percentage", "0")
	cmd.Stdout, cmd.Stderr = log, log
	if err := startBound(cmd); err != nil {
		return nil, fmt.Errorf("redis-server: %w", err)
	}
	s := &redisServer{addr: addr, cmd: cmd, client: redis.NewClient(&redis.Options{Addr: addr, PoolSize: 64})}
	if err := waitUntil(ctx, 10*time.Second, func() bool { return s.client.Ping(ctx).Err() == nil }); err != nil {
		s.stop()
		return nil, fmt.Errorf("redis-server: %w", err)
	}
	info, err := s.info(ctx, "server")
	s.version = info["redis_version"]
	return s, err
}

func (s *redisServer) stop() {
	_ = s.client.Close()
	_ = s.cmd.Process.Kill()
	_ = s.cmd.Wait()
}

func (s *redisServer) url() string { return "redis://" + s.addr }

// flush makes the server empty: nobody begins with another's remains.
func (s *redisServer) flush(ctx context.Context) error {
	return s.client.FlushAll(ctx).Err()
}

func (s *redisServer) info(ctx context.Context, section string) (map[string]string, error) {
	text, err := s.client.Info(ctx, section).Result()
	if err != nil {
		return nil, fmt.Errorf("info %s: %w", section, err)
	}
	info := map[string]string{}
	for line := range strings.Lines(text) {
		if k, v, ok := strings.Cut(strings.TrimSpace(line), ":"); ok {
			info[k] = v
		}
	}
	return info, nil
}

// stored is the memory the data takes: what is used, without the buffers of
// connections and of the append-only file, which come and go.
func (s *redisServer) stored(ctx context.Context) (float64, error) {
	info, err := s.info(ctx, "memory")
	if err != nil {
		return 0, err
	}
	var n [3]float64
	for i, key := range []string{"used_memory", "mem_clients_normal", "mem_aof_buffer"} {
		if n[i], err = strconv.ParseFloat(info[key], 64); err != nil {
			return 0, fmt.Errorf("info memory: %s: %w", key, err)
		}
	}
	return n[0] - n[1] - n[2], nil
}

// executed is how many commands were executed so far, those in scripts included.
func (s *redisServer) executed(ctx context.Context) (int64, error) {
	info, err := s.info(ctx, "commandstats")
	if err != nil {
		return 0, err
	}
	total := int64(0)
	for _, v := range info {
		calls, _, _ := strings.Cut(strings.TrimPrefix(v, "calls="), ",")
		n, err := strconv.ParseInt(calls, 10, 64)
		if err != nil {
			return 0, fmt.Errorf("info commandstats: %w", err)
		}
		total += n
	}
	return total, nil
}

// traffic is what was asked of Redis in some time.
type traffic struct {
	sent     float64 // commands a second that clients sent
	executed float64 // commands a second, those in scripts included
}

// watch counts for a while what clients ask.
func (s *redisServer) watch(ctx context.Context, d time.Duration) (traffic, error) {
	before, err := s.executed(ctx)
	if err != nil {
		return traffic{}, err
	}
	sent, err := s.monitor(ctx, d)
	if err != nil {
		return traffic{}, fmt.Errorf("monitor: %w", err)
	}
	after, err := s.executed(ctx)
	own := int64(2) // INFO before, MONITOR
	return traffic{float64(sent) / d.Seconds(), float64(after-before-own) / d.Seconds()}, err
}

// monitor counts the commands clients send; those of scripts are marked "lua]".
func (s *redisServer) monitor(ctx context.Context, d time.Duration) (int, error) {
	c, err := (&net.Dialer{}).DialContext(ctx, "tcp", s.addr)
	if err != nil {
		return 0, err
	}
	defer c.Close()
	defer context.AfterFunc(ctx, func() { _ = c.Close() })()
	if _, err := fmt.Fprint(c, "MONITOR\r\n"); err != nil {
		return 0, err
	}
	if err := c.SetReadDeadline(time.Now().Add(d)); err != nil {
		return 0, err
	}
	sent := 0
	lines := bufio.NewScanner(c)
	lines.Buffer(nil, 64<<20)
	for lines.Scan() {
		if strings.Contains(lines.Text(), "[") && !strings.Contains(lines.Text(), " lua]") {
			sent++
		}
	}
	if err := lines.Err(); !errors.Is(err, os.ErrDeadlineExceeded) {
		return 0, fmt.Errorf("connection ended: %w", err)
	}
	return sent, nil
}

func freeAddr() (string, error) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return "", err
	}
	return l.Addr().String(), l.Close()
}
