// Package kubernetes deploys to Kubernetes.
package kubernetes

import (
	"context"
	"time"

	"github.com/shipmate/shipmate/integrations/kubernetes/cluster"
	"github.com/shipmate/shipmate/pipeline"
)

// Source writes the tree of a commit into a folder.
type Source interface {
	// Checkout fills dir, an empty folder, with the tree of the commit; sha is
	// 40 hexadecimal digits, never a branch.
	Checkout(ctx context.Context, repo pipeline.Repo, sha, dir string) error
}

// Config is what the runners are made from.
type Config struct {
	Clusters *cluster.Clusters // nil: none
	Source   Source
	Now      func() time.Time
}

// Integration are the runners.
func Integration(Config) pipeline.Integration {
	return pipeline.Integration{Name: "kubernetes"}
}
