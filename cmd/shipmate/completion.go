package main

import (
	"path/filepath"
	"slices"
	"strings"

	"github.com/spf13/cobra"

	"github.com/shipmate/shipmate/commands"
	"github.com/shipmate/shipmate/pipeline"
)

// What the shell completes comes from the .shipmate.yaml of the repository one
// stands in. One that cannot be read completes nothing, and says nothing.

type completer = func(cmd *cobra.Command, args []string, word string) ([]string, cobra.ShellCompDirective)

// completeFlag says what may follow a flag of the command.
func completeFlag(cmd *cobra.Command, flag string, f completer) {
	if err := cmd.RegisterFlagCompletionFunc(flag, f); err != nil {
		panic(err) // no such flag
	}
}

func fixedCompletions(words ...string) completer {
	return func(_ *cobra.Command, _ []string, word string) ([]string, cobra.ShellCompDirective) {
		return beginning(word, words), cobra.ShellCompDirectiveNoFileComp
	}
}

// fileHere is the file, or an empty one.
func fileHere() *pipeline.Config {
	root, err := repositoryRoot()
	if err != nil {
		return &pipeline.Config{}
	}
	cfg, err := readFile(filepath.Join(root, fileName))
	if err != nil {
		return &pipeline.Config{}
	}
	return cfg
}

func completePipelines(_ *cobra.Command, args []string, word string) ([]string, cobra.ShellCompDirective) {
	if len(args) > 0 {
		return nil, cobra.ShellCompDirectiveNoFileComp
	}
	return beginning(word, pipelineNames(fileHere())), cobra.ShellCompDirectiveNoFileComp
}

func completeEnvironments(_ *cobra.Command, _ []string, word string) ([]string, cobra.ShellCompDirective) {
	return beginning(word, fileHere().EnvironmentNames()), cobra.ShellCompDirectiveNoFileComp
}

// completeParams offers those of the pipeline that is named, or of all.
func completeParams(_ *cobra.Command, args []string, word string) ([]string, cobra.ShellCompDirective) {
	var names []string
	for _, p := range fileHere().Pipelines {
		for _, param := range p.Params {
			if len(args) == 0 || p.Name == args[0] {
				names = append(names, param.Name+"=")
			}
		}
	}
	slices.Sort(names)
	return beginning(word, slices.Compact(names)), cobra.ShellCompDirectiveNoFileComp | cobra.ShellCompDirectiveNoSpace
}

// completeVerb offers the flags of a verb, and the environments where one may
// stand. The service may be named before it.
func completeVerb(h commands.Help, args []string, word string) []string {
	if strings.HasPrefix(word, "-") {
		return flagsLike(h, word)
	}
	cfg := fileHere()
	words := slices.DeleteFunc(slices.Clone(args), func(w string) bool { return w == cfg.Service || w == "to" })
	takes := func(a commands.Arg) bool {
		return slices.Contains(strings.Split(a.Name, "|"), "env") || a.Name == "from"
	}
	if len(words) < len(h.Args) && takes(h.Args[len(words)]) {
		return beginning(word, cfg.EnvironmentNames())
	}
	return nil
}

func beginning(word string, all []string) []string {
	var out []string
	for _, w := range all {
		if strings.HasPrefix(w, word) {
			out = append(out, w)
		}
	}
	return out
}
