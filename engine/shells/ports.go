// Package shells finds the SSH sessions by which people work on this node.
package shells

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
)

// Ports are the TCP ports on which an SSH server listens in the network namespace of the calling thread, ascending. None is
// no error; fs.ErrPermission says that this process may not look into a server. It reads /proc, which takes milliseconds.
func Ports() ([]uint16, error) {
	owned, err := socketsOf("sshd")
	if err != nil || len(owned) == 0 {
		return nil, err
	}
	var ports []uint16
	for _, family := range families {
		listening, err := dump(family, listen, 0)
		if err != nil {
			return nil, fmt.Errorf("find SSH servers: %w", err)
		}
		for _, s := range listening {
			if owned[s.inode] {
				ports = append(ports, s.local.Port())
			}
		}
	}
	slices.Sort(ports)
	return slices.Compact(ports), nil
}

// socketsOf are the inodes of the sockets of all processes whose name begins with name: an SSH server's children have
// longer ones.
func socketsOf(name string) (map[uint32]bool, error) {
	processes, err := filepath.Glob("/proc/[0-9]*/comm")
	if err != nil {
		return nil, fmt.Errorf("find processes: %w", err)
	}
	owned := map[uint32]bool{}
	for _, comm := range processes {
		text, err := os.ReadFile(comm)
		if err != nil || !strings.HasPrefix(string(text), name) {
			continue // it may have ended meanwhile
		}
		dir := filepath.Join(filepath.Dir(comm), "fd")
		files, err := os.ReadDir(dir)
		if errors.Is(err, fs.ErrNotExist) {
			continue
		}
		if err != nil {
			return nil, fmt.Errorf("find sockets of %s: %w", name, err)
		}
		for _, f := range files {
			link, err := os.Readlink(filepath.Join(dir, f.Name())) // empty: closed meanwhile
			if errors.Is(err, fs.ErrPermission) {
				return nil, fmt.Errorf("find sockets of %s: %w", name, err)
			}
			number, ok := strings.CutPrefix(link, "socket:[")
			if inode, err := strconv.ParseUint(strings.TrimSuffix(number, "]"), 10, 32); ok && err == nil {
				owned[uint32(inode)] = true
			}
		}
	}
	return owned, nil
}
