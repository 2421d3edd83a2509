//go:build !small

package main

import (
	"log/slog"

	"k8s.io/klog/v2"
)

func quietKubernetes(log *slog.Logger) { klog.SetSlogLogger(log.With("from", "client-go")) }
