//go:build small

package main

import (
	"errors"
	"fmt"
	"log/slog"
	"os"

	"github.com/spf13/cobra"

	"github.com/shipmate/shipmate/integrations"
	"github.com/shipmate/shipmate/pipeline/artifact"
)

// Kubernetes is refused, whatever it says.
type Kubernetes map[string]any

func (c *Config) checkKubernetes() error {
	if len(c.Kubernetes) == 0 && c.Runner != "kubernetes" {
		return nil
	}
	return fmt.Errorf("kubernetes: %w", errLeftOut)
}

func (Kubernetes) repoRules() []string { return nil }

// outside is nothing here, see outside.go.
type outside struct{ integrations.Outside }

func openOutside(Config, githubSide, *slog.Logger) (outside, error) { return outside{}, nil }

func (*outside) openJobs(Config, githubSide, *artifact.Store, *slog.Logger) error { return errLeftOut }

func (*outside) close() {}

func shimInPod([]string) int {
	fmt.Fprintln(os.Stderr, "shipmate: "+integrations.Remedy)
	return 2
}

func bucketsLeftOut() error { return fmt.Errorf("SHIPMATE_STORE_URL: %w", errLeftOut) }

func doctorCommand() *cobra.Command {
	return &cobra.Command{
		Use:   "doctor",
		Short: "Left out of the playground's shipmate",
		RunE:  func(*cobra.Command, []string) error { return &usageError{errLeftOut} },
	}
}

var errLeftOut = errors.New(integrations.Remedy)
