// Command shipmate is the deployment bot and the tools around it. "serve" runs
// the bot; all of its wiring is in run.go.
package main

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"os/signal"
	"strings"
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
	if len(os.Args) > 1 && os.Args[1] == keeperVerb {
		os.Exit(keepWatch(os.Args[2:]))
	}
	ctx, stop := signal.NotifyContext(context.Background(), syscall.SIGINT, syscall.SIGTERM)
	began := false
	err := root(&began).ExecuteContext(ctx)
	if err != nil && !began {
		err = &usageError{err} // cobra's own: an unknown command or flag, a missing argument
	}
	if err != nil {
		text := "shipmate: " + err.Error()
		if errors.As(err, new(pipeline.Problems)) { // file:line:column first, as editors want it
			text = err.Error()
		}
		fmt.Fprintln(os.Stderr, text)
	}
	stop()
	os.Exit(exitCode(err))
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
		Long:          "A deployment bot that lives where teams already talk\n\n" + exitCodesText(),
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
	cmd.SetHelpCommand(helpCommand(cmd))
	cmd.InitDefaultCompletionCmd()
	refuseUnknown(cmd)
	cmd.PersistentPreRunE = func(c *cobra.Command, _ []string) error {
		*began = true
		quietLibraries(slog.New(slog.DiscardHandler)) // serve and run have logs
		return over.misplaced(cmd, c)
	}
	return cmd
}

func names(parent *cobra.Command) []string {
	var out []string
	for _, c := range parent.Commands() {
		if c.IsAvailableCommand() || c.Name() == "help" {
			out = append(out, c.Name())
		}
	}
	return out
}

// refuseUnknown has every command that only groups others refuse a word that is
// none of them, where cobra would print help and succeed.
func refuseUnknown(parent *cobra.Command) {
	for _, c := range parent.Commands() {
		if !c.HasSubCommands() || c.Runnable() {
			continue
		}
		c.RunE = func(cmd *cobra.Command, args []string) error {
			if len(args) == 0 {
				return cmd.Help()
			}
			return &usageError{oneOf(cmd.CommandPath(), args[0], names(cmd)...)}
		}
		refuseUnknown(c)
	}
}

// helpCommand is cobra's, but for a topic that is none.
func helpCommand(root *cobra.Command) *cobra.Command {
	return &cobra.Command{
		Use: "help [command]", Short: "Help about any command",
		RunE: func(_ *cobra.Command, args []string) error {
			about, rest, err := root.Find(args)
			if err != nil || len(rest) > 0 {
				return &usageError{oneOf("help", strings.Join(args, " "), names(root)...)}
			}
			return about.Help()
		},
		ValidArgsFunction: func(_ *cobra.Command, args []string, _ string) ([]string, cobra.ShellCompDirective) {
			if len(args) > 0 {
				return nil, cobra.ShellCompDirectiveNoFileComp
			}
			return names(root), cobra.ShellCompDirectiveNoFileComp
		},
	}
}

func versionCommand() *cobra.Command {
	return &cobra.Command{
		Use: "version", Short: "Print the version", Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			_, err := fmt.Fprintln(cmd.OutOrStdout(), "shipmate "+version)
			return err
		},
	}
}
