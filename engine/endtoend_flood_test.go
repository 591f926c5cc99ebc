package engine_test

import (
	"context"
	"encoding/binary"
	"math/rand/v2"
	"net/netip"
	"os"
	"strconv"
	"strings"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"hairpin/engine/lab"
	"hairpin/engine/packet"
	"hairpin/engine/spec"
)

// flood is packets of one kind from addresses that nobody has, at a rate that leaves this machine time for the others.
type flood struct {
	flags string
	count int
	from  netip.Addr // zero: any
}

const (
	floodBurst = 40
	floodPause = 4 * time.Millisecond // 10,000 a second
)

// send floods the VIP from the client's network, whose router forwards what anybody sends.
func (f flood) send(ctx context.Context, n *network, seed uint64) error {
	dice := rand.New(rand.NewPCG(seed, 0))
	return n.Do(lab.Client, func() error {
		fd, err := unix.Socket(unix.AF_INET, unix.SOCK_RAW|unix.SOCK_CLOEXEC, unix.IPPROTO_RAW) // with headers of our own
		if err != nil {
			return err
		}
		defer unix.Close(fd)
		to := &unix.SockaddrInet4{Addr: lab.VIP4.As4()}
		pace := time.NewTicker(floodPause)
		defer pace.Stop()
		for i := range f.count {
			if i%floodBurst == 0 {
				select {
				case <-pace.C:
				case <-ctx.Done():
					return ctx.Err()
				}
			}
			if err := unix.Sendto(fd, f.packet(dice), 0, to); err != nil && err != unix.ENOBUFS {
				return err
			}
		}
		return nil
	})
}

// packet comes from 198.18.0.0/15, which is for benchmarks and nobody's.
func (f flood) packet(dice *rand.Rand) []byte {
	var anybody [4]byte
	binary.BigEndian.PutUint32(anybody[:], 198<<24|18<<16|dice.Uint32()&0x1ffff)
	src := f.from
	if !src.IsValid() {
		src = netip.AddrFrom4(anybody)
	}
	return packet.Build(packet.IPv4{Src: src, Dst: lab.VIP4}, packet.TCP{Src: packet.Is(uint16(1024 + dice.IntN(64000))),
		Dst: packet.Is(lab.HTTPPort), Seq: dice.Uint32(), Flags: f.flags})
}

// overflown is how many packets all links of the lab had no room for, ever.
func (n *network) overflown(t *testing.T) (packets uint64) {
	t.Helper()
	for _, node := range []string{lab.Router, lab.Client, lab.LB, lab.Backend(1), lab.Backend(2), lab.Backend(3)} {
		err := n.Do(node, func() error {
			text, err := os.ReadFile("/proc/thread-self/net/dev")
			if err != nil {
				return err
			}
			for line := range strings.Lines(string(text)) {
				_, figures, ok := strings.Cut(line, ":")
				if !ok {
					continue
				}
				f := strings.Fields(figures)
				for _, dropped := range []string{f[3], f[11]} {
					n, err := strconv.ParseUint(dropped, 10, 64)
					if err != nil {
						return err
					}
					packets += n
				}
			}
			return nil
		})
		if err != nil {
			t.Fatal(err)
		}
	}
	return packets
}

// TestFloods: floods of SYNs and of ACKs, on a VIP that is quiet and on one that settles, leave the connections of real
// clients alone, and the engine answers as quickly as ever.
func TestFloods(t *testing.T) {
	beside(t)
	n := up(t, 3, 3)
	node := n.dial(t)
	seed := uint64(time.Now().UnixNano())
	t.Logf("seed %d", seed)
	before, counted := n.accounts(t)
	overflown := n.overflown(t)
	kept, requests := n.start(t, lasting), n.start(t, lab.LoadConfig{For: 2 * time.Minute, New: 200})
	count := 15_000
	s := node.State().Spec
	for i, f := range []flood{{flags: "S", count: count}, {flags: "A", count: count}, {flags: "S", count: count}, {flags: "A", count: count}} {
		if i == 2 {
			s = edited(t, s, func(s *spec.Spec, vip string) (*spec.Spec, error) {
				return spec.SetState(s, vip, n.address(1), spec.Drain)
			})
			apply(t, n.ctx, node, s)
			if node.State().VIPs[0].Settling == nil {
				t.Fatal("the VIP does not settle")
			}
		}
		arrived := n.received(t)
		over := make(chan error, 1)
		go func() { over <- f.send(n.ctx, n, seed+uint64(i)) }()
		edits := 0
		for flooding := true; flooding; edits++ {
			select {
			case err := <-over:
				if flooding = false; err != nil {
					t.Fatal(err)
				}
			case <-time.After(100 * time.Millisecond):
				s = edited(t, s, func(s *spec.Spec, vip string) (*spec.Spec, error) {
					return spec.SetWeight(s, vip, n.address(2), uint32(100+edits%2))
				})
				apply(t, n.ctx, node, s)
				if age := time.Since(node.State().Time); age > 5*time.Second {
					t.Errorf("the newest state is %v old", age)
				}
			}
		}
		arrived = n.received(t) - arrived
		t.Logf("%d of %q: %d packets in, %d edits meanwhile", f.count, f.flags, arrived, edits)
		if arrived < uint64(f.count)*9/10 {
			t.Errorf("only %d packets of a flood of %d arrived", arrived, f.count)
		}
	}
	perfect(t, "requests meanwhile", requests.end(t))
	stayed := kept.end(t)
	if lost := stayed.Echo.Asked - stayed.Echo.Answered; lost > 0 && lost <= stayed.Echo.Asked/100 && lost <= n.overflown(t)-overflown {
		t.Logf("%d datagrams were lost in links that the flood had filled", lost) // nobody sends them again
		stayed.Echo.Answered, stayed.Echo.Failed = stayed.Echo.Asked, 0
	}
	perfect(t, "connections that stay", stayed)
	if nowReceived, nowCounted := n.accounts(t); nowReceived-before != nowCounted-counted {
		t.Errorf("eth0 received %d packets, %d left for a reason", nowReceived-before, nowCounted-counted)
	}
}
