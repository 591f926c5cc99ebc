package handoff

import (
	"bytes"
	"encoding/binary"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"sync"
	"time"

	"golang.org/x/sys/unix"
)

// maxMessage bounds what one message may hold, in bytes: the histories of the largest node are a third of it.
const maxMessage = 64 << 20

// ErrGone says that the process at the other end is not there any more, or has closed its end.
var ErrGone = errors.New("the other process is gone")

// Stream is what two processes say to each other while one hands a node over to the other: JSON documents, each behind its
// length in four bytes, most significant first. A descriptor may come with one. One goroutine receives, any number sends.
type Stream struct {
	conn    *net.UnixConn
	writing sync.Mutex
}

// NewStream speaks over c, which it closes with itself.
func NewStream(c *net.UnixConn) *Stream { return &Stream{conn: c} }

// Pair is a stream, and its other end for a process that is to be started with it.
func Pair() (*Stream, *os.File, error) {
	fds, err := unix.Socketpair(unix.AF_UNIX, unix.SOCK_STREAM|unix.SOCK_CLOEXEC, 0)
	if err != nil {
		return nil, nil, fmt.Errorf("make stream: %w", err)
	}
	other := os.NewFile(uintptr(fds[1]), "stream")
	s, err := Inherit(uintptr(fds[0]))
	if err != nil {
		other.Close()
		return nil, nil, err
	}
	return s, other, nil
}

// Inherit speaks over a descriptor that whoever started this process has left it.
func Inherit(fd uintptr) (*Stream, error) {
	unix.CloseOnExec(int(fd))
	f := os.NewFile(fd, "stream")
	if f == nil {
		return nil, fmt.Errorf("inherit stream: %d is no descriptor", fd)
	}
	defer f.Close() // the connection has a copy
	c, err := net.FileConn(f)
	if err != nil {
		return nil, fmt.Errorf("inherit stream: descriptor %d: %w", fd, err)
	}
	u, ok := c.(*net.UnixConn)
	if !ok {
		c.Close()
		return nil, fmt.Errorf("inherit stream: descriptor %d is no unix socket", fd)
	}
	return NewStream(u), nil
}

// Close ends the stream: the other side finds it gone.
func (s *Stream) Close() error { return s.conn.Close() }

// Send gives v to the other process, and a copy of file with it unless that is nil. It fails when the other one does not
// take it in time.
func (s *Stream) Send(v any, file *os.File, patience time.Duration) error {
	body, err := json.Marshal(v)
	if err != nil {
		return fmt.Errorf("send: %w", err)
	}
	if len(body) > maxMessage {
		return fmt.Errorf("send: %d bytes, the limit is %d", len(body), maxMessage)
	}
	head := binary.BigEndian.AppendUint32(nil, uint32(len(body)))
	var rights []byte
	if file != nil {
		rights = unix.UnixRights(int(file.Fd()))
	}
	s.writing.Lock()
	defer s.writing.Unlock()
	if err = s.conn.SetWriteDeadline(time.Now().Add(patience)); err == nil {
		_, _, err = s.conn.WriteMsgUnix(head, rights, nil)
	}
	if err == nil {
		_, err = s.conn.Write(body)
	}
	return gone("send", err)
}

// Receive waits for the next message and reads it into v. A descriptor that came with it is returned, close-on-exec; nil
// when none did. Once a message has begun, or where patience is given before it has, it must be there in time.
func (s *Stream) Receive(v any, patience time.Duration) (file *os.File, err error) {
	if err := s.conn.SetReadDeadline(time.Now().Add(patience)); err != nil {
		return nil, gone("receive", err)
	}
	var head [4]byte
	if file, err = s.receiveHead(head[:]); err != nil {
		return nil, gone("receive", err)
	}
	n := binary.BigEndian.Uint32(head[:])
	var body bytes.Buffer // grows as bytes come, not as they are announced
	if n > maxMessage {
		err = fmt.Errorf("a message of %d bytes, the limit is %d", n, maxMessage)
	} else if _, err = io.CopyN(&body, s.conn, int64(n)); err == nil {
		err = json.Unmarshal(body.Bytes(), v)
	}
	if err != nil {
		closeIfAny(file)
		return nil, gone("receive", err)
	}
	return file, nil
}

func closeIfAny(f *os.File) {
	if f != nil {
		f.Close()
	}
}

// receiveHead reads the length of a message and the descriptor that came with it.
func (s *Stream) receiveHead(head []byte) (file *os.File, err error) {
	oob := make([]byte, unix.CmsgSpace(4*8))
	for read := 0; read < len(head); {
		n, rights, _, _, err := s.conn.ReadMsgUnix(head[read:], oob)
		if f := descriptor(oob[:rights]); f != nil {
			closeIfAny(file)
			file = f
		}
		if err == nil && n == 0 {
			err = io.EOF
		}
		if err != nil {
			closeIfAny(file)
			return nil, err
		}
		read += n
	}
	return file, nil
}

// descriptor is the first one in a control message; others are closed.
func descriptor(oob []byte) (file *os.File) {
	messages, err := unix.ParseSocketControlMessage(oob)
	if err != nil {
		return nil
	}
	for _, m := range messages {
		fds, err := unix.ParseUnixRights(&m)
		if err != nil {
			continue
		}
		for _, fd := range fds {
			if file == nil {
				file = os.NewFile(uintptr(fd), "passed")
			} else {
				_ = unix.Close(fd)
			}
		}
	}
	return file
}

// gone makes ErrGone of the ways in which a connection says it.
func gone(what string, err error) error {
	switch {
	case err == nil:
		return nil
	case errors.Is(err, io.EOF), errors.Is(err, io.ErrUnexpectedEOF), errors.Is(err, net.ErrClosed), errors.Is(err, unix.EPIPE),
		errors.Is(err, unix.ECONNRESET):
		err = ErrGone
	case errors.Is(err, os.ErrDeadlineExceeded):
		err = errors.New("the other process does not answer in time")
	}
	return fmt.Errorf("%s: %w", what, err)
}
