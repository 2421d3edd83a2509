package main

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"iter"
	"log/slog"
	"os"
	"path/filepath"

	"github.com/spf13/cobra"

	"github.com/shipmate/shipmate/pipeline/auditlog"
	"github.com/shipmate/shipmate/pipeline/redisstore"
	"github.com/shipmate/shipmate/pipeline/redisstore/embedded"
)

// auditCommand reads the audit log: what was said and decided, by whom.
func auditCommand() *cobra.Command {
	var config, file string
	var seen int64
	cmd := &cobra.Command{Use: "audit", Short: "Read the audit log, and check that nothing in it was changed"}
	cmd.PersistentFlags().StringVar(&config, "config", "", "settings in YAML, as for serve; environment variables win")
	export := &cobra.Command{
		Use: "export", Short: "Write all entries to standard output, one JSON document a line", Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			return withAudit(cmd.Context(), config, func(_ Config, lines iter.Seq2[[]byte, error]) error {
				out := bufio.NewWriter(cmd.OutOrStdout())
				for line, err := range lines {
					if err != nil {
						return err
					}
					if _, err := fmt.Fprintf(out, "%s\n", line); err != nil {
						return err
					}
				}
				return out.Flush()
			})
		},
	}
	verify := &cobra.Command{
		Use: "verify", Short: "Check the chain of hashes from the first entry to the last", Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			check := func(cfg Config, lines iter.Seq2[[]byte, error]) error {
				return verifyAudit(cmd.OutOrStdout(), []byte(cfg.Audit.Key.Reveal()), seen, lines)
			}
			if file == "" {
				return withAudit(cmd.Context(), config, check)
			}
			cfg, err := loadConfig(config, osEnviron())
			if err != nil {
				return &usageError{err}
			}
			f, err := os.Open(file)
			if err != nil {
				return &usageError{err}
			}
			defer f.Close()
			return check(cfg, fileLines(f))
		},
	}
	verify.Flags().StringVar(&file, "file", "", "check what was exported to this file instead")
	verify.Flags().Int64Var(&seen, "seen", 0, "a number that was seen in the bot's own log: the chain must reach it")
	cmd.AddCommand(export, verify)
	return cmd
}

func verifyAudit(out io.Writer, key []byte, seen int64, lines iter.Seq2[[]byte, error]) error {
	v := auditlog.Verifier{Key: key}
	for line, err := range lines {
		if err != nil {
			return err
		}
		if err := v.Line(line); err != nil {
			return err
		}
	}
	if err := v.Ends(seen); err != nil {
		return err
	}
	_, err := fmt.Fprintf(out, "%d entries, none of them changed. The last one's hash: %s\n", v.Last.Seq, v.Last.Hash)
	return err
}

// withAudit opens the Redis that the bot uses.
func withAudit(ctx context.Context, config string, do func(Config, iter.Seq2[[]byte, error]) error) error {
	cfg, err := loadConfig(config, osEnviron())
	if err != nil {
		return &usageError{err}
	}
	url := cfg.RedisURL
	if url == "" {
		if url, err = embedded.URLOf(filepath.Join(cfg.DataDir, "redis")); err != nil {
			return &usageError{fmt.Errorf("SHIPMATE_REDIS_URL is not set, and no bot runs with the data directory %s: %w", cfg.DataDir, err)}
		}
	}
	store, err := redisstore.Open(ctx, redisstore.Config{URL: url, Durability: redisstore.Relaxed, Insecure: cfg.Insecure, Logger: slog.New(slog.DiscardHandler)})
	if err != nil {
		return ofRedis(err)
	}
	err = do(cfg, store.Audit(ctx, 1))
	return errors.Join(err, store.Close())
}

func fileLines(r io.Reader) iter.Seq2[[]byte, error] {
	return func(yield func([]byte, error) bool) {
		const longest = 1 << 20
		lines := bufio.NewScanner(r)
		lines.Buffer(nil, longest)
		for lines.Scan() {
			if !yield(lines.Bytes(), nil) {
				return
			}
		}
		if err := lines.Err(); err != nil {
			yield(nil, err)
		}
	}
}
