package sockets

import (
	"encoding/binary"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"slices"

	"github.com/cilium/ebpf"
	"golang.org/x/sys/unix"
)

// Service is what goes to one socket.
type Service struct {
	Name     string
	Protocol string // tcp, udp
	Prefixes []netip.Prefix
	From, To uint16    // ports
	Sockets  [2]uint64 // cookies of those for IPv4 and IPv6; 0 = none
	Given    uint64    // connections, or datagrams, that went to a socket
	Missing  uint64    // those for which there was none
}

var protocols = map[string]uint8{"tcp": unix.IPPROTO_TCP, "udp": unix.IPPROTO_UDP}

// binding is one prefix of a service; see struct binding.
type binding struct {
	Address, Mask [16]byte
	From, To      uint16
	Protocol      uint8
	Family        uint8
	Service       uint16
}

func (b *binding) prefix() netip.Prefix {
	if b.Family == 4 {
		ones, _ := net.IPMask(b.Mask[:4]).Size()
		return netip.PrefixFrom(netip.AddrFrom4([4]byte(b.Address[:4])), ones)
	}
	ones, _ := net.IPMask(b.Mask[:]).Size()
	return netip.PrefixFrom(netip.AddrFrom16(b.Address), ones)
}

// Services are all that are bound, by name.
func (t *Table) Services() ([]Service, error) {
	var all []Service
	for i := range uint32(MaxServices) {
		var n name
		if err := t.naming.Lookup(i, &n); err != nil {
			return nil, fmt.Errorf("services: %w", err)
		}
		if n == (name{}) {
			continue
		}
		s, err := t.service(i, n)
		if err != nil {
			return nil, fmt.Errorf("service %s: %w", n.text(), err)
		}
		all = append(all, s)
	}
	slices.SortFunc(all, func(a, b Service) int { return slices.Compare([]byte(a.Name), []byte(b.Name)) })
	return all, nil
}

func (n name) text() string { return string(n[:slices.Index(append(n[:], 0), 0)]) }

func (t *Table) service(number uint32, n name) (Service, error) {
	s := Service{Name: n.text()}
	for i := range uint32(MaxBindings) {
		var b binding
		if err := t.bindings.Lookup(i, &b); err != nil {
			return s, err
		}
		if b.Family == 0 || uint32(b.Service) != number {
			continue
		}
		for word, p := range protocols {
			if p == b.Protocol {
				s.Protocol = word
			}
		}
		s.From, s.To, s.Prefixes = b.From, b.To, append(s.Prefixes, b.prefix())
	}
	var counts []struct{ Given, Missing uint64 }
	if err := t.counts.Lookup(number, &counts); err != nil {
		return s, err
	}
	for _, c := range counts {
		s.Given, s.Missing = s.Given+c.Given, s.Missing+c.Missing
	}
	for f := range s.Sockets {
		cookie := make([]byte, 8)
		err := t.sockets.Lookup(number*families+uint32(f), &cookie)
		if err != nil && !errors.Is(err, ebpf.ErrKeyNotExist) {
			return s, err
		}
		if err == nil {
			s.Sockets[f] = binary.NativeEndian.Uint64(cookie)
		}
	}
	return s, nil
}

// Bind has a new service. Nothing of it may be another one's.
func (t *Table) Bind(s Service) error {
	if err := s.check(); err != nil {
		return fmt.Errorf("bind %s: %w", s.Name, err)
	}
	all, err := t.Services()
	if err != nil {
		return err
	}
	for i := range all {
		if err := all[i].meets(&s); err != nil {
			return fmt.Errorf("bind %s: %w", s.Name, err)
		}
	}
	number, free, err := t.room(len(s.Prefixes))
	if err != nil {
		return fmt.Errorf("bind %s: %w", s.Name, err)
	}
	var n name
	copy(n[:], s.Name)
	if err := t.naming.Put(number, n); err != nil {
		return fmt.Errorf("bind %s: %w", s.Name, err)
	}
	for i, p := range s.Prefixes {
		b := binding{From: s.From, To: s.To, Protocol: protocols[s.Protocol], Service: uint16(number)}
		copy(b.Address[:], p.Addr().AsSlice())
		copy(b.Mask[:], net.CIDRMask(p.Bits(), p.Addr().BitLen()))
		whole := uint8(4)
		if p.Addr().Is6() {
			whole = 6
		}
		for _, b.Family = range []uint8{0, whole} { // it counts from when it has a family, and all else stands by then
			if err := t.bindings.Put(free[i], b); err != nil {
				return fmt.Errorf("bind %s: %w", s.Name, err)
			}
		}
	}
	return nil
}

func (s *Service) check() error {
	switch {
	case s.Name == "" || len(s.Name) >= len(name{}):
		return fmt.Errorf("a name has 1 to %d bytes", len(name{})-1)
	case protocols[s.Protocol] == 0:
		return fmt.Errorf("protocol %q is not known: there are tcp, udp", s.Protocol)
	case len(s.Prefixes) == 0:
		return errors.New("no address: name one, or a prefix")
	case s.From == 0 || s.To < s.From:
		return fmt.Errorf("ports %d-%d: write 80, or 8000-8099", s.From, s.To)
	}
	for i, p := range s.Prefixes {
		if !p.IsValid() || p != p.Masked() || p.Addr().Is4In6() {
			return fmt.Errorf("%s is no prefix", p)
		}
		if slices.ContainsFunc(s.Prefixes[:i], p.Overlaps) {
			return fmt.Errorf("%s is named already", p)
		}
	}
	return nil
}

// meets says what of o is this service's already.
func (s *Service) meets(o *Service) error {
	if s.Name == o.Name {
		return errors.New("it is bound already: unbind it first")
	}
	if s.Protocol != o.Protocol || s.To < o.From || o.To < s.From {
		return nil
	}
	for _, p := range s.Prefixes {
		if slices.ContainsFunc(o.Prefixes, p.Overlaps) {
			return fmt.Errorf("%s %s, ports %d-%d, is %s's", s.Protocol, p, s.From, s.To, s.Name)
		}
	}
	return nil
}

// room is a free number of a service, and as many free bindings.
func (t *Table) room(want int) (number uint32, free []uint32, err error) {
	number = MaxServices
	for i := range uint32(MaxServices) {
		var n name
		if err := t.naming.Lookup(i, &n); err != nil {
			return 0, nil, err
		}
		if n == (name{}) {
			number = i
			break
		}
	}
	for i := range uint32(MaxBindings) {
		var b binding
		if err := t.bindings.Lookup(i, &b); err != nil {
			return 0, nil, err
		}
		if b.Family == 0 {
			free = append(free, i)
		}
	}
	if number == MaxServices || len(free) < want {
		return 0, nil, fmt.Errorf("there is room for %d services and %d prefixes in all", MaxServices, MaxBindings)
	}
	return number, free, nil
}

// number is that of a service by its name.
func (t *Table) number(of string) (uint32, error) {
	for i := range uint32(MaxServices) {
		var n name
		if err := t.naming.Lookup(i, &n); err != nil {
			return 0, err
		}
		if n != (name{}) && n.text() == of {
			return i, nil
		}
	}
	return 0, errors.New("no such service is bound: hairpin socket")
}

// Unbind ends a service. Its open connections stay.
func (t *Table) Unbind(of string) error {
	number, err := t.number(of)
	if err != nil {
		return fmt.Errorf("unbind %s: %w", of, err)
	}
	for i := range uint32(MaxBindings) {
		var b binding
		if err := t.bindings.Lookup(i, &b); err != nil {
			return fmt.Errorf("unbind %s: %w", of, err)
		}
		if b.Family != 0 && uint32(b.Service) == number {
			b.Family = 0
			if err := t.bindings.Put(i, b); err != nil {
				return fmt.Errorf("unbind %s: %w", of, err)
			}
		}
	}
	for f := range uint32(families) {
		if err := t.sockets.Delete(number*families + f); err != nil && !errors.Is(err, ebpf.ErrKeyNotExist) && !errors.Is(err, unix.EINVAL) {
			return fmt.Errorf("unbind %s: %w", of, err)
		}
	}
	cpus, err := ebpf.PossibleCPU()
	if err != nil {
		return fmt.Errorf("unbind %s: %w", of, err)
	}
	if err := t.counts.Put(number, make([]struct{ Given, Missing uint64 }, cpus)); err != nil {
		return fmt.Errorf("unbind %s: %w", of, err)
	}
	return t.naming.Put(number, name{})
}
