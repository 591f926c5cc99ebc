package nexthop

import (
	"fmt"
	"maps"
	"net/netip"
	"os"
	"slices"
	"sync"
)

// Resolver answers for the network namespace in which it was made. Its methods may be called from any goroutine.
type Resolver struct {
	conn   *conn
	events *os.File // a second socket, for what the kernel tells unasked

	mu       sync.Mutex
	watchers map[chan struct{}]bool
	closed   bool
	shown    map[hop]face  // what was last told about the next hops in use
	nics     map[int]link  // what was last heard about each NIC
	passed   uint64        // neighbour events that concerned nobody
	done     chan struct{} // closed when nothing is heard any more
}

// New opens its sockets in the network namespace of the calling thread.
func New() (*Resolver, error) {
	c, err := dial()
	if err != nil {
		return nil, err
	}
	events, err := subscribe()
	if err != nil {
		c.close()
		return nil, err
	}
	r := &Resolver{
		conn: c, events: events, watchers: map[chan struct{}]bool{}, shown: map[hop]face{}, nics: map[int]link{},
		done: make(chan struct{}),
	}
	go r.listen()
	return r, nil
}

// Close ends all watching and releases the sockets. What is kept fresh stays so.
func (r *Resolver) Close() error {
	err := r.events.Close()
	<-r.done
	r.conn.close()
	return err
}

// Resolve is ResolveSome for one address.
func (r *Resolver) Resolve(addr netip.Addr) (NextHop, error) {
	found, err := r.ResolveSome([]netip.Addr{addr})
	return found[addr], err
}

// ResolveAll says how each address is reached: an address that cannot be reached has an entry that says why. An error
// means that the kernel could not be asked, so nothing is known. From now on Watch signals for these next hops.
func (r *Resolver) ResolveAll(addrs []netip.Addr) (map[netip.Addr]NextHop, error) {
	passed := r.heard()
	found, l, err := r.resolve(addrs)
	if err == nil {
		r.show(l, passed)
	}
	return found, err
}

// ResolveSome is ResolveAll, but Watch goes on signalling for the next hops of the last ResolveAll.
func (r *Resolver) ResolveSome(addrs []netip.Addr) (map[netip.Addr]NextHop, error) {
	found, _, err := r.resolve(addrs)
	return found, err
}

func (r *Resolver) resolve(addrs []netip.Addr) (map[netip.Addr]NextHop, *look, error) {
	l, err := r.look(addrs)
	if err != nil {
		if len(addrs) == 1 {
			return nil, nil, fmt.Errorf("resolve %s: %w", addrs[0], err)
		}
		return nil, nil, fmt.Errorf("resolve %d addresses: %w", len(addrs), err)
	}
	found := make(map[netip.Addr]NextHop, len(addrs))
	for i, a := range addrs {
		found[a] = l.nextHop(i)
	}
	return found, l, nil
}

// look is everything the kernel says that concerns some addresses, read at one time.
type look struct {
	addrs      []netip.Addr // without zones, IPv4 as such
	routes     []route      // by place in addrs
	links      map[int]link
	neighbours map[hop]neighbour
	sources    map[source]netip.Addr
}

func (r *Resolver) look(addrs []netip.Addr) (*look, error) {
	l := &look{addrs: make([]netip.Addr, len(addrs))}
	for i, a := range addrs {
		if !a.IsValid() {
			return nil, fmt.Errorf("number %d is not an address", i)
		}
		l.addrs[i] = a.Unmap().WithZone("")
	}
	var err error
	if l.routes, err = r.conn.routes(l.addrs); err != nil {
		return nil, err
	}
	if l.links, err = r.conn.links(l.exits()); err != nil {
		return nil, err
	}
	if err := l.lookUnder(r.conn.links); err != nil {
		return nil, err
	}
	if l.neighbours, err = r.conn.neighbours(slices.Collect(maps.Keys(l.hops()))); err != nil {
		return nil, err
	}
	if slices.ContainsFunc(l.routes, func(t route) bool { return t.refused == nil && !t.source.IsValid() }) {
		l.sources, err = r.conn.sources()
	}
	return l, err
}

// exits are the indexes of the NICs by which the routes lead out, once each.
func (l *look) exits() []int {
	all := map[int]bool{}
	for _, t := range l.routes {
		if t.refused == nil {
			all[t.oif] = true
		}
	}
	return slices.Collect(maps.Keys(all))
}

// lookUnder adds the NICs under those of VLANs.
func (l *look) lookUnder(ask func(indexes []int) (map[int]link, error)) error {
	var under []int
	for _, n := range l.links {
		if _, known := l.links[n.under]; n.under != 0 && !known {
			under = append(under, n.under)
		}
	}
	if len(under) == 0 {
		return nil
	}
	found, err := ask(under)
	maps.Copy(l.links, found)
	return err
}

// hops are the neighbour entries on the ways to all addresses.
func (l *look) hops() map[hop]bool {
	all := map[hop]bool{}
	for i := range l.addrs {
		if h, ok := l.hop(i); ok {
			all[h] = true
		}
	}
	return all
}

// hop is the neighbour entry on the way to address number i, false when no frame goes there.
func (l *look) hop(i int) (hop, bool) {
	t := l.routes[i]
	if state, _ := t.unfit(l.addrs[i]); state != "" {
		return hop{}, false
	}
	if state, _ := l.links[t.oif].unfit(); state != "" {
		return hop{}, false
	}
	if t.gateway.IsValid() {
		return hop{t.oif, t.gateway}, true
	}
	return hop{t.oif, l.addrs[i]}, true
}

func (l *look) nextHop(i int) NextHop {
	a, t := l.addrs[i], l.routes[i]
	n := NextHop{}
	if n.State, n.Why = t.unfit(a); n.State == NoRoute {
		return n
	}
	nic := l.links[t.oif]
	n.IfIndex, n.NIC, n.NICMAC, n.MTU = t.oif, nic.name, hardware(nic.mac), nic.mtu
	n.Gateway, n.Source = t.gateway, t.source
	if under := l.links[nic.under]; nic.under != 0 && under.vlan == (vlan{}) {
		n.Under, n.VLAN = under.name, VLAN{nic.vlan.tpid, nic.vlan.id}
	}
	if t.mtu > 0 && t.mtu < n.MTU {
		n.MTU = t.mtu
	}
	if !n.Source.IsValid() {
		n.Source = l.sources[source{t.oif, family(a)}]
	}
	if n.State != "" {
		return n
	}
	if n.State, n.Why = nic.unfit(); n.State != "" {
		return n
	}
	h, _ := l.hop(i)
	entry, known := l.neighbours[h]
	n.State = entry.state(known)
	n.Why = h.silence(n.State, nic.name)
	if n.Usable() {
		n.MAC = hardware(entry.mac)
	}
	return n
}
