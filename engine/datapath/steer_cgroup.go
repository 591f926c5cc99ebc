package datapath

import (
	"bufio"
	"errors"
	"os"
	"path/filepath"
	"strings"

	"golang.org/x/sys/unix"
)

// putCgroup is the element of a cgroup, 0 for none.
func (k *Kernel) putCgroup(used *steersUsed, path string) (uint16, error) {
	if path == "" {
		return 0, nil
	}
	name := nameDigest(path)
	at, found, err := firstFree(k.cgroups.all, used.cgroups, func(c *steerCgroup) bool { return c.Name == name })
	if err == nil && !found {
		id, _ := cgroupID(path) // one that is not there yet may come
		k.cgroups.all[at] = steerCgroup{name, id}
	}
	return at, err
}

// FollowCgroups finds again what cgroups that rules ask for are now: those of services come and go. Returns why there is none
// by that path, for those of which that is so.
func (k *Kernel) FollowCgroups(paths []string) map[string]error {
	failed := map[string]error{}
	for _, path := range paths {
		id, err := cgroupID(path)
		if err != nil {
			failed[path] = err
		}
		name := nameDigest(path)
		for i := range k.cgroups.all {
			if c := &k.cgroups.all[i]; c.Name == name && c.ID != id {
				c.ID = id
			}
		}
	}
	return failed
}

// cgroupID is the number by which the kernel knows a cgroup of version 2: its folder's.
func cgroupID(path string) (uint64, error) {
	mount, err := cgroupMount()
	if err != nil {
		return 0, err
	}
	var s unix.Stat_t
	if err := unix.Stat(filepath.Join(mount, path), &s); err != nil {
		return 0, &os.PathError{Op: "find cgroup", Path: filepath.Join(mount, path), Err: err}
	}
	return s.Ino, nil
}

// cgroupMount is where cgroups of version 2 are seen.
func cgroupMount() (string, error) {
	mounts, err := os.Open("/proc/self/mountinfo")
	if err != nil {
		return "", err
	}
	defer mounts.Close()
	lines := bufio.NewScanner(mounts)
	for lines.Scan() {
		before, after, _ := strings.Cut(lines.Text(), " - ")
		if fields := strings.Fields(before); strings.HasPrefix(after, "cgroup2 ") && len(fields) > 4 {
			return fields[4], nil
		}
	}
	return "", errors.Join(lines.Err(), errors.New("cgroups of version 2 are mounted nowhere: sockets have none"))
}
