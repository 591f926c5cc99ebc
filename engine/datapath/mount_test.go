package datapath

import (
	"errors"
	"fmt"
	"os"
	"os/exec"
	"strings"
	"syscall"
	"testing"

	"golang.org/x/sys/unix"
)

// privateVariable names a folder on which a process of its own mount namespace mounts a bpffs, and one that has one.
const privateVariable = "HAIRPIN_TEST_PRIVATE_MOUNT"

// TestPrivateMount: a bpffs that only this process sees is refused, because pins there would end with it. One of the whole
// machine is taken from inside a mount namespace too.
func TestPrivateMount(t *testing.T) {
	if folders := os.Getenv(privateVariable); folders != "" {
		own, machines, _ := strings.Cut(folders, ":")
		if err := errors.Join(unix.Mount("", "/", "", unix.MS_REC|unix.MS_PRIVATE, ""), unix.Mount("bpf", own, "bpf", 0, "")); err != nil {
			t.Fatal(err)
		}
		fmt.Println("one's own:", CheckBPFFS(own))
		fmt.Println("the machine's:", CheckBPFFS(machines))
		return
	}
	machines := machinesMount(t)
	c := exec.Command(os.Args[0], "-test.run=^TestPrivateMount$")
	c.Env = append(os.Environ(), privateVariable+"="+t.TempDir()+":"+machines)
	c.SysProcAttr = &syscall.SysProcAttr{Unshareflags: unix.CLONE_NEWNS}
	out, err := c.CombinedOutput()
	if text := string(out); err != nil || !strings.Contains(text, "is mounted for this process and its children alone") ||
		!strings.Contains(text, "the machine's: <nil>") {
		t.Errorf("%v: %s", err, out)
	}
}

// machinesMount is a bpffs that every process sees.
func machinesMount(t *testing.T) string {
	t.Helper()
	dir := t.TempDir()
	if err := unix.Mount("bpf", dir, "bpf", 0, ""); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = unix.Unmount(dir, unix.MNT_DETACH) })
	return dir
}
