package lab

import (
	"errors"
	"fmt"
	"net/netip"
	"os"

	"github.com/vishvananda/netlink"

	"hairpin/engine/spec"
)

// SNATSpec is what runs on a backend whose servers know nothing of the VIPs.
func (l *Lab) SNATSpec(node string) *spec.Spec {
	s := l.BackendSpec()
	s.NICs[0].TCXEgress = spec.Stands(spec.SNAT)
	s.Agent.Mode, s.Agent.Local = spec.SNATMode, l.Addresses(node)
	return s
}

// Unaware takes the VIPs off a backend, and has its kernel leave checksums and segments to the NIC, as most do: what
// translates must cope with both.
func (l *Lab) Unaware(node string) error {
	err := l.Do(node, func() error {
		lo, err := netlink.LinkByName("lo")
		if err != nil {
			return fmt.Errorf("find lo: %w", err)
		}
		for _, a := range []netip.Addr{VIP4, VIP6} {
			if err := netlink.AddrDel(lo, &netlink.Addr{IPNet: ipNet(netip.PrefixFrom(a, a.BitLen()))}); err != nil {
				return fmt.Errorf("take %s off lo: %w", a, err)
			}
		}
		return offloadsOn(NIC)
	})
	if err != nil {
		return fmt.Errorf("%s: %w", node, err)
	}
	return nil
}

// Translate makes every backend that has no spec yet one whose servers know nothing of the VIPs, with a spec to match.
func (l *Lab) Translate(edits ...func(*spec.Spec) error) error {
	var errs []error
	for i := 1; i <= l.Backends(); i++ {
		if _, err := os.Stat(l.specFile(Backend(i))); err == nil {
			continue
		}
		s := l.SNATSpec(Backend(i))
		for _, edit := range edits {
			errs = append(errs, edit(s))
		}
		errs = append(errs, l.Unaware(Backend(i)), l.WriteSpec(Backend(i), s))
	}
	return errors.Join(errs...)
}
