package engine

import (
	"errors"
	"fmt"
	"io/fs"
	"net"
	"net/netip"
	"time"

	"hairpin/engine/datapath"
	"hairpin/engine/packet"
	"hairpin/engine/reason"
	"hairpin/engine/shells"
)

const (
	// mostSessions bounds how many are tried; they are of people, and hardly ever more than a few.
	mostSessions = 64
	xdpPass      = 2
)

// preflight refuses a staged generation in which somebody would lose the SSH session that he works by, or could not log in
// again from there. Whatever runs now would drop too is not the change's doing.
func (o *owner) preflight(generation int) error {
	sessions, err := shells.Sessions(o.sshPorts)
	if err != nil {
		o.journal.add(time.Now(), "warn", "engine", fmt.Sprintf("SSH sessions were not tried against the change: %v", err))
		return nil
	}
	nics := nicsByAddress()
	for _, s := range sessions[:min(len(sessions), mostSessions)] {
		for _, c := range o.kernel.Chains() {
			if c.Hook != datapath.XDP || nics[s.Local.Addr()] != "" && nics[s.Local.Addr()] != c.NIC {
				continue
			}
			if err := o.trySession(generation, c, s); err != nil {
				return err
			}
		}
	}
	return nil
}

// trySession sends a packet of the session and the first one of another from the same address through the staged rows.
func (o *owner) trySession(generation int, c datapath.Chain, s shells.Session) error {
	again := netip.AddrPortFrom(s.Remote.Addr(), s.Remote.Port()^1)
	for _, try := range []struct {
		what, flags string
		from        netip.AddrPort
	}{{"the SSH session of", "A", s.Remote}, {"a new SSH session of", "S", again}} {
		frame := sessionFrame(try.from, s.Local, try.flags)
		passes, why, err := o.passes(generation, c.Number, frame)
		if err != nil {
			return err
		}
		now := true
		if o.active != 0 {
			if now, _, err = o.passes(o.active, c.Number, frame); err != nil {
				return err
			}
		}
		if passes || !now {
			continue
		}
		return fmt.Errorf("%w: %s %s to %s would be dropped on %s by %s with reason %s; except it in the spec, or use --force",
			ErrRefused, try.what, s.Remote, s.Local, c.NIC, why.Stage, why.Name)
	}
	return nil
}

// passes tells whether a frame reaches the node's own stack, and by which reason it leaves the chain.
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
