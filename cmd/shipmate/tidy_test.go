package main

import (
	"io"
	"log/slog"
	"slices"
	"strings"
	"testing"
	"time"

	"gocloud.dev/blob"
	"gocloud.dev/blob/memblob"

	"github.com/shipmate/shipmate/pipeline"
	"github.com/shipmate/shipmate/pipeline/artifact"
	"github.com/shipmate/shipmate/pipeline/logstore"
	"github.com/shipmate/shipmate/pipeline/redisstore"
	"github.com/shipmate/shipmate/pipeline/redisstore/redistest"
)

// cellar is a store and what is kept of its runs.
type cellar struct {
	*testing.T
	attic attic
	names map[pipeline.RunID]string
}

func newCellar(t *testing.T) *cellar {
	t.Helper()
	server := redistest.Start(t)
	store, err := redisstore.Open(t.Context(), redisstore.Config{URL: "unix://" + server.Socket, Keep: time.Millisecond, Logger: slog.New(slog.DiscardHandler)})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = store.Close() })
	bucket := memblob.OpenBucket(nil)
	t.Cleanup(func() { _ = bucket.Close() })
	logs, err := logstore.New(logstore.Config{Redis: store.Client(), KeyPrefix: store.KeyPrefix, Bucket: bucket})
	if err != nil {
		t.Fatal(err)
	}
	return &cellar{t, attic{bucket, logs, &artifact.Store{Bucket: bucket}, store}, map[pipeline.RunID]string{}}
}

// run leaves a log and artifacts of a run; a nil change commits nothing.
func (c *cellar) run(name string, change func(*pipeline.Run, *pipeline.Change)) pipeline.RunID {
	c.Helper()
	const repo = 7
	r := &pipeline.Run{}
	r.ID, r.Repo.ID, r.State = c.attic.runs.NewRunID(repo), repo, pipeline.Succeeded
	c.names[r.ID] = name
	if change != nil {
		commit := pipeline.Change{Run: r}
		change(r, &commit)
		if err := c.attic.runs.Commit(c.Context(), commit); err != nil {
			c.Fatal(name, err)
		}
	}
	for _, key := range []string{string(r.ID) + "/build/1.log.gz", artifact.Folder + string(r.ID) + "/build.tar.gz"} {
		if err := c.attic.bucket.WriteAll(c.Context(), key, []byte("x"), nil); err != nil {
			c.Fatal(err)
		}
	}
	return r.ID
}

// kept names the runs below the folder.
func (c *cellar) kept(folder string) string {
	c.Helper()
	var names []string
	list := c.attic.bucket.List(&blob.ListOptions{Prefix: folder, Delimiter: "/"})
	for {
		o, err := list.Next(c.Context())
		if err == io.EOF {
			slices.Sort(names)
			return strings.Join(names, ", ")
		}
		if err != nil {
			c.Fatal(err)
		}
		if o.Key != artifact.Folder {
			names = append(names, c.names[pipeline.RunID(strings.TrimSuffix(strings.TrimPrefix(o.Key, folder), "/"))])
		}
	}
}

func TestWhatIsKeptOfRunsGoesWithThem(t *testing.T) {
	c := newCellar(t)
	staging := func(made pipeline.RunID) *pipeline.Deployment {
		return &pipeline.Deployment{SHA: strings.Repeat("1", 40), State: pipeline.Succeeded, Made: map[string]pipeline.RunID{"build": made}}
	}
	ended := func(*pipeline.Run, *pipeline.Change) {}
	built := c.run("built for what stands", ended)
	c.run("stands", func(r *pipeline.Run, change *pipeline.Change) {
		d := staging(built)
		d.Run = r.ID
		change.Deployment, change.Environment = d, &pipeline.EnvironmentState{Repo: 7, Name: "staging", Current: d}
	})
	frozen := c.run("built for what is on its way", ended)
	c.run("on its way", func(r *pipeline.Run, _ *pipeline.Change) {
		r.State, r.Promotes, r.Wake = pipeline.Waiting, staging(frozen), time.Now().Add(time.Hour)
		r.Promotes.Run = frozen
	})
	c.run("ended", ended)
	c.run("deployed once", func(r *pipeline.Run, change *pipeline.Change) {
		change.Deployment, change.Environment = staging(r.ID), &pipeline.EnvironmentState{Repo: 7, Name: "prod"}
		change.Deployment.Run = r.ID
	})
	c.run("never committed", nil)
	for there := true; there; { // the records of what has ended run out
		there = false
		for id, name := range c.names {
			has, err := c.attic.runs.Has(t.Context(), id)
			if err != nil {
				t.Fatal(err)
			}
			there = there || has && name != "on its way"
		}
	}

	if err := c.attic.clean(t.Context(), time.Now().Add(-time.Hour)); err != nil {
		t.Fatal(err)
	}
	if got := c.kept(artifact.Folder); strings.Count(got, ",") != 6 {
		t.Errorf("of what is new there is left: %s", got)
	}
	for range 2 { // another replica does the same
		if err := c.attic.clean(t.Context(), time.Now().Add(time.Hour)); err != nil {
			t.Fatal(err)
		}
	}
	if got, want := c.kept(artifact.Folder), "built for what is on its way, built for what stands, on its way, stands"; got != want {
		t.Errorf("artifacts of: %s\nwant %s", got, want)
	}
	if got, want := c.kept(""), "on its way"; got != want {
		t.Errorf("logs of: %s\nwant %s", got, want)
	}
}

func TestNothingIsRemovedWhileARecordCannotBeRead(t *testing.T) {
	c := newCellar(t)
	c.run("gone", nil)
	if err := c.attic.runs.Client().HSet(t.Context(), "sm:{1}:env:7:prod", "d", "{", "v", "1").Err(); err != nil {
		t.Fatal(err)
	}
	if err := c.attic.clean(t.Context(), time.Now().Add(time.Hour)); err == nil {
		t.Error("it was not said")
	}
	if got := c.kept(artifact.Folder) + c.kept(""); got != "gonegone" {
		t.Errorf("left: %s", got)
	}
}
