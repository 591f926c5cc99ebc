package engine

import (
	"bytes"
	"cmp"
	"errors"
	"fmt"
	"net/netip"
	"os"
	"os/user"
	"strconv"
	"strings"

	"golang.org/x/sys/unix"
)

// userOf is the name of a peer's user. For root it is that of the person who became root: by the login that the kernel
// noted, or else by the word of a process of root's, who could write here what he wants anyway.
func userOf(p peer) string {
	uid := strconv.FormatUint(uint64(p.uid), 10)
	if p.uid == 0 {
		const unset = "4294967295"
		login, err := os.ReadFile(fmt.Sprintf("/proc/%d/loginuid", p.pid))
		if id := strings.TrimSpace(string(login)); err == nil && id != unset && id != "" {
			uid = id
		} else if env, _ := environOf(p.pid); printable(env["SUDO_USER"]) != "" {
			return env["SUDO_USER"]
		}
	}
	if u, err := user.LookupId(uid); err == nil {
		return u.Username
	}
	return "uid " + uid
}

// mostAncestors bounds the search for the SSH session that a process belongs to: sudo hides it from what it starts.
const mostAncestors = 16

// placeOf says where the user of a process works: the address that the SSH session comes from, as place and for people;
// else only for people the terminal. It asks the kernel and the processes above, not the client. A process can still write
// into its own environment, so what one may do never hangs on this alone: it tells the sessions of one user apart. Where it
// cannot be read, because the engine lacks cap_sys_ptrace, the place is like no other.
func placeOf(pid int) (place, from string) {
	parent, terminal := statOf(pid)
	from = cmp.Or(terminal, "this machine")
	if _, readable := environOf(pid); !readable {
		return fmt.Sprintf("pid %d", pid), from
	}
	for p, n := pid, 0; p > 1 && n < mostAncestors; n++ {
		env, _ := environOf(p)
		address, _, _ := strings.Cut(env["SSH_CONNECTION"], " ")
		if a, err := netip.ParseAddr(address); err == nil {
			place = a.Unmap().String()
			return place, place
		}
		p = parent
		parent, _ = statOf(p)
	}
	return "", from
}

// environOf is what a process was started with; false where that cannot be read.
func environOf(pid int) (map[string]string, bool) {
	env := map[string]string{}
	data, err := os.ReadFile(fmt.Sprintf("/proc/%d/environ", pid))
	if err != nil {
		return nil, false
	}
	for entry := range bytes.SplitSeq(data, []byte{0}) {
		if name, value, ok := bytes.Cut(entry, []byte("=")); ok {
			env[string(name)] = string(value)
		}
	}
	return env, true
}

// statOf is the parent of a process, and its terminal's name if it is one of those that people sit at.
func statOf(pid int) (parent int, terminal string) {
	data, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", pid))
	if err != nil {
		return 0, ""
	}
	// The second field is the name, in parentheses and with any bytes in it; parent and terminal are the fourth and seventh.
	fields := bytes.Fields(data[bytes.LastIndexByte(data, ')')+1:])
	if len(fields) < 5 {
		return 0, ""
	}
	parent, err = strconv.Atoi(string(fields[1]))
	device, err2 := strconv.ParseUint(string(fields[4]), 10, 32)
	if errors.Join(err, err2) != nil {
		return 0, ""
	}
	const console, firstPty, lastPty = 4, 136, 143
	major, minor := unix.Major(device), unix.Minor(device)
	switch {
	case major >= firstPty && major <= lastPty:
		terminal = fmt.Sprintf("pts/%d", (major-firstPty)<<8+minor)
	case major == console && minor < 64:
		terminal = fmt.Sprintf("tty%d", minor)
	case major == console:
		terminal = fmt.Sprintf("ttyS%d", minor-64)
	}
	return parent, terminal
}

// printable is text if all of it can be shown, and not too much; else nothing.
func printable(text string) string {
	for _, r := range text {
		if !strconv.IsPrint(r) {
			return ""
		}
	}
	if len(text) > 64 {
		return ""
	}
	return text
}
