package engine

import (
	"context"
	"net/netip"
	"slices"
	"time"

	"hairpin/engine/datapath"
	"hairpin/engine/nexthop"
)

// reachWait is how long a change waits for the neighbours of new backends to answer. What has not answered by then is
// dropped with reason no_next_hop until it does.
const reachWait = time.Second

// reach finds the way to the backends that were not there before, and asks for neighbours that nobody asked for yet.
func (o *owner) reach() {
	if !slices.ContainsFunc(o.kernel.Unreached(), o.isFresh) || o.resolve() == 0 {
		return
	}
	ctx, cancel := context.WithTimeout(context.Background(), reachWait)
	defer cancel()
	changed := o.hops.Watch(ctx)
	o.keep()
	for o.resolve() > 0 {
		if _, open := <-changed; !open {
			return
		}
	}
}

// isFresh tells of an unreached backend whether nobody has looked for the way to it yet, or the data path does not know what
// was found.
func (o *owner) isFresh(b datapath.Backend) bool {
	hop, known := o.reached[b.Address]
	return !known || hop.Usable()
}

// refresh follows routes, neighbours, NICs and links as they are now.
func (o *owner) refresh() {
	if o.detached {
		return
	}
	o.reattach()
	o.lookAtLinks(time.Now())
	o.resolve()
	o.keep()
	if o.checking.prober != nil {
		o.followChecks(true)
	}
}

func (o *owner) keep() {
	addresses := keptOf(o.kernel.Backends())
	if err := o.hops.Keep(addresses...); err != nil {
		o.log.Warn("keep neighbours fresh", "error", err)
	}
}

// keptOf are the backends whose neighbours are kept fresh: those that take anything, and those that their checks took out,
// since checks go the way of packets, and without one they could never find that it is back.
func keptOf(all []datapath.Backend) (addresses []netip.Addr) {
	for _, b := range all {
		if !b.Gone || b.Out {
			addresses = append(addresses, b.Address)
		}
	}
	return addresses
}

// resolve writes the way to every backend into the data path and returns how many may still be answered for.
func (o *owner) resolve() (waiting int) {
	backends := o.kernel.Backends()
	addresses := make([]netip.Addr, len(backends))
	for i, b := range backends {
		addresses[i] = b.Address
	}
	found, err := o.hops.ResolveAll(addresses)
	if err != nil {
		o.log.Warn("resolve next hops", "error", err)
		return 0 // what the data path knows stays
	}
	o.reached = found
	o.answers.follow(found)
	o.ways.follow(time.Now(), found, &o.journal)
	for _, b := range backends {
		hop := wireHop(found[b.Address])
		o.kernel.SetNextHop(b.ID, hop)
		if !b.Gone && hop.Asked {
			waiting++
		}
	}
	return waiting
}

func wireHop(h nexthop.NextHop) datapath.NextHop {
	w := datapath.NextHop{Source: h.Source, NIC: h.NIC, Under: h.Under, TPID: h.VLAN.TPID, VLAN: h.VLAN.ID, Ifindex: h.IfIndex, MTU: h.MTU,
		MAC: h.MAC, NICMAC: h.NICMAC}
	if !h.Usable() {
		w.Unknown = string(h.State) + ": " + h.Why
	}
	w.Asked = h.State == nexthop.Unasked || h.State == nexthop.Incomplete
	return w
}

// reattach brings root to NICs that appeared, or came back.
func (o *owner) reattach() {
	if o.spec == nil {
		return
	}
	attached, err := o.kernel.Attach(o.spec)
	if err != nil {
		o.journal.add(time.Now(), "crit", "engine", err.Error())
		return
	}
	for i, a := range attached {
		was := i < len(o.attached) && o.attached[i].Err != nil
		if a.New && !was {
			o.journal.add(time.Now(), "warn", "engine", "nic "+a.Chain.NIC+" had been detached by somebody else, and is attached again")
		}
	}
	o.attached = attached
}
