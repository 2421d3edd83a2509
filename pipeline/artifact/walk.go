package artifact

import (
	"errors"
	"io/fs"
	"os"
	"path"
	"slices"
	"strings"
)

// Walk visits everything below a root, a folder before what is in it, as
// fs.WalkDir does. That one ends at names that are not UTF-8, which repositories
// and scripts may have.
func Walk(root *os.Root, visit fs.WalkDirFunc) error {
	info, err := root.Stat(".")
	if err != nil {
		return err
	}
	return walk(root, ".", fs.FileInfoToDirEntry(info), visit)
}

func walk(root *os.Root, name string, d fs.DirEntry, visit fs.WalkDirFunc) error {
	if err := visit(name, d, nil); err != nil || !d.IsDir() {
		return skipped(d, err)
	}
	entries, err := folder(root, name)
	if err != nil {
		return skipped(d, visit(name, d, err))
	}
	for _, entry := range entries {
		if err := walk(root, path.Join(name, entry.Name()), entry, visit); err != nil {
			return err
		}
	}
	return nil
}

func skipped(d fs.DirEntry, err error) error {
	if errors.Is(err, fs.SkipDir) && d.IsDir() {
		return nil
	}
	return err
}

func folder(root *os.Root, name string) ([]fs.DirEntry, error) {
	f, err := root.Open(name)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	entries, err := f.ReadDir(-1)
	slices.SortFunc(entries, func(a, b fs.DirEntry) int { return strings.Compare(a.Name(), b.Name()) })
	return entries, err
}
