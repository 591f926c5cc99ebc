package stacks

import (
	"bytes"
	"context"
	"fmt"
	"net"
	"net/netip"
	"testing"
	"time"

	"hairpin/engine/lab"
	"hairpin/engine/spec"
)

// TestPayload: datagrams that name their server at the beginning get there from every port; the others go by the ring.
func TestPayload(t *testing.T) {
	n, ctx := begin(t)
	to, others := netip.AddrPortFrom(lab.VIP6, lab.EchoPort), 0
	v := &spec.VIP{IDIn: spec.IDPayload}
	for _, from := range lab.Sources(lab.VIP6) {
		for i := 1; i <= backends; i++ {
			head := v.Mark(spec.Backend{Address: n.Addresses(lab.Backend(i))[0]}).Bytes
			conn := n.bind(t, from)
			ring := n.byRing(t, ctx, endOf(conn), to)
			if ring != lab.Backend(i) {
				others++
			}
			for _, row := range []struct {
				what    string
				payload []byte
				want    string
			}{{"named", append(head, "asks"...), lab.Backend(i)}, {"not named", fmt.Append(nil, "asks too"), ring}} {
				answer := exchange(t, ctx, conn, to, row.payload)
				if backend, said, _ := bytes.Cut(answer, []byte("\n")); string(backend) != row.want || !bytes.Equal(said, row.payload) {
					t.Errorf("%s: %q answered, not %s", row.what, answer, row.want)
				}
			}
		}
	}
	if others == 0 {
		t.Error("the ring has every named server: nothing was shown")
	}
}

// exchange sends a datagram until one comes back: they may be lost.
func exchange(t *testing.T, ctx context.Context, conn *net.UDPConn, to netip.AddrPort, payload []byte) []byte {
	t.Helper()
	answer := make([]byte, 1500)
	for ctx.Err() == nil {
		if _, err := conn.WriteTo(payload, udpAddr(to)); err != nil {
			t.Fatal(err)
		}
		if err := conn.SetReadDeadline(time.Now().Add(3 * time.Second)); err != nil {
			t.Fatal(err)
		}
		if k, _, err := conn.ReadFrom(answer); err == nil {
			return answer[:k]
		}
	}
	t.Fatal("no answer")
	return nil
}
