package engine

import (
	"fmt"
	"net/netip"
	"slices"

	"hairpin/engine/datapath"
	"hairpin/engine/maglev"
	"hairpin/engine/packet"
	"hairpin/engine/plan"
	"hairpin/engine/reason"
	"hairpin/engine/spec"
)

// dryRun sends one packet per changed VIP and address through the staged generation, and compares verdict, reason and
// backend with the plan. Nothing of it is live yet.
func (o *owner) dryRun(p *plan.Plan, generation int) error {
	chain, ok := o.forwardingChain(p.Spec)
	if !ok {
		return nil // nothing is balanced here
	}
	for i := range p.VIPs {
		c := &p.VIPs[i]
		if c.Ring == nil {
			continue // it runs as it did
		}
		for _, address := range someAddresses(&c.Spec) {
			if err := o.dryOne(p, generation, chain, c, address, c.Ring); err != nil {
				return fmt.Errorf("dry run of vip %s: %w", c.Spec.Name, err)
			}
		}
	}
	return nil
}

// someAddresses are those of a VIP, of each prefix the first.
func someAddresses(v *spec.VIP) []netip.Addr {
	all := slices.Clone(v.Addresses)
	for _, p := range v.Prefixes {
		all = append(all, p.Addr())
	}
	return all
}

// expected is the backend of a flow that nobody has seen before: the ring's, but for sticky UDP right after a change. Its
// flows cannot be told from older ones, which stay.
func (o *owner) expected(c *plan.Change, ring []uint16, src, dst netip.AddrPort) uint16 {
	id := ring[maglev.Slot(datapath.SlotHash(c.Spec.Hash, src, dst), len(ring))]
	if c.Spec.Protocol != spec.UDP || c.Before == nil {
		return id
	}
	slot := c.Before[maglev.Slot(datapath.SlotHash(c.HashBefore, src, dst), len(c.Before))]
	if before := slot & maglev.MaxID; slot&maglev.Mark != 0 && before != 0 && o.kernel.Keeps(before, c.Spec.Migrate) {
		return before
	}
	return id
}

// forwardingChain is the number of a chain that balances.
func (o *owner) forwardingChain(s *spec.Spec) (int, bool) {
	for _, n := range s.NICs {
		if !s.Has(n, spec.Balancer) {
			continue
		}
		for _, c := range o.kernel.Chains() {
			if c.NIC == n.Name && c.Hook == datapath.XDP {
				return c.Number, true
			}
		}
	}
	return 0, false
}

// Addresses from the documentation ranges, which no client has.
var (
	dryClient4 = netip.MustParseAddrPort("192.0.2.1:49152")
	dryClient6 = netip.MustParseAddrPort("[2001:db8::1]:49152")
)

func (o *owner) dryOne(p *plan.Plan, generation, chain int, c *plan.Change, address netip.Addr, ring []uint16) error {
	port := c.Spec.Port
	if port == 0 {
		port = 80
	}
	src, dst := dryClient4, netip.AddrPortFrom(address, port)
	if address.Is6() {
		src = dryClient6
	}
	if v := p.Spec.For(c.Spec.Protocol, src.Addr(), dst); v == nil || v.Name != c.Spec.Name {
		return nil // it is another VIP's, which is for sources like this one
	}
	result, err := o.kernel.Dry(generation, chain, dryFrame(c.Spec.Protocol, src, dst))
	if err != nil {
		return err
	}
	why, _ := reason.ByID(int(result.Note.Reason))
	want := o.expected(c, ring, src, dst)
	switch {
	case why.Verdict == reason.Drop && why.Stage != reason.Balancer && why.Stage != reason.Parse:
		return nil // a stage in front drops the packet by its own settings, which say nothing of the plan
	case why.Verdict == reason.Own:
		return nil // a program that must not see packets that never came stands in front
	case result.Note.Settled == datapath.Unheld:
		return nil // its set of the connection table is full, which says nothing of the plan
	case want == 0 && why.Name == "no_backend":
		return nil
	case result.Note.Backend != uint32(want):
		return fmt.Errorf("a packet from %s to %s went to backend id %d, the plan says %d", src, dst, result.Note.Backend, want)
	case why.Name == "forwarded", why.Name == "redirected", why.Name == "no_next_hop", why.Name == "other_nic", why.Name == "too_big",
		why.Name == "local":
		return nil // what was not sent is shown as a problem of the node
	}
	return fmt.Errorf("a packet from %s to %s left with reason %s", src, dst, why.Name)
}

func dryFrame(protocol spec.Protocol, src, dst netip.AddrPort) []byte {
	var ip packet.Layer = packet.IPv4{Src: src.Addr(), Dst: dst.Addr()}
	if dst.Addr().Is6() {
		ip = packet.IPv6{Src: src.Addr(), Dst: dst.Addr()}
	}
	if protocol == spec.UDP {
		return packet.Build(packet.Eth{}, ip, packet.UDP{Src: packet.Is(src.Port()), Dst: packet.Is(dst.Port())}, packet.Fill(18))
	}
	return packet.Build(packet.Eth{}, ip, packet.TCP{Src: packet.Is(src.Port()), Dst: packet.Is(dst.Port()), Flags: "S"})
}
