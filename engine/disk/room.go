package disk

import (
	"fmt"

	"golang.org/x/sys/unix"
)

// Bytes that are left.
const (
	few  = 1 << 20  // there are files of some more changes
	none = 16 << 10 // not even those of one small change
)

// Room says in one sentence why nothing can be written below path, or, where full is false, will soon not be; why is empty
// when there is room.
func Room(path string) (why string, full bool, err error) {
	var fs unix.Statfs_t
	if err := unix.Statfs(path, &fs); err != nil {
		return "", false, fmt.Errorf("look for room in %s: %w", path, err)
	}
	switch free := fs.Bavail * uint64(fs.Bsize); {
	case fs.Flags&unix.ST_RDONLY != 0:
		return "is on a file system that is mounted read-only", true, nil
	case free < none:
		return fmt.Sprintf("is on a file system that is full: %d KiB are left", free>>10), true, nil
	case fs.Files > 0 && fs.Ffree == 0:
		return "is on a file system that has no inodes left", true, nil
	case free < few:
		return fmt.Sprintf("is on a file system that is nearly full: %d KiB are left", free>>10), false, nil
	}
	return "", false, nil
}
