package main

import (
	"encoding/json"
	"errors"
	"fmt"
	"os"

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
		Args:  cobra.MaximumNArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			path := fileName
			if len(args) == 1 {
				path = args[0]
			}
			return validate(cmd, path, output)
		},
	}
	cmd.Flags().StringVar(&output, "output", "text", "text or json")
	return cmd
}

func validate(cmd *cobra.Command, path, output string) error {
	src, err := os.ReadFile(path)
	if err != nil {
		return err
	}
	cfg, err := pipeline.Parse(path, src, knownRunners())
	var problems pipeline.Problems
	switch {
	case errors.As(err, &problems) && output == "json":
		enc := json.NewEncoder(cmd.OutOrStdout())
		enc.SetIndent("", "  ")
		return errors.Join(enc.Encode(problems), fmt.Errorf("%s is not valid", path))
	case err != nil:
		return err
	}
	_, err = fmt.Fprintf(cmd.OutOrStdout(), "%s is valid: %s, %s.\n", path, plural(len(cfg.Environments), "environment"), plural(len(cfg.Pipelines), "pipeline"))
	return err
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
