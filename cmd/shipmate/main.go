// Command shipmate is the deployment bot and the tools around it. "serve" runs
// the bot; all of its wiring is in run.go.
package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/signal"
	"syscall"

	"github.com/spf13/cobra"

	"github.com/shipmate/shipmate/integrations/shell"
	"github.com/shipmate/shipmate/pipeline"
)

// version is set when a release is built.
var version = "dev"

func main() {
	if len(os.Args) > 1 && os.Args[1] == "shim" {
		os.Exit(shim(os.Args[2:]))
	}
	ctx, stop := signal.NotifyContext(context.Background(), syscall.SIGINT, syscall.SIGTERM)
	defer stop()
	began := false
	err := root(&began).ExecuteContext(ctx)
	if err != nil && !began {
		err = &usageError{err} // cobra's own: an unknown command or flag, a missing argument
	}
	var usage *usageError
	switch {
	case err == nil:
	case errors.As(err, new(pipeline.Problems)): // file:line:column first, as editors want it
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	case errors.As(err, &usage):
		fmt.Fprintln(os.Stderr, "shipmate: "+err.Error())
		os.Exit(2)
	default:
		fmt.Fprintln(os.Stderr, "shipmate: "+err.Error())
		os.Exit(1)
	}
}

// shim is what stands between the bot and a script: on this machine, or with
// arguments in a pod.
func shim(args []string) int {
	if len(args) > 0 {
		return shimInPod(args)
	}
	return shell.ShimMain(args)
}

// root is the whole command line. began is set as soon as a command was
// understood and its own work begins.
func root(began *bool) *cobra.Command {
	cmd := &cobra.Command{
		Use:           "shipmate",
		Short:         "A deployment bot that lives where teams already talk",
		SilenceErrors: true,
		SilenceUsage:  true,
		Version:       version,
		// Flags before a verb are ours, the words after it are said as they stand.
		TraverseChildren: true,
		RunE: func(cmd *cobra.Command, args []string) error {
			if len(args) == 0 {
				return cmd.Help()
			}
			return &usageError{oneOf("command", args[0], names(cmd)...)}
		},
	}
	cmd.SetFlagErrorFunc(func(_ *cobra.Command, err error) error { return &usageError{err} })
	cmd.AddCommand(serveCommand(), runCommand(), validateCommand(), schemaCommand(), slackManifestCommand(), auditCommand(), doctorCommand(), versionCommand())
	over := &remote{output: "text"}
	over.flags(cmd)
	cmd.AddCommand(over.verbs(cmd)...)
	cmd.PersistentPreRunE = func(c *cobra.Command, _ []string) error {
		*began = true
		return over.misplaced(cmd, c)
	}
	return cmd
}

func names(root *cobra.Command) []string {
	var out []string
	for _, c := range root.Commands() {
		out = append(out, c.Name())
	}
	return out
}

// usageError is a setting or an argument that is wrong: exit code 2.
type usageError struct{ error }

func (e *usageError) Unwrap() error { return e.error }

func versionCommand() *cobra.Command {
	return &cobra.Command{
		Use: "version", Short: "Print the version", Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			_, err := fmt.Fprintln(cmd.OutOrStdout(), "shipmate "+version)
			return err
		},
	}
}
