package spec

import (
	"encoding/hex"
	"fmt"
	"net/netip"
	"strconv"
	"strings"
)

// Datum is a key or value of a map: bytes as they are in memory, or a number, which needs a type to be that.
type Datum struct {
	Number uint64 // two's complement
	Less   bool   // than zero
	Bytes  []byte // not nil: instead
}

// Fits tells whether a number can be had in so many bits.
func (d Datum) Fits(bits int) bool {
	if d.Less {
		return int64(d.Number)>>(bits-1) == -1
	}
	return bits == 64 || d.Number>>bits == 0
}

// ParseDatum reads a key or value as specs have it, or says what is wrong with it.
func ParseDatum(text string) (d Datum, why string) {
	if a, err := netip.ParseAddr(text); err == nil && a.Zone() == "" {
		return Datum{Bytes: a.AsSlice()}, ""
	}
	if raw, err := hex.DecodeString(strings.ReplaceAll(text, ":", "")); err == nil && strings.Contains(text, ":") && len(text) == 3*len(raw)-1 {
		return Datum{Bytes: raw}, ""
	}
	if digits, is := strings.CutPrefix(text, "0x"); is {
		if n, err := strconv.ParseUint(digits, 16, 64); err == nil {
			return Datum{Number: n}, ""
		}
	}
	if n, err := strconv.ParseUint(text, 10, 64); err == nil {
		return Datum{Number: n}, ""
	}
	if n, err := strconv.ParseInt(text, 10, 64); err == nil {
		return Datum{Number: uint64(n), Less: n < 0}, ""
	}
	return d, fmt.Sprintf("%s is neither a number, as 53 or 0x35, nor an IP address, nor bytes, as \"0a:00:00:01\"", quote(text))
}

// datum quotes what is not a number to YAML.
func datum(s string) string {
	if _, why := wholeNumber(s, 0, 1<<63-1); why == "" {
		return s
	}
	return strconv.Quote(s)
}
