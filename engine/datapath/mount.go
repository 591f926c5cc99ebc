package datapath

import (
	"bufio"
	"fmt"
	"os"
	"strings"

	"golang.org/x/sys/unix"
)

// CheckBPFFS says in one sentence why pins below path would not last, or nil.
func CheckBPFFS(path string) error {
	var fs unix.Statfs_t
	if err := unix.Statfs(path, &fs); err != nil {
		return fmt.Errorf("bpffs: %s: %w", path, err)
	}
	if fs.Type != unix.BPF_FS_MAGIC {
		return fmt.Errorf("bpffs: none is mounted on %s; run: mount -t bpf bpf %s", path, path)
	}
	var st unix.Stat_t
	if err := unix.Stat(path, &st); err != nil {
		return fmt.Errorf("bpffs: %s: %w", path, err)
	}
	if mounts, err := os.Open("/proc/1/mountinfo"); err == nil { // else it cannot be told
		defer mounts.Close()
		if !has(bufio.NewScanner(mounts), unix.Major(st.Dev), unix.Minor(st.Dev)) {
			return fmt.Errorf("bpffs: %s is mounted for this process and its children alone, and pins would end with them; mount it for the whole "+
				"machine, and start hairpin without a mount namespace of its own (in a systemd unit that is ProtectSystem, PrivateTmp and the like)", path)
		}
	}
	return nil
}

// has tells whether a mountinfo lists the file system of a device: its third field.
func has(mountinfo *bufio.Scanner, major, minor uint32) bool {
	device := fmt.Sprintf("%d:%d", major, minor)
	for mountinfo.Scan() {
		if f := strings.Fields(mountinfo.Text()); len(f) > 2 && f[2] == device {
			return true
		}
	}
	return false
}
