package engine

import (
	"errors"
	"fmt"
	"io/fs"
	"net"
	"net/netip"
	"slices"
	"time"

	"hairpin/engine/datapath"
	"hairpin/engine/packet"
	"hairpin/engine/reason"
	"hairpin/engine/shells"
	"hairpin/engine/spec"
)

const (
	// mostSessions bounds how many are tried; they are of people, and hardly ever more than a few.
	mostSessions = 64
	xdpPass      = 2
)

// emptied refuses a change that takes a VIP its last backend for new flows, or adds one that has none. Where none took any
// before, it is not the change's doing.
func (o *owner) emptied(s *spec.Spec) error {
	for i := range s.VIPs {
		v := &s.VIPs[i]
		if slices.ContainsFunc(v.Backends, spec.Backend.TakesNew) {
			continue
		}
		if v.From != nil && (o.spec == nil || o.spec.VIP(v.Name) == nil) {
			continue // they are looked for as soon as it is there
		}
		if o.spec != nil {
			if old := o.spec.VIP(v.Name); old != nil && !slices.ContainsFunc(old.Backends, spec.Backend.TakesNew) {
				continue
			}
		}
		return fmt.Errorf("%w: vip %s: of its %d backends, none would take new flows, which would all be dropped; bring one up with a "+
			"weight above 0, or use --force", ErrUnsafe, v.Name, len(v.Backends))
	}
	return nil
}

// preflight refuses a staged generation in which somebody would lose the SSH session that he works by, or could not log in
// again from there. Whatever runs now would drop too is not the change's doing.
func (o *owner) preflight(generation int) error {
	sessions, err := shells.Sessions(o.sshPorts)
	if err != nil {
		o.journal.add(time.Now(), "warn", "engine", fmt.Sprintf("SSH sessions were not tried against the change: %v", err))
		return nil
	}
	nics, untried := nicsByAddress(), ""
	for _, s := range sessions[:min(len(sessions), mostSessions)] {
		for _, c := range o.kernel.Chains() {
			if nics[s.Local.Addr()] != "" && nics[s.Local.Addr()] != c.NIC {
				continue
			}
			whole, err := o.trySession(generation, c, s)
			if err != nil {
				return err
			}
			if !whole {
				untried = c.NIC + " " + c.Hook.String()
			}
		}
	}
	if untried != "" {
		o.journal.add(time.Now(), "warn", "engine", "SSH sessions were not tried against what is behind the external stages of "+untried)
	}
	return nil
}

// trySession sends a packet of the session and the first one of another from the same address through the staged rows, or
// what answers them where packets leave. whole is false where an external stage was in the way that cannot be tried.
func (o *owner) trySession(generation int, c datapath.Chain, s shells.Session) (whole bool, err error) {
	again := netip.AddrPortFrom(s.Remote.Addr(), s.Remote.Port()^1)
	whole = true
	for _, try := range []struct {
		what, flags, answer string
		from                netip.AddrPort
	}{{"the SSH session of", "A", "A", s.Remote}, {"a new SSH session of", "S", "SA", again}} {
		frame := sessionFrame(try.from, s.Local, try.flags)
		if c.Hook.Spec() == spec.TCXEgress {
			frame = sessionFrame(s.Local, try.from, try.answer)
		}
		passes, why, err := o.passes(generation, c.Number, frame)
		if err != nil {
			return false, err
		}
		now := true
		if o.active != 0 {
			if now, _, err = o.passes(o.active, c.Number, frame); err != nil {
				return false, err
			}
		}
		whole = whole && why.Stage != reason.External
		if passes || !now {
			continue
		}
		return false, fmt.Errorf("%w: %s %s to %s would %s on %s %s by %s with reason %s; except it in the spec, or use --force",
			ErrUnsafe, try.what, s.Remote, s.Local, fateOf(why), c.NIC, c.Hook, why.Stage, why.Name)
	}
	return whole, nil
}

func fateOf(why reason.Reason) string {
	if why.Verdict == reason.Forward {
		return "be sent elsewhere"
	}
	return "be dropped"
}

// passes tells whether a frame reaches the node's own stack, or leaves by it, and by which reason it leaves the chain.
func (o *owner) passes(generation, chain int, frame []byte) (bool, reason.Reason, error) {
	result, err := o.kernel.Dry(generation, chain, frame)
	why, _ := reason.ByID(int(result.Note.Reason))
	return result.Verdict == xdpPass, why, err
}

func sessionFrame(src, dst netip.AddrPort, flags string) []byte {
	var ip packet.Layer = packet.IPv4{Src: src.Addr(), Dst: dst.Addr()}
	if dst.Addr().Is6() {
		ip = packet.IPv6{Src: src.Addr(), Dst: dst.Addr()}
	}
	return packet.Build(packet.Eth{}, ip, packet.TCP{Src: packet.Is(src.Port()), Dst: packet.Is(dst.Port()), Flags: flags})
}

// nicsByAddress says which NIC has an address of this node. One that none has may come in by any.
func nicsByAddress() map[netip.Addr]string {
	by := map[netip.Addr]string{}
	all, _ := net.Interfaces() // none: every chain is tried
	for _, n := range all {
		addresses, _ := n.Addrs()
		for _, a := range addresses {
			if p, err := netip.ParsePrefix(a.String()); err == nil {
				by[p.Addr()] = n.Name
			}
		}
	}
	return by
}

// findShells looks where SSH servers listen, for the next changes.
func (o *owner) findShells(now time.Time) {
	ports, err := shells.Ports()
	if o.shellsHidden = errors.Is(err, fs.ErrPermission); o.shellsHidden {
		ports, err = []uint16{22}, nil
	}
	if err != nil {
		o.journal.add(now, "warn", "engine", err.Error())
		return
	}
	o.sshPorts = ports
}

// shellProblems says that SSH servers are guessed, not known.
func (o *owner) shellProblems() []Problem {
	if !o.shellsHidden {
		return nil
	}
	return []Problem{{Key: "shells", Severity: "warn", What: "where SSH servers listen is not seen: only sessions to port 22 are kept from being cut off by a change",
		Cure: "give the engine cap_sys_ptrace and cap_dac_read_search"}}
}
