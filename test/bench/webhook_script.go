package main

import (
	"context"
	"net/http"

	"github.com/redis/go-redis/v9"
)

// acceptScript does the least that deduplicates and enqueues.
//
// KEYS delivery seen, stream
// ARGV ms to remember the delivery, message
// Result: 1 if the delivery is new
var acceptScript = redis.NewScript(`
if not redis.call('SET', KEYS[1], '', 'NX', 'PX', ARGV[1]) then return 0 end
redis.call('XADD', KEYS[2], '*', 'm', ARGV[2])
return 1`)

func scriptWebhook(addr string) (http.Handler, error) {
	c := redis.NewClient(&redis.Options{Addr: addr, PoolSize: connections})
	return goGitHub(func(ctx context.Context, delivery string, message []byte) error {
		return acceptScript.Run(ctx, c, []string{"seen:" + delivery, "said"}, keep.Milliseconds(), message).Err()
	}), nil
}
