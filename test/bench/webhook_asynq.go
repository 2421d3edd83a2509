package main

import (
	"context"
	"errors"
	"net/http"

	"github.com/hibiken/asynq"
)

func asynqWebhook(addr string) (http.Handler, error) {
	c := asynq.NewClient(asynq.RedisClientOpt{Addr: addr, PoolSize: connections})
	return goGitHub(func(ctx context.Context, delivery string, message []byte) error {
		_, err := c.EnqueueContext(ctx, asynq.NewTask("said", message), asynq.TaskID(delivery))
		if errors.Is(err, asynq.ErrTaskIDConflict) {
			return nil
		}
		return err
	}), nil
}
