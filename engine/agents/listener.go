package agents

import (
	"fmt"
	"net"
	"net/netip"
	"sync/atomic"
)

// Heard is a part of a report and where it came from.
type Heard struct {
	Part
	From netip.AddrPort
}

// waiting is how many parts may wait for who keeps the book.
const waiting = 1024

// Listener hears reports. What is not signed by its key goes no further.
type Listener struct {
	conn  *net.UDPConn
	key   Key
	parts chan Heard

	forged, malformed, lost atomic.Uint64
}

// Listen hears what comes to an address, in the network namespace of the calling thread, until it is closed.
func Listen(at netip.AddrPort, key Key) (*Listener, error) {
	conn, err := net.ListenUDP("udp", net.UDPAddrFromAddrPort(at))
	if err != nil {
		return nil, fmt.Errorf("listen for agents on %s: %w", at, cause(err))
	}
	l := &Listener{conn: conn, key: key, parts: make(chan Heard, waiting)}
	go l.run()
	return l, nil
}

// run must not wait for the reader: a flood would be read late, and what agents say is worth less with each second.
func (l *Listener) run() {
	defer close(l.parts)
	b := make([]byte, maxDatagram+1)
	for {
		n, from, err := l.conn.ReadFromUDPAddrPort(b)
		if err != nil {
			return // it was closed, or must be opened anew
		}
		p, err := Open(b[:n], l.key)
		switch err {
		case nil:
		case ErrMalformed:
			l.malformed.Add(1)
			continue
		default:
			l.forged.Add(1)
			continue
		}
		select {
		case l.parts <- Heard{p, netip.AddrPortFrom(from.Addr().Unmap(), from.Port())}:
		default:
			l.lost.Add(1)
		}
	}
}

// Parts gives what is heard. It is closed with the listener.
func (l *Listener) Parts() <-chan Heard { return l.parts }

// Address is where it listens.
func (l *Listener) Address() netip.AddrPort { return l.conn.LocalAddr().(*net.UDPAddr).AddrPort() }

// Refused is how many datagrams were not signed by the key, how many could not be understood though they were, and for how
// many there was no time.
func (l *Listener) Refused() (forged, malformed, lost uint64) {
	return l.forged.Load(), l.malformed.Load(), l.lost.Load()
}

// Close ends it.
func (l *Listener) Close() { _ = l.conn.Close() }
