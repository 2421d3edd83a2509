package script

import (
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"
	"syscall"
)

// ReadRegular reads up to limit bytes of a file the script could have replaced
// by something else; more reports whether there was more.
func ReadRegular(path string, limit int64) (b []byte, more bool, err error) {
	f, err := OpenRegular(path)
	if err != nil {
		return nil, false, err
	}
	defer f.Close()
	b, err = io.ReadAll(io.LimitReader(f, limit+1))
	if int64(len(b)) > limit {
		return b[:limit], true, err
	}
	return b, false, err
}

// OpenRegular opens a plain file for reading; it neither follows a link nor
// waits for the writer of a pipe.
func OpenRegular(path string) (*os.File, error) {
	f, err := os.OpenFile(path, os.O_RDONLY|syscall.O_NOFOLLOW|syscall.O_NONBLOCK, 0)
	if err != nil {
		return nil, err
	}
	info, err := f.Stat()
	if err == nil && !info.Mode().IsRegular() {
		err = fmt.Errorf("%s is not a plain file but %s", filepath.Base(path), strings.TrimSpace(info.Mode().Type().String()))
	}
	if err != nil {
		f.Close()
		return nil, err
	}
	return f, nil
}
