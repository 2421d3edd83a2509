package redisstore_test

import (
	"context"
	"strings"
	"testing"
	"time"

	"github.com/redis/go-redis/v9"

	"github.com/shipmate/shipmate/pipeline"
	"github.com/shipmate/shipmate/pipeline/redisstore"
	"github.com/shipmate/shipmate/pipeline/redisstore/redistest"
)

func wantRefusal(t *testing.T, cfg redisstore.Config, code, names string) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), 5*time.Second)
	defer cancel()
	s, err := redisstore.Open(ctx, cfg)
	if err == nil {
		_ = s.Close()
	}
	if pipeline.Code(err) != code || !strings.Contains(pipeline.Message(err), names) {
		t.Errorf("got %v, want %s with %q", err, code, names)
	}
	if err != nil && strings.Contains(err.Error(), "geheim") {
		t.Errorf("the error shows the password: %v", err)
	}
}

func TestURLsThatAreRefused(t *testing.T) {
	t.Parallel()
	for url, code := range map[string]string{
		"":                                     "redis_url",
		"localhost:6379":                       "redis_url",
		"http://localhost":                     "redis_url",
		"redis+other://localhost":              "redis_url",
		"redis://u:geheim@localhost:port":      "redis_url",
		"redis://u:geheim@localhost/x":         "redis_url",
		"redis://:geheim@localhost:1?x=1":      "redis_url",
		"redis+sentinel://localhost":           "redis_url",
		"redis+sentinel://localhost:1/":        "redis_url",
		"redis://redis.example:6379":           "redis_plaintext",
		"redis://u:geheim@10.0.0.1:6379":       "redis_plaintext",
		"rediss://redis.example:6379":          "redis_no_password",
		"redis+cluster://127.0.0.1,10.0.0.1":   "redis_plaintext",
		"redis+sentinel://s.example/m":         "redis_plaintext",
		"rediss://:geheim@localhost?ca=/no":    "redis_tls",
		"redis://127.0.0.1:1?max_retries=-1":   "redis_unreachable",
		"unix:///no/such/socket?max_retries=1": "redis_unreachable",
	} {
		wantRefusal(t, redisstore.Config{URL: url}, code, "")
	}
}

func TestServersThatAreRefused(t *testing.T) {
	t.Parallel()
	server := redistest.Start(t)
	set := func(name, value string) {
		withClient(server, func(c *redis.Client) {
			if err := c.ConfigSet(t.Context(), name, value).Err(); err != nil {
				t.Fatal(name, err)
			}
		})
	}
	strict := redisstore.Config{URL: server.URL(), Durability: redisstore.Strict, Shards: 4}
	normal, relaxed := strict, strict
	normal.Durability, relaxed.Durability = "", redisstore.Relaxed
	if s := open(t, strict); s == nil {
		t.Fatal("refused")
	}
	other := strict
	other.Shards = 5
	wantRefusal(t, other, "redis_shards", "set up with 4 shards")
	other.Shards = 33
	wantRefusal(t, other, "redis_shards", "between 1 and 32")
	other.Shards = 0
	open(t, other)

	set("appendfsync", "everysec")
	wantRefusal(t, strict, "redis_appendfsync", "appendfsync always")
	open(t, normal)
	set("maxmemory-policy", "allkeys-lru")
	open(t, normal) // without maxmemory nothing is evicted
	set("maxmemory", "100mb")
	wantRefusal(t, normal, "redis_eviction", "maxmemory-policy noeviction")
	set("maxmemory-policy", "noeviction")
	set("appendonly", "no")
	wantRefusal(t, normal, "redis_appendonly", "appendonly yes")
	open(t, relaxed)
	withClient(server, func(c *redis.Client) { c.SlaveOf(t.Context(), "127.0.0.1", "1") })
	wantRefusal(t, relaxed, "redis_role", "replica")
	withClient(server, func(c *redis.Client) { c.SlaveOf(t.Context(), "no", "one") })

	withClient(server, func(c *redis.Client) {
		c.ConfigSet(t.Context(), "appendonly", "yes")
		c.Do(t.Context(), "ACL", "SETUSER", "shy", "on", ">geheim", "~*", "&*", "+@all", "-info")
		c.Do(t.Context(), "ACL", "SETUSER", "bot", "on", ">geheim", "~sm:*", "&sm:*", "+@all", "-@admin", "+info")
		c.Do(t.Context(), "ACL", "SETUSER", "default", "off")
	})
	wantRefusal(t, normal, "redis_login", "password")
	wrong := normal
	wrong.URL = "redis://bot:falsch@" + server.Addr
	wantRefusal(t, wrong, "redis_login", "password")
	shy := normal
	shy.URL = "redis://shy:geheim@" + server.Addr
	wantRefusal(t, shy, "redis_info", "+info")
	bot := normal
	bot.URL = "redis://bot:geheim@" + server.Addr
	s := open(t, bot)
	r := newRun(s, 1)
	if err := s.Commit(t.Context(), pipeline.Change{Run: r, Signal: true, Jobs: []pipeline.Job{{ID: "a", Kind: "x", Run: r.ID}}}); err != nil {
		t.Error(err)
	}
}
