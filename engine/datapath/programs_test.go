package datapath

import (
	"errors"
	"os"
	"path/filepath"
	"testing"
)

// TestOtherBuilds: programs of another build are unpinned, what a start left unfinished with them, and these stay.
func TestOtherBuilds(t *testing.T) {
	k := newKernel(t)
	folder := k.pin("programs", "")
	before, err := os.ReadDir(folder)
	if err != nil || len(before) != 1 {
		t.Fatalf("%v in %s, %v; one build was loaded", before, folder, err)
	}
	for _, name := range []string{"0123456789abcdef", "0123456789abcdef_new_1"} {
		if err := os.MkdirAll(filepath.Join(folder, name), 0o700); err != nil {
			t.Fatal(err)
		}
		clone, err := k.programs["parse"].Clone()
		if err != nil {
			t.Fatal(err)
		}
		if err := clone.Pin(filepath.Join(folder, name, "parse")); err != nil {
			t.Fatal(err)
		}
		_ = clone.Close()
	}
	if err := errors.Join(k.LoadPrograms(), k.RemoveOtherPrograms()); err != nil {
		t.Fatal(err)
	}
	after, err := os.ReadDir(folder)
	if err != nil || len(after) != 1 || after[0].Name() != before[0].Name() {
		t.Errorf("%v is pinned, %v; want only %v", after, err, before)
	}
}
