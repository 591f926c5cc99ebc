package nexthop

import (
	"net/netip"
	"os"
	"strings"
	"testing"
)

// TestArrive: what the kernel does with packets of the network that come in by eth0, by each of the settings that decide it.
func TestArrive(t *testing.T) {
	b := newBench(t)
	b.address(b.node, b.link(b.node, "lo"), "10.99.0.1/32")
	set := func(name, value string) {
		t.Helper()
		b.run(name, os.WriteFile("/proc/sys/net/"+name, []byte(value), 0))
	}
	arrive := func(src, dst string) Arrival {
		t.Helper()
		a, err := b.r.Arrive(b.eth0.Attrs().Index, "eth0", netip.MustParseAddr(src), netip.MustParseAddr(dst))
		b.run(src+" to "+dst, err)
		return a
	}
	set("ipv4/ip_forward", "0")
	set("ipv4/conf/all/rp_filter", "0")
	set("ipv4/conf/eth0/rp_filter", "0")
	const client, stranger = behind, "198.51.100.7"
	for _, local := range []string{"10.9.0.2", "10.99.0.1"} {
		if a := arrive(client, local); a != (Arrival{Local: true}) {
			t.Errorf("to %s: %+v", local, a)
		}
	}
	if a := arrive(behind6, "fd00:9::2"); a != (Arrival{Local: true}) {
		t.Errorf("to its IPv6 address: %+v", a)
	}
	why := func(a Arrival, words string) {
		t.Helper()
		if a.Local || a.NIC != "" || !strings.Contains(a.Why, words) {
			t.Errorf("%+v, want %q", a, words)
		}
	}
	why(arrive(onLink, behind), "does not forward: net.ipv4.ip_forward is 0")
	why(arrive(onLink6, behind6), "does not forward: net.ipv6.conf.all.forwarding is 0")
	set("ipv4/ip_forward", "1")
	set("ipv6/conf/all/forwarding", "1")
	if a := arrive(onLink, behind); a != (Arrival{NIC: "eth0", Gateway: netip.MustParseAddr(onLink)}) {
		t.Errorf("forwarded: %+v", a)
	}
	if a := arrive(onLink6, behind6); a != (Arrival{NIC: "eth0", Gateway: netip.MustParseAddr(onLink6)}) {
		t.Errorf("forwarded: %+v", a)
	}
	why(arrive(onLink, stranger), "no route leads to "+stranger)
	why(arrive("10.9.0.2", "10.99.0.1"), "10.9.0.2 is an address of this node")
	set("ipv4/conf/eth0/rp_filter", "2")
	why(arrive(stranger, "10.99.0.1"), "rp_filter is 2 on eth0")
	set("ipv4/conf/eth0/rp_filter", "1")
	why(arrive(stranger, "10.99.0.1"), "rp_filter is 1 on eth0")
	if a := arrive(client, "10.99.0.1"); !a.Local {
		t.Errorf("with rp_filter, from where the route leads: %+v", a)
	}
}
