package artifact

import (
	"archive/tar"
	"compress/gzip"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path"
	"path/filepath"
)

// maxEntries bounds how many files one archive may make.
const maxEntries = 1 << 20

// Unpack puts what Pack wrote below dir; files that are there are replaced. An
// archive that holds anything but plain files and folders, or a name that leads
// out of dir, is refused.
func Unpack(r io.Reader, dir string, limit int64) error {
	z, err := gzip.NewReader(r)
	if err != nil {
		return fmt.Errorf("artifacts: %w", err)
	}
	root, err := os.OpenRoot(dir)
	if err != nil {
		return err
	}
	defer func() { _ = root.Close() }() // files are closed by themselves
	in := tar.NewReader(z)
	for n := 0; ; n++ {
		h, err := in.Next()
		switch {
		case errors.Is(err, io.EOF):
			return nil
		case err != nil:
			return fmt.Errorf("artifacts: %w", err)
		case h.Typeflag != tar.TypeReg && h.Typeflag != tar.TypeDir:
			return fmt.Errorf("artifacts: %q is neither a file nor a folder", h.Name)
		case n > maxEntries:
			return errors.New("artifacts: too many files")
		}
		if limit -= h.Size; limit < 0 {
			return errors.New("artifacts: larger than allowed")
		}
		if err := Place(root, h, in); err != nil {
			return err
		}
	}
}

// Place makes one entry of an archive below a root: a folder, a plain file or a
// link. What is there gives way, so that nothing is ever written through a link,
// and no name leads out of the root.
func Place(root *os.Root, h *tar.Header, content io.Reader) error {
	name := path.Clean(h.Name)
	if !filepath.IsLocal(name) { // on Windows it knows of the other slash too
		return fmt.Errorf("archive: the name %q leads out of its folder", h.Name)
	}
	if err := root.MkdirAll(path.Dir(name), 0o755); err != nil {
		return fmt.Errorf("archive: %w", err)
	}
	switch h.Typeflag {
	case tar.TypeDir:
		if err := root.MkdirAll(name, 0o755); err != nil {
			return fmt.Errorf("archive: %w", err)
		}
		return nil
	case tar.TypeReg, tar.TypeSymlink:
	default:
		return fmt.Errorf("archive: %q is no file, folder or link", h.Name)
	}
	if err := root.Remove(name); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return fmt.Errorf("archive: %w", err)
	}
	if h.Typeflag == tar.TypeSymlink {
		return root.Symlink(h.Linkname, name)
	}
	f, err := root.OpenFile(name, os.O_CREATE|os.O_EXCL|os.O_WRONLY, fs.FileMode(h.Mode)&0o777|0o600) //nolint:gosec // masked
	if err != nil {
		return fmt.Errorf("archive: %w", err)
	}
	if _, err := io.CopyN(f, content, h.Size); err != nil {
		return errors.Join(fmt.Errorf("archive: %s: %w", name, err), f.Close())
	}
	if err := f.Close(); err != nil {
		return err
	}
	if !h.ModTime.IsZero() {
		return root.Chtimes(name, h.ModTime, h.ModTime)
	}
	return nil
}
