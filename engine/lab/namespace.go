package lab

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"runtime"

	"golang.org/x/sys/unix"
)

// netnsRoot is where iproute2 looks for namespaces by name.
const netnsRoot = "/run/netns"

// createNamespace makes a network namespace and keeps it by a mount at path.
func createNamespace(path string) error {
	if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
		return err
	}
	f, err := os.OpenFile(path, os.O_CREATE|os.O_EXCL|os.O_RDONLY, 0o444)
	if err != nil {
		return err
	}
	f.Close()
	return onThread(func() error {
		if err := unix.Unshare(unix.CLONE_NEWNET); err != nil {
			return fmt.Errorf("new network namespace: %w", err)
		}
		if err := unix.Mount("/proc/thread-self/ns/net", path, "bind", unix.MS_BIND, ""); err != nil {
			return fmt.Errorf("mount namespace at %s: %w", path, err)
		}
		return nil
	})
}

// removeNamespace undoes createNamespace, also where it was broken off half way.
func removeNamespace(path string) error {
	if err := unmountAll(path); err != nil {
		return err
	}
	err := os.Remove(path)
	if errors.Is(err, unix.EBUSY) {
		err = removeCovered(path)
	}
	if err != nil && !errors.Is(err, os.ErrNotExist) {
		return err
	}
	return nil
}

func unmountAll(path string) error {
	for {
		err := unix.Unmount(path, unix.MNT_DETACH|unix.UMOUNT_NOFOLLOW)
		if errors.Is(err, unix.EINVAL) || errors.Is(err, unix.ENOENT) {
			return nil
		}
		if err != nil {
			return fmt.Errorf("unmount %s: %w", path, err)
		}
	}
}

// removeCovered removes a namespace whose mount cannot be reached any more: "ip netns add" mounts the folder over itself
// the first time, and what was mounted in it before stays below. Seen from a mount namespace in which nothing lies on the
// file it can be removed, and then the kernel takes the mounts on it away everywhere.
func removeCovered(path string) error {
	return onThread(func() error {
		if err := unix.Unshare(unix.CLONE_NEWNS); err != nil {
			return fmt.Errorf("new mount namespace: %w", err)
		}
		if err := unix.Mount("", "/", "", unix.MS_REC|unix.MS_PRIVATE, ""); err != nil {
			return fmt.Errorf("private mount namespace: %w", err)
		}
		if err := unmountAll(filepath.Dir(path)); err != nil {
			return err
		}
		if err := unmountAll(path); err != nil {
			return err
		}
		return os.Remove(path)
	})
}

// namespaceInode identifies the namespace kept at path; 0 when there is none.
func namespaceInode(path string) uint64 {
	var fs unix.Statfs_t
	if unix.Statfs(path, &fs) != nil || fs.Type != unix.NSFS_MAGIC {
		return 0
	}
	var st unix.Stat_t
	if unix.Stat(path, &st) != nil {
		return 0
	}
	return st.Ino
}

// inNamespace runs fn on a thread inside the namespace kept at path.
func inNamespace(path string, fn func() error) error {
	return onThread(func() error {
		if err := enter(path); err != nil {
			return err
		}
		return fn()
	})
}

// enter moves the calling thread, which must be locked.
func enter(path string) error {
	if namespaceInode(path) == 0 {
		return fmt.Errorf("%s is not a network namespace", path)
	}
	f, err := os.Open(path)
	if err != nil {
		return err
	}
	defer f.Close()
	if err := unix.Setns(int(f.Fd()), unix.CLONE_NEWNET); err != nil {
		return fmt.Errorf("enter %s: %w", path, err)
	}
	return nil
}

// onThread runs fn on a thread of its own that ends with it, so whatever fn does to its thread is gone afterwards.
// The main thread cannot end, and a process is in the namespace that its main thread is in, so that one is passed by:
// it is held until another thread has done the work.
func onThread(fn func() error) error {
	done := make(chan error, 1)
	go func() {
		var err error
		defer func() { done <- err }() // also when fn ends the goroutine, as t.FailNow does
		runtime.LockOSThread()
		if unix.Gettid() == unix.Getpid() {
			defer runtime.UnlockOSThread()
			err = onThread(fn)
			return
		}
		err = fn()
	}()
	return <-done
}
