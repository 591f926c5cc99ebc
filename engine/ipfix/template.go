package ipfix

import (
	"encoding/binary"
	"time"
)

// reverse is the enterprise of elements that say the same of the other direction (RFC 5103).
const reversePEN = 29305

// element is one field of a template: an information element of IANA's registry, and how it is written.
type element struct {
	id, length uint16
	reverse    bool
	put        func(b []byte, r *Record) []byte
}

func be8(v uint8) []byte   { return []byte{v} }
func be16(v uint16) []byte { return binary.BigEndian.AppendUint16(nil, v) }
func be32(v uint32) []byte { return binary.BigEndian.AppendUint32(nil, v) }
func be64(v uint64) []byte { return binary.BigEndian.AppendUint64(nil, v) }

func milliseconds(t time.Time) []byte {
	if t.IsZero() {
		return be64(0)
	}
	return be64(uint64(t.UnixMilli()))
}

// field is an element with a value of fixed length.
func field(id, length uint16, value func(*Record) []byte) element {
	return element{id, length, false, func(b []byte, r *Record) []byte { return append(b, value(r)...) }}
}

// Numbers of templates and of sets.
const (
	setTemplates, setOptions = 2, 3
	template4, template6     = 256, 257 // one direction
	both4, both6             = 258, 259 // both
	templateSampling         = 260
	templateRate             = 261 // the same in older elements
	templateCounts           = 262
)

// elements are those of a template for flows.
func elements(six, both bool) []element {
	src, dst, length, icmp := uint16(8), uint16(12), uint16(4), uint16(32)
	if six {
		src, dst, length, icmp = 27, 28, 16, 139
	}
	list := []element{
		field(152, 8, func(r *Record) []byte { return milliseconds(r.first()) }), // of both directions
		field(153, 8, func(r *Record) []byte { return milliseconds(r.last()) }),
		field(1, 8, func(r *Record) []byte { return be64(r.Bytes) }),
		field(2, 8, func(r *Record) []byte { return be64(r.Packets) }),
		field(6, 2, func(r *Record) []byte { return be16(uint16(r.Flags)) }),
		field(src, length, func(r *Record) []byte { return r.Src.AsSlice() }),
		field(dst, length, func(r *Record) []byte { return r.Dst.AsSlice() }),
		field(7, 2, func(r *Record) []byte { return be16(r.SrcPort) }),
		field(11, 2, func(r *Record) []byte { return be16(r.DstPort) }),
		field(4, 1, func(r *Record) []byte { return be8(r.Protocol) }),
		field(5, 1, func(r *Record) []byte { return be8(r.TOS) }),
		field(icmp, 2, func(r *Record) []byte { return be16(r.ICMP) }),
		field(10, 4, func(r *Record) []byte { return be32(r.NIC) }),
		field(136, 1, func(r *Record) []byte { return be8(uint8(r.End)) }),
		field(305, 4, func(*Record) []byte { return be32(1) }),             // samplingPacketInterval: one packet is looked at ...
		field(306, 4, func(r *Record) []byte { return be32(r.OneIn - 1) }), // samplingPacketSpace: ... and so many are not
	}
	if both {
		return append(list, back(1, func(r *Record) uint64 { return r.Back.Bytes }), back(2, func(r *Record) uint64 { return r.Back.Packets }))
	}
	return append(list, field(61, 1, func(*Record) []byte { return be8(0) })) // flowDirection: ingress
}

// back is an element of the other direction. Its times and flags have none: collectors take them for the flow's own.
func back(id uint16, value func(*Record) uint64) element {
	e := field(id, 8, func(r *Record) []byte { return be64(value(r)) })
	e.reverse = true
	return e
}

// templateOf is the template of a record, by number.
func templateOf(r *Record) uint16 {
	number := uint16(template4)
	if r.Src.Is6() {
		number = template6
	}
	if r.Back.Packets > 0 {
		number += both4 - template4
	}
	return number
}

// options are the elements of the options templates: of what is sampled how, and of what the exporter itself counts. The
// first is the scope: the selector, or the observation domain.
func options(number uint16, e *Exporter) []element {
	scope := field(149, 4, func(*Record) []byte { return be32(e.domain) })
	switch number {
	case templateSampling:
		return []element{field(302, 4, func(*Record) []byte { return be32(1) }), // selectorId
			field(304, 2, func(*Record) []byte { return be16(3) }), // selectorAlgorithm: uniform probabilistic
			field(305, 4, func(*Record) []byte { return be32(1) }), field(306, 4, func(*Record) []byte { return be32(e.oneIn - 1) })}
	case templateRate:
		return []element{scope, field(34, 4, func(*Record) []byte { return be32(e.oneIn) }), field(35, 1, func(*Record) []byte { return be8(2) })}
	}
	return []element{scope,
		field(41, 8, func(*Record) []byte { return be64(e.Messages) }), field(42, 8, func(*Record) []byte { return be64(e.Records) }),
		field(164, 8, func(*Record) []byte { return be64(e.Ignored) }), field(166, 8, func(*Record) []byte { return be64(e.Unsent) })}
}

// describe is a template as it is sent; scopes is how many elements at its begin are its scope, 0 for records of flows.
func describe(number uint16, list []element, scopes int) []byte {
	b := append(be16(number), be16(uint16(len(list)))...)
	if scopes > 0 {
		b = append(b, be16(uint16(scopes))...)
	}
	for _, e := range list {
		if e.reverse {
			b = append(append(append(b, be16(e.id|1<<15)...), be16(e.length)...), be32(reversePEN)...)
			continue
		}
		b = append(append(b, be16(e.id)...), be16(e.length)...)
	}
	return b
}
