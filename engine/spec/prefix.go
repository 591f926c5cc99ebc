package spec

import (
	"bytes"
	"fmt"
	"net/netip"
	"unicode/utf8"
)

func parsePrefix(s string) (netip.Prefix, string) {
	if p, err := netip.ParsePrefix(s); err == nil {
		return p, ""
	}
	if a, err := netip.ParseAddr(s); err == nil {
		if a.Zone() != "" {
			return netip.Prefix{}, fmt.Sprintf("%s has a zone, which packets do not carry: write it without %s", quote(s), quote("%"+a.Zone()))
		}
		return netip.PrefixFrom(a, a.BitLen()), ""
	}
	return netip.Prefix{}, quote(s) + " is " + noPrefix
}

const noPrefix = `not a prefix: write one as 198.51.100.0/24 or "2001:db8::/32", or an address; names are not looked up`

// badPrefix is why packets cannot be told by a prefix.
func badPrefix(p netip.Prefix) string {
	switch a := p.Addr(); {
	case !p.IsValid():
		return "empty: write a prefix or an address"
	case a.Is4In6():
		return fmt.Sprintf("%s is an IPv4 address in the form of IPv6: write %s", a, a.Unmap())
	case p.Masked() != p:
		return fmt.Sprintf("%s has bits behind its length: write %s, or %s for that address alone", p, p.Masked(), a)
	}
	return ""
}

// longestLine bounds what is looked at of a line, which may be of any file.
const longestLine = 1024

// ParsePrefixes reads the text of a file of prefixes: a prefix or an address a line, nothing, or a comment behind # or ;.
// An error names the line, and repeats nothing of one that is no prefix: the engine can read files whose content is not for
// those who name them.
func ParsePrefixes(text []byte) ([]netip.Prefix, error) {
	all := make([]netip.Prefix, 0, bytes.Count(text, []byte("\n"))+1)
	for number := 1; len(text) > 0; number++ {
		line, rest, _ := bytes.Cut(text, []byte("\n"))
		text = rest
		if len(line) > longestLine {
			return nil, fmt.Errorf("%d: a line of %d bytes is no prefix", number, len(line))
		}
		if end := bytes.IndexAny(line, "#;"); end >= 0 {
			line = line[:end]
		}
		if line = bytes.TrimSpace(line); len(line) == 0 {
			continue
		}
		if !utf8.Valid(line) {
			return nil, fmt.Errorf("%d: not a text: write a prefix a line", number)
		}
		p, why := parsePrefix(string(line))
		if why != "" {
			return nil, fmt.Errorf("%d: %s", number, noPrefix)
		}
		if why = badPrefix(p); why != "" {
			return nil, fmt.Errorf("%d: %s", number, why)
		}
		all = append(all, p)
	}
	return all, nil
}
