package privilege

import (
	"errors"
	"fmt"
	"os"
	"os/user"
	"slices"
	"strconv"
	"syscall"
	"unsafe"

	"golang.org/x/sys/unix"
)

// Drop gives up, for all threads of this process and for those that it will start, every capability that is not among Needs, and
// the way to get others. Root becomes the user whom the state folder belongs to, if that is another: what this process writes
// there, an engine of that user reads. Files that are made belong to their user alone to write. The group, where there is one,
// is joined, so that the socket can be given to it.
func Drop(state, group string) error {
	have, err := effective()
	if err != nil {
		return err
	}
	unix.Umask(0o022)
	if os.Geteuid() == 0 {
		if err := join(group); err != nil {
			return fmt.Errorf("drop privileges: join group %s: %w", group, err)
		}
		if err := bound(kept(have)); err != nil {
			return fmt.Errorf("drop privileges: %w", err)
		}
		if err := become(state); err != nil {
			return fmt.Errorf("drop privileges: become the owner of %s: %w", state, err)
		}
	}
	if err := set(kept(have)); err != nil {
		return fmt.Errorf("drop privileges: %w", err)
	}
	return nil
}

// join adds a group, which need not exist.
func join(name string) error {
	g, err := user.LookupGroup(name)
	if err != nil {
		return nil // whatever cannot be found cannot be given the socket either
	}
	gid, err := strconv.Atoi(g.Gid)
	if err != nil {
		return err
	}
	have, err := os.Getgroups()
	if err != nil || slices.Contains(have, gid) {
		return err
	}
	return syscall.Setgroups(append(have, gid))
}

// bound takes the way to all other capabilities, which programs of root's would get back when they are started.
func bound(keep uint64) error {
	for c := uint(0); c <= unix.CAP_LAST_CAP; c++ {
		if keep&(1<<c) != 0 {
			continue
		}
		if has, err := unix.PrctlRetInt(unix.PR_CAPBSET_READ, uintptr(c), 0, 0, 0); err == nil && has == 0 {
			continue // whoever started this process took it, and with it the way to take it again
		}
		if err := everywhere(unix.PR_CAPBSET_DROP, uintptr(c)); err != nil && !errors.Is(err, unix.EINVAL) { // this kernel has no such capability
			return fmt.Errorf("bound capabilities: %w", err)
		}
	}
	return nil
}

// become changes to the user and group of a folder. What is in effect is lost with it, but not what is permitted.
func become(folder string) error {
	there, err := os.Stat(folder)
	if errors.Is(err, os.ErrNotExist) {
		return nil // root makes it, and keeps it
	}
	if err != nil {
		return err
	}
	owner, ok := there.Sys().(*syscall.Stat_t)
	if !ok || owner.Uid == 0 {
		return nil
	}
	if err := everywhere(unix.PR_SET_KEEPCAPS, 1); err != nil {
		return err
	}
	gid, uid := int(owner.Gid), int(owner.Uid)
	if err := errors.Join(syscall.Setresgid(gid, gid, gid), syscall.Setresuid(uid, uid, uid)); err != nil {
		return err
	}
	return unix.Prctl(unix.PR_SET_DUMPABLE, 1, 0, 0, 0) // else /proc/self is root's
}

// set makes keep all that is permitted and in effect, here and in programs that this one starts.
func set(keep uint64) error {
	header := unix.CapUserHeader{Version: unix.LINUX_CAPABILITY_VERSION_3}
	var data [2]unix.CapUserData
	for i := range data {
		part := uint32(keep >> (32 * i))
		data[i] = unix.CapUserData{Effective: part, Permitted: part, Inheritable: part}
	}
	if _, _, e := syscall.AllThreadsSyscall(unix.SYS_CAPSET, uintptr(unsafe.Pointer(&header)), uintptr(unsafe.Pointer(&data)), 0); e != 0 {
		return fmt.Errorf("set capabilities: %w", e)
	}
	for c := uint(0); c <= unix.CAP_LAST_CAP; c++ {
		if keep&(1<<c) == 0 {
			continue
		}
		if err := everywhere(unix.PR_CAP_AMBIENT, unix.PR_CAP_AMBIENT_RAISE, uintptr(c)); err != nil {
			return fmt.Errorf("pass on capabilities: %w", err)
		}
	}
	if err := everywhere(unix.PR_SET_NO_NEW_PRIVS, 1); err != nil {
		return fmt.Errorf("no new privileges: %w", err)
	}
	return nil
}

// everywhere is prctl(2) in every thread. ENOTSUP in a program with C in it, whose threads Go does not know.
func everywhere(option uintptr, arguments ...uintptr) error {
	var a [4]uintptr
	copy(a[:], arguments)
	if _, _, e := syscall.AllThreadsSyscall6(unix.SYS_PRCTL, option, a[0], a[1], a[2], a[3], 0); e != 0 {
		return e
	}
	return nil
}
