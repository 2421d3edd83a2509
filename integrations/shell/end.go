package shell

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"

	"github.com/shipmate/shipmate/pipeline"
)

// End stops every script of a data folder whose owner is gone, with all that
// the scripts started, and removes what they left there.
func End(ctx context.Context, dir string) error {
	if _, err := os.Stat(filepath.Join(dir, "work")); errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	dir, err := filepath.Abs(dir)
	if err != nil {
		return fmt.Errorf("end scripts: %w", err)
	}
	r := &Runner{cfg: Config{Dir: dir}}
	return r.Clean(ctx, func(pipeline.RunID) bool { return false })
}
