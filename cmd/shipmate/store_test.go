package main

import (
	"errors"
	"io"
	"log/slog"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"

	"github.com/alicebob/miniredis/v2"
	"github.com/johannesboyne/gofakes3"
	"github.com/johannesboyne/gofakes3/backend/s3mem"
	"github.com/redis/go-redis/v9"

	"github.com/shipmate/shipmate/pipeline"
	"github.com/shipmate/shipmate/pipeline/artifact"
	"github.com/shipmate/shipmate/pipeline/logstore"
	"github.com/shipmate/shipmate/test/needs"
)

// bucketURL is the URL of a bucket that is there for this test.
func bucketURL(t *testing.T) string {
	t.Helper()
	t.Setenv("AWS_ACCESS_KEY_ID", "key")
	t.Setenv("AWS_SECRET_ACCESS_KEY", "secret")
	backend := s3mem.New()
	if err := backend.CreateBucket("ship"); err != nil {
		t.Fatal(err)
	}
	server := httptest.NewServer(gofakes3.New(backend).Server())
	t.Cleanup(server.Close)
	return "s3://ship?region=eu-west-1&use_path_style=true&prefix=mate/&endpoint=" + server.URL
}

// replica is what one bot has of the store.
type replica struct {
	artifacts *artifact.Store
	logs      *logstore.Store
}

func startReplica(t *testing.T, storeURL string, client *redis.Client) replica {
	t.Helper()
	bucket, err := openStore(t.Context(), Config{DataDir: t.TempDir(), StoreURL: storeURL}, slog.New(slog.DiscardHandler))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = bucket.Close() })
	logs, err := logstore.New(logstore.Config{Redis: client, KeyPrefix: func(pipeline.RunID) string { return "sm:{1}:" }, Bucket: bucket})
	if err != nil {
		t.Fatal(err)
	}
	return replica{&artifact.Store{Bucket: bucket}, logs}
}

func TestWhatOneReplicaKeepsAnotherFinds(t *testing.T) {
	for name, storeURL := range map[string]string{"a bucket": bucketURL(t), "a folder": "file://" + t.TempDir()} {
		t.Run(name, func(t *testing.T) {
			client := redis.NewClient(&redis.Options{Addr: miniredis.RunT(t).Addr()})
			t.Cleanup(func() { _ = client.Close() })
			first, second := startReplica(t, storeURL, client), startReplica(t, storeURL, client)

			from, to := t.TempDir(), t.TempDir()
			if err := os.WriteFile(filepath.Join(from, "app.jar"), []byte("classes"), 0o600); err != nil {
				t.Fatal(err)
			}
			if err := first.artifacts.Save(t.Context(), artifact.Set{Run: "r-1", Step: "build"}, from, []string{"*.jar"}); err != nil {
				t.Fatal(err)
			}
			if err := second.artifacts.Load(t.Context(), needsBuild("r-1"), "deploy", to); err != nil {
				t.Fatal(pipeline.Message(err))
			}
			if got, err := os.ReadFile(filepath.Join(to, "app.jar")); err != nil || string(got) != "classes" {
				t.Errorf("%q %v", got, err)
			}
			if err := second.artifacts.Load(t.Context(), needsBuild("r-9"), "deploy", to); pipeline.Code(err) != "no_artifacts" || pipeline.IsTemporary(err) {
				t.Errorf("of a run that left nothing: %v", err)
			}

			w, err := logstore.Steps{Store: first.logs}.Open(t.Context(), needsBuild("r-1"), "build", 1, nil)
			if err != nil {
				t.Fatal(err)
			}
			if _, err := io.WriteString(w, "compiled\n"); err != nil {
				t.Fatal(err)
			}
			if err := w.Close(t.Context(), true); err != nil {
				t.Fatal(err)
			}
			if got, err := second.logs.Tail(t.Context(), "r-1", "build", 1, 5); err != nil || strings.Join(got, "|") != "compiled" {
				t.Errorf("%q %v", got, err)
			}
		})
	}
}

func needsBuild(id pipeline.RunID) *pipeline.Run {
	r := &pipeline.Run{}
	r.ID = id
	r.Pipeline.Steps = []pipeline.Step{{Name: "build", Artifacts: []string{"*.jar"}}, {Name: "deploy", Needs: []string{"build"}}}
	r.Steps = []pipeline.StepRun{{Name: "build", State: pipeline.Succeeded}, {Name: "deploy"}}
	return r
}

// The chart mounts the folder for temporary files and the store from two disks.
func TestAFolderOnAnotherDisk(t *testing.T) {
	data := t.TempDir()
	needs.On(t, needs.OtherDisk("/dev/shm"))
	other, err := os.MkdirTemp("/dev/shm", "shipmate")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = os.RemoveAll(other) })
	if err := os.Rename(other, filepath.Join(data, "moved")); !errors.Is(err, syscall.EXDEV) {
		t.Fatal("both are on one disk, so nothing is tried: ", err)
	}
	t.Setenv("TMPDIR", other)
	bucket, err := openStore(t.Context(), Config{DataDir: data}, nil)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = bucket.Close() })
	if err := bucket.WriteAll(t.Context(), "r-1/build/1.log.gz", []byte("x"), nil); err != nil {
		t.Error(err)
	}
}

func TestWhatIsNoStore(t *testing.T) {
	for value, says := range map[string]string{
		"s3://AKIA:hush@ship":                    "has a user or a password in it",
		"s3://ship?secret_access_key=hush":       `"secret_access_key" cannot follow the bucket`,
		"s3://ship?anonymous=true":               `"anonymous" cannot follow the bucket`,
		"s3://":                                  "neither a bucket",
		"s3://ship/folder":                       "neither a bucket",
		"gs://ship":                              "neither a bucket",
		"file://folder":                          "neither a bucket",
		"s3://hush:%zz@ship":                     "cannot be read",
		"":                                       "",
		"file:///var/lib/shipmate":               "",
		"s3://ship?region=eu-west-1&prefix=mate": "",
	} {
		err := (&Config{StoreURL: value}).checkStore()
		if says == "" && err == nil {
			continue
		}
		if says == "" || err == nil || !strings.Contains(err.Error(), says) || strings.Contains(err.Error(), "hush") {
			t.Errorf("%s: %v", value, err)
		}
	}
	missing := strings.Replace(bucketURL(t), "s3://ship", "s3://another", 1)
	if _, err := openStore(t.Context(), Config{StoreURL: missing}, slog.New(slog.DiscardHandler)); err == nil || !strings.Contains(err.Error(), "there is no such bucket") {
		t.Errorf("a bucket that is not there: %v", err)
	}
}
