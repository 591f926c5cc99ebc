package nexthop

import (
	"errors"
	"fmt"
	"net/netip"

	"golang.org/x/sys/unix"
)

// Entries that are kept fresh carry one of these as their protocol, which the kernel stores and does not interpret: so
// that an engine knows those of one that was killed, and what to do when it takes them back.
const (
	protocolMade  = 104 // there was no entry before: taken back, there is none
	protocolFound = 105 // the kernel had one by itself: taken back, it is the kernel's again
)

// Keep makes the kernel resolve the next hops of addrs and keep their MACs fresh, and takes back every other that was
// kept before, by whichever engine of this network namespace. It leaves alone what is permanent or belongs to somebody
// else. Call it again after each signal of Watch and every 10 s: a NIC that lost its carrier forgets its neighbours,
// and kernels before 5.16 keep nothing fresh by themselves, there each call makes them ask.
func (r *Resolver) Keep(addrs ...netip.Addr) error {
	l, err := r.look(addrs)
	if err != nil {
		return fmt.Errorf("keep neighbours: %w", err)
	}
	have, err := r.conn.allNeighbours()
	if err != nil {
		return fmt.Errorf("keep neighbours: %w", err)
	}
	if err := r.change(keeping(l.hops(), have)); err != nil {
		return fmt.Errorf("keep neighbours: %w", err)
	}
	return nil
}

// Release takes back all that is kept.
func (r *Resolver) Release() error { return r.Keep() }

// change is one request about an entry.
type change struct {
	hop     hop
	request []byte
	excused unix.Errno // the refusal that leaves things as they should be
}

// keeping are the requests after which those of want are kept and no others of ours.
func keeping(want map[hop]bool, have map[hop]neighbour) []change {
	var all []change
	for h := range want {
		switch n, known := have[h]; {
		case !known: // somebody may make one meanwhile: the next call sees whose it is
			all = append(all, change{h, manage(h, unix.NLM_F_CREATE|unix.NLM_F_EXCL, protocolMade), unix.EEXIST})
		case n.fixed() || !n.ours() && (n.managed || n.protocol != 0):
		case n.ours() && n.managed:
		case n.protocol == protocolMade:
			all = append(all, change{h, manage(h, 0, protocolMade), unix.ENOENT})
		default:
			all = append(all, change{h, manage(h, 0, protocolFound), unix.ENOENT})
		}
	}
	for h, n := range have {
		switch {
		case want[h] || !n.ours():
		case n.protocol == protocolMade:
			all = append(all, change{h, neighbourRequest(unix.RTM_DELNEIGH, unix.NLM_F_ACK, h, 0), unix.ENOENT})
		case n.managed: // a use without the flag takes the flag away
			all = append(all, change{h, neighbourRequest(unix.RTM_NEWNEIGH, unix.NLM_F_ACK, h, unix.NTF_USE), unix.ENOENT})
		}
	}
	return all
}

// manage asks the kernel to resolve h and to keep it; kernels that cannot keep it resolve it. It must not reach a
// permanent entry, which it would make an ordinary one.
func manage(h hop, flags uint16, protocol uint8) []byte {
	return neighbourRequest(unix.RTM_NEWNEIGH, flags|unix.NLM_F_ACK, h, unix.NTF_USE,
		attribute(ndaProtocol, []byte{protocol}), attribute32(ndaFlagsExt, ntfExtManaged))
}

// ours tells whether n was kept by an engine and nobody made it his own since.
func (n neighbour) ours() bool {
	return (n.protocol == protocolMade || n.protocol == protocolFound) && !n.fixed()
}

func (r *Resolver) change(all []change) error {
	requests := make([][]byte, len(all))
	for i, k := range all {
		requests[i] = k.request
	}
	refused, err := r.conn.ask(requests, func(answer) {})
	if err != nil {
		return err
	}
	var failed []error
	for i, e := range refused {
		if e != nil && e != all[i].excused {
			failed = append(failed, fmt.Errorf("%s: %w", all[i].hop.addr, e))
		}
	}
	if len(failed) > 3 {
		failed = append(failed[:3], fmt.Errorf("and %d more", len(failed)-3))
	}
	return errors.Join(failed...)
}
