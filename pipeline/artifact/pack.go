package artifact

import (
	"archive/tar"
	"compress/gzip"
	"fmt"
	"io"
	"io/fs"
	"os"
	"strings"

	"github.com/shipmate/shipmate/pipeline"
)

// Pack writes the plain files below dir that match a pattern, or lie in a
// folder that does, as a compressed tar archive. Links are left out, and so is
// git's own folder. An *Error says which pattern matches nothing, or that the
// files are larger than limit together.
func Pack(w io.Writer, dir string, patterns []string, limit int64) error {
	root, err := os.OpenRoot(dir)
	if err != nil {
		return err
	}
	defer func() { _ = root.Close() }() // only read
	p := packer{root: root, left: limit, limit: limit, used: make([]bool, len(patterns))}
	for _, pattern := range patterns {
		match, err := matcher(pattern)
		if err != nil {
			return err
		}
		p.match = append(p.match, match)
	}
	z, _ := gzip.NewWriterLevel(w, gzip.BestSpeed) // the level is a constant
	p.out = tar.NewWriter(z)
	if err := fs.WalkDir(root.FS(), ".", p.visit); err != nil {
		return err
	}
	for i, pattern := range patterns {
		if !p.used[i] {
			return pipeline.Refuse("missing_artifact", "The script ended well, but no file matches %q, which its `artifacts:` promise.", pattern)
		}
	}
	if err := p.out.Close(); err != nil {
		return err
	}
	return z.Close()
}

func matcher(pattern string) (func(string) bool, error) {
	pattern = strings.TrimSuffix(strings.TrimPrefix(pattern, "./"), "/")
	file, err := pipeline.CompileGlob(pattern)
	if err != nil {
		return nil, pipeline.Refuse("invalid_artifacts", "%v.", err)
	}
	below, err := pipeline.CompileGlob(pattern + "/**")
	if err != nil {
		return nil, pipeline.Refuse("invalid_artifacts", "%v.", err)
	}
	return func(name string) bool { return file(name) || below(name) }, nil
}

type packer struct {
	root        *os.Root
	out         *tar.Writer
	match       []func(string) bool
	used        []bool
	left, limit int64
}

func (p *packer) visit(name string, d fs.DirEntry, err error) error {
	switch {
	case err != nil:
		return err
	case d.IsDir() && d.Name() == ".git":
		return fs.SkipDir
	case !d.Type().IsRegular() || !p.wanted(name):
		return nil
	}
	f, err := p.root.Open(name)
	if err != nil {
		return err
	}
	defer f.Close()
	info, err := f.Stat()
	if err != nil || !info.Mode().IsRegular() {
		return err
	}
	if p.left -= info.Size(); p.left < 0 {
		return pipeline.Refuse("artifacts_too_large", "The files that `artifacts:` name are larger than %s together. Name fewer, or ask the operator for more.", size(p.limit))
	}
	if err := p.out.WriteHeader(&tar.Header{Name: name, Typeflag: tar.TypeReg, Mode: int64(info.Mode().Perm()), Size: info.Size(), ModTime: info.ModTime()}); err != nil {
		return err
	}
	_, err = io.CopyN(p.out, f, info.Size())
	return err
}

// wanted also notes which patterns are of use.
func (p *packer) wanted(name string) bool {
	wanted := false
	for i, match := range p.match {
		if match(name) {
			p.used[i], wanted = true, true
		}
	}
	return wanted
}

func size(bytes int64) string {
	if bytes >= 1<<20 {
		return fmt.Sprintf("%d MiB", bytes>>20)
	}
	return fmt.Sprintf("%d bytes", bytes)
}
