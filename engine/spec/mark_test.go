package spec

import (
	"encoding/hex"
	"net/netip"
	"testing"
)

// TestMarks: what packets carry by which they name a server with the id 0x1234.
func TestMarks(t *testing.T) {
	b := Backend{Address: netip.MustParseAddr("10.1.1.1"), ID: 0x1234}
	for _, row := range []struct {
		v           VIP
		bytes, mask string
	}{
		{VIP{QUIC: QUIC1}, "448d00", "ffffc0"},
		{VIP{QUIC: QUIC2}, "80001234", "c0ffffff"},
		{VIP{QUIC: QUIC3}, "c000001234", "c0ffffffff"},
		{VIP{IDIn: IDOption}, "b70634120000", "ffffffffffff"},
		{VIP{IDIn: IDPayload}, "52001234", "ffffffff"},
		{VIP{}, "", ""},
	} {
		m := row.v.Mark(b)
		if got, mask := hex.EncodeToString(m.Bytes), hex.EncodeToString(m.Mask); got != row.bytes || mask != row.mask {
			t.Errorf("quic %s, id_in %s: %s/%s, want %s/%s", row.v.QUIC, row.v.IDIn, got, mask, row.bytes, row.mask)
		}
	}
}
