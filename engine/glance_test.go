package engine

import (
	"errors"
	"net/netip"
	"testing"
	"time"

	"hairpin/engine/packet"
	"hairpin/engine/talkers"
)

// TestFlowFrames: what was sampled in the last minute is traced, a packet of each connection, those with most first; of what a sample
// says too little, none.
func TestFlowFrames(t *testing.T) {
	now := time.Unix(5000, 0)
	var c captures
	if _, err := c.frames(now); !errors.Is(err, ErrInvalid) {
		t.Errorf("of nothing: %v", err)
	}
	c.talk.book = talkers.NewBook(now)
	sample := func(age time.Duration, protocol uint8, src, flags string, times int) {
		for range times {
			c.talk.book.Packet(talkers.Sample{At: now.Add(-age), Protocol: protocol, Src: netip.MustParseAddrPort(src), Dst: netip.MustParseAddrPort("10.99.0.1:80"),
				Flags: flags, Bytes: 60, OneIn: 1})
		}
	}
	sample(2*time.Minute, packet.ProtoTCP, "198.51.100.9:1", "S", 9)
	sample(time.Second, packet.ProtoTCP, "198.51.100.7:40000", "S", 1)
	sample(time.Second, packet.ProtoTCP, "198.51.100.7:40000", "A", 1)
	sample(time.Second, packet.ProtoUDP, "198.51.100.8:53", "", 5)
	sample(time.Second, packet.ProtoICMP, "198.51.100.6:0", "", 7)
	sample(time.Second, packet.ProtoTCP, "198.51.100.5:1", "", 1)
	frames, err := c.frames(now)
	if err != nil {
		t.Fatal(err)
	}
	want := []string{"udp 198.51.100.8:53 > 10.99.0.1:80 len 18 ttl 64", "tcp 198.51.100.7:40000 > 10.99.0.1:80 A ttl 64", "tcp 198.51.100.5:1 > 10.99.0.1:80 A ttl 64"}
	for i := range max(len(want), len(frames)) {
		if i >= len(frames) || i >= len(want) || describe(frames[i]) != want[i] {
			t.Fatalf("%d frames, number %d is %q; want %q", len(frames), i, describe(frames[min(i, len(frames)-1)]), want)
		}
	}
}
