package main

import (
	"fmt"
	"strings"

	"github.com/spf13/cobra"

	"github.com/shipmate/shipmate/bot/slack"
	"github.com/shipmate/shipmate/commands"
)

func slackManifestCommand() *cobra.Command {
	var base string
	cmd := &cobra.Command{
		Use:   "slack-manifest",
		Short: "Print the manifest to create the Slack app from; without --url for Socket Mode",
		Args:  cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			if base != "" {
				if err := isURL("--url", base); err != nil {
					return &usageError{err}
				}
			}
			setup := slack.Setup{BaseURL: base, Socket: base == ""}
			for _, c := range commands.All(commands.Desk{}) {
				h := c.Help()
				setup.Commands = append(setup.Commands, slack.SlashCommand{Name: h.Name, Summary: h.Summary, Usage: strings.TrimSpace(strings.TrimPrefix(h.Usage(), h.Name))})
			}
			_, err := fmt.Fprintln(cmd.OutOrStdout(), string(slack.Manifest(setup)))
			return err
		},
	}
	cmd.Flags().StringVar(&base, "url", "", "public URL of the bot, for requests over HTTP")
	return cmd
}
