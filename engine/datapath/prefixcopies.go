package datapath

import (
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"os"
	"path/filepath"
	"time"

	"hairpin/engine/disk"
	"hairpin/engine/spec"
)

// Copies of the files of prefixes that were read last: a node that starts anew while a file is missing or bad has its lists
// all the same. An operator's change never takes a copy for the file.

// KeepPrefixCopies has a copy of every file of prefixes that is read kept in a folder.
func (k *Kernel) KeepPrefixCopies(dir string) error {
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return fmt.Errorf("keep copies of prefixes: %w", err)
	}
	k.copies = dir
	return nil
}

func (k *Kernel) prefixCopy(name string) string {
	sum := sha256.Sum256([]byte(name))
	return filepath.Join(k.copies, hex.EncodeToString(sum[:8])+".txt")
}

// keepCopy writes the copy of a file in one step.
func (k *Kernel) keepCopy(name string, f *prefixFile) error {
	if k.copies == "" {
		return nil
	}
	var b bytes.Buffer
	fmt.Fprintf(&b, "# %s, read %s\n", name, f.loaded.Format(time.DateTime))
	for family, list := range f.lists {
		for _, p := range list {
			b.Write(append(p.netip(family == 1).AppendTo(b.AvailableBuffer()), '\n'))
		}
	}
	to := k.prefixCopy(name)
	if err := disk.Write(to, b.Bytes()); err != nil {
		return fmt.Errorf("keep copy of %s: %w", name, err)
	}
	return nil
}

// LoadPrefixCopies has the files of a spec that cannot be read be what they were when they last could. The error is of those
// that have no copy.
func (k *Kernel) LoadPrefixCopies(s *spec.Spec, now time.Time) error {
	for name, stage := range prefixFilesOf(s) {
		f := k.file(name)
		if !f.loaded.IsZero() {
			continue
		}
		if k.readFile(name, f, now); f.err == nil {
			continue
		}
		text, err := os.ReadFile(k.prefixCopy(name))
		if err != nil {
			return fmt.Errorf("stages.%s.drop: %w", stage, f.err)
		}
		list, err := spec.ParsePrefixes(text)
		if err != nil {
			return fmt.Errorf("stages.%s.drop: %w; its copy: %s:%w", stage, f.err, k.prefixCopy(name), err)
		}
		first, _, _ := bytes.Cut(text, []byte("\n"))
		f.take(list, now)
		f.err = fmt.Errorf("%w; a copy is in use: %s", f.err, bytes.TrimPrefix(first, []byte("# ")))
	}
	return nil
}
