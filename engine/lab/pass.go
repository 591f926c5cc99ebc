package lab

import (
	"fmt"

	"github.com/cilium/ebpf"
	"github.com/cilium/ebpf/asm"
	"github.com/vishvananda/netlink"
	"golang.org/x/sys/unix"
)

// attachPass puts a program that passes everything on a veth whose peer sends by XDP_TX: without one the kernel loses
// those frames. It is attached over netlink, not by a link, so that it lasts as long as the interface and needs no pin.
func attachPass(nic netlink.Link) error {
	prog, err := ebpf.NewProgram(&ebpf.ProgramSpec{
		Name:    "lab_pass",
		Type:    ebpf.XDP,
		License: "MIT",
		Instructions: asm.Instructions{
			asm.Mov.Imm(asm.R0, 2), // XDP_PASS
			asm.Return(),
		},
	})
	if err != nil {
		return fmt.Errorf("load XDP_PASS: %w", err)
	}
	defer prog.Close()
	if err := netlink.LinkSetXdpFdWithFlags(nic, prog.FD(), unix.XDP_FLAGS_DRV_MODE); err != nil {
		return fmt.Errorf("attach XDP_PASS: %w", err)
	}
	return nil
}

// TakesXDP prepares the router's end of a node's wire for what the node sends by XDP_TX, as that of lb is.
func (l *Lab) TakesXDP(node string) error {
	if err := l.has(node); err != nil {
		return err
	}
	err := inNamespace(l.namespace(Router), func() error {
		nic, err := netlink.LinkByName(node)
		if err != nil {
			return err
		}
		return attachPass(nic)
	})
	if err != nil {
		return fmt.Errorf("lab %q: %s: %w", l.name, node, err)
	}
	return nil
}
