package main

import (
	"bufio"
	"bytes"
	"context"
	"crypto/hmac"
	"crypto/sha256"
	"errors"
	"fmt"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/redis/go-redis/v9"
)

const bareComment = "bare: webhook, stream, git read-tree, sh"

// bareDeploys is the least that brings a comment to its script: a signature that
// holds, a stream in Redis, a checkout by one git process, and sh. It asks nobody,
// remembers no run, survives nothing and tells nobody.
type bareDeploys struct {
	redis   *redis.Client
	dir     string // of the checkouts
	repo    string
	sha     string
	stage   *stage // has the pipe
	load    *load
	arrived chan time.Time
	server  *httptest.Server
	work    sync.WaitGroup
	stop    context.CancelFunc
	failed  chan error
}

func (b *bench) startBareDeploys(ctx context.Context, s *stage) (*bareDeploys, error) {
	d := &bareDeploys{redis: b.redis.client, dir: filepath.Join(b.dir, "bare"), stage: s, arrived: make(chan time.Time, 1), failed: make(chan error, 1)}
	if err := d.makeRepo(ctx); err != nil {
		return nil, err
	}
	if err := d.redis.XGroupCreateMkStream(ctx, "said", "w", "0").Err(); err != nil {
		return nil, err
	}
	accept, err := scriptWebhook(b.redis.addr)
	if err != nil {
		return nil, err
	}
	d.server = httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		d.arrived <- time.Now()
		accept.ServeHTTP(w, r)
	}))
	if d.load, err = newLoad(d.server.URL + "/github/webhook"); err != nil {
		d.server.Close()
		return nil, err
	}
	ctx, d.stop = context.WithCancel(ctx)
	d.work.Go(func() { d.read(ctx) })
	return d, nil
}

func (d *bareDeploys) close() {
	d.server.Close()
	d.stop()
	d.work.Wait()
}

func (d *bareDeploys) makeRepo(ctx context.Context) error {
	d.repo = filepath.Join(d.dir, "repo")
	if err := os.MkdirAll(d.repo, 0o700); err != nil {
		return err
	}
	if err := os.WriteFile(filepath.Join(d.repo, "README.md"), []byte("# shop\n"), 0o600); err != nil {
		return err
	}
	for _, args := range [][]string{{"init", "--quiet"}, {"add", "."}, {"-c", "user.name=mona", "-c", "user.email=mona@example.com", "commit", "--quiet", "-m", "one"}} {
		if _, err := output(exec.CommandContext(ctx, "git", append([]string{"-C", d.repo}, args...)...)); err != nil {
			return fmt.Errorf("git %s: %w", args[0], err)
		}
	}
	head, err := output(exec.CommandContext(ctx, "git", "-C", d.repo, "rev-parse", "HEAD"))
	d.sha = strings.TrimSpace(string(head))
	return err
}

// read is the worker.
func (d *bareDeploys) read(ctx context.Context) {
	for n := 0; ctx.Err() == nil; n++ {
		read, err := d.redis.XReadGroup(ctx, &redis.XReadGroupArgs{Group: "w", Consumer: "one", Streams: []string{"said", ">"}, Count: 1, Block: time.Second}).Result()
		if errors.Is(err, redis.Nil) || ctx.Err() != nil {
			continue
		}
		if err == nil {
			err = d.deploy(ctx, filepath.Join(d.dir, strconv.Itoa(n)))
		}
		if err == nil {
			err = d.redis.XAck(ctx, "said", "w", read[0].Messages[0].ID).Err()
		}
		if err != nil {
			d.failed <- err
			return
		}
	}
}

// deploy checks the commit out and runs the script.
func (d *bareDeploys) deploy(ctx context.Context, dir string) error {
	if err := os.Mkdir(dir, 0o700); err != nil {
		return err
	}
	defer os.RemoveAll(dir)
	checkout := exec.CommandContext(ctx, "git", "read-tree", "--reset", "-u", d.sha)
	checkout.Dir = dir
	checkout.Env = append(os.Environ(), "GIT_DIR="+filepath.Join(d.repo, ".git"), "GIT_WORK_TREE="+dir, "GIT_INDEX_FILE="+dir+".index")
	if _, err := output(checkout); err != nil {
		return fmt.Errorf("git read-tree: %w", err)
	}
	defer os.Remove(dir + ".index")
	script := exec.CommandContext(ctx, "/bin/sh", "-e", "-c", "echo begun > "+d.stage.pipe)
	script.Dir = dir
	_, err := output(script)
	return err
}

// once posts one comment and waits for its script.
func (d *bareDeploys) once() (time.Duration, error) {
	raw := d.load.request(nil, bytes.Clone(issueComment), hmac.New(sha256.New, []byte(secret)))
	r, err := http.ReadRequest(bufio.NewReader(bytes.NewReader(raw)))
	if err != nil {
		return 0, err
	}
	r.RequestURI, r.URL.Scheme, r.URL.Host = "", "http", d.load.addr
	resp, err := http.DefaultClient.Do(r)
	if err != nil {
		return 0, err
	}
	resp.Body.Close()
	if resp.StatusCode != http.StatusAccepted {
		return 0, fmt.Errorf("webhook refused: %s", resp.Status)
	}
	began := <-d.arrived
	if err := d.stage.awaitScript(); err != nil {
		select {
		case err = <-d.failed:
		default:
		}
		return 0, err
	}
	return time.Since(began), nil
}
