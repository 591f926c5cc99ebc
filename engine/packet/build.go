// Package packet builds and reads the headers that a load balancer meets: Ethernet, IP, TCP, UDP, ICMP and tunnels.
package packet

// Layer is one header of a packet, or bytes that follow one.
type Layer interface {
	// encode returns the header and body, which is everything that follows it.
	encode(p place, body []byte) []byte
}

// place is where a layer stands: what a header says of its neighbours is found through it.
type place struct {
	layers []Layer
	at     int
}

// next is the layer that follows, nil at the end.
func (p place) next() Layer {
	if p.at+1 < len(p.layers) {
		return p.layers[p.at+1]
	}
	return nil
}

// Build is the packet of these layers, outermost first. Lengths, checksums, types and protocols are right, and addresses
// and ports are those of a client of the lab's first VIP, unless a layer says otherwise. Without Eth the result is an IP
// packet, as ICMP errors quote it and tunnels carry it. The same layers give the same bytes.
func Build(layers ...Layer) []byte {
	var b []byte
	for i := len(layers) - 1; i >= 0; i-- {
		b = layers[i].encode(place{layers, i}, b)
	}
	return b
}

// prepend is header followed by body, in memory of its own.
func prepend(header, body []byte) []byte {
	b := make([]byte, 0, len(header)+len(body))
	return append(append(b, header...), body...)
}
