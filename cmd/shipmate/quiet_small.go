//go:build small

package main

import "log/slog"

// A small build has no client of Kubernetes.
func quietKubernetes(*slog.Logger) {}
