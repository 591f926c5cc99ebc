package capture

import (
	"bytes"
	"encoding/binary"
	"fmt"
	"math/rand/v2"
	"reflect"
	"strings"
	"testing"
	"time"

	"hairpin/engine/packet"
	"hairpin/engine/trace"
)

// pair is a packet as it came and as it left.
func pair() []Record {
	came := packet.Build(packet.Eth{}, packet.IPv4{}, packet.TCP{Flags: "S"}, packet.Fill(50))
	left := packet.Build(packet.Eth{}, packet.IPv4{Src: packet.VIP4}, packet.UDP{Dst: packet.GUEPort}, packet.IPv4{}, packet.TCP{Flags: "S"}, packet.Fill(50))
	r := Record{Time: time.Unix(1_700_000_000, 123456789), Packet: 5<<48 | 7, Point: Came, NIC: "eth0", Hook: "xdp", Stage: "balancer", VIP: "web",
		Verdict: "forward", Code: 3, Reason: "forwarded", OneIn: 100, Bytes: len(came), Frame: came[:54]}
	out := r
	out.Point, out.Bytes, out.Frame = Left, len(left), left[:82]
	after := Record{Time: r.Time, Packet: 8, Point: After, NIC: "eth1", Hook: "tcx_egress", Stage: "edge", OneIn: 1, Code: -1, Bytes: 3, Frame: []byte{1, 2, 3}}
	return []Record{r, out, after}
}

// TestPack: what is packed is what is unpacked, and what was cut or changed on the way is no panic.
func TestPack(t *testing.T) {
	var b []byte
	want := pair()
	for i := range want {
		b = Append(b, &want[i])
	}
	got, err := All(b)
	if err != nil || !reflect.DeepEqual(got, want) {
		t.Errorf("%v\n%+v\nwant %+v", err, got, want)
	}
	g := rand.New(rand.NewPCG(1, 2))
	for range 10_000 {
		broken := bytes.Clone(b[:g.IntN(len(b))])
		for range g.IntN(4) {
			if len(broken) > 0 {
				broken[g.IntN(len(broken))] ^= byte(g.IntN(256))
			}
		}
		if list, _ := All(broken); len(list) > len(broken) {
			t.Fatalf("%d records of %d bytes", len(list), len(broken))
		}
	}
}

// TestFile: the file is what its format says: each point is an interface, times are exact, cut frames keep their length.
func TestFile(t *testing.T) {
	var file bytes.Buffer
	w, err := NewWriter(&file, "hairpin test")
	if err != nil {
		t.Fatal(err)
	}
	list := pair()
	for i := range list {
		if err := w.Write(&list[i]); err != nil {
			t.Fatal(err)
		}
	}
	for _, r := range list {
		if !bytes.Contains(file.Bytes(), []byte(r.Comment())) {
			t.Errorf("no comment %q", r.Comment())
		}
	}
	blocks := blocksOf(t, file.Bytes())
	var names, kinds []string
	at := 0
	for _, b := range blocks {
		kinds = append(kinds, fmt.Sprint(b.kind))
		switch b.kind {
		case blockInterface:
			names = append(names, string(b.options[interfaceName]))
			if b.options[interfaceUnit][0] != nanoseconds {
				t.Errorf("interface %s: unit of time %v", b.options[interfaceName], b.options[interfaceUnit])
			}
		case blockPacket:
			word := func(i int) uint32 { return binary.LittleEndian.Uint32(b.body[4*i:]) }
			want := list[at]
			at++
			if names[word(0)] != want.Place() || uint64(word(1))<<32|uint64(word(2)) != uint64(want.Time.UnixNano()) || int(word(4)) != want.Bytes ||
				!bytes.Equal(b.body[20:][:word(3)], want.Frame) || string(b.options[optionComment]) != want.Comment() ||
				binary.LittleEndian.Uint64(b.options[packetNumber]) != want.Packet {
				t.Errorf("%+v\nwant %+v", b, want)
			}
			if v := b.options[packetVerdict]; (want.Verdict == "") != (v == nil) || v != nil && (v[0] != verdictOfXDP || v[1] != byte(want.Code)) {
				t.Errorf("verdict %v, want %d", v, want.Code)
			}
		}
	}
	if at != len(list) || strings.Join(kinds[:3], " ") != fmt.Sprint(blockSection, blockInterface, blockPacket) {
		t.Errorf("blocks %v", kinds)
	}
}

// block is one of a file, by its lengths alone.
type block struct {
	kind    uint32
	body    []byte
	options map[uint16][]byte
}

// blocksOf takes a file apart as its format says; the length of a block stands at both its ends.
func blocksOf(t *testing.T, file []byte) (list []block) {
	t.Helper()
	for len(file) > 0 {
		size := binary.LittleEndian.Uint32(file[4:])
		if size%4 != 0 || binary.LittleEndian.Uint32(file[size-4:]) != size {
			t.Fatalf("a block of %d bytes ends with %d", size, binary.LittleEndian.Uint32(file[size-4:]))
		}
		b := block{binary.LittleEndian.Uint32(file), file[8 : size-4], map[uint16][]byte{}}
		head := map[uint32]int{blockSection: 16, blockInterface: 8, blockPacket: 20}[b.kind]
		if b.kind == blockPacket {
			head += int(binary.LittleEndian.Uint32(b.body[12:])+3) &^ 3
		}
		for rest := b.body[head:]; ; {
			code, n := binary.LittleEndian.Uint16(rest), int(binary.LittleEndian.Uint16(rest[2:]))
			if code == 0 {
				break
			}
			b.options[code] = rest[4 : 4+n]
			rest = rest[4+(n+3)&^3:]
		}
		list, file = append(list, b), file[size:]
	}
	return list
}

// TestText: a cut frame is told as far as it goes, tunnels with what is in them.
func TestText(t *testing.T) {
	list := pair()
	for i, want := range []string{
		"tcp 198.51.100.7:40000 > 10.99.0.1:80 S ttl 64", "gue 10.99.0.1:40000 > 10.99.0.1:6080 [tcp 198.51.100.7:40000 > 10.99.0.1:80 S ttl 64]", "3 bytes: parse packet",
	} {
		if got := list[i].Line(); !strings.HasPrefix(got, want) {
			t.Errorf("line %q, want %q", got, want)
		}
	}
	told := packet.Build(packet.Eth{}, packet.IPv4{}, packet.ICMPv4{Type: 3, Code: 4, Rest: 1400}, packet.Quote(packet.Build(packet.IPv4{Src: packet.VIP4}, packet.UDP{Dst: packet.GUEPort},
		packet.IPv4{}, packet.TCP{Flags: "S"}, packet.Fill(50)), 1000))
	for cut, want := range map[int]string{len(told): "3/4 mtu 1400 ttl 64 [gue", 96: "3/4 mtu 1400 ttl 64 [gue", 42: "3/4 mtu 1400 ttl 64"} {
		if got := (&Record{Bytes: len(told), Frame: told[:cut]}).Line(); !strings.Contains(got, want) {
			t.Errorf("%d bytes of an error are told as %q, want %q", cut, got, want)
		}
	}
	if got, want := list[0].Comment(), "forward forwarded at balancer, vip web, 1 of 100 packets"; got != want {
		t.Errorf("comment %q, want %q", got, want)
	}
	frame, err := trace.Parse(list[1].Whole())
	if err != nil || len(frame) != 132 || !bytes.HasPrefix(frame, list[1].Frame) || len(bytes.Trim(frame[82:], "\x00")) > 0 {
		t.Errorf("as a trace takes it: %x, %v", frame, err)
	}
	if got := list[2].Whole(); got != "" {
		t.Errorf("of 3 bytes a trace can take %q", got)
	}
	text := strings.Join(list[1].Describe(), "\n")
	for _, want := range []string{"eth0 left", "82 bytes of 132", "ip4 10.99.0.1 > 10.99.0.1", "ports 40000 > 6080", "tcp 40000 > 80 S", "0050  "} {
		if !strings.Contains(text, want) {
			t.Errorf("no %q in\n%s", want, text)
		}
	}
	for i := range list[1].Frame {
		cut := list[1]
		cut.Frame = cut.Frame[:i]
		if cut.Line() == "" || len(cut.Describe()) == 0 {
			t.Errorf("nothing is said of %d bytes", i)
		}
	}
}
