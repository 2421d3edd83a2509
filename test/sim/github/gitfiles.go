package github

import (
	"fmt"
	"sort"
	"strconv"
	"strings"
)

// gitFile is one changed file of a comparison.
type gitFile struct {
	sha       string
	name      string
	previous  string
	status    string
	additions int
	deletions int
	patch     string
}

const emptyTree = "4b825dc642cb6eb9a060e54bf8d69288fbee4904"

// diff lists what changed from one commit (or tree) to another.
func (g *gitRepo) diff(from, to string) ([]gitFile, error) {
	if from == "" {
		from = emptyTree
	}
	key := from + to
	if files, ok := g.diffs[key]; ok {
		return files, nil
	}
	out, err := g.run("diff", "-M", "--raw", "--numstat", "--abbrev=40", "-z", from, to)
	if err != nil {
		return nil, err
	}
	files := parseRawDiff(out)
	patch, err := g.run("diff", "-M", "--no-color", from, to)
	if err != nil {
		return nil, err
	}
	addPatches(files, patch)
	g.diffs[key] = files
	return files, nil
}

// parseRawDiff reads the output of git diff --raw --numstat -z.
func parseRawDiff(out string) []gitFile {
	var files []gitFile
	byName := map[string]int{}
	fields := strings.Split(out, "\x00")
	for i := 0; i < len(fields); i++ {
		field := fields[i]
		if meta, ok := strings.CutPrefix(field, ":"); ok {
			f, used := rawEntry(strings.Fields(meta), fields[i+1:])
			i += used
			byName[f.name] = len(files)
			files = append(files, f)
			continue
		}
		parts := strings.SplitN(field, "\t", 3)
		if len(parts) != 3 {
			continue
		}
		name := parts[2]
		if name == "" { // a rename: old and new name follow
			name = fields[i+2]
			i += 2
		}
		if at, ok := byName[name]; ok {
			files[at].additions, _ = strconv.Atoi(parts[0])
			files[at].deletions, _ = strconv.Atoi(parts[1])
		}
	}
	return files
}

func rawEntry(meta, names []string) (f gitFile, used int) {
	f.sha, f.name = meta[3], names[0]
	switch meta[4][0] {
	case 'A':
		f.status = "added"
	case 'D':
		f.status, f.sha = "removed", meta[2]
	case 'R':
		f.status, f.previous, f.name = "renamed", names[0], names[1]
		return f, 2
	case 'T':
		f.status = "changed"
	default:
		f.status = "modified"
	}
	return f, 1
}

// addPatches relies on git printing patches in the order of the raw entries.
func addPatches(files []gitFile, patch string) {
	parts := strings.Split("\n"+patch, "\ndiff --git ")
	for i := range files {
		if i+1 >= len(parts) {
			return
		}
		if at := strings.Index(parts[i+1], "\n@@"); at >= 0 {
			files[i].patch = strings.TrimSuffix(parts[i+1][at+1:], "\n")
		}
	}
}

// gitEntry is one line of a directory.
type gitEntry struct {
	mode, kind, sha, path string
	size                  int
}

// list reads a directory of a commit, or the entry of the file itself.
func (g *gitRepo) list(commit, path string) ([]gitEntry, error) {
	args := []string{"ls-tree", "-l", "-z", commit}
	if path != "" {
		args = append(args, path)
	}
	out, err := g.run(args...)
	if err != nil {
		return nil, err
	}
	var entries []gitEntry
	for line := range strings.SplitSeq(strings.TrimSuffix(out, "\x00"), "\x00") {
		meta, name, ok := strings.Cut(line, "\t")
		fields := strings.Fields(meta)
		if !ok || len(fields) != 4 {
			continue
		}
		size, _ := strconv.Atoi(fields[3])
		entries = append(entries, gitEntry{mode: fields[0], kind: fields[1], sha: fields[2], path: name, size: size})
	}
	return entries, nil
}

func (g *gitRepo) blob(sha string) ([]byte, error) {
	out, err := g.run("cat-file", "blob", sha)
	if err != nil {
		return nil, fmt.Errorf("read blob: %w", err)
	}
	return []byte(out), nil
}

func sortedKeys[V any](m map[string]V) []string {
	keys := make([]string, 0, len(m))
	for k := range m {
		keys = append(keys, k)
	}
	sort.Strings(keys)
	return keys
}
