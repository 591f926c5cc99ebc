package lab

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"time"

	"github.com/vishvananda/netlink"
	"golang.org/x/sys/unix"
)

// PowerOff takes a load balancer from the network at once, with its engine and all that its kernel held of hairpin; its disk stays.
func (l *Lab) PowerOff(ctx context.Context, node string) error {
	if !balances(node) {
		return fmt.Errorf("power off %s: it is no load balancer", node)
	}
	err := l.plugged(node, false)
	if err == nil {
		err = (daemon{l, node, engineDaemon}).stop(ctx, unix.SIGKILL)
	}
	if err == nil {
		err = os.RemoveAll(filepath.Join(l.bpf(node), "hairpin")) // pins hold the rest
	}
	if err == nil {
		err = l.Do(node, func() error { return awaitBare(ctx) })
	}
	if err != nil {
		return fmt.Errorf("power off %s: %w", node, err)
	}
	return nil
}

// awaitBare returns when no program is attached to the NIC any more: the kernel lets go of it some time after the last pin.
func awaitBare(ctx context.Context) error {
	for {
		nic, err := netlink.LinkByName(NIC)
		if err != nil || nic.Attrs().Xdp == nil || !nic.Attrs().Xdp.Attached {
			return err
		}
		if !pause(ctx, 5*time.Millisecond) {
			return fmt.Errorf("%s still has an XDP program: %w", NIC, ctx.Err())
		}
	}
}

// PowerOn brings it back as after a boot.
func (l *Lab) PowerOn(ctx context.Context, node string) error {
	if err := l.plugged(node, true); err != nil {
		return fmt.Errorf("power on %s: %w", node, err)
	}
	return l.StartEngine(ctx, node)
}

// Reshuffle has the router spread flows otherwise, as a router does that was changed or loses a wire: most flows come to another node.
func (l *Lab) Reshuffle() error {
	err := l.Do(Router, func() error {
		now, err := os.ReadFile("/proc/sys/net/ipv4/fib_multipath_hash_policy")
		if err != nil {
			return err
		}
		if strings.TrimSpace(string(now)) != byPorts()[0].value {
			return writeAll(byPorts()...)
		}
		return writeAll(byThree()...)
	})
	if err != nil {
		return fmt.Errorf("spread flows otherwise: %w", err)
	}
	return nil
}

// byThree spreads by both addresses and the source port.
func byThree() (all []setting) {
	const fields = "19" // bits of linux/net/ip_fib.h: 1 source, 2 destination, 16 source port
	for _, family := range []string{"ipv4", "ipv6"} {
		all = append(all, setting{family + "/fib_multipath_hash_fields", fields}, setting{family + "/fib_multipath_hash_policy", "3"})
	}
	return all
}
