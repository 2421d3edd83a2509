package main

import (
	"cmp"
	"log/slog"
	"os"
	"strings"

	"github.com/spf13/cobra"
	"golang.org/x/term"
)

func serveCommand() *cobra.Command {
	var file, durability string
	var insecure bool
	cmd := &cobra.Command{
		Use:   "serve",
		Short: "Run the bot",
		Args:  cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			cfg, err := loadConfig(file, osEnviron())
			if err != nil {
				return &usageError{err}
			}
			cfg.Durability = cmp.Or(durability, cfg.Durability)
			cfg.Insecure = cfg.Insecure || insecure
			if err := cfg.check(); err != nil {
				return &usageError{err}
			}
			log := logger(cfg)
			quietLibraries(log)
			return serve(cmd.Context(), cfg, log)
		},
	}
	cmd.Flags().StringVar(&file, "config", "", "settings in YAML; environment variables win")
	cmd.Flags().StringVar(&durability, "durability", "", "strict, normal or relaxed: what Redis must promise")
	cmd.Flags().BoolVar(&insecure, "insecure-redis", false, "allow a Redis elsewhere without TLS or password")
	return cmd
}

// logger writes JSON, or text on a terminal.
func logger(cfg Config) *slog.Logger {
	var level slog.Level
	if err := level.UnmarshalText([]byte(strings.ToUpper(cfg.LogLevel))); err != nil {
		level = slog.LevelInfo
	}
	options := &slog.HandlerOptions{Level: level}
	format := cfg.LogFormat
	if format == "" && term.IsTerminal(int(os.Stderr.Fd())) {
		format = "text"
	}
	if format == "text" {
		return slog.New(slog.NewTextHandler(os.Stderr, options))
	}
	return slog.New(slog.NewJSONHandler(os.Stderr, options))
}
