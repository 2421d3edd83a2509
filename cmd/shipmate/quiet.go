package main

import (
	"log/slog"

	"github.com/shipmate/shipmate/pipeline/redisstore"
)

// quietLibraries sends what the clients of Redis and Kubernetes would print by
// themselves to the log.
func quietLibraries(log *slog.Logger) {
	redisstore.LogTo(log)
	quietKubernetes(log)
}
