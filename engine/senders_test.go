package engine

import (
	"fmt"
	"net/netip"
	"testing"
	"time"

	"hairpin/engine/events"
	"hairpin/engine/reason"
)

// TestSenders: who sends what is dropped is told as narrowly as the samples are, and not of samples that are old.
func TestSenders(t *testing.T) {
	limited, _ := reason.ByName("rate_limited")
	for _, row := range []struct {
		what string
		from func(i int) string
		want Senders
	}{
		{"one", func(int) string { return "198.51.100.18" }, Senders{256, 512, 1, netip.MustParsePrefix("198.51.100.18/32"), 256, 512, 1}},
		{"a flood", func(i int) string { return fmt.Sprintf("198.%d.%d.7", 18+i%2, i) }, Senders{256, 512, 256, netip.MustParsePrefix("198.18.0.0/15"), 256, 512, 256}},
		{"a flood in bursts, and customers that try again", func(i int) string {
			if i%2 == 0 {
				return fmt.Sprintf("fd00:1::%d", i%8)
			}
			return fmt.Sprintf("198.%d.%d.7", 18+i/2%2, i)
		}, Senders{256, 512, 132, netip.MustParsePrefix("198.18.0.0/15"), 128, 256, 128}},
		{"of IPv6", func(i int) string { return fmt.Sprintf("2001:db8::%x", i) }, Senders{256, 512, 256, netip.MustParsePrefix("2001:db8::/120"), 256, 512, 256}},
		{"everywhere", func(i int) string { return fmt.Sprintf("%d.%d.0.1", 1+i%127*2, i) }, Senders{Samples: 256, Packets: 512, Addresses: 256}},
		{"three thirds", func(i int) string { return fmt.Sprintf("%d.0.0.1", 10+70*(i%3)) }, Senders{Samples: 256, Packets: 512, Addresses: 3}},
	} {
		var s senders
		now := time.Unix(1000, 0)
		for i := range 256 {
			s.note(now, events.Drop{Reason: limited, OneIn: 2, Src: netip.AddrPortFrom(netip.MustParseAddr(row.from(i)), 1)})
		}
		s.note(now, events.Drop{Reason: limited}) // not IP
		reasons := []Reason{{Name: "icmp"}, {Name: limited.Name}}
		s.show(now.Add(senderAge), reasons)
		if got := reasons[1].Senders; got == nil || *got != row.want || reasons[0].Senders != nil {
			t.Errorf("%s: %+v, want %+v", row.what, got, row.want)
		}
		reasons[1].Senders = nil
		if s.show(now.Add(senderAge+1), reasons); reasons[1].Senders != nil {
			t.Errorf("%s: old samples are told: %+v", row.what, reasons[1].Senders)
		}
	}
}

// TestSendersInBursts: who sends in a burst, of which few packets are told, counts for all of it.
func TestSendersInBursts(t *testing.T) {
	limited, _ := reason.ByName("rate_limited")
	var s senders
	now := time.Unix(1000, 0)
	for i := range 40 {
		s.note(now, events.Drop{Reason: limited, OneIn: 1, Src: netip.AddrPortFrom(netip.AddrFrom4([4]byte{10, byte(i), 0, 1}), 1)})
	}
	for range 10 {
		s.note(now, events.Drop{Reason: limited, OneIn: 64, Src: netip.MustParseAddrPort("198.51.100.7:1")})
	}
	reasons := []Reason{{Name: limited.Name}}
	s.show(now, reasons)
	want := Senders{Samples: 50, Packets: 680, Addresses: 41, Net: netip.MustParsePrefix("198.51.100.7/32"), NetSamples: 10, NetPackets: 640, NetAddresses: 1}
	if got := reasons[0].Senders; got == nil || *got != want {
		t.Errorf("%+v, want %+v", got, want)
	}
}
