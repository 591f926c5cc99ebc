package events

import (
	"testing"
	"unsafe"

	"hairpin/engine/datapath"
	"hairpin/engine/reason"
)

func raw(e datapath.DropEvent) []byte {
	return append([]byte{}, unsafe.Slice((*byte)(unsafe.Pointer(&e)), unsafe.Sizeof(e))...)
}

func TestDecode(t *testing.T) {
	rows := []struct {
		sentence string
		event    datapath.DropEvent
		want     string
	}{
		{"tcp over IPv4", datapath.DropEvent{Reason: 12, Family: 4, L4Proto: 6, TCPFlags: 0x12, Bytes: 60,
			SrcPort: [2]byte{0x9c, 0x40}, DstPort: [2]byte{0, 80}, Src: [16]byte{198, 51, 100, 7}, Dst: [16]byte{10, 99, 0, 1}},
			"tcp 198.51.100.7:40000 > 10.99.0.1:80 SA, 60 bytes"},
		{"udp over IPv6", datapath.DropEvent{Reason: 13, Family: 6, L4Proto: 17, Bytes: 90, DstPort: [2]byte{0, 7},
			Src: [16]byte{0xfd, 15: 1}, Dst: [16]byte{0xfd, 15: 2}}, "udp [fd00::1]:0 > [fd00::2]:7, 90 bytes"},
		{"icmp", datapath.DropEvent{Reason: 9, Family: 4, L4Proto: 1, Bytes: 98, Src: [16]byte{198, 51, 100, 7}, Dst: [16]byte{10, 99, 0, 1}},
			"protocol 1 198.51.100.7 > 10.99.0.1, 98 bytes"},
		{"not IP", datapath.DropEvent{Reason: 16, Bytes: 42}, "not IP, 42 bytes"},
		{"a null scan", datapath.DropEvent{Reason: 12, Family: 4, L4Proto: 6, Src: [16]byte{1}, Dst: [16]byte{2}},
			"tcp 1.0.0.0:0 > 2.0.0.0:0 no flags, 0 bytes"},
	}
	for _, r := range rows {
		got, ok := Decode(raw(r.event))
		if !ok || got.String() != r.want {
			t.Errorf("%s: %v %q, want %q", r.sentence, ok, got, r.want)
		}
	}
	told, _ := reason.ByName("too_big_told")
	for want, e := range map[string]datapath.DropEvent{
		"tcp 198.51.100.7:0 > 10.99.0.1:80 SA":            {Reason: 12, Family: 4, L4Proto: 6, TCPFlags: 0x12, Bytes: 74},
		"tcp 198.51.100.7:0 > 10.99.0.1:80 A len 1460 df": {Reason: told.ID, Family: 4, L4Proto: 6, TCPFlags: 0x10, Bytes: 1514},
		"udp 198.51.100.7:0 > 10.99.0.1:80 len 18":        {Reason: 12, Family: 4, L4Proto: 17, Bytes: 60},
		"udp [c633:6407::]:0 > [a63:1::]:80 len 1452":     {Reason: told.ID, Family: 6, L4Proto: 17, Bytes: 1514},
		"icmp 198.51.100.7 > 10.99.0.1":                   {Reason: 12, Family: 4, L4Proto: 1, Bytes: 98},
		"":                                                {Reason: 16, Bytes: 42},
	} {
		e.Src, e.Dst, e.DstPort = [16]byte{198, 51, 100, 7}, [16]byte{10, 99, 0, 1}, [2]byte{0, 80}
		if got, _ := Decode(raw(e)); got.Packet() != want {
			t.Errorf("%+v: a trace takes %q, want %q", got, got.Packet(), want)
		}
	}
	if _, ok := Decode(raw(datapath.DropEvent{Reason: 12})[:63]); ok {
		t.Error("a short record was read")
	}
	if _, ok := Decode(raw(datapath.DropEvent{Reason: 200})); ok {
		t.Error("a reason that does not exist was read")
	}
}
