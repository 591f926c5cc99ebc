package spec

import (
	"fmt"
	"math"
	"net/netip"
	"strconv"
	"strings"
	"time"

	"go.yaml.in/yaml/v3"
)

// text is the value of the single value n.
func (r *reader) text(n *yaml.Node, a *at) (string, bool) {
	if r.shape != nil {
		r.shapeScalar(nil)
		return "", false
	}
	if n = r.use(n, a); n == nil || !r.is(n, a, yaml.ScalarNode) {
		return "", false
	}
	return n.Value, true
}

// scalar is a reader of a single value that parse turns into a T, or into what is wrong with it.
func scalar[T any](r *reader, dst *T, parse func(string) (T, string)) read {
	return func(n *yaml.Node, a *at) {
		if r.shape != nil {
			r.shapeScalar(dst)
			return
		}
		s, ok := r.text(n, a)
		if !ok {
			return
		}
		v, why := parse(s)
		if why != "" {
			r.misread(a, 0, "%s", why)
			return
		}
		*dst = v
	}
}

func name(s string) (string, string) { return s, "" }

// number is a reader of whole numbers from lo to hi.
func number[T ~uint16 | ~uint32](r *reader, dst *T, lo, hi T) read {
	if r.shape != nil {
		usual := *dst
		return func(*yaml.Node, *at) { shapeNumber(r, usual, lo, hi) }
	}
	return scalar(r, dst, func(s string) (T, string) {
		n, why := wholeNumber(s, uint64(lo), uint64(hi))
		return T(n), why
	})
}

// choice is a reader of one of words.
func choice[T comparable](r *reader, dst *T, words []word[T]) read {
	if r.shape != nil {
		usual := *dst
		return func(*yaml.Node, *at) { shapeChoice(r, usual, words) }
	}
	return scalar(r, dst, func(s string) (T, string) { return lookup(words, s) })
}

// vipAddress is address, for one that may have meant the VIP's prefixes.
func (r *reader) vipAddress(n *yaml.Node, a *at) (addr netip.Addr) {
	scalar(r, &addr, func(s string) (netip.Addr, string) {
		v, why := parseAddress(s)
		if p, err := netip.ParsePrefix(s); why != "" && err == nil {
			why += fmt.Sprintf(", or all of it under prefixes: [%s]", quote(p.Masked().String()))
		}
		return v, why
	})(n, a)
	return addr
}

// address reads an item of a list of addresses; the zero Addr stands for one that could not be read.
func (r *reader) address(n *yaml.Node, a *at) (addr netip.Addr) {
	scalar(r, &addr, parseAddress)(n, a)
	return addr
}

// prefix reads an item of a list of prefixes; the zero Prefix stands for one that could not be read.
func (r *reader) prefix(n *yaml.Node, a *at) (p netip.Prefix) {
	scalar(r, &p, parsePrefix)(n, a)
	return p
}

func wholeNumber(s string, lo, hi uint64) (uint64, string) {
	digits := strings.TrimPrefix(s, "-")
	if digits == "" || strings.Trim(digits, "0123456789") != "" || len(digits) > 1 && digits[0] == '0' {
		return 0, fmt.Sprintf("%s is not a whole number from %d to %d, written in digits", quote(s), lo, hi)
	}
	n, err := strconv.ParseUint(s, 10, 64)
	if err != nil || n < lo || n > hi {
		return 0, fmt.Sprintf("%s is not within %d to %d", short(s), lo, hi)
	}
	return n, ""
}

func parseRing(s string) (uint32, string) {
	n, why := wholeNumber(s, 0, math.MaxInt64)
	if why == "" {
		why = badRing(n)
	}
	return uint32(n), why
}

// ParseAddress reads an address that a VIP or backend may have, and says what to write instead of one that it may not.
func ParseAddress(s string) (netip.Addr, error) {
	a, why := parseAddress(s)
	if why == "" {
		why = badAddress(a)
	}
	if why != "" {
		return netip.Addr{}, fmt.Errorf("address: %s", why)
	}
	return a, nil
}

func parseAddress(s string) (netip.Addr, string) {
	a, err := netip.ParseAddr(s)
	if err == nil {
		return a, ""
	}
	if p, err := netip.ParsePrefix(s); err == nil {
		return a, fmt.Sprintf("%s is a network: write one address, as %s", quote(s), p.Addr())
	}
	if p, err := netip.ParseAddrPort(s); err == nil {
		return a, fmt.Sprintf("%s has a port: write the address alone, as %s", quote(s), p.Addr())
	}
	return a, fmt.Sprintf("%s is not an IP address: write one as 10.0.0.1 or \"fd00::1\"; names are not looked up", quote(s))
}

func parseDuration(s string) (time.Duration, string) {
	if d, err := time.ParseDuration(s); err == nil {
		return d, ""
	}
	if _, err := strconv.ParseFloat(s, 64); err == nil && len(s) < 20 {
		return 0, fmt.Sprintf("%s has no unit: write it as %ss or %sm", quote(s), s, s)
	}
	return 0, fmt.Sprintf("%s is not a length of time: write it as 90s, 15m or 1h", quote(s))
}
