package engine

import (
	"context"
	"errors"
	"fmt"
	"net"
	"os"
	"path/filepath"
	"sync"
	"time"

	"golang.org/x/sys/unix"
)

// maxPath is what fits the kernel's address of a unix socket, with the zero at its end, while it is being made.
const maxPath = 107 - len(".new")

// access is who may open the socket besides its own user: the group, if there is one, and everybody if all may look.
type access struct {
	gid      *uint32
	everyone bool
}

// give opens the socket to those who may.
func (a access) give(path string) error {
	mode := os.FileMode(0o600)
	if a.gid != nil {
		// An engine that is neither root nor in the group cannot give it away, and keeps it.
		if err := os.Chown(path, -1, int(*a.gid)); err == nil {
			mode = 0o660
		}
	}
	if a.everyone {
		mode = 0o666
	}
	return os.Chmod(path, mode)
}

// listen makes the socket.
func listen(ctx context.Context, path string, who access, patience time.Duration) (*listener, error) {
	if len(path) > maxPath {
		return nil, fmt.Errorf("the path has %d bytes, that of a unix socket can have %d", len(path), maxPath)
	}
	if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
		return nil, err
	}
	if err := vacate(ctx, path, patience); err != nil {
		return nil, err
	}
	return listenInstead(path, who)
}

// listenInstead makes the socket in the place of whatever socket is there, in one step: whoever connects reaches the one
// before or this one.
func listenInstead(path string, who access) (*listener, error) {
	fresh := path + ".new"
	if err := os.Remove(fresh); err != nil && !errors.Is(err, os.ErrNotExist) { // of one who was killed here
		return nil, err
	}
	l, err := makeSocket(fresh, who)
	if err != nil {
		return nil, err
	}
	if err := os.Rename(fresh, path); err != nil {
		l.Close()
		return nil, errors.Join(err, os.Remove(fresh))
	}
	l.path = path
	return l, nil
}

func makeSocket(path string, who access) (*listener, error) {
	l, err := net.ListenUnix("unix", &net.UnixAddr{Name: path, Net: "unix"})
	if err != nil {
		return nil, err
	}
	l.SetUnlinkOnClose(false) // by then it may be a successor's
	if err := who.give(path); err != nil {
		l.Close()
		return nil, err
	}
	made, err := os.Lstat(path)
	if err != nil {
		l.Close()
		return nil, err
	}
	return &listener{UnixListener: l, path: path, made: made}, nil
}

// listener removes its socket when it is closed, if it is still the one that it made.
type listener struct {
	*net.UnixListener
	path string
	made os.FileInfo
	once sync.Once // after it, a successor's socket may look the same: inode numbers are used again
}

func (l *listener) close() {
	l.once.Do(func() {
		if there, err := os.Lstat(l.path); err == nil && os.SameFile(there, l.made) {
			_ = os.Remove(l.path) // one that stays is replaced by the next owner
		}
		l.Close()
	})
}

// vacate removes a socket that nobody listens on. It waits for a predecessor that is about to stop.
func vacate(ctx context.Context, path string, patience time.Duration) error {
	for {
		there, err := os.Lstat(path)
		if errors.Is(err, os.ErrNotExist) {
			return nil
		}
		if err != nil {
			return err
		}
		if there.Mode().Type() != os.ModeSocket {
			return errors.New("there is something that is not a socket; remove it")
		}
		c, err := (&net.Dialer{}).DialContext(ctx, "unix", path)
		if errors.Is(err, unix.ECONNREFUSED) {
			return os.Remove(path)
		}
		if errors.Is(err, unix.ENOENT) {
			return nil
		}
		if err != nil {
			return err
		}
		gone := hangsUp(c, patience)
		c.Close()
		if !gone {
			return errors.New("another process listens there")
		}
	}
}

// hangsUp waits a while for the other side to close c.
func hangsUp(c net.Conn, patience time.Duration) bool {
	_ = c.SetReadDeadline(time.Now().Add(patience))
	for buf := make([]byte, 512); ; {
		if _, err := c.Read(buf); err != nil {
			return !errors.Is(err, os.ErrDeadlineExceeded)
		}
	}
}
