package lab

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"time"

	"golang.org/x/sys/unix"
)

// stream is a TCP connection of a load: a fresh one asks once, a kept one again and again.
//
//	closed ──ask──► connecting ──writable──► sent ──answer──► closed (fresh) or idle (kept)
//	   ▲                                                            idle ──ask──► sent
//	   └── any failure; a kept one asks again after one pace
type stream struct {
	w       *worker
	count   *count
	fd      int // -1 = closed
	target  target
	waiting bool // for an answer
	sent    bool
	asked   time.Duration
	serial  uint32 // of the request
	backend []byte // that answered last on this connection
	answer  [1024]byte
	got     int
}

// request names one question of a stream, which may have asked others since.
type request struct {
	stream *stream
	serial uint32
}

func (w *worker) newStream(c *count) *stream {
	if n := len(w.spare); n > 0 && c == w.fresh {
		s := w.spare[n-1]
		w.spare = w.spare[:n-1]
		return s
	}
	return &stream{w: w, count: c, fd: -1}
}

func (s *stream) keeps() bool { return s.count == s.w.kept }

// ask sends the request, on a new connection where there is none.
func (s *stream) ask(now time.Duration) {
	s.asked, s.waiting, s.sent, s.got = now, true, false, 0
	s.serial++
	s.count.Asked++
	s.w.waiting++
	s.w.patience.push(now+s.w.Timeout, request{s, s.serial})
	if s.fd < 0 {
		var err error
		s.target, _ = s.w.web.take()
		if s.fd, err = s.w.open(unix.SOCK_STREAM, s.target.addr, s, s.options); err != nil {
			s.fail(now, err)
		}
		return
	}
	s.ready(now)
}

// options let a fresh connection end with a reset, so that it leaves no port behind in TIME_WAIT.
func (s *stream) options(fd int) error {
	if s.keeps() {
		return unix.SetsockoptInt(fd, unix.IPPROTO_TCP, unix.TCP_NODELAY, 1)
	}
	return unix.SetsockoptLinger(fd, unix.SOL_SOCKET, unix.SO_LINGER, &unix.Linger{Onoff: 1})
}

// ready goes on as far as the socket lets it.
func (s *stream) ready(now time.Duration) {
	if s.waiting && !s.sent {
		_, err := unix.Write(s.fd, s.target.request)
		if errors.Is(err, unix.EAGAIN) {
			return
		}
		if err != nil {
			s.fail(now, fmt.Errorf("ask: %w", err))
			return
		}
		s.sent = true
	}
	for s.fd >= 0 {
		n, err := unix.Read(s.fd, s.answer[s.got:])
		if errors.Is(err, unix.EAGAIN) {
			return
		}
		if err == nil && n == 0 {
			err = io.EOF
		}
		if err != nil {
			s.fail(now, fmt.Errorf("read: %w", err))
			return
		}
		s.got += n
		if s.take(now) {
			return
		}
	}
}

// take is true when the connection has nothing more to read for now.
func (s *stream) take(now time.Duration) bool {
	if !s.waiting {
		s.fail(now, errors.New("an answer without a question"))
		return true
	}
	backend, whole, err := parseAnswer(s.answer[:s.got])
	if err == nil && !whole && s.got == len(s.answer) {
		err = fmt.Errorf("the answer is longer than %d bytes", s.got)
	}
	if err != nil {
		s.fail(now, err)
		return true
	}
	if whole {
		s.finish(now, backend)
	}
	return whole
}

func (s *stream) finish(now time.Duration, backend []byte) {
	s.settle()
	s.count.answered(backend, now-s.asked)
	if len(s.backend) > 0 && !bytes.Equal(s.backend, backend) {
		s.count.Moved++
		s.count.note(fmt.Errorf("%v: answered by %s, then by %s", s.target.addr, s.backend, backend))
	}
	s.backend = append(s.backend[:0], backend...)
	s.got = 0
	if s.keeps() {
		s.w.idle.push(now+s.w.Pace, s)
		return
	}
	s.close()
	s.w.spare = append(s.w.spare, s)
}

// settle says that the last question waits no longer.
func (s *stream) settle() {
	s.waiting = false
	s.w.waiting--
	if !s.keeps() {
		s.w.inFlight--
	}
}

// fail ends the connection. One that was broken off while it was idle is counted as a question that failed.
func (s *stream) fail(now time.Duration, err error) {
	idle := !s.waiting
	if idle {
		s.count.Asked++
	} else {
		s.settle()
	}
	if s.keeps() && (errors.Is(err, io.EOF) || errors.Is(err, unix.ECONNRESET) || errors.Is(err, unix.EPIPE)) {
		s.w.reset++
	}
	s.count.failed(fmt.Errorf("%v: %w", s.target.addr, err))
	s.close()
	switch {
	case !s.keeps():
		s.w.spare = append(s.w.spare, s)
	case !idle: // an idle one is in the queue already
		s.w.idle.push(now+s.w.Pace, s)
	}
}

func (s *stream) close() {
	if s.fd < 0 {
		return
	}
	if info, err := unix.GetsockoptTCPInfo(s.fd, unix.IPPROTO_TCP, unix.TCP_INFO); err == nil && info.Total_retrans > 0 {
		s.count.Resent++
	}
	s.w.close(s.fd)
	s.fd = -1
	s.backend = s.backend[:0]
}
