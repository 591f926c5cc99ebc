// Package disk writes files of which every reader finds either all or nothing, whatever dies in the middle.
package disk

import (
	"errors"
	"os"
	"path/filepath"
)

// Unfinished matches the names of files that are being written, in the folder of the file that each is to become.
const Unfinished = ".new-*"

// Write gives a file its content in one step, and waits until it is on the disk.
func Write(name string, parts ...[]byte) error {
	if err := replace(name, (*os.File).Sync, parts); err != nil {
		return err
	}
	return Flush(filepath.Dir(name))
}

// WriteSoon gives a file its content in one step. A loss of power may take it along.
func WriteSoon(name string, parts ...[]byte) error {
	return replace(name, func(*os.File) error { return nil }, parts)
}

// replace writes a temporary file, flushes and renames it.
func replace(name string, flush func(*os.File) error, parts [][]byte) error {
	f, err := os.CreateTemp(filepath.Dir(name), Unfinished)
	if err != nil {
		return err
	}
	defer os.Remove(f.Name()) // is gone after the rename
	for _, part := range parts {
		_, e := f.Write(part)
		err = errors.Join(err, e)
	}
	if err := errors.Join(err, flush(f), f.Close()); err != nil {
		return err
	}
	return os.Rename(f.Name(), name)
}

// Flush waits until a file, or which files a folder has, is on the disk.
func Flush(name string) error {
	f, err := os.Open(name)
	if err != nil {
		return err
	}
	return errors.Join(f.Sync(), f.Close())
}

// Clear removes what writers of files in a folder left that were killed.
func Clear(dir string) error {
	left, err := filepath.Glob(filepath.Join(dir, Unfinished))
	if err != nil {
		return err
	}
	var errs []error
	for _, name := range left {
		errs = append(errs, os.Remove(name))
	}
	return errors.Join(errs...)
}
