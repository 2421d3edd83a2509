package redisstore

import (
	"context"
	"fmt"
	"log/slog"

	"github.com/redis/go-redis/v9"
)

// LogTo sends what the Redis client has to say (lost connections, failovers)
// to the log instead of to standard error. It acts on the whole process: call
// it before the first Open.
func LogTo(l *slog.Logger) { redis.SetLogger(clientLog{l}) }

type clientLog struct{ log *slog.Logger }

func (c clientLog) Printf(ctx context.Context, format string, v ...any) {
	c.log.InfoContext(ctx, "redis client", "message", fmt.Sprintf(format, v...))
}
