package redisstore

import (
	"context"
	"fmt"
	"strconv"
	"strings"

	"github.com/redis/go-redis/v9"

	"github.com/shipmate/shipmate/pipeline"
)

// checkServers refuses a server that may forget what it was told, before
// anything is entrusted to it.
func checkServers(ctx context.Context, c redis.UniversalClient, d Durability) error {
	if cluster, ok := c.(*redis.ClusterClient); ok {
		err := cluster.ForEachMaster(ctx, func(ctx context.Context, node *redis.Client) error {
			return checkServer(ctx, node, d)
		})
		if err != nil && pipeline.Code(err) == "" { // it does not say which nodes it has
			return noAnswer(err)
		}
		return err
	}
	return checkServer(ctx, c, d)
}

func checkServer(ctx context.Context, c redis.Cmdable, d Durability) error {
	if err := c.Ping(ctx).Err(); err != nil {
		return noAnswer(err)
	}
	info, err := serverInfo(ctx, c)
	if d == Relaxed {
		return refuseRole(info)
	}
	if err != nil {
		return &pipeline.Error{Code: "redis_info", Err: err, Message: "Redis does not let shipmate read INFO, so its settings cannot be checked. " +
			"Allow the user +info, or say durability relaxed."}
	}
	if err := refuseRole(info); err != nil {
		return err
	}
	if err := refuseVersion(info["redis_version"]); err != nil {
		return err
	}
	if p := info["maxmemory_policy"]; p != "noeviction" && info["maxmemory"] != "0" {
		return pipeline.Refuse("redis_eviction", "Redis would throw runs away when its memory is full: maxmemory-policy is %q. "+
			"Set maxmemory-policy noeviction.", p)
	}
	if info["aof_enabled"] != "1" {
		return pipeline.Refuse("redis_appendonly", "Redis keeps no append-only file, so a restart would lose what it accepted. "+
			"Set appendonly yes, or say durability relaxed to accept that.")
	}
	if d != Strict {
		return nil
	}
	return refuseFsync(ctx, c)
}

// noAnswer tells a login that Redis refuses, which no waiting mends, from a
// server that is not there.
func noAnswer(err error) error {
	// The last two are how Redis answers a password where none is set, and how old ones answer a wrong one.
	if redis.IsAuthError(err) || redis.IsPermissionError(err) || redis.HasErrorPrefix(err, "AUTH ") || redis.HasErrorPrefix(err, "invalid password") {
		return &pipeline.Error{Code: "redis_login", Message: "Redis refuses the user or the password of the Redis URL. Correct them there, or the user's rights on the server.", Err: err}
	}
	return pipeline.Temporary(&pipeline.Error{
		Code:    "redis_unreachable",
		Message: "Redis does not answer. Check the Redis URL, that the server runs, and its user and password.",
		Err:     err,
	})
}

func refuseRole(info map[string]string) error {
	if role := info["role"]; role != "" && role != "master" {
		return pipeline.Refuse("redis_role", "The Redis server is a replica (role %q), which takes no writes. "+
			"Name the master in the Redis URL, or use redis+sentinel:// or redis+cluster:// so that it is found.", role)
	}
	return nil
}

func refuseVersion(v string) error {
	var major, minor int
	_, err := fmt.Sscanf(v, "%d.%d", &major, &minor)
	if err != nil || major < 6 || major == 6 && minor < 2 {
		return pipeline.Refuse("redis_version", "The Redis server has version %q; shipmate needs 6.2 or newer. Update the server.", v)
	}
	return nil
}

func refuseFsync(ctx context.Context, c redis.Cmdable) error {
	got, err := c.ConfigGet(ctx, "appendfsync").Result()
	if err != nil {
		return &pipeline.Error{Code: "redis_appendfsync", Err: err, Message: "Redis does not let shipmate read appendfsync, which durability strict must see. " +
			"Allow the user +config|get, or say durability normal."}
	}
	if p := got["appendfsync"]; p != "always" {
		return pipeline.Refuse("redis_appendfsync", "Durability strict needs every write on disk before it is answered, but appendfsync is %q. "+
			"Set appendfsync always, or say durability normal.", p)
	}
	return nil
}

func serverInfo(ctx context.Context, c redis.Cmdable) (map[string]string, error) {
	text, err := c.Info(ctx).Result()
	info := map[string]string{}
	for line := range strings.Lines(text) {
		if k, v, ok := strings.Cut(strings.TrimSpace(line), ":"); ok {
			info[k] = v
		}
	}
	if err == nil && info["redis_version"] == "" {
		err = fmt.Errorf("info has no redis_version")
	}
	return info, err
}

const shardsKey = "sm:shards"

// agreeOnShards writes the number of shards on a new server and refuses
// another number later: every key lies where the first number put it.
func agreeOnShards(ctx context.Context, c redis.UniversalClient, want int) (int, error) {
	if want < 0 || want > maxShards {
		return 0, pipeline.Refuse("redis_shards", "The number of shards must be between 1 and %d, not %d.", maxShards, want)
	}
	first := want
	if first == 0 {
		first = 8
	}
	if err := c.SetNX(ctx, shardsKey, first, 0).Err(); err != nil {
		return 0, wire("write "+shardsKey, err)
	}
	text, err := c.Get(ctx, shardsKey).Result()
	if err != nil {
		return 0, wire("read "+shardsKey, err)
	}
	n, err := strconv.Atoi(text)
	if err != nil || n < 1 || n > maxShards {
		return 0, pipeline.Refuse("redis_shards", "The key %s holds %q, which is no number of shards. Is this database used by something else?", shardsKey, text)
	}
	if want != 0 && n != want {
		return 0, pipeline.Refuse("redis_shards", "This Redis was set up with %d shards and the setting says %d. "+
			"The number is fixed at the first start: set it to %d or leave it out.", n, want, n)
	}
	return n, nil
}
