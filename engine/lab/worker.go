package lab

import (
	"context"
	"errors"
	"fmt"
	"net/netip"
	"time"

	"golang.org/x/sys/unix"
)

// worker is one thread of a load: every socket of it is non-blocking and hangs on one epoll. Nothing in it is shared.
// Times are since start.
type worker struct {
	LoadConfig
	start time.Time
	epoll int
	byFD  []socket

	fresh, kept, echo *count
	reset             uint64
	newPace, echoPace pacer
	opened            int // fresh connections, ever
	inFlight          int // fresh connections, now
	waiting           int // requests of all kinds without an answer

	web      turns[target]
	sources4 turns[netip.Addr]
	sources6 turns[netip.Addr]
	idle     queue[*stream] // kept ones and when they ask again
	patience queue[request] // TCP requests and when they are given up
	spare    []*stream
	udp      datagrams
}

// socket is told when the kernel has something for it.
type socket interface{ ready(now time.Duration) }

// target is a web server with the request for it.
type target struct {
	addr    netip.AddrPort
	request []byte
}

func newWorker(c LoadConfig, start time.Time) *worker {
	w := &worker{LoadConfig: c, start: start, fresh: newCount(), kept: newCount(), echo: newCount()}
	w.newPace.rate, w.echoPace.rate = c.New, c.Datagrams
	for _, a := range c.Web {
		w.web.of = append(w.web.of, target{a, fmt.Appendf(nil, "GET / HTTP/1.1\r\nHost: %s\r\n\r\n", a)})
	}
	for _, s := range c.sources {
		if s.Is4() {
			w.sources4.of = append(w.sources4.of, s)
		} else {
			w.sources6.of = append(w.sources6.of, s)
		}
	}
	return w
}

// run begins new work until the bounds, and ends when nothing waits for an answer any more.
func (w *worker) run(ctx context.Context) (err error) {
	if w.epoll, err = unix.EpollCreate1(unix.EPOLL_CLOEXEC); err != nil {
		return fmt.Errorf("make epoll: %w", err)
	}
	defer unix.Close(w.epoll)
	defer w.closeAll()
	if err := w.openFlows(); err != nil {
		return err
	}
	for i := range w.Kept { // their questions spread over one pace
		w.idle.push(w.Pace*time.Duration(i)/time.Duration(w.Kept), w.newStream(w.kept))
	}
	for {
		now := w.now()
		over := ctx.Err() != nil || now >= w.For || w.Count > 0 && w.opened >= w.Count
		if !over {
			w.begin(now)
		}
		w.giveUp(now)
		if over && w.waiting == 0 {
			return nil
		}
		if err := w.listen(over); err != nil {
			return err
		}
	}
}

func (w *worker) now() time.Duration { return time.Since(w.start) }

// begin starts all that is due.
func (w *worker) begin(now time.Duration) {
	n := w.newPace.due(now)
	if w.Count > 0 {
		n = min(n, w.Count-w.opened)
	}
	for range min(n, mostInFlight-w.inFlight) {
		w.newPace.begun++
		w.opened++
		w.inFlight++
		w.newStream(w.fresh).ask(w.now())
	}
	for s, ok := w.idle.due(now); ok; s, ok = w.idle.due(now) {
		s.ask(w.now())
	}
	for range w.echoPace.due(now) {
		w.echoPace.begun++
		w.sendDatagram(w.now())
	}
}

// giveUp ends the waiting for answers that are too late.
func (w *worker) giveUp(now time.Duration) {
	for r, ok := w.patience.due(now); ok; r, ok = w.patience.due(now) {
		if r.stream.waiting && r.stream.serial == r.serial {
			r.stream.fail(now, fmt.Errorf("no answer in %v", w.Timeout))
		}
	}
	w.expireDatagrams(now)
}

// listen waits for the kernel until the next thing is due.
func (w *worker) listen(over bool) error {
	now := w.now()
	next := min(w.patience.next(), w.udp.next(w.Timeout), now+50*time.Millisecond) // to see the context end
	if !over {
		next = min(next, w.newPace.next(), w.echoPace.next(), w.idle.next())
	}
	var events [256]unix.EpollEvent
	n, err := unix.EpollWait(w.epoll, events[:], max(1, int((next-now)/time.Millisecond)))
	if err != nil && !errors.Is(err, unix.EINTR) {
		return fmt.Errorf("wait for sockets: %w", err)
	}
	for i := range max(n, 0) {
		// No socket is opened while events are gone through, so none can have the number of one that was closed.
		if s := w.byFD[events[i].Fd]; s != nil {
			s.ready(w.now())
		}
	}
	return nil
}

// open makes a socket that connects to addr, from the next of the sources, and watches it.
func (w *worker) open(kind int, addr netip.AddrPort, s socket, options func(fd int) error) (fd int, err error) {
	family, sources := unix.AF_INET, &w.sources4
	if addr.Addr().Is6() {
		family, sources = unix.AF_INET6, &w.sources6
	}
	fd, err = unix.Socket(family, kind|unix.SOCK_NONBLOCK|unix.SOCK_CLOEXEC, 0)
	if err != nil {
		return -1, fmt.Errorf("open socket: %w", err)
	}
	if err := w.connect(fd, addr, sources, options); err != nil {
		unix.Close(fd)
		return -1, err
	}
	event := unix.EpollEvent{Events: unix.EPOLLIN | unix.EPOLLOUT | unix.EPOLLRDHUP | unix.EPOLLET&0xffffffff, Fd: int32(fd)}
	if err := unix.EpollCtl(w.epoll, unix.EPOLL_CTL_ADD, fd, &event); err != nil {
		unix.Close(fd)
		return -1, fmt.Errorf("watch socket: %w", err)
	}
	for len(w.byFD) <= fd {
		w.byFD = append(w.byFD, nil)
	}
	w.byFD[fd] = s
	return fd, nil
}

// connect leaves the source port to the kernel until it knows the target, so that a port serves many targets.
func (w *worker) connect(fd int, addr netip.AddrPort, sources *turns[netip.Addr], options func(fd int) error) error {
	if err := options(fd); err != nil {
		return fmt.Errorf("set options: %w", err)
	}
	if source, ok := sources.take(); ok {
		if err := unix.SetsockoptInt(fd, unix.IPPROTO_IP, unix.IP_BIND_ADDRESS_NO_PORT, 1); err != nil {
			return fmt.Errorf("set options: %w", err)
		}
		if err := unix.Bind(fd, sockaddr(netip.AddrPortFrom(source, 0))); err != nil {
			return fmt.Errorf("bind to %v: %w", source, err)
		}
	}
	if err := unix.Connect(fd, sockaddr(addr)); err != nil && !errors.Is(err, unix.EINPROGRESS) {
		return fmt.Errorf("connect: %w", err)
	}
	return nil
}

func (w *worker) close(fd int) {
	w.byFD[fd] = nil
	unix.Close(fd)
}

// closeAll leaves no socket, and looks at what the kept connections had to send again.
func (w *worker) closeAll() {
	for _, s := range w.byFD {
		switch s := s.(type) {
		case *stream:
			s.close()
		case *flow:
			w.close(s.fd)
		}
	}
}

func sockaddr(a netip.AddrPort) unix.Sockaddr {
	if a.Addr().Is4() {
		return &unix.SockaddrInet4{Port: int(a.Port()), Addr: a.Addr().As4()}
	}
	return &unix.SockaddrInet6{Port: int(a.Port()), Addr: a.Addr().As16()}
}
