package artifact

import (
	"archive/tar"
	"compress/gzip"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"slices"
	"strings"
	"syscall"

	"github.com/shipmate/shipmate/pipeline"
)

// Pack writes the plain files below dir that match a pattern, or lie in a
// folder that does, as a compressed tar archive. Links are left out, and so is
// git's own folder. An *Error says which pattern matches nothing, which file
// cannot be read, or that the files are larger than limit together. Folders in
// which nothing can match are not looked into.
func Pack(w io.Writer, dir string, patterns []string, limit int64) error {
	root, err := os.OpenRoot(dir)
	if errors.Is(err, fs.ErrNotExist) && len(patterns) > 0 { // the script took its own folder away
		return missing(patterns[0])
	}
	if err != nil {
		return err
	}
	defer func() { _ = root.Close() }() // only read
	p := packer{root: root, left: limit, limit: limit, used: make([]bool, len(patterns))}
	if err := pipeline.CheckGlobs(patterns); err != nil {
		return pipeline.Refuse("invalid_artifacts", "%v.", err)
	}
	for _, pattern := range patterns {
		pattern, not := strings.CutPrefix(pattern, "!")
		match, err := matcher(pattern)
		if err != nil {
			return err
		}
		p.match, p.not = append(p.match, match), append(p.not, not)
		if !not {
			p.enter = append(p.enter, entrance(pattern))
		}
	}
	z, _ := gzip.NewWriterLevel(w, gzip.BestSpeed) // the level is a constant
	p.out = tar.NewWriter(z)
	if err := Walk(root, p.visit); err != nil {
		return err
	}
	for i, pattern := range patterns {
		if !p.used[i] && !p.not[i] {
			return missing(pattern)
		}
	}
	if err := p.out.Close(); err != nil {
		return err
	}
	return z.Close()
}

func missing(pattern string) error {
	return pipeline.Refuse("missing_artifact", "The script ended well, but no file matches %q, which its `artifacts:` promise.", pattern)
}

func plain(pattern string) string {
	return strings.TrimSuffix(strings.TrimPrefix(pattern, "./"), "/")
}

func matcher(pattern string) (func(string) bool, error) {
	pattern = plain(pattern)
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

// entrance says of folders whether something in them may match the pattern. It
// compares folder by folder, and where that does not tell it says yes.
func entrance(pattern string) func(folder string) bool {
	parts := strings.Split(plain(pattern), "/")
	if strings.ContainsAny(pattern, `{\`) { // a brace may hold a slash
		parts = []string{"**"}
	}
	return func(folder string) bool {
		for i, name := range strings.Split(folder, "/") {
			if i >= len(parts) || strings.Contains(parts[i], "**") {
				return true
			}
			if ok, err := pipeline.MatchGlob(parts[i], name); err == nil && !ok {
				return false
			}
		}
		return true
	}
}

type packer struct {
	root        *os.Root
	out         *tar.Writer
	match       []func(name string) bool
	not         []bool // patterns that take out what those before them describe
	enter       []func(folder string) bool
	used        []bool
	left, limit int64
}

func (p *packer) visit(name string, d fs.DirEntry, err error) error {
	switch {
	case err != nil:
		return unreadable(name, err)
	case d.IsDir() && (d.Name() == ".git" || name != "." && !p.enters(name)):
		return fs.SkipDir
	case !d.Type().IsRegular() || !p.wanted(name):
		return nil
	}
	f, err := p.root.Open(name)
	if err != nil {
		return unreadable(name, err)
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

func (p *packer) enters(folder string) bool {
	return slices.ContainsFunc(p.enter, func(enter func(string) bool) bool { return enter(folder) })
}

// unreadable is final, for the files are what the script left. Only too many
// open files are a trouble of our own.
func unreadable(name string, err error) error {
	if errors.Is(err, syscall.EMFILE) || errors.Is(err, syscall.ENFILE) {
		return err
	}
	why := err
	var at *fs.PathError
	if errors.As(err, &at) {
		why = at.Err
	}
	return &pipeline.Error{Code: "unreadable_artifact", Err: err, Message: fmt.Sprintf(
		"The script ended well, but %q cannot be read (%v), and its `artifacts:` may mean it. Have the script make it readable, or name the files more narrowly.", name, why)}
}

// wanted also notes which patterns are of use.
func (p *packer) wanted(name string) bool {
	wanted := false
	for i, match := range p.match {
		if match(name) {
			p.used[i], wanted = true, !p.not[i]
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
