package nexthop

import (
	"encoding/binary"
	"errors"
	"fmt"
	"sync"

	"golang.org/x/sys/unix"
)

const (
	// batch is how many requests go in one datagram. All their answers wait in the socket's buffer before the first
	// is read.
	batch = 32
	// receiveBuffer is asked for with force, and without where that is not allowed.
	receiveBuffer = 1 << 20
	// patience bounds the wait for an answer, in seconds; the kernel gives it before the request's system call ends.
	patience = 5
)

// conn is one routing netlink socket. It stays in the network namespace in which it was opened, whichever thread uses
// it.
type conn struct {
	mu  sync.Mutex
	fd  int
	seq uint32
	buf []byte
}

func dial() (*conn, error) {
	fd, err := openSocket(0)
	if err != nil {
		return nil, err
	}
	if err := unix.SetsockoptTimeval(fd, unix.SOL_SOCKET, unix.SO_RCVTIMEO, &unix.Timeval{Sec: patience}); err != nil {
		unix.Close(fd)
		return nil, fmt.Errorf("set timeout: %w", err)
	}
	return &conn{fd: fd, buf: make([]byte, 64<<10)}, nil
}

// openSocket is a bound netlink socket of the calling thread's network namespace.
func openSocket(flags int) (int, error) {
	fd, err := unix.Socket(unix.AF_NETLINK, unix.SOCK_RAW|unix.SOCK_CLOEXEC|flags, unix.NETLINK_ROUTE)
	if err != nil {
		return -1, fmt.Errorf("open netlink socket: %w", err)
	}
	if err := unix.Bind(fd, &unix.SockaddrNetlink{Family: unix.AF_NETLINK}); err != nil {
		unix.Close(fd)
		return -1, fmt.Errorf("bind netlink socket: %w", err)
	}
	if unix.SetsockoptInt(fd, unix.SOL_SOCKET, unix.SO_RCVBUFFORCE, receiveBuffer) != nil {
		_ = unix.SetsockoptInt(fd, unix.SOL_SOCKET, unix.SO_RCVBUF, receiveBuffer) // less than asked for also works
	}
	return fd, nil
}

func (c *conn) close() {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.fd >= 0 {
		unix.Close(c.fd)
		c.fd = -1
	}
}

// answer is one message of the kernel to request number i.
type answer struct {
	i    int
	kind uint16
	body []byte // valid until take returns
}

// ask sends requests and hands every answer to take. What the kernel refused is an error at the request's place in
// refused; err says that the asking itself broke off.
func (c *conn) ask(requests [][]byte, take func(answer)) (refused []error, err error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.fd < 0 {
		return nil, errors.New("ask kernel: the resolver is closed")
	}
	refused = make([]error, len(requests))
	for from := 0; from < len(requests); from += batch {
		to := min(from+batch, len(requests))
		if err := c.exchange(requests[from:to], refused[from:to], func(a answer) { a.i += from; take(a) }); err != nil {
			return refused, fmt.Errorf("ask kernel: %w", err)
		}
	}
	return refused, nil
}

// exchange is one datagram there and the answers to all its requests back.
func (c *conn) exchange(requests [][]byte, refused []error, take func(answer)) error {
	first := c.seq + 1
	var datagram []byte
	for _, r := range requests {
		c.seq++
		binary.NativeEndian.PutUint32(r[8:], c.seq)
		datagram = append(datagram, r...)
	}
	if err := unix.Sendto(c.fd, datagram, 0, &unix.SockaddrNetlink{Family: unix.AF_NETLINK}); err != nil {
		return fmt.Errorf("send: %w", err)
	}
	for open := len(requests); open > 0; {
		data, err := c.receive()
		if err != nil {
			return err
		}
		for m, err := range messages(data) {
			if err != nil {
				return err
			}
			i := int(int32(m.seq - first))
			if i < 0 || i >= len(requests) {
				continue // a late answer to an exchange that was given up
			}
			switch m.kind {
			case unix.NLMSG_DONE:
				open--
			case unix.NLMSG_ERROR:
				refused[i] = m.errno()
				open--
			default:
				take(answer{i, m.kind, m.body})
				if m.flags&unix.NLM_F_MULTI == 0 {
					open--
				}
			}
		}
	}
	return nil
}

// receive is the next datagram of the kernel, valid until the next call.
func (c *conn) receive() ([]byte, error) {
	for {
		n, from, err := unix.Recvfrom(c.fd, c.buf, unix.MSG_TRUNC)
		switch sender, _ := from.(*unix.SockaddrNetlink); {
		case err == unix.EINTR:
		case err != nil:
			return nil, fmt.Errorf("receive: %w", err)
		case n > len(c.buf):
			return nil, fmt.Errorf("receive: a message of %d bytes, the limit is %d", n, len(c.buf))
		case sender != nil && sender.Pid == 0:
			return c.buf[:n], nil
		}
	}
}
