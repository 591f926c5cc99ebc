package sockets

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strconv"

	"golang.org/x/sys/unix"
)

// held is a socket of another process, opened here too.
type held struct {
	file *os.File
	all  bool // an IPv6 socket that takes IPv4 as well
	v6   bool
}

// Give has everything new of a service go to the socket of a process: the one of descriptor fd, or with -1 the ones that
// listen for the service's protocol, of which there must be one for a family. It takes effect for each family at once, and the
// socket before keeps what it has accepted or is about to: its process should go on accepting until nothing is left.
func (t *Table) Give(of string, p *Process, fd int) error {
	number, err := t.number(of)
	if err != nil {
		return fmt.Errorf("give %s: %w", of, err)
	}
	var n name
	copy(n[:], of)
	s, err := t.service(number, n)
	if err != nil {
		return fmt.Errorf("give %s: %w", of, err)
	}
	taken, err := p.take(fd, protocols[s.Protocol])
	if err != nil {
		return fmt.Errorf("give %s: pid %d: %w", of, p.pid, err)
	}
	defer func() {
		for _, h := range taken {
			_ = h.file.Close() // a copy
		}
	}()
	places, err := placesOf(taken)
	if err != nil {
		return fmt.Errorf("give %s: pid %d: %w", of, p.pid, err)
	}
	for family, h := range places {
		if err := t.sockets.Put(number*families+family, uint64(h.file.Fd())); err != nil {
			return fmt.Errorf("give %s: the kernel does not take the socket: %w", of, err)
		}
	}
	return nil
}

// placesOf says which socket is for which family.
func placesOf(all []*held) (map[uint32]*held, error) {
	places := map[uint32]*held{}
	for _, h := range all {
		if !h.v6 {
			if places[0] != nil {
				return nil, errors.New("has several sockets for IPv4: say which by its descriptor")
			}
			places[0] = h
		}
	}
	for _, h := range all {
		if !h.v6 {
			continue
		}
		if places[1] != nil {
			return nil, errors.New("has several sockets for IPv6: say which by its descriptor")
		}
		if places[1] = h; h.all && places[0] == nil {
			places[0] = h
		}
	}
	return places, nil
}

// take opens sockets of a process.
func (p *Process) take(fd int, protocol uint8) ([]*held, error) {
	if fd >= 0 {
		h, err := p.takeOne(fd, protocol)
		if err != nil {
			return nil, fmt.Errorf("descriptor %d: %w", fd, err)
		}
		return []*held{h}, nil
	}
	list, err := os.ReadDir(filepath.Join("/proc", strconv.Itoa(p.pid), "fd"))
	if err != nil {
		return nil, err
	}
	var all []*held
	unfit := ErrNotYet
	for _, e := range list {
		number, err := strconv.Atoi(e.Name())
		if err != nil {
			continue
		}
		h, err := p.takeOne(number, protocol)
		switch {
		case err == nil:
			all = append(all, h)
		case errors.Is(err, errMPTCP):
			unfit = err
		}
	}
	if len(all) == 0 {
		return nil, unfit
	}
	return all, nil
}

// errMPTCP is of Go's listeners, among others.
var errMPTCP = errors.New("listens for MPTCP, to which the kernel cannot steer: have it listen for TCP alone (Go: GODEBUG=multipathtcp=0)")

// ErrNotYet is the answer of a process that has no socket for the service, and may come to have one.
var ErrNotYet = errors.New("has no socket that waits for new connections or datagrams of the service's protocol")

var errUnfit = errors.New("is no socket that waits for new connections or datagrams of the service's protocol")

func (p *Process) takeOne(fd int, protocol uint8) (*held, error) {
	own, err := unix.PidfdGetfd(p.handle, fd, 0)
	if err != nil {
		return nil, err
	}
	h := &held{file: os.NewFile(uintptr(own), "socket")}
	if err := h.fits(own, protocol); err != nil {
		return nil, errors.Join(err, h.file.Close())
	}
	return h, nil
}

func (h *held) fits(fd int, protocol uint8) error {
	of, err := unix.GetsockoptInt(fd, unix.SOL_SOCKET, unix.SO_PROTOCOL)
	if err == nil && of == unix.IPPROTO_MPTCP && protocol == unix.IPPROTO_TCP && listens(fd) {
		return errMPTCP
	}
	domain, _ := unix.GetsockoptInt(fd, unix.SOL_SOCKET, unix.SO_DOMAIN) // of no socket, as above, it fails
	if err != nil || of != int(protocol) || domain != unix.AF_INET && domain != unix.AF_INET6 {
		return errUnfit
	}
	if h.v6 = domain == unix.AF_INET6; h.v6 {
		only, err := unix.GetsockoptInt(fd, unix.IPPROTO_IPV6, unix.IPV6_V6ONLY)
		h.all = err == nil && only == 0
	}
	if protocol == unix.IPPROTO_TCP && !listens(fd) {
		return errUnfit
	}
	if _, err := unix.Getpeername(fd); err == nil {
		return errUnfit // a connected one gets its own datagrams alone
	}
	return nil
}

func listens(fd int) bool {
	on, err := unix.GetsockoptInt(fd, unix.SOL_SOCKET, unix.SO_ACCEPTCONN)
	return err == nil && on == 1
}
