package disk

import (
	"bytes"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"golang.org/x/sys/unix"
)

// small is a file system of a few pages.
func small(t *testing.T) string {
	t.Helper()
	dir := t.TempDir()
	if err := unix.Mount("tmpfs", dir, "tmpfs", 0, "size=64k"); err != nil {
		t.Fatalf("mount tmpfs (this test needs root): %v", err)
	}
	t.Cleanup(func() { _ = unix.Unmount(dir, unix.MNT_DETACH) })
	return dir
}

func read(t *testing.T, name string) string {
	t.Helper()
	text, err := os.ReadFile(name)
	if err != nil {
		t.Fatal(err)
	}
	return string(text)
}

// TestWhole: on a disk that is full or read-only a file stays as it was, and nothing half written is left beside it.
func TestWhole(t *testing.T) {
	for what, write := range map[string]func(string, ...[]byte) error{"Write": Write, "WriteSoon": WriteSoon} {
		t.Run(what, func(t *testing.T) {
			dir := small(t)
			name := filepath.Join(dir, "file")
			if err := write(name, []byte("a "), []byte("whole")); err != nil || read(t, name) != "a whole" {
				t.Fatal(err)
			}
			if err := write(name, bytes.Repeat([]byte("x"), 1<<20)); !errors.Is(err, unix.ENOSPC) {
				t.Errorf("a full disk: %v", err)
			}
			if why, full, err := Room(dir); err != nil || full || !strings.Contains(why, "nearly full") {
				t.Errorf("60 KiB are left: %q, %v, %v", why, full, err)
			}
			if err := write(filepath.Join(dir, "filler"), make([]byte, 48<<10)); err != nil {
				t.Fatal(err)
			}
			if why, full, err := Room(dir); err != nil || !full || !strings.Contains(why, "is full") {
				t.Errorf("12 KiB are left: %q, %v, %v", why, full, err)
			}
			if err := os.Remove(filepath.Join(dir, "filler")); err != nil {
				t.Fatal(err)
			}
			if err := unix.Mount("", dir, "", unix.MS_REMOUNT|unix.MS_RDONLY, "size=8m"); err != nil {
				t.Fatal(err)
			}
			if err := write(name, []byte("x")); !errors.Is(err, unix.EROFS) {
				t.Errorf("a read-only disk: %v", err)
			}
			if why, full, err := Room(dir); err != nil || !full || !strings.Contains(why, "read-only") {
				t.Errorf("%q, %v, %v", why, full, err)
			}
			if left, _ := filepath.Glob(filepath.Join(dir, "*")); len(left) != 1 || read(t, name) != "a whole" {
				t.Errorf("%q", left)
			}
			if err := unix.Mount("", dir, "", unix.MS_REMOUNT, "size=8m"); err != nil {
				t.Fatal(err)
			}
			if why, full, err := Room(dir); err != nil || full || why != "" {
				t.Errorf("%q, %v, %v", why, full, err)
			}
			half := filepath.Join(dir, ".new-killed")
			if err := errors.Join(os.WriteFile(half, nil, 0o600), Clear(dir)); err != nil {
				t.Error(err)
			}
			if _, err := os.Stat(half); !os.IsNotExist(err) || read(t, name) != "a whole" {
				t.Errorf("%v", err)
			}
		})
	}
}
