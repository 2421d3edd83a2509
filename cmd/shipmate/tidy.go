package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"regexp"
	"strings"
	"time"

	"gocloud.dev/blob"

	"github.com/shipmate/shipmate/integrations/shell"
	"github.com/shipmate/shipmate/pipeline"
	"github.com/shipmate/shipmate/pipeline/artifact"
	"github.com/shipmate/shipmate/pipeline/logstore"
	"github.com/shipmate/shipmate/pipeline/redisstore"
)

const day = 24 * time.Hour

// tidying is all that has to be tidied.
type tidying struct {
	scripts *shell.Runner
	sources source
	runs    *redisstore.Store
	attic   attic
}

// tidy removes what ended runs left on this machine and in the store, at start
// and once a day. Every replica does: what one finds gone is as it should be.
func tidy(ctx context.Context, t tidying, log *slog.Logger) error {
	const keepFiles = 90 * day // as long as Redis keeps the records of ended runs
	tick := time.NewTicker(day)
	defer tick.Stop()
	for {
		err := errors.Join(t.scripts.Clean(ctx, stillOpen(ctx, t.runs)), t.sources.Clean(ctx, 30*day), t.attic.clean(ctx, time.Now().Add(-keepFiles)))
		if err != nil && ctx.Err() == nil {
			log.Warn("tidy workspaces, git caches, logs and artifacts", "err", err)
		}
		select {
		case <-ctx.Done():
			return nil
		case <-tick.C:
		}
	}
}

// stillOpen tells the script runner which workspaces are still needed.
func stillOpen(ctx context.Context, store *redisstore.Store) func(pipeline.RunID) bool {
	return func(id pipeline.RunID) bool {
		r, err := store.Load(ctx, id)
		return err == nil && !r.State.Terminal() || err != nil && !errors.Is(err, pipeline.ErrNotFound)
	}
}

// attic is what is kept of runs outside of Redis.
type attic struct {
	bucket    *blob.Bucket
	logs      *logstore.Store
	artifacts *artifact.Store
	runs      *redisstore.Store
}

// clean removes logs of runs that are not on record any more, and artifacts of
// those that nothing can be deployed from any more either. What was written
// after before stays in any case: so a Redis that lost its records takes nothing
// with it that is in use.
func (a attic) clean(ctx context.Context, before time.Time) error {
	needed, err := a.runs.Needed(ctx)
	if err != nil {
		return err
	}
	err = a.cleanFolder(ctx, artifact.Folder, before, func(id pipeline.RunID) (bool, error) {
		if needed[id] {
			return true, nil
		}
		return a.runs.Has(ctx, id)
	})
	return errors.Join(err, a.cleanFolder(ctx, "", before, func(id pipeline.RunID) (bool, error) { return a.runs.Has(ctx, id) }))
}

var runName = regexp.MustCompile(`^r-[0-9a-z]{8}$`)

// cleanFolder looks at what lies in the folder, one folder a run.
func (a attic) cleanFolder(ctx context.Context, top string, before time.Time, kept func(pipeline.RunID) (bool, error)) error {
	remove := a.logs.Delete
	if top == artifact.Folder {
		remove = a.artifacts.Delete
	}
	runs := a.bucket.List(&blob.ListOptions{Prefix: top, Delimiter: "/"})
	for {
		o, err := runs.Next(ctx)
		if errors.Is(err, io.EOF) {
			return nil
		}
		if err != nil {
			return fmt.Errorf("list what is kept of runs: %w", err)
		}
		name := strings.TrimSuffix(strings.TrimPrefix(o.Key, top), "/")
		if !o.IsDir || !runName.MatchString(name) {
			continue // nothing of ours
		}
		id := pipeline.RunID(name)
		if keep, err := kept(id); err != nil || keep {
			if err != nil {
				return err
			}
			continue
		}
		old, err := a.old(ctx, o.Key, before)
		if err == nil && old {
			err = remove(ctx, id)
		}
		if err != nil {
			return err
		}
	}
}

// old reports whether everything in the folder was written before.
func (a attic) old(ctx context.Context, folder string, before time.Time) (bool, error) {
	blobs := a.bucket.List(&blob.ListOptions{Prefix: folder})
	for {
		o, err := blobs.Next(ctx)
		switch {
		case errors.Is(err, io.EOF):
			return true, nil
		case err != nil:
			return false, fmt.Errorf("list what is kept of runs: %w", err)
		case !o.ModTime.Before(before):
			return false, nil
		}
	}
}
