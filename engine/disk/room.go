package disk

import (
	"fmt"

	"golang.org/x/sys/unix"
)

// least is how much there must be for the files of some more changes.
const least = 1 << 20

// Room says in one sentence why nothing more can be written below path, or will soon not be; empty when there is room.
func Room(path string) (why string, err error) {
	var fs unix.Statfs_t
	if err := unix.Statfs(path, &fs); err != nil {
		return "", fmt.Errorf("look for room in %s: %w", path, err)
	}
	switch free := fs.Bavail * uint64(fs.Bsize); {
	case fs.Flags&unix.ST_RDONLY != 0:
		return "is on a file system that is mounted read-only", nil
	case free < least:
		return fmt.Sprintf("is on a file system that is full: %d KiB are left", free>>10), nil
	case fs.Files > 0 && fs.Ffree == 0:
		return "is on a file system that has no inodes left", nil
	}
	return "", nil
}
