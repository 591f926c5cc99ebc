package spec

import (
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"net/netip"
	"strconv"
	"strings"
	"time"
)

// Marshal is s as a YAML document with every default written out, the same bytes for equal specs. Parse reads it back
// to a spec equal to s, if s is valid. nil is the empty document.
func Marshal(s *Spec) []byte {
	var document bytes.Buffer
	if s != nil {
		write(&document, s)
	}
	return document.Bytes()
}

// Revision names the content of s in 12 hex digits: equal specs have the same one on every node. nil has one too.
func Revision(s *Spec) string {
	return RevisionOf(Marshal(s))
}

// RevisionOf is Revision of the spec that Marshal gives this document.
func RevisionOf(document []byte) string {
	sum := sha256.Sum256(document)
	return hex.EncodeToString(sum[:6])
}

func write(b *bytes.Buffer, s *Spec) {
	const vip, backend = 200, 60 // bytes, about
	bulk := 0
	for i := range s.VIPs {
		bulk += vip + backend*len(s.VIPs[i].Backends)
	}
	b.Grow(bulk)
	fmt.Fprintf(b, "version: %d\n", s.Version)
	writeStages(b, s.Stages)
	writeProbes(b, s.Probes)
	if len(s.NICs) > 0 {
		b.WriteString("nics:\n")
	}
	for _, n := range s.NICs {
		fmt.Fprintf(b, "  %s: {%s}\n", plain(n.Name), chains(n))
	}
	if len(s.VIPs) > 0 {
		b.WriteString("vips:\n")
	}
	for i := range s.VIPs {
		writeVIP(b, &s.VIPs[i])
	}
	if s.BGP != nil {
		s.BGP.write(b)
	}
	writeTenants(b, s.Tenants)
	if s.Agent != nil {
		b.WriteString("agent: " + s.Agent.write() + "\n")
	}
}

func writeVIP(b *bytes.Buffer, v *VIP) {
	b.WriteString("  - name: " + plain(v.Name) + "\n")
	field := func(name, value string) { b.WriteString("    " + name + ": " + value + "\n") }
	if v.Tenant != "" {
		field("tenant", plain(v.Tenant))
	}
	field("addresses", "["+addresses(v.Addresses)+"]")
	writeVIPPrefixes(b, "prefixes", v.Prefixes)
	field("port", writePorts(v))
	writeVIPPrefixes(b, "sources", v.Sources)
	field("protocol", v.Protocol.String())
	field("encap", v.Encap.String())
	if v.Encap == GUE {
		field("encap_port", strconv.Itoa(int(v.EncapPort)))
	}
	field("ring", strconv.Itoa(int(v.Ring)))
	field("flow", v.Flow.String())
	writeChoice(b, v)
	field("settle", duration(v.Settle))
	writeHealth(b, v)
	if v.Announce != nil {
		field("announce", v.Announce.text())
	}
	if v.From != nil {
		v.From.write(b)
	}
	if len(v.Backends) == 0 {
		field("backends", "[]")
		return
	}
	b.WriteString("    backends:\n")
	for _, k := range v.Backends {
		writeBackend(b, k)
	}
}

// writeBackend appends by hand: backends come by the thousand, and a revision is computed with every edit.
func writeBackend(b *bytes.Buffer, k Backend) {
	line := append(b.AvailableBuffer(), "      - {address: "...)
	if k.Address.Is4() {
		line = k.Address.AppendTo(line)
	} else {
		line = append(line, address(k.Address)...)
	}
	line = strconv.AppendUint(append(line, ", weight: "...), uint64(k.Weight), 10)
	line = appendFound(appendID(append(append(line, ", state: "...), k.State.String()...), k), k)
	b.Write(append(line, "}\n"...))
}

func chains(n NIC) string {
	var all []string
	for _, c := range n.Chains() {
		names := make([]string, len(c.Stages))
		for i, p := range c.Stages {
			names[i] = position(p)
		}
		all = append(all, fmt.Sprintf("%s: [%s]", c.Hook, strings.Join(names, ", ")))
	}
	return strings.Join(all, ", ")
}

// position is the name alone where the stage stands as most do.
func position(p Position) string {
	if !p.Disabled && !p.Shadow {
		return plain(p.Name)
	}
	text := "{stage: " + plain(p.Name)
	if p.Disabled {
		text += ", disabled: true"
	}
	if p.Shadow {
		text += ", shadow: true"
	}
	return text + "}"
}

func writeStages(b *bytes.Buffer, stages []Named) {
	if len(stages) > 0 {
		b.WriteString("stages:\n")
	}
	for _, n := range stages {
		fmt.Fprintf(b, "  %s:\n    kind: %s\n", plain(n.Name), plain(string(n.Kind)))
		known, ok := n.Settings.(settings)
		if !ok {
			continue
		}
		var lines bytes.Buffer
		known.write(&lines)
		indent(b, &lines)
	}
}

// indent writes the lines below something that has a name of its own.
func indent(b, lines *bytes.Buffer) {
	for line := range strings.Lines(lines.String()) {
		b.WriteString("    " + line)
	}
}

func addresses(list []netip.Addr) string {
	all := make([]string, len(list))
	for i, a := range list {
		all[i] = address(a)
	}
	return strings.Join(all, ", ")
}

// address quotes what YAML would take for a mapping: a colon at the end of a word.
func address(a netip.Addr) string {
	if a.Is4() {
		return a.String()
	}
	return strconv.Quote(a.String())
}

// plain quotes a word unless it is one to YAML in every place and version.
func plain(s string) string {
	switch s {
	case "y", "n", "yes", "no", "on", "off", "true", "false", "null":
		return strconv.Quote(s)
	}
	for i, c := range s {
		if letter := c >= 'a' && c <= 'z'; !letter && (i == 0 || !(c >= '0' && c <= '9' || c == '-' || c == '_' || c == '.')) {
			return strconv.Quote(s)
		}
	}
	if s == "" {
		return `""`
	}
	return s
}

// duration is d as an operator writes it: 15m, not 15m0s.
func duration(d time.Duration) string {
	s := d.String()
	if strings.HasSuffix(s, "m0s") {
		s = strings.TrimSuffix(s, "0s")
	}
	if strings.HasSuffix(s, "h0m") {
		s = strings.TrimSuffix(s, "0m")
	}
	return s
}
