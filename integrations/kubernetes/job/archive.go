package job

import (
	"archive/tar"
	"bytes"
	"compress/gzip"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"strings"

	"github.com/shipmate/shipmate/pipeline/artifact"
	"github.com/shipmate/shipmate/pipeline/script"
)

// Where things lie in a pod: where no image has a file of its own, ours
// included. The script's names for them are a promise to nobody.
const (
	shimDir = "/.shipmate/bin"
	shimBin = shimDir + "/shipmate"
	workDir = "/.shipmate/work"
)

func placeIn(at func(parts ...string) string) script.Place {
	return script.Place{Src: at("src"), Home: at("home"), Outputs: at("io", "outputs"), Summary: at("io", "summary"), Annotations: at("io", "annotations")}
}

func placeInPod() script.Place {
	return placeIn(func(parts ...string) string { return workDir + "/" + strings.Join(parts, "/") })
}

// handed is an artifact set on its way.
type handed struct {
	size int64
	open func() (io.ReadCloser, error)
}

// send writes an order, the tree below src and what other steps hand on.
func send(w io.Writer, o order, src string, sets []handed) error {
	z, _ := gzip.NewWriterLevel(w, gzip.BestSpeed) // the level is a constant
	out := tar.NewWriter(z)
	b, err := json.Marshal(o)
	if err != nil {
		return err
	}
	if err := out.WriteHeader(&tar.Header{Name: orderEntry, Typeflag: tar.TypeReg, Mode: 0o600, Size: int64(len(b))}); err != nil {
		return err
	}
	if _, err := out.Write(b); err != nil {
		return err
	}
	if err := sendTree(out, src); err != nil {
		return err
	}
	for i, set := range sets {
		if err := sendSet(out, fmt.Sprintf("%s%d.tar.gz", handedPrefix, i), set); err != nil {
			return err
		}
	}
	if err := out.Close(); err != nil {
		return err
	}
	return z.Close()
}

func sendTree(out *tar.Writer, src string) error {
	root, err := os.OpenRoot(src)
	if err != nil {
		return err
	}
	defer func() { _ = root.Close() }() // it was read or written through files of their own
	return artifact.Walk(root, func(name string, d fs.DirEntry, err error) error {
		if err != nil || name == "." {
			return err
		}
		info, err := d.Info()
		if err != nil {
			return err
		}
		h := &tar.Header{Name: sourcePrefix + name, Mode: int64(info.Mode().Perm()), ModTime: info.ModTime(), Format: tar.FormatPAX}
		switch {
		case d.IsDir():
			h.Typeflag = tar.TypeDir
		case info.Mode().IsRegular():
			return sendFile(out, root, name, h)
		case info.Mode().Type() == fs.ModeSymlink:
			h.Typeflag = tar.TypeSymlink
			if h.Linkname, err = root.Readlink(name); err != nil {
				return err
			}
		default:
			return nil // a checkout has nothing else
		}
		return out.WriteHeader(h)
	})
}

func sendFile(out *tar.Writer, root *os.Root, name string, h *tar.Header) error {
	f, err := root.Open(name)
	if err != nil {
		return err
	}
	defer f.Close()
	info, err := f.Stat()
	if err != nil {
		return err
	}
	h.Typeflag, h.Size = tar.TypeReg, info.Size()
	if err := out.WriteHeader(h); err != nil {
		return err
	}
	_, err = io.CopyN(out, f, h.Size)
	return err
}

func sendSet(out *tar.Writer, name string, set handed) error {
	r, err := set.open()
	if err != nil {
		return err
	}
	defer r.Close()
	if err := out.WriteHeader(&tar.Header{Name: name, Typeflag: tar.TypeReg, Mode: 0o600, Size: set.size}); err != nil {
		return err
	}
	_, err = io.CopyN(out, r, set.size)
	return err
}

// receive takes what send wrote and makes the script's folder of it.
func receive(r io.Reader, dir string, at script.Place) (o order, err error) {
	z, err := gzip.NewReader(r)
	if err != nil {
		return o, fmt.Errorf("order: %w", err)
	}
	in := tar.NewReader(z)
	if o, err = receiveOrder(in); err != nil {
		return o, err
	}
	if err := makeFolder(dir, at, o.Script); err != nil {
		return o, err
	}
	root, err := os.OpenRoot(at.Src)
	if err != nil {
		return o, err
	}
	defer func() { _ = root.Close() }() // it was read or written through files of their own
	for {
		h, err := in.Next()
		switch {
		case errors.Is(err, io.EOF):
			_, err := io.Copy(io.Discard, z) //nolint:gosec // of our own bot; whole, checksum and all
			return o, err
		case err != nil:
			return o, fmt.Errorf("order: %w", err)
		case strings.HasPrefix(h.Name, handedPrefix):
			err = artifact.Unpack(in, at.Src, o.MaxArtifacts)
		default:
			name, ours := strings.CutPrefix(h.Name, sourcePrefix)
			if !ours {
				return o, fmt.Errorf("order: an entry %q", h.Name)
			}
			h.Name = name
			err = artifact.Place(root, h, in)
		}
		if err != nil {
			return o, err
		}
	}
}

func receiveOrder(in *tar.Reader) (o order, err error) {
	h, err := in.Next()
	if err != nil {
		return o, fmt.Errorf("order: %w", err)
	}
	if h.Name != orderEntry || h.Size > maxOrderEntry {
		return o, fmt.Errorf("order: begins with %q of %d bytes", h.Name, h.Size)
	}
	var b bytes.Buffer
	if _, err := io.Copy(&b, in); err != nil {
		return o, fmt.Errorf("order: %w", err)
	}
	if err := json.Unmarshal(b.Bytes(), &o); err != nil {
		return o, fmt.Errorf("order: %w", err)
	}
	if len(o.Argv) == 0 {
		return o, errors.New("order: nothing to run")
	}
	return o, nil
}

// makeFolder makes the script's folder anew: an order before may have been torn.
func makeFolder(dir string, at script.Place, text string) error {
	for _, sub := range []string{at.Src, at.Home, filepath.Dir(at.Outputs)} {
		if err := os.RemoveAll(sub); err != nil {
			return err
		}
		if err := os.MkdirAll(sub, 0o755); err != nil {
			return err
		}
	}
	for _, file := range []string{at.Outputs, at.Summary, at.Annotations} {
		if err := os.WriteFile(file, nil, 0o600); err != nil {
			return err
		}
	}
	return os.WriteFile(filepath.Join(dir, "script"), []byte(text), 0o600)
}
