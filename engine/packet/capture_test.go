package packet

import (
	"bytes"
	"encoding/binary"
	"strings"
	"testing"
)

// A file is written in one byte order, of which the test makes both.
type order interface {
	binary.ByteOrder
	binary.AppendByteOrder
}

// pcap is a file with these frames, of which at most 96 bytes were kept.
func pcap(o order, link uint32, frames ...[]byte) []byte {
	b := o.AppendUint32(nil, magicMicro)
	b = o.AppendUint32(append(b, make([]byte, 16)...), link)
	for _, f := range frames {
		kept := f[:min(len(f), 96)]
		b = o.AppendUint32(append(b, make([]byte, 8)...), uint32(len(kept)))
		b = append(o.AppendUint32(b, uint32(len(f))), kept...)
	}
	return b
}

// pcapng is the same, with blocks in between that say nothing.
func pcapng(o order, link uint32, frames ...[]byte) []byte {
	block := func(b []byte, kind uint32, body []byte) []byte {
		body = append(body, make([]byte, -len(body)&3)...)
		b = o.AppendUint32(o.AppendUint32(b, kind), uint32(len(body)+12))
		return o.AppendUint32(append(b, body...), uint32(len(body)+12))
	}
	b := block(nil, blockSection, append(o.AppendUint32(nil, magicSection), make([]byte, 12)...))
	b = block(b, blockLink, append(o.AppendUint16(nil, uint16(link)), make([]byte, 6)...))
	for _, f := range frames {
		kept := f[:min(len(f), 96)]
		head := o.AppendUint32(o.AppendUint32(make([]byte, 12), uint32(len(kept))), uint32(len(f)))
		b = block(block(b, 0x0bad, make([]byte, 8)), blockPacket, append(head, kept...))
	}
	return b
}

func TestReadCapture(t *testing.T) {
	short, long := Build(Eth{}, IPv4{}, TCP{Flags: "S"}), Build(Eth{}, IPv4{}, UDP{}, Fill(300))
	for name, made := range map[string]func(link uint32, frames ...[]byte) []byte{
		"pcap":               func(l uint32, f ...[]byte) []byte { return pcap(binary.LittleEndian, l, f...) },
		"pcap, big endian":   func(l uint32, f ...[]byte) []byte { return pcap(binary.BigEndian, l, f...) },
		"pcapng":             func(l uint32, f ...[]byte) []byte { return pcapng(binary.LittleEndian, l, f...) },
		"pcapng, big endian": func(l uint32, f ...[]byte) []byte { return pcapng(binary.BigEndian, l, f...) },
	} {
		file := made(linkEthernet, short, long)
		frames, more, err := ReadCapture(bytes.NewReader(file), 10)
		if err != nil || more || len(frames) != 2 || Diff(frames[0], short) != "" {
			t.Fatalf("%s: %d frames, %t, %v", name, len(frames), more, err)
		}
		if len(frames[1]) != len(long) || !bytes.Equal(frames[1][:96], long[:96]) {
			t.Errorf("%s: the one that was cut off has %d bytes, had %d", name, len(frames[1]), len(long))
		}
		if frames, more, err = ReadCapture(bytes.NewReader(file), 1); err != nil || !more || len(frames) != 1 {
			t.Errorf("%s: of one packet: %d, %t, %v", name, len(frames), more, err)
		}
		frames, _, err = ReadCapture(bytes.NewReader(made(linkRaw, short[14:])), 10)
		if err != nil || len(frames) != 1 || Diff(frames[0], short) != "" {
			t.Errorf("%s: without Ethernet: %v, %v", name, frames, err)
		}
		for link, head := range map[uint32]int{linkCooked: 14, linkCooked2: 0} {
			cooked := append(make([]byte, map[uint32]int{linkCooked: 16, linkCooked2: 20}[link]), short[14:]...)
			copy(cooked[head:], short[12:14])
			frames, _, err = ReadCapture(bytes.NewReader(made(link, cooked)), 10)
			if err != nil || len(frames) != 1 || !bytes.Equal(frames[0][12:], short[12:]) {
				t.Errorf("%s: of all NICs: %x, %v", name, frames, err)
			}
		}
		frames, _, err = ReadCapture(bytes.NewReader(file[:len(file)-5]), 10)
		if err == nil || len(frames) != 1 {
			t.Errorf("%s: cut off: %d before the end, want 1", name, len(frames))
		}
		for want, file := range map[string][]byte{
			"link type 127, and":  made(127, short),
			"3 bytes, its header": made(linkCooked, short[:3]),
			"packet 2: the file":  file[:len(file)-5],
			"packet 1: the file":  file[:60],
		} {
			if _, _, err := ReadCapture(bytes.NewReader(file), 10); err == nil || !strings.Contains(err.Error(), want) {
				t.Errorf("%s: %v, want %q", name, err, want)
			}
		}
	}
	for _, text := range []string{"", "abc", "not a capture at all, but some text"} {
		if _, _, err := ReadCapture(strings.NewReader(text), 10); err == nil || !strings.Contains(err.Error(), "neither pcap") {
			t.Errorf("%q: %v", text, err)
		}
	}
}

// FuzzReadCapture: whatever stands in a file, it is read or refused.
func FuzzReadCapture(f *testing.F) {
	short := Build(Eth{}, IPv4{}, TCP{Flags: "S"})
	f.Add(pcap(binary.LittleEndian, linkEthernet, short))
	f.Add(pcapng(binary.BigEndian, linkRaw, short))
	f.Fuzz(func(t *testing.T, file []byte) {
		frames, _, err := ReadCapture(bytes.NewReader(file), 10)
		if err != nil && frames != nil {
			t.Error("both frames and an error")
		}
	})
}
