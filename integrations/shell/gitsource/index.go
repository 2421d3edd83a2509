package gitsource

import (
	"bytes"
	"encoding/binary"
	"encoding/hex"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"regexp"
	"strconv"
)

// entry is one of git's index: a file, a link or a submodule of the commit.
type entry struct {
	path string
	mode uint32
	size uint32
	sha  string
}

const (
	modeFile      = 0o100644
	modeProgram   = 0o100755
	modeSubmodule = 0o160000
)

var errIndex = errors.New("the index is not in a form that is known")

// readIndex reads git's index in its versions 2 and 3, see gitformat-index(5). To
// ask git would cost every checkout a process.
func readIndex(path string) ([]entry, error) {
	b, err := os.ReadFile(path)
	if err != nil {
		return nil, err
	}
	const fixed = 62
	if len(b) < 12 || string(b[:4]) != "DIRC" {
		return nil, errIndex
	}
	if version := binary.BigEndian.Uint32(b[4:]); version != 2 && version != 3 {
		return nil, fmt.Errorf("%w: version %d", errIndex, version)
	}
	entries := make([]entry, 0, min(int(binary.BigEndian.Uint32(b[8:])), len(b)/fixed))
	for n, rest := binary.BigEndian.Uint32(b[8:]), b[12:]; n > 0; n-- {
		if len(rest) < fixed {
			return nil, errIndex
		}
		begin := fixed
		if binary.BigEndian.Uint16(rest[60:])&0x4000 != 0 {
			begin += 2
		}
		if len(rest) < begin {
			return nil, errIndex
		}
		length := bytes.IndexByte(rest[begin:], 0)
		if whole := (begin + length + 8) &^ 7; length < 0 || whole > len(rest) {
			return nil, errIndex
		} else {
			entries = append(entries, entry{
				path: string(rest[begin : begin+length]), mode: binary.BigEndian.Uint32(rest[24:]),
				size: binary.BigEndian.Uint32(rest[36:]), sha: hex.EncodeToString(rest[40:60]),
			})
			rest = rest[whole:]
		}
	}
	return entries, nil
}

// pointer is a file that stands for a large one which Git LFS keeps.
type pointer struct {
	path string
	mode fs.FileMode
	oid  string // SHA-256
	size int64
}

// See the specification, git-lfs/docs/spec.md: a pointer has less than 1024 bytes.
var (
	pointerStart = []byte("version https://git-lfs.github.com/spec/")
	pointerOID   = regexp.MustCompile(`(?m)^oid sha256:([0-9a-f]{64})\r?$`)
	pointerSize  = regexp.MustCompile(`(?m)^size ([0-9]{1,15})\r?$`)
)

const (
	smallestPointer = 100
	largestPointer  = 1023
)

// contents finds the submodules of a checkout and the pointers among its files.
func contents(index, dir string) (submodules []entry, pointers []pointer, err error) {
	entries, err := readIndex(index)
	if err != nil {
		return nil, nil, err
	}
	root, err := os.OpenRoot(dir)
	if err != nil {
		return nil, nil, err
	}
	defer root.Close()
	for _, e := range entries {
		switch {
		case e.mode == modeSubmodule:
			submodules = append(submodules, e)
		case e.mode != modeFile && e.mode != modeProgram, e.size > largestPointer, e.size > 0 && e.size < smallestPointer:
		default:
			p, is, err := readPointer(root, e)
			if err != nil {
				return nil, nil, err
			}
			if is {
				pointers = append(pointers, p)
			}
		}
	}
	return submodules, pointers, nil
}

func readPointer(root *os.Root, e entry) (p pointer, is bool, err error) {
	f, err := root.Open(e.path)
	if errors.Is(err, fs.ErrNotExist) {
		return p, false, nil // left out of the checkout
	}
	if err != nil {
		return p, false, err
	}
	defer f.Close()
	b := make([]byte, largestPointer+1)
	n, _ := f.Read(b) // an empty file is none
	oid, size := pointerOID.FindSubmatch(b[:n]), pointerSize.FindSubmatch(b[:n])
	if n > largestPointer || !bytes.HasPrefix(b[:n], pointerStart) || oid == nil || size == nil {
		return p, false, nil
	}
	p = pointer{path: e.path, mode: fs.FileMode(e.mode & 0o777), oid: string(oid[1])}
	p.size, err = strconv.ParseInt(string(size[1]), 10, 64)
	return p, true, err
}
