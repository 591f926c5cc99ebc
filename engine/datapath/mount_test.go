package datapath

import (
	"errors"
	"runtime"
	"strings"
	"testing"

	"golang.org/x/sys/unix"
)

// TestPrivateMount: a bpffs that only this process sees is refused, because pins there would end with it. One of the whole
// machine is taken from inside a mount namespace too.
func TestPrivateMount(t *testing.T) {
	machines, own := t.TempDir(), t.TempDir()
	if err := unix.Mount("bpf", machines, "bpf", 0, ""); err != nil {
		t.Fatal(err)
	}
	defer func() { _ = unix.Unmount(machines, unix.MNT_DETACH) }()
	done := make(chan [2]error)
	go func() {
		runtime.LockOSThread() // the thread ends with this goroutine, and its mounts with it
		err := errors.Join(unix.Unshare(unix.CLONE_NEWNS), unix.Mount("", "/", "", unix.MS_REC|unix.MS_PRIVATE, ""), unix.Mount("bpf", own, "bpf", 0, ""))
		if err != nil {
			done <- [2]error{err, err}
			return
		}
		done <- [2]error{CheckBPFFS(machines), CheckBPFFS(own)}
	}()
	got := <-done
	if got[0] != nil {
		t.Errorf("the machine's: %v", got[0])
	}
	if got[1] == nil || !strings.Contains(got[1].Error(), "is mounted for this process and its children alone") {
		t.Errorf("one's own: %v", got[1])
	}
}
