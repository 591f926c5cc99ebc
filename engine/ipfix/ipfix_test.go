package ipfix

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"net/netip"
	"testing"
	"time"

	"hairpin/engine/packet"
)

// collector reads messages by RFC 7011 alone: by the templates that came, strictly.
type collector struct {
	t         *testing.T
	templates map[uint16][]wire
	sequence  uint32
	lost      uint32
	got       map[uint16][]map[string]uint64 // values of at most 8 bytes
	addresses map[uint16][]map[string]netip.Addr
	refuses   bool
}

type wire struct {
	name   string
	length int
}

func newCollector(t *testing.T) *collector {
	return &collector{t: t, templates: map[uint16][]wire{}, got: map[uint16][]map[string]uint64{}, addresses: map[uint16][]map[string]netip.Addr{}}
}

func (c *collector) Write(m []byte) (int, error) {
	if c.refuses {
		return 0, errors.New("refused")
	}
	if len(m) > mostMessage || binary.BigEndian.Uint16(m) != 10 || int(binary.BigEndian.Uint16(m[2:])) != len(m) {
		c.t.Errorf("a message of %d bytes with header %x", len(m), m[:4])
	}
	sequence, records := binary.BigEndian.Uint32(m[8:]), uint32(0)
	for rest := m[16:]; len(rest) > 0; {
		number, length := binary.BigEndian.Uint16(rest), int(binary.BigEndian.Uint16(rest[2:]))
		if length < 4 || length > len(rest) {
			c.t.Fatalf("set %d of %d bytes in %d", number, length, len(rest))
		}
		content := rest[4:length]
		rest = rest[length:]
		switch {
		case number == setTemplates, number == setOptions:
			c.learn(content, number == setOptions)
		case c.templates[number] == nil:
			c.t.Errorf("records of template %d, which did not come", number)
		default:
			records += c.read(number, content)
		}
	}
	c.lost += sequence - c.sequence
	c.sequence = sequence + records
	return len(m), nil
}

func (c *collector) learn(b []byte, options bool) {
	for len(b) > 0 {
		number, n := binary.BigEndian.Uint16(b), int(binary.BigEndian.Uint16(b[2:]))
		b = b[4:]
		if options {
			b = b[2:]
		}
		list := []wire{}
		for range n {
			id, length := binary.BigEndian.Uint16(b), int(binary.BigEndian.Uint16(b[2:]))
			b = b[4:]
			name := fmt.Sprint(id)
			if id&0x8000 != 0 {
				if pen := binary.BigEndian.Uint32(b); pen != 29305 {
					c.t.Errorf("enterprise %d", pen)
				}
				name, b = fmt.Sprint("r", id&0x7fff), b[4:]
			}
			list = append(list, wire{name, length})
		}
		c.templates[number] = list
	}
}

func (c *collector) read(number uint16, b []byte) (n uint32) {
	for len(b) > 0 {
		values, addresses := map[string]uint64{}, map[string]netip.Addr{}
		for _, e := range c.templates[number] {
			if e.length > len(b) {
				c.t.Fatalf("template %d: a record that is cut off", number)
			}
			v := b[:e.length]
			b = b[e.length:]
			switch e.name {
			case "8", "12", "27", "28":
				addresses[e.name], _ = netip.AddrFromSlice(v)
			default:
				for _, x := range v {
					values[e.name] = values[e.name]<<8 | uint64(x)
				}
			}
		}
		c.got[number], c.addresses[number], n = append(c.got[number], values), append(c.addresses[number], addresses), n+1
	}
	return n
}

var noon = time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)

func tcp(src, dst string, sport, dport uint16, flags string, fill int) []byte {
	a, b := netip.MustParseAddr(src), netip.MustParseAddr(dst)
	ip := packet.Layer(packet.IPv4{Src: a, Dst: b})
	if a.Is6() {
		ip = packet.IPv6{Src: a, Dst: b}
	}
	return packet.Build(packet.Eth{}, ip, packet.TCP{Src: packet.Is(sport), Dst: packet.Is(dport), Flags: flags}, packet.Fill(fill))
}

func of(t *testing.T, frame []byte, after time.Duration) Packet {
	t.Helper()
	p, ok := Of(frame)
	if !ok {
		t.Fatalf("%x is no packet", frame)
	}
	p.Time, p.OneIn, p.NIC = noon.Add(after), 100, 7
	return p
}

// TestRecords: what went in comes out at a collector, by both families, in one direction and in both.
func TestRecords(t *testing.T) {
	c := NewCache()
	c.Add(of(t, tcp("198.51.100.7", "10.99.0.1", 40000, 80, "S", 0), 0))
	c.Add(of(t, tcp("198.51.100.7", "10.99.0.1", 40000, 80, "A", 100), time.Second))
	c.Add(of(t, tcp("10.99.0.1", "198.51.100.7", 80, 40000, "SA", 10), time.Second/2))
	c.Add(of(t, tcp("fd00::7", "fd00:99::1", 40000, 80, "S", 0), 0))
	c.Add(of(t, tcp("198.51.100.7", "10.99.0.1", 40001, 80, "S", 0), 0)) // one bit away
	out := newCollector(t)
	e := NewExporter(out, 5, 100)
	if err := e.Export(noon, c.Flush()); err != nil {
		t.Fatal(err)
	}
	if len(out.got[template4]) != 1 || len(out.got[template6]) != 1 || len(out.got[both4]) != 1 || len(out.got[both6]) != 0 {
		t.Fatalf("%v", out.got)
	}
	both := out.got[both4][0]
	for name, want := range map[string]uint64{"2": 2, "1": 40 + 140, "r2": 1, "r1": 50, "7": 40000, "11": 80, "4": 6, "6": 0x12, "10": 7, "136": 4,
		"305": 1, "306": 99, "152": uint64(noon.UnixMilli()), "153": uint64(noon.UnixMilli()) + 1000} {
		if both[name] != want {
			t.Errorf("element %s is %d, want %d", name, both[name], want)
		}
	}
	if a := out.addresses[both4][0]; a["8"].String() != "198.51.100.7" || a["12"].String() != "10.99.0.1" {
		t.Errorf("addresses %v", a)
	}
	if a := out.addresses[template6][0]; a["27"].String() != "fd00::7" || a["28"].String() != "fd00:99::1" {
		t.Errorf("addresses %v", a)
	}
	if r := out.got[template4][0]; r["61"] != 0 || r["2"] != 1 || r["7"] != 40001 {
		t.Errorf("%v", r)
	}
	if o := out.got[templateSampling]; len(o) != 1 || o[0]["306"] != 99 || o[0]["302"] != 1 || out.got[templateRate][0]["34"] != 100 || out.got[templateRate][0]["149"] != 5 {
		t.Errorf("sampling %v", o)
	}
	if out.lost != 0 || e.Records != 3 {
		t.Errorf("%d lost, %d sent", out.lost, e.Records)
	}
}

// TestExact: a million keys that differ by little are as many flows, in as many records, and no packet is lost when there is
// no room for them at once.
func TestExact(t *testing.T) {
	c := NewCache()
	c.most = 1000
	out := newCollector(t)
	e := NewExporter(out, 1, 1)
	n := 20_000
	packets := uint64(0)
	for i := range n {
		p := Packet{Key: Key{Src: netip.AddrFrom4([4]byte{10, byte(i >> 8), byte(i), 1}), Dst: netip.MustParseAddr("10.99.0.1"), SrcPort: uint16(i), DstPort: 80, Protocol: 6},
			Time: noon, Bytes: 40, OneIn: 1}
		for range 1 + i%3 {
			c.Add(p)
			packets++
		}
		if i%500 == 0 {
			if err := e.Export(noon, c.Due(noon)); err != nil {
				t.Fatal(err)
			}
		}
	}
	if err := e.Export(noon, c.Flush()); err != nil {
		t.Fatal(err)
	}
	got := uint64(0)
	keys := map[netip.Addr]bool{}
	for i, r := range out.got[template4] {
		got += r["2"]
		keys[out.addresses[template4][i]["8"]] = true
	}
	if len(keys) != n || got != packets || out.lost != 0 {
		t.Errorf("%d flows of %d, %d packets of %d, %d records lost", len(keys), n, got, packets, out.lost)
	}
}

// TestTimes: when records are made, and that a flow which goes on keeps its directions.
func TestTimes(t *testing.T) {
	c := NewCache()
	there, back := tcp("198.51.100.7", "10.99.0.1", 40000, 80, "A", 0), tcp("10.99.0.1", "198.51.100.7", 80, 40000, "A", 0)
	due := func(after time.Duration) (text string) {
		for _, r := range c.Due(noon.Add(after)) {
			text += fmt.Sprintf("%d: %s %d+%d ", r.End, r.Src, r.Packets, r.Back.Packets)
		}
		return text
	}
	for i := range 7 {
		c.Add(of(t, there, time.Duration(i)*10*time.Second))
	}
	if got := due(59 * time.Second); got != "" {
		t.Errorf("too early: %s", got)
	}
	if got := due(60 * time.Second); got != "2: 198.51.100.7 7+0 " {
		t.Errorf("one that goes on: %s", got)
	}
	c.Add(of(t, back, 61*time.Second))
	if got := due(70 * time.Second); got != "" {
		t.Errorf("too early: %s", got)
	}
	if got := due(77 * time.Second); got != "1: 10.99.0.1 1+0 " {
		t.Errorf("one that was silent, but for an answer: %s", got)
	}
	c.Add(of(t, tcp("198.51.100.7", "10.99.0.1", 40000, 80, "FA", 0), 80*time.Second))
	if got := due(82 * time.Second); got != "3: 198.51.100.7 1+0 " || len(c.flows) != 0 {
		t.Errorf("one that ended: %s", got)
	}
}

// TestRefused: what cannot be sent is counted, and the collector sees by the numbers that it is missing.
func TestRefused(t *testing.T) {
	out := newCollector(t)
	e := NewExporter(out, 1, 1)
	r := []Record{{Key: Key{Src: netip.MustParseAddr("10.0.0.1"), Dst: netip.MustParseAddr("10.0.0.2")}, Counts: Counts{Packets: 1}, OneIn: 1}}
	if err := e.Export(noon, r); err != nil {
		t.Fatal(err)
	}
	out.refuses = true
	if err := e.Export(noon.Add(time.Second), r); err == nil || e.Unsent != 1 {
		t.Errorf("%v, %d not sent", err, e.Unsent)
	}
	out.refuses = false
	if err := e.Export(noon.Add(templatesEvery), r); err != nil {
		t.Fatal(err)
	}
	if counts := out.got[templateCounts]; out.lost != 1 || len(counts) != 2 || counts[1]["166"] != 1 || counts[1]["42"] != 1 {
		t.Errorf("%d lost, %v", out.lost, counts)
	}
}

// TestOf: tunnels are looked into, ICMP has its type, and what is no packet is none.
func TestOf(t *testing.T) {
	inner := tcp("198.51.100.7", "10.99.0.1", 40000, 80, "S", 0)[14:]
	gue := packet.Build(packet.Eth{}, packet.IPv4{Src: netip.MustParseAddr("10.1.0.1"), Dst: netip.MustParseAddr("10.1.1.11")}, packet.UDP{}, packet.Inner(inner))
	if p, ok := Of(gue); !ok || p.SrcPort != 40000 || p.Bytes != 40 || p.Flags != 2 {
		t.Errorf("%+v, %v", p, ok)
	}
	echo := packet.Build(packet.Eth{}, packet.IPv4{Src: netip.MustParseAddr("10.1.0.1"), Dst: netip.MustParseAddr("10.1.1.11")}, packet.ICMPv4{Type: 8, Code: 3})
	if p, ok := Of(echo); !ok || p.ICMP != 0x803 || p.Protocol != 1 {
		t.Errorf("%+v, %v", p, ok)
	}
	if p, ok := Of(tcp("198.51.100.7", "10.99.0.1", 40000, 80, "S", 900)[:54]); !ok || p.Bytes != 940 || p.SrcPort != 40000 {
		t.Errorf("cut off: %+v, %v", p, ok)
	}
	for _, none := range [][]byte{nil, {1}, bytes.Repeat([]byte{0xff}, 60)} {
		if p, ok := Of(none); ok {
			t.Errorf("%x is %+v", none, p)
		}
	}
}
