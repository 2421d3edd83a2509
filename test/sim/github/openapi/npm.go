package openapi

import (
	"archive/tar"
	"compress/gzip"
	"context"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/shipmate/shipmate/test/needs"
)

// npmPackage is a file of a fixed version of an npm package.
type npmPackage struct {
	name, version, file string
}

var (
	restPackage  = npmPackage{"@octokit/openapi", "23.0.2", "package/generated/api.github.com.json"}
	hooksPackage = npmPackage{"@octokit/webhooks-schemas", "7.6.1", "package/schema.json"}
)

// ForTest loads both descriptions. Where they are not to be had, for want of npm
// or a network, the test is skipped, or fails when CI=true.
func ForTest(t testing.TB) (*Spec, *Webhooks) {
	t.Helper()
	spec, err := Load(t.Context())
	if err == nil {
		var hooks *Webhooks
		if hooks, err = LoadWebhooks(t.Context()); err == nil {
			return spec, hooks
		}
	}
	needs.Skip(t, fmt.Errorf("%w GitHub's descriptions, which npm fetches from the network the first time: %w", needs.ErrMissing, err))
	return nil, nil
}

// npmFile returns the file from the cache, after fetching it once.
func npmFile(ctx context.Context, p npmPackage) ([]byte, error) {
	cache, err := os.UserCacheDir()
	if err != nil {
		return nil, err
	}
	name := strings.ReplaceAll(strings.TrimPrefix(p.name, "@"), "/", "-") + "-" + p.version
	dir := filepath.Join(cache, "shipmate", "npm", name)
	cached := filepath.Join(dir, filepath.Base(p.file))
	if raw, err := os.ReadFile(cached); err == nil {
		return raw, nil
	}
	if err := os.MkdirAll(dir, 0o755); err != nil {
		return nil, err
	}
	work, err := os.MkdirTemp(dir, "fetch-")
	if err != nil {
		return nil, err
	}
	defer os.RemoveAll(work)
	raw, err := npmPack(ctx, p, work)
	if err != nil {
		return nil, fmt.Errorf("fetch %s@%s: %w", p.name, p.version, err)
	}
	// Written aside and moved, as other tests may fetch at the same time.
	aside := filepath.Join(work, "file")
	if err := os.WriteFile(aside, raw, 0o644); err != nil {
		return nil, err
	}
	return raw, os.Rename(aside, cached)
}

func npmPack(ctx context.Context, p npmPackage, dir string) ([]byte, error) {
	if err := needs.Check(needs.Npm()); err != nil {
		return nil, err
	}
	cmd := exec.CommandContext(ctx, "npm", "pack", "--silent", p.name+"@"+p.version)
	cmd.Dir = dir
	out, err := cmd.Output()
	if err != nil {
		return nil, fmt.Errorf("npm pack: %w", err)
	}
	f, err := os.Open(filepath.Join(dir, filepath.Base(strings.TrimSpace(string(out)))))
	if err != nil {
		return nil, err
	}
	defer f.Close()
	return untar(f, p.file)
}

func untar(r io.Reader, name string) ([]byte, error) {
	unzipped, err := gzip.NewReader(r)
	if err != nil {
		return nil, err
	}
	archive := tar.NewReader(unzipped)
	for {
		entry, err := archive.Next()
		if err != nil {
			return nil, fmt.Errorf("%s: %w", name, err)
		}
		if entry.Name == name {
			return io.ReadAll(archive)
		}
	}
}
