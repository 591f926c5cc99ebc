package lab

import (
	"os"
	"path/filepath"
	"testing"

	"golang.org/x/sys/unix"
)

// TestRemoveCoveredNamespace: "ip netns add" mounts its folder over itself while a lab is up.
func TestRemoveCoveredNamespace(t *testing.T) {
	dir := t.TempDir()
	path := filepath.Join(dir, "ns")
	if err := createNamespace(path); err != nil {
		t.Fatal(err)
	}
	if err := unix.Mount(dir, dir, "", unix.MS_BIND|unix.MS_REC, ""); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = unix.Unmount(dir, unix.MNT_DETACH) })
	if err := removeNamespace(path); err != nil {
		t.Fatal(err)
	}
	if err := unix.Unmount(dir, unix.MNT_DETACH); err != nil {
		t.Fatal(err)
	}
	left, err := os.ReadDir(dir)
	if err != nil || len(left) != 0 {
		t.Errorf("left over: %v, %v", left, err)
	}
	if namespaceInode(path) != 0 {
		t.Error("the namespace is still mounted")
	}
}
