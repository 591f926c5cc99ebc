package lab

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"time"

	"golang.org/x/sys/unix"
)

// flow is a connected UDP socket of a load: it hears only answers that come from the address it asked.
type flow struct {
	w       *worker
	fd      int
	backend []byte // that answered last
}

// datagrams are those that were sent and neither answered nor given up, oldest first. Numbers go on from base.
type datagrams struct {
	flows turns[*flow]
	base  uint64
	sent  []datagram
}

type datagram struct {
	at   time.Duration
	done bool
}

// next is when the oldest is given up.
func (d *datagrams) next(timeout time.Duration) time.Duration {
	if len(d.sent) == 0 {
		return MaxLoad
	}
	return d.sent[0].at + timeout
}

func (w *worker) openFlows() error {
	if w.Datagrams == 0 {
		return nil
	}
	for i := range w.Flows {
		f := &flow{w: w}
		addr := w.Echo[i%len(w.Echo)]
		var err error
		if f.fd, err = w.open(unix.SOCK_DGRAM, addr, f, func(fd int) error { roomy(fd); return nil }); err != nil {
			return fmt.Errorf("open flow to %v: %w", addr, err)
		}
		w.udp.flows.of = append(w.udp.flows.of, f)
	}
	return nil
}

// roomy makes room for the answers that come while others have the CPU, as much as is allowed.
func roomy(fd int) {
	if unix.SetsockoptInt(fd, unix.SOL_SOCKET, unix.SO_RCVBUFFORCE, echoBuffer) != nil {
		_ = unix.SetsockoptInt(fd, unix.SOL_SOCKET, unix.SO_RCVBUF, echoBuffer)
	}
}

// sendDatagram sends its number.
func (w *worker) sendDatagram(now time.Duration) {
	f, _ := w.udp.flows.take()
	question := binary.BigEndian.AppendUint64(nil, w.udp.base+uint64(len(w.udp.sent)))
	w.echo.Asked++
	_, err := unix.Write(f.fd, question)
	if err != nil {
		w.echo.failed(fmt.Errorf("send datagram: %w", err))
		return
	}
	w.waiting++
	w.udp.sent = append(w.udp.sent, datagram{at: now})
}

func (w *worker) expireDatagrams(now time.Duration) {
	d := &w.udp
	for len(d.sent) > 0 && (d.sent[0].done || d.sent[0].at+w.Timeout <= now) {
		if !d.sent[0].done {
			w.waiting--
			w.echo.failed(fmt.Errorf("datagram: no answer in %v", w.Timeout))
		}
		d.sent = d.sent[1:]
		d.base++
	}
}

// ready takes the answers: the backend's name, a newline, and the number.
func (f *flow) ready(now time.Duration) {
	var answer [512]byte
	for {
		n, err := unix.Read(f.fd, answer[:])
		if errors.Is(err, unix.EAGAIN) {
			return
		}
		if err != nil {
			f.w.echo.note(fmt.Errorf("receive datagram: %w", err)) // its question is given up in time
			return
		}
		backend, number, ok := bytes.Cut(answer[:n], []byte("\n"))
		if !ok || len(number) != 8 {
			f.w.echo.note(fmt.Errorf("a datagram answered with %q", answer[:n]))
			continue
		}
		f.answered(now, backend, binary.BigEndian.Uint64(number))
	}
}

// answered ignores what was answered or given up before.
func (f *flow) answered(now time.Duration, backend []byte, number uint64) {
	d := &f.w.udp
	if i := number - d.base; number < d.base || i >= uint64(len(d.sent)) || d.sent[i].done {
		return
	}
	asked := &d.sent[number-d.base]
	asked.done = true
	f.w.waiting--
	f.w.echo.answered(backend, now-asked.at)
	if len(f.backend) > 0 && !bytes.Equal(f.backend, backend) {
		f.w.echo.Moved++
	}
	f.backend = append(f.backend[:0], backend...)
}
