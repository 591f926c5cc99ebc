package lab

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/netip"
	"os"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/cilium/ebpf"
	"github.com/vishvananda/netlink"
)

func TestTopology(t *testing.T) {
	l := testUp(t, 3)
	for i := 1; i <= l.Backends(); i++ {
		for _, addr := range l.Addresses(Backend(i)) {
			t.Run(fmt.Sprintf("backend answers %v", addr), func(t *testing.T) { asksBackend(t, l, addr, Backend(i)) })
		}
	}
	t.Run("every source gets through at once", func(t *testing.T) { everySource(t, l) })
	t.Run("VIPs lead to lb", func(t *testing.T) { vipsLeadToLB(t, l) })
	t.Run("offloads are off", func(t *testing.T) { everyNIC(t, l, offloadsAreOff) })
	t.Run("MTUs", func(t *testing.T) { everyNIC(t, l, mtuFits) })
	t.Run("XDP_PASS faces lb", func(t *testing.T) { passFacesLB(t, l) })
	t.Run("VIPs answer from lo", func(t *testing.T) { vipsAnswer(t, l) })
}

func asksBackend(t *testing.T, l *Lab, addr netip.Addr, want string) {
	t.Helper()
	before := sentAgain(t, l)
	answer, err := browser(l, Client).Get("http://" + netip.AddrPortFrom(addr, HTTPPort).String())
	if err != nil {
		t.Fatal(err)
	}
	defer answer.Body.Close()
	body, err := io.ReadAll(answer.Body)
	if err != nil {
		t.Fatal(err)
	}
	if got := answer.Header.Get("X-Backend"); got != want || string(body) != want+"\n" {
		t.Errorf("header %q, body %q; both should say %s", got, body, want)
	}
	if n := sentAgain(t, l) - before; n != 0 {
		t.Errorf("%d packets had to be sent again", n)
	}
	if got, err := askEcho(l, addr); err != nil || got != want+"\nhello" {
		t.Errorf("echo says %q, %v", got, err)
	}
}

// askEcho sends a datagram from a connected socket, which hears only an answer from the address it asked.
func askEcho(l *Lab, addr netip.Addr) (string, error) {
	conn, err := l.DialContext(context.Background(), Client, "udp", netip.AddrPortFrom(addr, EchoPort).String())
	if err != nil {
		return "", err
	}
	defer conn.Close()
	if err := conn.SetDeadline(time.Now().Add(time.Minute)); err != nil {
		return "", err
	}
	if _, err := conn.Write([]byte("hello")); err != nil {
		return "", err
	}
	answer := make([]byte, 100)
	n, err := conn.Read(answer)
	return string(answer[:n]), err
}

// sentAgain is how many TCP segments the client has sent more than once.
func sentAgain(t *testing.T, l *Lab) (n int) {
	t.Helper()
	err := l.Do(Client, func() error {
		text, err := os.ReadFile("/proc/thread-self/net/snmp")
		if err != nil {
			return err
		}
		var lines [][]string
		for line := range strings.Lines(string(text)) {
			if strings.HasPrefix(line, "Tcp:") {
				lines = append(lines, strings.Fields(line))
			}
		}
		if len(lines) != 2 || len(lines[0]) != len(lines[1]) || !slices.Contains(lines[0], "RetransSegs") {
			return fmt.Errorf("no RetransSegs in %q", lines)
		}
		n, err = strconv.Atoi(lines[1][slices.Index(lines[0], "RetransSegs")])
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	return n
}

// everySource asks from all addresses of the client: the router has to find each, and a SYN waits for that or is lost.
func everySource(t *testing.T, l *Lab) {
	before := sentAgain(t, l)
	for i, vip := range []netip.Addr{VIP4, VIP6} {
		to := netip.AddrPortFrom(l.Addresses(Backend(1))[i], HTTPPort).String()
		for _, source := range Sources(vip) {
			err := l.Do(Client, func() error {
				from := net.Dialer{LocalAddr: net.TCPAddrFromAddrPort(netip.AddrPortFrom(source, 0)), Timeout: time.Minute}
				conn, err := from.Dial("tcp", to)
				if err == nil {
					conn.Close()
				}
				return err
			})
			if err != nil {
				t.Errorf("%v to %v: %v", source, to, err)
			}
		}
	}
	if n := sentAgain(t, l) - before; n != 0 {
		t.Errorf("%d packets had to be sent again", n)
	}
}

func vipsLeadToLB(t *testing.T, l *Lab) {
	for i, vip := range []netip.Addr{VIP4, VIP6} {
		err := l.Do(Router, func() error {
			routes, err := netlink.RouteGet(vip.AsSlice())
			if err != nil {
				return err
			}
			lb, err := netlink.LinkByName(LB)
			if err != nil {
				return err
			}
			gw, _ := netip.AddrFromSlice(routes[0].Gw)
			if want := l.Addresses(LB)[i]; gw.Unmap() != want || routes[0].LinkIndex != lb.Attrs().Index {
				return fmt.Errorf("goes via %v on interface %d, not via %v", gw, routes[0].LinkIndex, want)
			}
			return nil
		})
		if err != nil {
			t.Errorf("%v: %v", vip, err)
		}
	}
}

func everyNIC(t *testing.T, l *Lab, check func(netlink.Link) error) {
	for _, node := range l.Nodes() {
		err := l.Do(node, func() error {
			nics, err := netlink.LinkList()
			for _, nic := range nics {
				if nic.Type() == "veth" {
					err = errors.Join(err, check(nic))
				}
			}
			if len(nics) < 2 {
				err = errors.Join(err, errors.New("has no NIC"))
			}
			return err
		})
		if err != nil {
			t.Errorf("%s: %v", node, err)
		}
	}
}

func offloadsAreOff(nic netlink.Link) error {
	for _, o := range offloads {
		on, err := ethtool(nic.Attrs().Name, o.get, 0)
		if err != nil {
			return err
		}
		if on != 0 {
			return fmt.Errorf("%s: %s is on", nic.Attrs().Name, o.name)
		}
	}
	return nil
}

func mtuFits(nic netlink.Link) error {
	want := 1600
	if mac := nic.Attrs().HardwareAddr.String(); strings.HasPrefix(mac, "02:68:c6:33:64:") { // 198.51.100
		want = 1500
	}
	if got := nic.Attrs().MTU; got != want {
		return fmt.Errorf("%s: MTU %d, not %d", nic.Attrs().Name, got, want)
	}
	return nil
}

func passFacesLB(t *testing.T, l *Lab) {
	err := l.Do(Router, func() error {
		nic, err := netlink.LinkByName(LB)
		if err != nil {
			return err
		}
		xdp := nic.Attrs().Xdp
		if xdp == nil || !xdp.Attached || xdp.AttachMode != 1 {
			return fmt.Errorf("not attached natively: %+v", xdp)
		}
		prog, err := ebpf.NewProgramFromID(ebpf.ProgramID(xdp.ProgId))
		if err != nil {
			return err
		}
		defer prog.Close()
		verdict, err := prog.Run(&ebpf.RunOptions{Data: make([]byte, 64)})
		if err == nil && verdict != 2 {
			err = fmt.Errorf("verdict %d, not XDP_PASS", verdict)
		}
		return err
	})
	if err != nil {
		t.Error(err)
	}
}

// vipsAnswer leads the VIPs straight to a backend, as if lb had chosen it.
func vipsAnswer(t *testing.T, l *Lab) {
	err := l.Do(Router, func() error {
		nic, err := netlink.LinkByName(Backend(2))
		if err != nil {
			return err
		}
		for i, vip := range []netip.Addr{VIP4, VIP6} {
			if err := addRoute(nic, netip.PrefixFrom(vip, vip.BitLen()), l.Addresses(Backend(2))[i]); err != nil {
				return err
			}
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	asksBackend(t, l, VIP4, Backend(2))
	asksBackend(t, l, VIP6, Backend(2))
	uploads(t, l, VIP4)
	uploads(t, l, VIP6)
}

// uploads sends and fetches more than a window of full segments.
func uploads(t *testing.T, l *Lab, addr netip.Addr) {
	t.Helper()
	const size = 5_000_000
	url := "http://" + netip.AddrPortFrom(addr, HTTPPort).String()
	answer, err := browser(l, Client).Post(url, "", bytes.NewReader(make([]byte, size)))
	if err != nil {
		t.Fatal(err)
	}
	defer answer.Body.Close()
	if body, err := io.ReadAll(answer.Body); err != nil || string(body) != fmt.Sprintf("%s %d\n", Backend(2), size) {
		t.Errorf("upload answered %q, %v", body, err)
	}
	if answer, err = browser(l, Client).Get(fmt.Sprintf("%s/bytes?n=%d", url, size)); err != nil {
		t.Fatal(err)
	}
	defer answer.Body.Close()
	if n, err := io.Copy(io.Discard, answer.Body); err != nil || n != size || answer.StatusCode != http.StatusOK {
		t.Errorf("download of %d bytes ended after %d, %v", size, n, err)
	}
}

func TestCommandRunsOnNode(t *testing.T) {
	l := testUp(t, 1)
	cmd := l.Command(LB, "sh", "-c", "echo $HAIRPIN_NODE $HAIRPIN_BPFFS $HAIRPIN_RUN; readlink /proc/self/ns/net; readlink /proc/self/ns/mnt; echo $$")
	cmd.Stderr = os.Stderr
	out, err := cmd.Output()
	if err != nil {
		t.Fatal(err)
	}
	mnt, err := os.Readlink("/proc/self/ns/mnt")
	if err != nil {
		t.Fatal(err)
	}
	dir := l.NodeDir(LB)
	want := fmt.Sprintf("lb %s/bpf %s/run\nnet:[%d]\n%s\n%d\n", dir, dir, namespaceInode(l.namespace(LB)), mnt, cmd.Process.Pid)
	if string(out) != want {
		t.Errorf("got:\n%s\nwant:\n%s", out, want)
	}
	if _, err := l.Command("lb2", "true").Output(); err == nil {
		t.Error("a node that does not exist is accepted")
	}
}
