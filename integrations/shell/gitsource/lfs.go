package gitsource

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"time"

	"github.com/shipmate/shipmate/pipeline"
)

// Git LFS keeps large files beside the repository; what is in the commit points at
// them. They are fetched here through the batch API and not by git-lfs: that would
// be told where to by files of the repository. The token goes to the host of the
// clone URL and nowhere else. What the server gives instead is fetched over https
// with the headers the server gives, and no redirect is followed.
const (
	lfsMedia = "application/vnd.git-lfs+json"
	lfsBatch = 100      // objects in a request; GitHub's own limit
	lfsMost  = 10 << 30 // bytes in a checkout
	lfsTime  = 30 * time.Minute
)

// large replaces the pointers in a checkout by what they stand for.
func (g *Git) large(ctx context.Context, repo pipeline.Repo, dir string, pointers []pointer) error {
	pointers, err := g.meant(ctx, dir, pointers)
	if err != nil || len(pointers) == 0 {
		return err
	}
	store := filepath.Join(g.Cache, fmt.Sprintf("%d.git", repo.ID), "lfs")
	sizes, total := map[string]int64{}, int64(0)
	for _, p := range pointers {
		if _, err := os.Stat(objectPath(store, p.oid)); err == nil {
			continue
		}
		if _, known := sizes[p.oid]; !known {
			total += p.size
		}
		sizes[p.oid] = p.size
	}
	if total > lfsMost {
		return pipeline.Refuse("lfs_too_large", "The files that %s keeps in Git LFS have %d bytes; at most %d are fetched. Nothing was started.", repo, total, int64(lfsMost))
	}
	if len(sizes) > 0 {
		limited, cancel := context.WithTimeout(ctx, lfsTime)
		defer cancel()
		if err := g.fetchLarge(limited, repo, store, sizes, pointers[0].path); err != nil {
			if ctx.Err() != nil {
				return context.Cause(ctx)
			}
			return err
		}
	}
	return g.place(ctx, dir, store, pointers)
}

// meant leaves out files for which .gitattributes takes the filter away ("-filter"):
// they are meant to be pointers.
func (g *Git) meant(ctx context.Context, dir string, pointers []pointer) ([]pointer, error) {
	if len(pointers) == 0 {
		return nil, nil
	}
	out, err := g.inCheckout(ctx, dir, names(pointers), "check-attr", "-z", "--stdin", "filter")
	if err != nil {
		return nil, err
	}
	fields := strings.Split(out, "\x00")
	var left []pointer
	for i, p := range pointers {
		if 3*i+2 < len(fields) && fields[3*i+2] == "unset" {
			continue
		}
		left = append(left, p)
	}
	return left, nil
}

func names(pointers []pointer) string {
	var b strings.Builder
	for _, p := range pointers {
		b.WriteString(p.path + "\x00")
	}
	return b.String()
}

// inCheckout runs git on a checkout and returns what it prints.
func (g *Git) inCheckout(ctx context.Context, dir, stdin string, args ...string) (string, error) {
	cmd := g.command(ctx, nil, args...)
	cmd.Dir, cmd.Stdin = dir, strings.NewReader(stdin)
	cmd.Env = append(cmd.Env, "GIT_DIR="+filepath.Join(dir, ".git"), "GIT_WORK_TREE="+dir)
	out, err := cmd.Output()
	if err != nil && ctx.Err() != nil {
		return "", context.Cause(ctx)
	}
	if err != nil {
		return "", fmt.Errorf("git %s: %w", args[0], err)
	}
	return string(out), nil
}

func objectPath(store, oid string) string { return filepath.Join(store, oid[:2], oid) }

// place writes the files over their pointers. git is told to take them for unchanged.
func (g *Git) place(ctx context.Context, dir, store string, pointers []pointer) error {
	root, err := os.OpenRoot(dir)
	if err != nil {
		return err
	}
	defer root.Close()
	for _, p := range pointers {
		from := objectPath(store, p.oid)
		now := time.Now()
		if err := errors.Join(os.Chtimes(from, now, now), copyOver(root, p, from)); err != nil { // the time: see cleanLarge
			return fmt.Errorf("write %s: %w", p.path, err)
		}
	}
	_, err = g.inCheckout(ctx, dir, names(pointers), "update-index", "--assume-unchanged", "-z", "--stdin")
	return err
}

func copyOver(root *os.Root, p pointer, from string) error {
	in, err := os.Open(from)
	if err != nil {
		return err
	}
	defer in.Close()
	if err := root.Remove(p.path); err != nil {
		return err
	}
	out, err := root.OpenFile(p.path, os.O_CREATE|os.O_EXCL|os.O_WRONLY, p.mode)
	if err != nil {
		return err
	}
	_, err = io.Copy(out, in)
	return errors.Join(err, out.Close())
}

// lfsObject is one of a batch, as the server answers it.
type lfsObject struct {
	OID     string `json:"oid"`
	Size    int64  `json:"size"`
	Actions struct {
		Download struct {
			Href   string            `json:"href"`
			Header map[string]string `json:"header"`
		} `json:"download"`
	} `json:"actions"`
	Error *struct {
		Code    int    `json:"code"`
		Message string `json:"message"`
	} `json:"error"`
}

// fetchLarge brings objects into the store. example is a file that needs one.
func (g *Git) fetchLarge(ctx context.Context, repo pipeline.Repo, store string, sizes map[string]int64, example string) error {
	from, protocol, err := g.remote(repo)
	if err != nil {
		return err
	}
	if protocol == "file" {
		return pipeline.Refuse("lfs_missing", "%s keeps `%s` in Git LFS, and that is not reached over a file: URL. Nothing was started.", repo, example)
	}
	client := &http.Client{
		Transport:     g.LFS,
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
	}
	var some []lfsObject
	for oid, size := range sizes {
		if some = append(some, lfsObject{OID: oid, Size: size}); len(some) < lfsBatch && len(some) < len(sizes) {
			continue
		}
		if err := g.fetchBatch(ctx, client, repo, from, store, some); err != nil {
			return err
		}
		some = some[:0]
	}
	if len(some) > 0 {
		return g.fetchBatch(ctx, client, repo, from, store, some)
	}
	return nil
}

func (g *Git) fetchBatch(ctx context.Context, client *http.Client, repo pipeline.Repo, from, store string, want []lfsObject) error {
	offered, err := g.askBatch(ctx, client, repo, from, want)
	if err != nil {
		return err
	}
	sizes := map[string]int64{}
	for _, o := range want {
		sizes[o.OID] = o.Size
	}
	for _, o := range offered {
		size, asked := sizes[o.OID]
		switch {
		case !asked:
			continue
		case o.Error != nil && (o.Error.Code >= 500 || o.Error.Code == http.StatusTooManyRequests):
			return lfsTrouble(repo, fmt.Errorf("object %s: %d", o.OID, o.Error.Code))
		case o.Error != nil:
			return pipeline.Refuse("lfs_missing", "Git LFS of %s does not give out the object %s: %q. Push it with `git lfs push --all origin`. Where another server keeps it, shipmate does not go there. Nothing was started.", repo, o.OID[:12], clip(o.Error.Message))
		}
		if err := download(ctx, client, from, store, o, size); err != nil {
			return lfsTrouble(repo, err)
		}
		delete(sizes, o.OID)
	}
	for oid := range sizes {
		return pipeline.Refuse("lfs_missing", "Git LFS of %s does not have the object %s. Push it with `git lfs push --all origin`. Nothing was started.", repo, oid[:12])
	}
	return nil
}

func lfsTrouble(repo pipeline.Repo, err error) error {
	return pipeline.Temporary(&pipeline.Error{Code: "lfs_failed", Err: err, Message: fmt.Sprintf("Files that %s keeps in Git LFS could not be fetched, the network or GitHub is in trouble. It is tried again.", repo)})
}

// askBatch asks where objects are, see git-lfs/docs/api/batch.md.
func (g *Git) askBatch(ctx context.Context, client *http.Client, repo pipeline.Repo, from string, want []lfsObject) ([]lfsObject, error) {
	type object struct {
		OID  string `json:"oid"`
		Size int64  `json:"size"`
	}
	objects := make([]object, len(want))
	for i, o := range want {
		objects[i] = object{o.OID, o.Size}
	}
	body, err := json.Marshal(map[string]any{"operation": "download", "transfers": []string{"basic"}, "hash_algo": "sha256", "objects": objects})
	if err != nil {
		return nil, err
	}
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, strings.TrimSuffix(from, ".git")+".git/info/lfs/objects/batch", bytes.NewReader(body))
	if err != nil {
		return nil, err
	}
	req.Header.Set("Accept", lfsMedia)
	req.Header.Set("Content-Type", lfsMedia)
	config, _, err := g.credentials(ctx, repo, from)
	if err != nil {
		return nil, err
	}
	for _, kv := range config {
		name, value, _ := strings.Cut(kv[1], ": ")
		req.Header.Set(name, value)
	}
	resp, err := client.Do(req)
	if err != nil {
		return nil, lfsTrouble(repo, err)
	}
	defer resp.Body.Close()
	if resp.StatusCode != http.StatusOK {
		return nil, refusedBatch(repo, resp)
	}
	var answer struct {
		Transfer string      `json:"transfer"`
		Objects  []lfsObject `json:"objects"`
	}
	if err := json.NewDecoder(io.LimitReader(resp.Body, 4<<20)).Decode(&answer); err != nil {
		return nil, lfsTrouble(repo, err)
	}
	if answer.Transfer != "" && answer.Transfer != "basic" {
		return nil, lfsTrouble(repo, fmt.Errorf("transfer %q was not asked for", answer.Transfer))
	}
	return answer.Objects, nil
}

// refusedBatch puts the server's no into words. GitHub says in its message that a
// budget is used up.
func refusedBatch(repo pipeline.Repo, resp *http.Response) error {
	var said struct {
		Message string `json:"message"`
	}
	_ = json.NewDecoder(io.LimitReader(resp.Body, 64<<10)).Decode(&said) // else the status has to do
	status := fmt.Errorf("batch: %s", resp.Status)
	switch code := resp.StatusCode; {
	case code >= 500, code == http.StatusTooManyRequests, code == http.StatusRequestTimeout:
		return lfsTrouble(repo, status)
	case code == http.StatusUnauthorized, code == http.StatusForbidden, code == http.StatusNotFound:
		e := pipeline.Refuse("lfs_missing", "%s keeps files in Git LFS, and GitHub does not let shipmate read them: %q. Nothing was started.", repo, clip(said.Message))
		e.Err = status
		return pipeline.Lagging(e) // a token that was made a moment ago
	}
	e := pipeline.Refuse("lfs_missing", "%s keeps files in Git LFS, and GitHub does not give them out (%s): %q. Nothing was started.", repo, resp.Status, clip(said.Message))
	e.Err = status
	return e
}

func clip(s string) string {
	if len(s) > 200 {
		s = s[:200]
	}
	return strings.ToValidUTF8(s, "")
}

// download fetches one object and keeps it if it is what was asked for.
func download(ctx context.Context, client *http.Client, from, store string, o lfsObject, size int64) error {
	clone, err := url.Parse(from)
	if err != nil {
		return err
	}
	at, err := url.Parse(o.Actions.Download.Href)
	if err != nil || at.User != nil || at.Scheme != "https" && (at.Scheme != clone.Scheme || at.Host != clone.Host) {
		return fmt.Errorf("object %s: its address is not https", o.OID)
	}
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, at.String(), nil)
	if err != nil {
		return fmt.Errorf("object %s: its address cannot be used", o.OID)
	}
	for name, value := range o.Actions.Download.Header {
		req.Header.Set(name, value)
	}
	resp, err := client.Do(req)
	if err != nil {
		return fmt.Errorf("object %s: %w", o.OID, errors.Unwrap(err)) // not the address: it may be signed
	}
	defer resp.Body.Close()
	if resp.StatusCode != http.StatusOK {
		return fmt.Errorf("object %s: %s", o.OID, resp.Status)
	}
	return keep(store, o.OID, size, resp.Body)
}

// keep writes an object into the store, whole or not at all.
func keep(store, oid string, size int64, body io.Reader) error {
	path := objectPath(store, oid)
	if err := os.MkdirAll(filepath.Dir(path), 0o700); err != nil {
		return err
	}
	f, err := os.CreateTemp(filepath.Dir(path), "new")
	if err != nil {
		return err
	}
	defer os.Remove(f.Name())
	sum := sha256.New()
	n, err := io.Copy(io.MultiWriter(f, sum), io.LimitReader(body, size+1))
	if err := errors.Join(err, f.Close()); err != nil {
		return fmt.Errorf("object %s: %w", oid, err)
	}
	if got := hex.EncodeToString(sum.Sum(nil)); n != size || got != oid {
		return fmt.Errorf("object %s: the server sent %d bytes with the sum %s, and not %d", oid, n, got, size)
	}
	return os.Rename(f.Name(), path)
}

// cleanLarge removes objects of Git LFS that were not placed for so long.
func cleanLarge(cache string, unused time.Duration) error {
	objects, _ := filepath.Glob(filepath.Join(cache, "lfs", "*", "*")) // the pattern is well-formed
	var errs []error
	for _, path := range objects {
		if info, err := os.Stat(path); err == nil && time.Since(info.ModTime()) > unused {
			errs = append(errs, os.Remove(path))
		}
	}
	return errors.Join(errs...)
}
