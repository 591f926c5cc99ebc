// Package layer reads the files that people write for the console, and says what of them could not be used.
package layer

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"

	"golang.org/x/sys/unix"
)

// MaxSize bounds a file of keys or of looks, in bytes: it is read before the first frame.
const MaxSize = 256 << 10

// Read is the content of a file, without the byte order mark that some editors write. It never waits: what is no plain
// file, or larger than MaxSize, is an error. Errors do not repeat the name.
func Read(name string) ([]byte, error) {
	f, err := os.OpenFile(name, os.O_RDONLY|unix.O_NONBLOCK|unix.O_NOCTTY, 0)
	if err != nil {
		return nil, reason(err)
	}
	defer f.Close()
	info, err := f.Stat()
	switch {
	case err != nil:
		return nil, reason(err)
	case info.IsDir():
		return nil, errors.New("it is a folder")
	case !info.Mode().IsRegular():
		return nil, errors.New("it is no plain file")
	}
	data, err := io.ReadAll(io.LimitReader(f, MaxSize+1))
	switch {
	case err != nil:
		return nil, reason(err)
	case len(data) > MaxSize:
		return nil, fmt.Errorf("it is larger than %d KB", MaxSize>>10)
	}
	return bytes.TrimPrefix(data, []byte("\ufeff")), nil
}

// reason is an error without the name of the file, which its reader knows. Below something that is no folder, as a home of
// /dev/null, there are no files.
func reason(err error) error {
	if errors.Is(err, unix.ENOTDIR) {
		return unix.ENOENT
	}
	if p, ok := errors.AsType[*fs.PathError](err); ok {
		return p.Err
	}
	return err
}

// Dir is a folder of such files. It need not exist.
type Dir string

// Open implements fs.FS.
func (d Dir) Open(name string) (fs.File, error) { return os.DirFS(string(d)).Open(name) }

// ReadFile implements fs.ReadFileFS, by Read.
func (d Dir) ReadFile(name string) ([]byte, error) {
	if !fs.ValidPath(name) {
		return nil, fs.ErrInvalid
	}
	return Read(d.Path(name))
}

// Stat implements fs.StatFS, without opening the file.
func (d Dir) Stat(name string) (fs.FileInfo, error) {
	if !fs.ValidPath(name) {
		return nil, fs.ErrInvalid
	}
	info, err := os.Stat(d.Path(name))
	if err != nil {
		return nil, reason(err)
	}
	return info, nil
}

// ReadDir implements fs.ReadDirFS. It opens nothing but folders.
func (d Dir) ReadDir(name string) ([]fs.DirEntry, error) {
	if !fs.ValidPath(name) {
		return nil, fs.ErrInvalid
	}
	return os.ReadDir(d.Path(name))
}

// Path is what a person can open.
func (d Dir) Path(name string) string { return filepath.Join(string(d), name) }
