package artifact

import (
	"io"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"syscall"
	"testing"

	"github.com/shipmate/shipmate/pipeline"
)

// asNobody does something as a user who may read no more than everybody.
func asNobody(t *testing.T, do func()) {
	t.Helper()
	if os.Geteuid() != 0 {
		do()
		return
	}
	runtime.LockOSThread()
	defer runtime.UnlockOSThread()
	if err := syscall.Setfsuid(65534); err != nil {
		t.Fatal(err)
	}
	defer func() {
		if err := syscall.Setfsuid(0); err != nil {
			t.Fatal(err)
		}
	}()
	do()
}

func TestAFolderThatMayNotBeRead(t *testing.T) {
	dir := t.TempDir()
	write(t, dir, map[string]string{"dist/app": "app", "closed/key": "key", "dist/secret": "s"})
	for name, mode := range map[string]os.FileMode{"..": 0o755, "closed": 0, "dist/secret": 0} {
		if err := os.Chmod(filepath.Join(dir, name), mode); err != nil {
			t.Fatal(err)
		}
	}
	asNobody(t, func() {
		if err := Pack(io.Discard, dir, []string{"dist/app"}, 100); err != nil {
			t.Errorf("beside the artifacts: %v", err)
		}
		for pattern, name := range map[string]string{"**/app": `"closed"`, "dist": `"dist/secret"`} {
			err := Pack(io.Discard, dir, []string{pattern}, 100)
			if m := pipeline.Message(err); pipeline.Code(err) != "unreadable_artifact" || !strings.Contains(m, name+" cannot be read (permission denied)") {
				t.Errorf("%s: %v", pattern, err)
			}
		}
	})
	_ = os.Chmod(filepath.Join(dir, "closed"), 0o700) //nolint:gosec // so that it can be removed
}
