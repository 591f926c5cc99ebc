package spec

// Mark is what packets carry by which they name a server: in a connection id of QUIC, an option of TCP, or at the beginning of a
// UDP payload. Bits that Mask does not have are free.
type Mark struct{ Bytes, Mask []byte }

// Mark is how packets of v name b. It has no bytes where they name nobody.
func (v *VIP) Mark(b Backend) Mark {
	id := v.ServerID(b)
	switch {
	case v.IDIn == IDOption:
		return fixed(0xb7, 6, byte(id), byte(id>>8), byte(id>>16), byte(id>>24))
	case v.IDIn == IDPayload:
		return fixed(0x52, byte(id>>16), byte(id>>8), byte(id))
	case v.QUIC == NoQUIC:
		return Mark{}
	}
	size := map[QUIC]int{QUIC1: 3, QUIC2: 4, QUIC3: 5}[v.QUIC]
	const mostBytes = 5
	zeros, ones := make([]byte, mostBytes), []byte{0xff, 0xff, 0xff, 0xff, 0xff}
	v.QUIC.PutServer(zeros, id)
	v.QUIC.PutServer(ones, id)
	m := Mark{zeros[:size], ones[:size]}
	for i := range m.Mask { // what is the same in both is not free
		m.Mask[i] = ^(m.Mask[i] ^ m.Bytes[i])
	}
	return m
}

func fixed(bytes ...byte) Mark {
	m := Mark{bytes, make([]byte, len(bytes))}
	for i := range m.Mask {
		m.Mask[i] = 0xff
	}
	return m
}
