package settings

import (
	"errors"
	"os"
	"path/filepath"
)

// Copied is the file that holds what was copied last, for terminals that do not let a clipboard be written; empty = there
// is no place for it.
func (s Settings) Copied() string {
	if s.State == "" {
		return ""
	}
	return filepath.Join(s.State, "copied")
}

// Replace puts a new file, which only its owner can read, in place of an old one, and makes the folders above it.
func Replace(file, text string) (err error) {
	if err := os.MkdirAll(filepath.Dir(file), 0o700); err != nil {
		return err
	}
	f, err := os.CreateTemp(filepath.Dir(file), "."+filepath.Base(file)+"-*")
	if err != nil {
		return err
	}
	defer func() {
		if err != nil {
			err = errors.Join(err, os.Remove(f.Name()))
		}
	}()
	_, err = f.WriteString(text)
	if err = errors.Join(err, f.Close()); err != nil {
		return err
	}
	return os.Rename(f.Name(), file)
}
