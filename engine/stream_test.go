package engine

import (
	"encoding/binary"
	"errors"
	"fmt"
	"net/netip"
	"sync/atomic"
	"testing"
	"time"

	"github.com/cilium/ebpf"
	"github.com/cilium/ebpf/asm"
	"github.com/cilium/ebpf/link"
	"golang.org/x/sys/unix"

	"hairpin/engine/packet"
)

// stream is TCP connections through the balancer of eth0, whose packets come back to the wire encapsulated. As many are under
// way as there are connections, and never more: whatever load the machine bears, the wire has room for them.
type stream struct {
	fd     int
	frames [][]byte
	homes  []netip.Addr // the backend of each
	sent   uint64
	rounds atomic.Uint64
	ending atomic.Bool
	ended  chan error
}

const streamPort = 20000 // of the first connection

func newStream(t *testing.T, connections int) *stream {
	t.Helper()
	passOn(t, "eth0peer")
	fd, err := unix.Socket(unix.AF_PACKET, unix.SOCK_RAW, int(binary.BigEndian.Uint16([]byte{0, unix.ETH_P_IP >> 8})))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = unix.Close(fd) })
	wire := unix.SockaddrLinklayer{Ifindex: nic(t, "eth0peer").Attrs().Index, Protocol: 8} // IP, in network order
	wait := unix.Timeval{Sec: 20}
	if err := errors.Join(unix.Bind(fd, &wire), unix.SetsockoptInt(fd, unix.SOL_SOCKET, unix.SO_RCVBUFFORCE, 8<<20),
		unix.SetsockoptTimeval(fd, unix.SOL_SOCKET, unix.SO_RCVTIMEO, &wait)); err != nil {
		t.Fatal(err)
	}
	return &stream{fd: fd, frames: make([][]byte, connections), homes: make([]netip.Addr, connections)}
}

func (s *stream) frame(t *testing.T, i int, flags string, seq uint32) []byte {
	t.Helper()
	return packet.Build(packet.Eth{Dst: packet.MAC(nic(t, "eth0").Attrs().HardwareAddr)},
		packet.IPv4{Src: netip.MustParseAddr("192.0.2.9"), Dst: netip.MustParseAddr("10.99.0.1")},
		packet.TCP{Src: packet.Is(uint16(streamPort + i)), Dst: packet.Is(80), Flags: flags, Seq: seq}, packet.Fill(8))
}

// passOn has a NIC take what its peer sends by XDP_TX.
func passOn(t *testing.T, name string) {
	t.Helper()
	pass, err := ebpf.NewProgram(&ebpf.ProgramSpec{Type: ebpf.XDP, License: "MIT",
		Instructions: asm.Instructions{asm.Mov.Imm(asm.R0, 2), asm.Return()}})
	if err != nil {
		t.Fatal(err)
	}
	defer pass.Close()
	l, err := link.AttachXDP(link.XDPOptions{Program: pass, Interface: nic(t, name).Attrs().Index, Flags: link.XDPDriverMode})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = l.Close() })
}

// connect begins all connections, and notes where each went.
func (s *stream) connect(t *testing.T) {
	t.Helper()
	for i := range s.frames {
		s.frames[i] = s.frame(t, i, "S", 0)
	}
	if err := s.exchange(func(i int, to netip.Addr) { s.homes[i] = to }); err != nil {
		t.Fatal(err)
	}
	for i := range s.frames {
		s.frames[i] = s.frame(t, i, "A", 1)
	}
}

// exchange sends one packet of each connection and takes all of them back.
func (s *stream) exchange(arrived func(i int, to netip.Addr)) error {
	for _, f := range s.frames {
		if _, err := unix.Write(s.fd, f); err != nil {
			return err
		}
		s.sent++
	}
	back, buffer := make([]bool, len(s.frames)), make([]byte, 2048)
	for missing := len(s.frames); missing > 0; {
		n, _, err := unix.Recvfrom(s.fd, buffer, 0)
		if err != nil {
			return fmt.Errorf("%d of %d packets did not come back: %w", missing, len(s.frames), err)
		}
		// Ethernet 14, IP 20, UDP 8, and the packet that was sent behind its Ethernet header.
		if n < 82 || buffer[23] != unix.IPPROTO_UDP || binary.BigEndian.Uint16(buffer[36:]) != packet.GUEPort {
			continue
		}
		i := int(binary.BigEndian.Uint16(buffer[62:])) - streamPort
		if i < 0 || i >= len(back) || back[i] {
			return fmt.Errorf("a packet of connection %d came back that was not under way", i)
		}
		back[i] = true
		missing--
		arrived(i, netip.AddrFrom4([4]byte(buffer[30:34])))
	}
	s.rounds.Add(1)
	return nil
}

// start has packets flow until stop.
func (s *stream) start() {
	s.ending.Store(false)
	s.ended = make(chan error, 1)
	go func() {
		var err error
		for err == nil && !s.ending.Load() {
			var moved error
			err = s.exchange(func(i int, to netip.Addr) {
				if to != s.homes[i] {
					moved = fmt.Errorf("connection %d went to %s and is now at %s", i, s.homes[i], to)
				}
			})
			err = errors.Join(err, moved)
		}
		s.ended <- err
	}()
}

// round waits until n more packets of each connection have come back.
func (s *stream) round(t *testing.T, n uint64) {
	t.Helper()
	for limit, until := time.Now().Add(time.Minute), s.rounds.Load()+n; s.rounds.Load() < until; time.Sleep(time.Millisecond) {
		if time.Now().After(limit) || len(s.ended) > 0 {
			s.stop(t)
			t.Fatal("no packets flow")
		}
	}
}

// stop ends the flow, and the test where a packet was lost or went elsewhere.
func (s *stream) stop(t *testing.T) {
	t.Helper()
	s.ending.Store(true)
	if err := <-s.ended; err != nil {
		t.Fatal(err)
	}
}
