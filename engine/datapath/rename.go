package datapath

import (
	"fmt"

	"github.com/vishvananda/netlink"

	"hairpin/engine/spec"
)

// nameNow is what the NIC is called now to which a chain is attached; empty when it is gone.
func (k *Kernel) nameNow(n int) string {
	index := int(k.chains.all[n].Ifindex)
	if index == 0 || !k.linkAlive(n, index) {
		return ""
	}
	nic, err := netlink.LinkByIndex(index)
	if err != nil {
		return ""
	}
	return nic.Attrs().Name
}

// followNames gives the chain of a NIC that was renamed to the name that s has for it: the NIC is the same, and its chain goes
// on. Where s still has the old name, or the new one has a chain already, nothing is followed.
func (k *Kernel) followNames(s *spec.Spec) {
	wanted := map[string]map[spec.Hook]bool{}
	for _, w := range wantedChains(s) {
		if wanted[w.nic] == nil {
			wanted[w.nic] = map[spec.Hook]bool{}
		}
		wanted[w.nic][w.hook.Spec()] = true
	}
	for _, c := range k.Chains() {
		hook := c.Hook.Spec()
		if wanted[c.NIC][hook] {
			delete(wanted[c.NIC], hook) // it has its chain
		}
	}
	for _, c := range k.Chains() {
		if s.NIC(c.NIC) != nil {
			continue
		}
		if now := k.nameNow(c.Number); now != c.NIC && wanted[now][c.Hook.Spec()] {
			known := &k.chains.all[c.Number]
			known.NIC = [16]byte{}
			copy(known.NIC[:len(known.NIC)-1], now)
		}
	}
}

// renamed adds to why a NIC cannot be found that it has another name now.
func (k *Kernel) renamed(n int, why error) error {
	if now := k.nameNow(n); now != "" {
		return fmt.Errorf("%w; it is called %s now, and its chain goes on there: rename it in the spec too", why, now)
	}
	return why
}
