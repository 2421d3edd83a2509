package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"github.com/spf13/cobra"

	"github.com/shipmate/shipmate/integrations"
	"github.com/shipmate/shipmate/pipeline"
)

const fileName = ".shipmate.yaml"

func validateCommand() *cobra.Command {
	var output string
	cmd := &cobra.Command{
		Use:   "validate [file]",
		Short: "Check a .shipmate.yaml and say what is wrong, with line and column",
		Long: `Checks the .shipmate.yaml of the repository you stand in, or the file that is
named, and says what is wrong, with line and column. What is allowed and will
not work, or not as it seems, is a warning: a secret store that is not there, an
image without a version, a pattern that matches nothing in this repository, a
rollback that cannot undo a step, an approval that nobody can give.

The exit code is 0 with and without warnings, 1 if something is wrong, 2 if
there is no such file.`,
		Args: cobra.MaximumNArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			if err := oneOf("--output", output, "text", "json"); err != nil {
				return &usageError{err}
			}
			path := ownFile()
			if len(args) == 1 {
				path = args[0]
			}
			return validate(cmd, path, output == "json")
		},
		ValidArgsFunction: func(_ *cobra.Command, args []string, _ string) ([]string, cobra.ShellCompDirective) {
			if len(args) > 0 {
				return nil, cobra.ShellCompDirectiveNoFileComp
			}
			return []string{"yaml", "yml"}, cobra.ShellCompDirectiveFilterFileExt
		},
	}
	cmd.Flags().StringVar(&output, "output", "text", "text or json")
	completeFlag(cmd, "output", fixedCompletions("text", "json"))
	return cmd
}

func validate(cmd *cobra.Command, path string, asJSON bool) error {
	src, err := readSource(path)
	if err != nil {
		return err
	}
	cfg, warnings, err := pipeline.Warnings(path, src, knownRunners(), surroundings(cmd.Context(), path))
	var problems pipeline.Problems
	if err != nil && (!asJSON || !errors.As(err, &problems)) {
		return err
	}
	if asJSON {
		enc := json.NewEncoder(cmd.OutOrStdout())
		enc.SetIndent("", "  ")
		if err != nil {
			err = fmt.Errorf("%s is not valid", path)
		}
		return errors.Join(enc.Encode(append(graded("error", problems), graded("warning", warnings)...)), err)
	}
	for _, w := range warnings {
		w.Message = "warning: " + w.Message
		if _, err := fmt.Fprintln(cmd.OutOrStdout(), w); err != nil {
			return err
		}
	}
	counted := ""
	if len(warnings) > 0 {
		counted = ", with " + plural(len(warnings), "warning")
	}
	_, err = fmt.Fprintf(cmd.OutOrStdout(), "%s is valid%s: %s, %s.\n", path, counted,
		plural(len(cfg.Environments), "environment"), plural(len(cfg.Pipelines), "pipeline"))
	return err
}

// grade is a problem as --output json prints it.
type grade struct {
	Severity string `json:"severity"` // error, warning
	pipeline.Problem
}

func graded(severity string, problems pipeline.Problems) []grade {
	out := make([]grade, 0, len(problems))
	for _, p := range problems {
		out = append(out, grade{severity, p})
	}
	return out
}

// surroundings are the repository that the file lies in, as far as it is known.
func surroundings(ctx context.Context, path string) pipeline.Surroundings {
	_, secrets := everything(integrations.All(integrations.Needs{}))
	around := pipeline.Surroundings{Stores: slices.Sorted(maps.Keys(secrets))}
	dir, err := filepath.Abs(filepath.Dir(path))
	if err != nil || filepath.Base(path) != fileName { // of another file it is not known what it is for
		return around
	}
	if _, err := os.Stat(filepath.Join(dir, ".git")); err != nil {
		return around
	}
	if files, err := git(ctx, dir, nil, "ls-files", "-z", "--cached", "--others", "--exclude-standard"); err == nil {
		around.Files = strings.FieldsFunc(files, func(r rune) bool { return r == 0 })
	}
	around.Branches = branches(ctx, dir)
	return around
}

// branches are those that the clone knows; nil if it knows only a part of the repository.
func branches(ctx context.Context, dir string) []string {
	if shallow, err := git(ctx, dir, nil, "rev-parse", "--is-shallow-repository"); err != nil || shallow != "false" {
		return nil
	}
	remotes, err := git(ctx, dir, nil, "remote")
	if err != nil {
		return nil
	}
	for remote := range strings.FieldsSeq(remotes) {
		if !fetchesAll(ctx, dir, remote) {
			return nil
		}
	}
	refs, err := git(ctx, dir, nil, "for-each-ref", "--format=%(refname)", "refs/heads", "refs/remotes")
	if err != nil {
		return nil
	}
	var names []string
	for ref := range strings.FieldsSeq(refs) {
		name, local := strings.CutPrefix(ref, "refs/heads/")
		if !local {
			_, name, _ = strings.Cut(strings.TrimPrefix(ref, "refs/remotes/"), "/")
		}
		names = append(names, name)
	}
	return names
}

// fetchesAll reports whether the clone fetches all branches of a remote, and has done so.
func fetchesAll(ctx context.Context, dir, remote string) bool {
	specs, err := git(ctx, dir, nil, "config", "--get-all", "remote."+remote+".fetch")
	if err != nil || strings.Contains(specs, "^") { // which leaves out
		return false
	}
	there, err := git(ctx, dir, nil, "for-each-ref", "--count=1", "refs/remotes/"+remote)
	return err == nil && there != "" && slices.ContainsFunc(strings.Fields(specs), func(spec string) bool {
		from, _, _ := strings.Cut(strings.TrimPrefix(spec, "+"), ":")
		return from == "refs/heads/*" || from == "refs/*"
	})
}

func plural(n int, thing string) string {
	if n == 1 {
		return "1 " + thing
	}
	return fmt.Sprintf("%d %ss", n, thing)
}

// knownRunners are those of every integration, configured or not.
func knownRunners() []pipeline.Uses {
	var uses []pipeline.Uses
	for _, i := range integrations.All(integrations.Needs{}) {
		uses = append(uses, i.Runners...)
	}
	return uses
}

func schemaCommand() *cobra.Command {
	return &cobra.Command{
		Use: "schema", Short: "Print the JSON Schema of .shipmate.yaml, for editors", Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			schema, err := pipeline.Schema(knownRunners()...)
			if err != nil {
				return err
			}
			_, err = fmt.Fprintln(cmd.OutOrStdout(), string(schema))
			return err
		},
	}
}
