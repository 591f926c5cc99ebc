package datapath

import (
	"errors"
	"fmt"
	"os"
	"slices"

	"github.com/cilium/ebpf"
	"github.com/cilium/ebpf/link"
	"github.com/vishvananda/netlink"
	"golang.org/x/sys/unix"

	"hairpin/bpf"
	"hairpin/engine/spec"
)

// ErrNoNIC is the reason of an attachment whose NIC is not there.
var ErrNoNIC = errors.New("no such NIC")

// ErrUnfit is the reason of an attachment to a NIC on which no chain can run.
var ErrUnfit = errors.New("this NIC cannot have the chain")

// Attachment is the state of one chain's link.
type Attachment struct {
	Chain Chain
	Err   error  // why it is not attached; nil = attached
	Why   string // why the mode is not the best one
	New   bool   // it was not attached before
}

// Attach brings root to the NICs of s, keeps what is attached already, and says how each fared. A NIC that came back under
// another index is attached anew. Nothing else on a NIC is touched.
func (k *Kernel) Attach(s *spec.Spec) ([]Attachment, error) {
	var list []Attachment
	k.followNames(s)
	for _, w := range wantedChains(s) {
		n, err := k.number(w)
		if err != nil {
			return list, err
		}
		a := k.attach(n, s)
		for _, c := range k.Chains() {
			if c.Number == n {
				a.Chain = c
			}
		}
		list = append(list, a)
	}
	return list, nil
}

func (k *Kernel) linkPin(n int) string { return k.pin("links", fmt.Sprintf("chain_%d", n)) }

func (k *Kernel) attach(n int, s *spec.Spec) Attachment {
	name := cString(k.chains.all[n].NIC[:])
	nic, err := findNIC(name)
	if err != nil {
		return Attachment{Err: k.renamed(n, err)}
	}
	f := k.fitOf(nic, func(other string) bool { n := s.NIC(other); return n != nil && len(n.XDP) > 0 })
	if k.linkAlive(n, nic.Attrs().Index) {
		return Attachment{Why: k.modeWhy(n, f)}
	}
	if why := f.refusal(k.chains.all[n].Hook); why != "" {
		return Attachment{Err: fmt.Errorf("nic %s: %w: %s", name, ErrUnfit, why)}
	}
	if err := k.attachRoot(n, nic); err != nil {
		return Attachment{Err: err}
	}
	return Attachment{Why: k.modeWhy(n, f), New: true}
}

// fitOf is that of a NIC for the rows that there are.
func (k *Kernel) fitOf(nic netlink.Link, both func(name string) bool) fit {
	f := fitOf(nic, both)
	value, err := k.meta()
	f.Older = err == nil && value.Flags&metaFrags == 0 && kernelHasFrags()
	return f
}

func findNIC(name string) (netlink.Link, error) {
	nic, err := netlink.LinkByName(name)
	if errors.As(err, new(netlink.LinkNotFoundError)) {
		return nil, fmt.Errorf("nic %s: %w", name, ErrNoNIC)
	}
	if err != nil {
		return nil, fmt.Errorf("nic %s: %w", name, err)
	}
	return nic, nil
}

// modeWhy says why a chain does not run in the best mode, or what else is to be known of its NIC; empty when nothing is.
func (k *Kernel) modeWhy(n int, f fit) string {
	switch c := &k.chains.all[n]; {
	case c.Hook.byClsact():
		return "tcx needs Linux 6.6; attached by clsact"
	case c.Mode == Generic:
		return f.generic()
	case c.Mode == Native:
		return f.native()
	}
	return ""
}

func (k *Kernel) attachRoot(n int, nic netlink.Link) error {
	c := &k.chains.all[n]
	name, index := nic.Attrs().Name, nic.Attrs().Index
	k.letGo(n)
	if err := os.Remove(k.linkPin(n)); err != nil && !errors.Is(err, os.ErrNotExist) {
		return fmt.Errorf("nic %s: remove severed link: %w", name, err)
	}
	root, err := k.loadRoot(n)
	if err != nil {
		return fmt.Errorf("nic %s: %w", name, err)
	}
	defer root.Close()
	var l link.Link
	mode := TC
	switch c.Hook {
	case XDP:
		l, mode, err = attachXDP(root, nic)
	case TCXIngress, ClsactIngress:
		l, err = k.attachTC(c, ClsactIngress, ebpf.AttachTCXIngress, root, index)
	default:
		l, err = k.attachTC(c, ClsactEgress, ebpf.AttachTCXEgress, root, index)
	}
	if err != nil {
		return fmt.Errorf("nic %s: attach %s: %w", name, c.Hook, explain(err))
	}
	k.step("attach: root attached")
	c.Ifindex, c.Mode = uint32(index), mode
	if l == nil {
		return nil
	}
	if err := l.Pin(k.linkPin(n)); err != nil {
		_ = l.Close()
		return fmt.Errorf("nic %s: pin link: %w", name, err)
	}
	k.hold(n, l)
	k.step("attach: link pinned")
	return nil
}

// attachTC attaches by tcx, and without a link by clsact where the kernel has none.
func (k *Kernel) attachTC(c *chain, instead Hook, tcx ebpf.AttachType, root *ebpf.Program, index int) (link.Link, error) {
	l, err := link.AttachTCX(link.TCXOptions{Interface: index, Program: root, Attach: tcx})
	if !errors.Is(err, ebpf.ErrNotSupported) {
		return l, err
	}
	c.Hook = instead
	return nil, k.clsact(instead, index).attach(root)
}

// linkAlive tells whether the chain's link still holds the NIC of that index: after the NIC is gone it opens all the same.
func (k *Kernel) linkAlive(n, index int) bool {
	if h := k.chains.all[n].Hook; h.byClsact() {
		return k.clsact(h, index).alive()
	}
	l := k.links[n]
	if l == nil {
		pinned, err := link.LoadPinnedLink(k.linkPin(n), nil)
		if err != nil {
			return false
		}
		if l = pinned; k.epoch != 0 {
			k.hold(n, l)
		} else {
			defer l.Close()
		}
	}
	info, err := l.Info()
	return err == nil && holds(info, index)
}

// hold keeps a link by a descriptor too: without its pin alone, packets would pass by hairpin.
func (k *Kernel) hold(n int, l link.Link) {
	k.letGo(n)
	if k.links == nil {
		k.links = map[int]link.Link{}
	}
	k.links[n] = l
}

func (k *Kernel) letGo(n int) {
	if l := k.links[n]; l != nil {
		_ = l.Close()
		delete(k.links, n)
	}
}

// holds tells whether a link is attached to the NIC of that index.
func holds(info *link.Info, index int) bool {
	if x := info.XDP(); x != nil {
		return int(x.Ifindex) == index
	}
	if x := info.TCX(); x != nil {
		return int(x.Ifindex) == index
	}
	return false
}

// loadRoot is a root program of its own for chain n.
func (k *Kernel) loadRoot(n int) (*ebpf.Program, error) {
	p := program{pin: "root", load: bpf.LoadRoot, function: "root", rows: "rows_xdp"}
	if k.chains.all[n].Hook != XDP {
		p.function, p.rows = "root_tc", "rows_tc"
	}
	c, err := k.collection(p)
	if err != nil {
		return nil, fmt.Errorf("load root: %w", err)
	}
	if err := c.spec.Variables["chain"].Set(uint32(n)); err != nil {
		return nil, fmt.Errorf("load root: %w", err)
	}
	loaded, err := ebpf.NewCollectionWithOptions(c.spec, ebpf.CollectionOptions{MapReplacements: c.maps})
	if err != nil {
		return nil, fmt.Errorf("load root: %w", explain(verifierTail(err)))
	}
	defer loaded.Close()
	return loaded.DetachProgram(p.function), nil
}

// attachXDP takes the driver's mode where it has one, else the generic one.
func attachXDP(root *ebpf.Program, nic netlink.Link) (link.Link, Mode, error) {
	index := nic.Attrs().Index
	l, native := link.AttachXDP(link.XDPOptions{Program: root, Interface: index, Flags: link.XDPDriverMode})
	if native == nil {
		return l, Native, nil
	}
	if errors.Is(native, unix.EBUSY) || errors.Is(native, unix.EEXIST) {
		return nil, 0, fmt.Errorf("%w: %s", ErrForeign, foreignXDP(nic))
	}
	if errors.Is(native, unix.EPERM) {
		return nil, 0, native
	}
	l, err := link.AttachXDP(link.XDPOptions{Program: root, Interface: index, Flags: link.XDPGenericMode})
	if err != nil {
		return nil, 0, fmt.Errorf("native: %w; generic: %w", native, err)
	}
	return l, Generic, nil
}

func foreignXDP(nic netlink.Link) string {
	text := "an XDP program is attached already"
	if x := nic.Attrs().Xdp; x != nil && x.Attached {
		text = fmt.Sprintf("XDP program %d is attached already", x.ProgId)
		if p, err := ebpf.NewProgramFromID(ebpf.ProgramID(x.ProgId)); err == nil {
			if info, err := p.Info(); err == nil {
				text = fmt.Sprintf("XDP program %q (id %d) is attached already", info.Name, x.ProgId)
			}
			_ = p.Close()
		} else if errors.Is(err, unix.EPERM) {
			text = fmt.Sprintf("XDP program %d (its name is not seen: that needs cap_sys_admin) is attached already", x.ProgId)
		}
	}
	return text + "; take it off first: ip link set dev " + nic.Attrs().Name + " xdp off, or stop its owner"
}

// DetachChain takes root off one NIC and forgets the chain.
func (k *Kernel) DetachChain(n int) error {
	c := &k.chains.all[n]
	if c.Hook.byClsact() {
		if err := k.clsact(c.Hook, int(c.Ifindex)).detach(); err != nil {
			return fmt.Errorf("nic %s: detach: %w", cString(c.NIC[:]), err)
		}
	}
	if err := k.endLink(n); err != nil {
		return fmt.Errorf("nic %s: detach: %w", cString(c.NIC[:]), err)
	}
	k.step("detach: link ended")
	*c = chain{}
	k.step("detach: chain forgotten")
	return nil
}

// endLink takes a chain's program off its NIC now. Without its pin alone the link would go too, but at some later time, and
// until then nobody else could attach there.
func (k *Kernel) endLink(n int) error {
	defer k.letGo(n)
	if l, err := link.LoadPinnedLink(k.linkPin(n), nil); err == nil {
		defer l.Close()
		_ = l.Detach() // that fails on a NIC that is gone, where there is nothing left to take off
		k.step("detach: link detached")
	}
	if err := os.Remove(k.linkPin(n)); err != nil && !errors.Is(err, os.ErrNotExist) {
		return err
	}
	return nil
}

// DetachUnused takes root off the NICs and hooks that s does not name.
func (k *Kernel) DetachUnused(s *spec.Spec) error {
	used := map[int]bool{}
	if s != nil {
		for _, w := range wantedChains(s) {
			n, err := k.number(w)
			if err != nil {
				return err
			}
			used[n] = true
		}
	}
	var errs []error
	for _, c := range k.Chains() {
		if !used[c.Number] {
			errs = append(errs, k.DetachChain(c.Number))
		}
	}
	return errors.Join(errs...)
}

// Attached says which chains are attached, without changing anything.
func (k *Kernel) Attached() []Attachment {
	var list []Attachment
	for _, c := range k.Chains() {
		a := Attachment{Chain: c}
		if nic, err := findNIC(c.NIC); err != nil {
			a.Err = k.renamed(c.Number, err)
		} else if a.Why = k.modeWhy(c.Number, k.fitOf(nic, k.hasXDP)); !k.linkAlive(c.Number, nic.Attrs().Index) {
			a.Err = fmt.Errorf("nic %s: %s: not attached", c.NIC, c.Hook)
		}
		list = append(list, a)
	}
	return list
}

// hasXDP tells whether a NIC has a chain at XDP.
func (k *Kernel) hasXDP(nic string) bool {
	return slices.ContainsFunc(k.chains.all, func(c chain) bool { return c.Used != 0 && c.Hook == XDP && cString(c.NIC[:]) == nic })
}
