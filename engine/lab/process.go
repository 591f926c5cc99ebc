package lab

import (
	"context"
	"errors"
	"fmt"
	"os"
	"strconv"
	"strings"
	"time"

	"golang.org/x/sys/unix"
)

// Variables in the environment of a lab's processes.
const (
	labVariable  = "HAIRPIN_LAB"
	nodeVariable = "HAIRPIN_NODE"
	partVariable = "HAIRPIN_LAB_PART" // of daemons alone: which one
)

// processes are those that run in one of the namespaces or were started by the lab, except this one. Pid files are
// not asked: whoever was killed between starting a process and writing one has left none.
func processes(lab string, inodes []uint64) ([]int, error) {
	entries, err := os.ReadDir("/proc")
	if err != nil {
		return nil, err
	}
	var pids []int
	for _, e := range entries {
		pid, err := strconv.Atoi(e.Name())
		if err == nil && pid != os.Getpid() && belongs(pid, lab, inodes) {
			pids = append(pids, pid)
		}
	}
	return pids, nil
}

// belongs is false for a process that has ended, also while nobody has waited for it.
func belongs(pid int, lab string, inodes []uint64) bool {
	link, err := os.Readlink(fmt.Sprintf("/proc/%d/ns/net", pid))
	if err != nil {
		return false
	}
	for _, ino := range inodes {
		if link == fmt.Sprintf("net:[%d]", ino) {
			return true
		}
	}
	return environOf(pid)[labVariable] == lab
}

// environOf is the environment that a process was started with; empty when it has ended.
func environOf(pid int) map[string]string {
	text, _ := os.ReadFile(fmt.Sprintf("/proc/%d/environ", pid)) // unreadable is gone
	env := map[string]string{}
	for entry := range strings.SplitSeq(string(text), "\x00") {
		if name, value, ok := strings.Cut(entry, "="); ok {
			env[name] = value
		}
	}
	return env
}

// killAll ends every process of the lab and returns when none is left.
func killAll(ctx context.Context, lab string, inodes []uint64) error {
	for {
		pids, err := processes(lab, inodes)
		if err != nil || len(pids) == 0 {
			return err
		}
		for _, pid := range pids {
			stillOurs := func() bool { return belongs(pid, lab, inodes) }
			if err := end(ctx, pid, unix.SIGKILL, stillOurs); err != nil {
				return err
			}
		}
	}
}

// end sends a signal and waits until the process is gone. The number could have gone to another process meanwhile:
// same is asked once the process is held.
func end(ctx context.Context, pid int, sig unix.Signal, same func() bool) error {
	fd, err := unix.PidfdOpen(pid, 0)
	if errors.Is(err, unix.ESRCH) {
		return nil
	}
	if err != nil {
		return fmt.Errorf("open process %d: %w", pid, err)
	}
	defer unix.Close(fd)
	if !same() {
		return nil
	}
	if err := unix.PidfdSendSignal(fd, sig, nil, 0); err != nil && !errors.Is(err, unix.ESRCH) {
		return fmt.Errorf("signal process %d: %w", pid, err)
	}
	for {
		if err := ctx.Err(); err != nil {
			return fmt.Errorf("process %d does not end: %w", pid, err)
		}
		wait := []unix.PollFd{{Fd: int32(fd), Events: unix.POLLIN}}
		n, err := unix.Poll(wait, int((50 * time.Millisecond).Milliseconds()))
		if n > 0 {
			return nil
		}
		if err != nil && !errors.Is(err, unix.EINTR) {
			return fmt.Errorf("wait for process %d: %w", pid, err)
		}
	}
}
