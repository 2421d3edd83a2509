//go:build tools

package main

// Pins the versions of what the tests build, or read, beside this binary.
import (
	_ "k8s.io/kubernetes/cmd/kubelet/app"
	_ "sigs.k8s.io/gateway-api/apis/v1"
	_ "sigs.k8s.io/kwok/cmd/kwok"
)
