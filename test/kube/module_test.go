package kube

import (
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
)

// emptyModuleCache is the cache of a machine that has downloaded nothing yet.
// What this machine has is taken from there, the rest from the proxy.
func emptyModuleCache(t *testing.T, proxy string) {
	t.Helper()
	cache, err := exec.CommandContext(t.Context(), "go", "env", "GOMODCACHE", "GOPROXY").Output()
	if err != nil {
		t.Fatal(err)
	}
	known, rest, _ := strings.Cut(strings.TrimSpace(string(cache)), "\n")
	if proxy == "" {
		proxy = "file://" + filepath.Join(known, "cache", "download") + "," + rest
	}
	empty := t.TempDir()
	t.Setenv("GOMODCACHE", empty)
	t.Setenv("GOPROXY", proxy)
	t.Setenv("GONOSUMDB", "*")
	t.Cleanup(func() { // the go command makes its cache read-only
		_ = filepath.WalkDir(empty, func(path string, d os.DirEntry, err error) error {
			if err == nil && d.IsDir() {
				_ = os.Chmod(path, 0o700)
			}
			return nil
		})
	})
}

func TestTheFolderOfAModuleThatWasNeverDownloaded(t *testing.T) {
	tools, err := toolsFolder()
	if err != nil {
		t.Fatal(err)
	}
	emptyModuleCache(t, "")
	dir, err := moduleFolder(tools, "sigs.k8s.io/gateway-api")
	if err != nil {
		t.Fatal(err)
	}
	if _, err := os.Stat(filepath.Join(dir, "config", "crd", "standard", "gateway.networking.k8s.io_httproutes.yaml")); err != nil {
		t.Error(err)
	}
}

func TestAModuleThatCannotBeDownloadedIsASentence(t *testing.T) {
	folder := t.TempDir()
	mod := "module m\n\ngo 1.26.0\n\nrequire example.com/none v1.0.0\n"
	if err := os.WriteFile(filepath.Join(folder, "go.mod"), []byte(mod), 0o600); err != nil {
		t.Fatal(err)
	}
	emptyModuleCache(t, "file://"+folder)
	_, err := moduleFolder(folder, "example.com/none")
	if err == nil || !strings.Contains(err.Error(), "the module example.com/none could not be downloaded") {
		t.Errorf("got %v", err)
	}
}
