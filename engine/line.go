package engine

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"sync"
	"time"

	"golang.org/x/sys/unix"

	"hairpin/engine/spec"
)

var errHungUp = errors.New("the engine hung up")

// line is a client's connection to one owner. One goroutine reads; any number asks.
type line struct {
	conn      net.Conn
	hello     hello      // of the engine
	spec      *spec.Spec // of the pictures that come; the reader's
	specFault error      // why it could not be read

	writing sync.Mutex

	mu      sync.Mutex
	last    uint64 // call number
	waiting map[uint64]chan answer
	lost    chan struct{} // closed when no answer will come any more
}

func newLine(c net.Conn) *line {
	return &line{conn: c, waiting: map[uint64]chan answer{}, lost: make(chan struct{})}
}

func (l *line) hangUp() { l.conn.Close() }

// lose gives up all calls that wait. The reader calls it once, when it has read its last.
func (l *line) lose() { close(l.lost) }

// greet exchanges the first frames.
func (l *line) greet() error {
	if err := l.send(hello{Protocol: protocol}); err != nil {
		return err
	}
	h := &l.hello
	if err := l.receive(maxHello, h); err != nil {
		return err
	}
	switch {
	case h.Refused != "":
		return fmt.Errorf("%w: %s", ErrRefused, h.Refused)
	case h.Protocol != protocol:
		return fmt.Errorf("%w: the engine speaks protocol %d and this program %d: both must be the same version of hairpin",
			ErrRefused, h.Protocol, protocol)
	}
	return nil
}

// next waits for the next piece of news.
func (l *line) next() (n news, err error) {
	err = l.receive(maxNews, &n)
	return n, err
}

func (l *line) receive(limit int, v any) error {
	err := receive(l.conn, limit, frameTime, v)
	if errors.Is(err, io.EOF) || errors.Is(err, net.ErrClosed) || errors.Is(err, unix.ECONNRESET) {
		return errHungUp
	}
	return err
}

// read takes the running spec.
func (l *line) read(text string) {
	l.spec, l.specFault = nil, nil
	if text != "" {
		l.spec, l.specFault = spec.Parse("the running spec", []byte(text))
	}
}

// send writes one frame. After an error the other side cannot tell where the next one begins, so it ends the line.
func (l *line) send(v any) error {
	f, err := frame(v)
	if err != nil {
		return err
	}
	if len(f) > maxCall {
		return fmt.Errorf("%w: a message of %d bytes, the limit is %d", ErrInvalid, len(f), maxCall)
	}
	l.writing.Lock()
	defer l.writing.Unlock()
	if err = l.conn.SetWriteDeadline(time.Now().Add(frameTime)); err == nil {
		_, err = l.conn.Write(f)
	}
	if err != nil {
		l.hangUp()
		return fmt.Errorf("%w before it was asked: %w", errHungUp, err)
	}
	return nil
}

// ask sends a call and waits for its answer.
func (l *line) ask(ctx context.Context, k call) (answer, error) {
	ours := make(chan answer, 1)
	l.mu.Lock()
	l.last++
	k.ID = l.last
	l.waiting[k.ID] = ours
	l.mu.Unlock()
	defer func() {
		l.mu.Lock()
		defer l.mu.Unlock()
		delete(l.waiting, k.ID)
	}()
	if err := l.send(k); err != nil {
		return answer{}, err
	}
	unknown := ""
	if k.Verb.needs() != needNothing {
		unknown = "; whether it was carried out is not known: look before you repeat it"
	}
	select {
	case a := <-ours:
		return a, nil
	case <-l.lost:
		return answer{}, fmt.Errorf("%w before it answered%s", errHungUp, unknown)
	case <-ctx.Done():
		return answer{}, fmt.Errorf("%w%s", ctx.Err(), unknown)
	}
}

// answered hands an answer to whoever waits for it; nobody does when he gave up.
func (l *line) answered(a answer) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if ours, ok := l.waiting[a.ID]; ok {
		ours <- a // there is room for the one answer that a call gets
		delete(l.waiting, a.ID)
	}
}
