package packet

// Payload is bytes without a header.
type Payload []byte

func (d Payload) encode(_ place, body []byte) []byte { return prepend(d, body) }

// Fill is a payload of n bytes: 0, 1, 2 and so on.
func Fill(n int) Payload {
	d := make(Payload, n)
	for i := range d {
		d[i] = byte(i)
	}
	return d
}

// Inner is a whole IP packet inside another, announced by its version.
type Inner []byte

func (d Inner) encode(_ place, body []byte) []byte { return prepend(d, body) }

// version is the IP version that the first byte bears, 0 when there is none.
func (d Inner) version() uint8 {
	if len(d) == 0 {
		return 0
	}
	return d[0] >> 4
}

// Quote is what an ICMP error quotes: the first n bytes of an IP packet, or all of a shorter one.
func Quote(ip []byte, n int) Payload { return Payload(ip[:min(n, len(ip))]) }
