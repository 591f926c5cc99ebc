package health

import (
	"context"
	"errors"
	"net"
	"net/netip"
	"os"
	"time"

	"golang.org/x/sys/unix"
)

// segment is the largest TCP segment that a check sends: encapsulated, it fits any network.
const segment = 1200

// socket is a socket as a net.Conn.
type socket struct {
	*os.File
	to netip.AddrPort
}

// LocalAddr implements net.Conn.
func (s socket) LocalAddr() net.Addr { return nil }

// RemoteAddr implements net.Conn.
func (s socket) RemoteAddr() net.Addr { return net.TCPAddrFromAddrPort(s.to) }

// open makes a socket that sends to q.to alone, encapsulated for the backend if q has a mark. Of TCP it has begun to
// connect.
func (q *question) open(kind, protocol int) (socket, error) {
	fd, err := -1, error(nil)
	if broken := q.in(q.sockets, func() { fd, err = q.connect(kind, protocol) }); broken != nil {
		return socket{}, broken
	}
	if err != nil {
		return socket{}, err
	}
	return socket{os.NewFile(uintptr(fd), q.to.String()), q.to}, nil
}

func (q *question) connect(kind, protocol int) (int, error) {
	family := unix.AF_INET6
	var to unix.Sockaddr = &unix.SockaddrInet6{Addr: q.to.Addr().As16(), Port: int(q.to.Port())}
	if q.to.Addr().Is4() {
		family, to = unix.AF_INET, &unix.SockaddrInet4{Addr: q.to.Addr().As4(), Port: int(q.to.Port())}
	}
	fd, err := unix.Socket(family, kind|unix.SOCK_NONBLOCK|unix.SOCK_CLOEXEC, protocol)
	if err != nil {
		return -1, unsent("open socket: %w", err)
	}
	if err := q.prepare(fd, protocol); err != nil {
		_ = unix.Close(fd)
		return -1, unsent("open socket: %w", err)
	}
	err = unix.Connect(fd, to)
	switch {
	case err == nil, errors.Is(err, unix.EINPROGRESS):
		return fd, nil
	case errors.Is(err, unix.ECONNREFUSED), errors.Is(err, unix.ECONNRESET):
	default:
		err = unsent("no way to %s from this node: %w", q.to.Addr(), err)
	}
	_ = unix.Close(fd)
	return -1, err
}

// prepare has a socket of TCP end with a reset: thousands that wait to be closed would use up the ports.
func (q *question) prepare(fd, protocol int) error {
	var errs [3]error
	if q.mark != 0 {
		errs[0] = unix.SetsockoptInt(fd, unix.SOL_SOCKET, unix.SO_MARK, int(q.mark))
	}
	if protocol == unix.IPPROTO_TCP {
		errs[1] = unix.SetsockoptLinger(fd, unix.SOL_SOCKET, unix.SO_LINGER, &unix.Linger{Onoff: 1})
		errs[2] = unix.SetsockoptInt(fd, unix.IPPROTO_TCP, unix.TCP_MAXSEG, segment)
	}
	return errors.Join(errs[:]...)
}

// dial is a connection. Where the first SYN is not answered for a while, others go out beside it, on connections of their
// own: the kernel would wait for a second, which may be all the time there is.
func (q *question) dial() (socket, error) {
	first, err := q.open(unix.SOCK_STREAM, unix.IPPROTO_TCP)
	if err != nil {
		return first, err
	}
	err = first.established(q.attempt(1))
	if err == nil || q.once || !errors.Is(err, os.ErrDeadlineExceeded) {
		return first.orClosed(err)
	}
	type attempt struct {
		socket
		err error
	}
	ctx, over := context.WithCancel(q.ctx)
	defer over()
	came := make(chan attempt)
	try := func(s socket, err error) {
		if err == nil {
			s, err = s.orClosed(s.established(q.deadline()))
		}
		select {
		case came <- attempt{s, err}:
		case <-ctx.Done():
			if err == nil {
				_ = s.Close()
			}
		}
	}
	go try(first, nil)
	for i := 1; i < attempts; i++ {
		go func() {
			if !sleep(ctx, time.Until(q.attempt(i))) {
				return
			}
			try(q.open(unix.SOCK_STREAM, unix.IPPROTO_TCP))
		}()
	}
	for range attempts {
		select {
		case a := <-came:
			if err = a.err; err == nil || !errors.Is(err, os.ErrDeadlineExceeded) {
				return a.socket, err
			}
		case <-q.ctx.Done():
			return socket{}, context.Cause(q.ctx)
		}
	}
	return socket{}, err
}

func sleep(ctx context.Context, d time.Duration) bool {
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-t.C:
		return true
	case <-ctx.Done():
		return false
	}
}

func (s socket) orClosed(err error) (socket, error) {
	if err != nil {
		_ = s.Close()
	}
	return s, err
}

// established waits until the handshake is over, one way or the other.
func (s socket) established(until time.Time) error {
	if err := s.SetDeadline(until); err != nil {
		return err
	}
	raw, err := s.SyscallConn()
	if err != nil {
		return err
	}
	var failed error
	err = raw.Write(func(fd uintptr) bool {
		no, err := unix.GetsockoptInt(int(fd), unix.SOL_SOCKET, unix.SO_ERROR)
		if err != nil || no != 0 {
			if failed = err; err == nil {
				failed = unix.Errno(no)
			}
			return true
		}
		_, err = unix.Getpeername(int(fd))
		return err == nil
	})
	return errors.Join(err, failed)
}
