package spec

import (
	"bytes"
	"fmt"
	"path/filepath"
	"strconv"
	"strings"
	"time"

	"go.yaml.in/yaml/v3"
)

const (
	maxStatus    = 16
	maxArguments = 32
	maxText      = 1024 // bytes of what is sent or looked for
)

// checkHealth looks at the checks of a VIP and at what they may do.
func checkHealth(v *VIP, here *at, f *faults) {
	if len(v.Checks) > MaxChecks {
		f.wrong(here.field("checks"), "%d are too many: at most %d", len(v.Checks), MaxChecks)
	}
	for i := range v.Checks {
		v.Checks[i].check(v, here.field("checks").item(i), f)
	}
	if v.SlowStart != 0 {
		within(f, here.field("slow_start"), v.SlowStart, MinSlowStart, MaxSlowStart)
	}
	h := v.Health
	if h == nil {
		return
	}
	here = here.field("health")
	if len(v.Checks) == 0 {
		f.wrong(here, "the VIP has no checks that it could say anything of: write checks, or remove it")
	}
	if v.From == nil && int(h.Quorum)+int(h.Hysteresis) > max(len(v.Backends), 1) {
		f.wrong(here.field("quorum"), "%d backends must be up, and %d to come back: there are %d", h.Quorum, h.Quorum+h.Hysteresis, len(v.Backends))
	}
	if h.Watermark > 100 {
		f.wrong(here.field("watermark"), "%d is not within 0 to 100", h.Watermark)
	}
	within(f, here.field("warm_up"), h.WarmUp, 0, MaxWarmUp)
	within(f, here.field("damping"), h.Damping, 0, MaxDamping)
}

func within(f *faults, here *at, d, lo, hi time.Duration) {
	if d < lo || d > hi {
		f.wrong(here, "%s is not within %s to %s", duration(d), duration(lo), duration(hi))
	}
}

func (c *Check) check(v *VIP, here *at, f *faults) {
	if !has(checkKinds, c.Kind) || !has(checkTos, c.To) {
		f.wrong(here.field("kind"), "%s to %s is not known", c.Kind, c.To)
		return
	}
	within(f, here.field("interval"), c.Interval, MinInterval, MaxInterval)
	switch {
	case c.Timeout > c.Interval:
		f.wrong(here.field("timeout"), "%s is longer than the interval of %s: one check ends before the next begins", duration(c.Timeout),
			duration(c.Interval))
	case c.Timeout < MinTimeout:
		f.wrong(here.field("timeout"), "%s is not within %s to the interval", duration(c.Timeout), duration(MinTimeout))
	}
	if c.Rise < 1 || c.Rise > MaxInARow {
		f.wrong(here.field("rise"), "%d is not within 1 to %d", c.Rise, MaxInARow)
	}
	if c.Fall < 1 || c.Fall > MaxInARow {
		f.wrong(here.field("fall"), "%d is not within 1 to %d", c.Fall, MaxInARow)
	}
	c.checkFields(here, f)
	c.checkPlace(v, here, f)
	c.checkWhat(here, f)
}

// checkFields: a field that says nothing of the kind is somebody's mistake.
func (c *Check) checkFields(here *at, f *faults) {
	tcp := []CheckKind{CheckHTTP, CheckHTTPS}
	for _, field := range []struct {
		name  string
		given bool
		of    []CheckKind
	}{
		{"host", c.Host != "", append(tcp, CheckTLS)},
		{"verify", c.Verify, []CheckKind{CheckHTTPS, CheckTLS}},
		{"path", c.Path != "", tcp},
		{"status", len(c.Status) > 0, tcp},
		{"header", c.Header != "", tcp},
		{"body", c.Body != "", tcp},
		{"name", c.Name != "", []CheckKind{CheckDNS}},
		{"type", c.Type != 0, []CheckKind{CheckDNS}},
		{"send", c.Send != "", []CheckKind{CheckUDP}},
		{"expect", c.Expect != "", []CheckKind{CheckUDP}},
		{"command", len(c.Command) > 0, []CheckKind{CheckCommand}},
	} {
		if field.given && !c.Kind.checked(field.of...) {
			names := make([]string, len(field.of))
			for i, k := range field.of {
				names[i] = k.String()
			}
			f.wrong(here.field(field.name), "is for kind %s, and this is %s: remove it", strings.Join(names, ", "), c.Kind)
		}
	}
	for _, t := range c.texts() {
		if len(t.text) > maxText {
			f.wrong(here.field(t.name), "%d bytes are too many: at most %d", len(t.text), maxText)
		}
	}
}

type namedText struct{ name, text string }

// texts are the fields that hold free text.
func (c *Check) texts() []namedText {
	return []namedText{{"host", c.Host}, {"path", c.Path}, {"header", c.Header}, {"body", c.Body}, {"name", c.Name}, {"send", c.Send},
		{"expect", c.Expect}}
}

// checkPlace looks at where it goes.
func (c *Check) checkPlace(v *VIP, here *at, f *faults) {
	switch portless := c.Kind.checked(CheckPing, CheckCommand); {
	case portless && c.Port != 0:
		f.wrong(here.field("port"), "%s has no port: remove it", c.Kind)
	case !portless && c.Port == 0:
		f.wrong(here.field("port"), "missing: the VIP takes every port, so write the one that is to be asked")
	case c.Kind == CheckCommand && c.To != ToVIP:
		f.wrong(here.field("to"), "a command is told both addresses and asks whom it likes: remove it")
	case c.To == ToVIP && !portless && v.Port != 0 && c.Port != v.Port:
		f.wrong(here.field("port"), "the VIP takes port %d alone, and only what is for it is encapsulated: write to: backend, or remove it", v.Port)
	case c.To == ToVIP && v.Port != 0 && c.Kind.checked(CheckTCP, CheckHTTP, CheckHTTPS, CheckTLS) && v.Protocol == UDP:
		f.wrong(here.field("kind"), "%s is for tcp, and the VIP is %s: write to: backend and a port, or another kind", c.Kind, v.Protocol)
	case c.To == ToVIP && c.Kind == CheckUDP && v.Protocol == TCP:
		f.wrong(here.field("kind"), "udp, and the VIP is %s: write to: backend and a port, or another kind", v.Protocol)
	}
}

// checkWhat looks at what is asked and what is right.
func (c *Check) checkWhat(here *at, f *faults) {
	line := func(name, text string) {
		if strings.ContainsFunc(text, func(r rune) bool { return r < ' ' || r == 0x7f }) {
			f.wrong(here.field(name), "%s has a control character", quote(text))
		}
	}
	line("host", c.Host)
	line("path", c.Path)
	line("header", c.Header)
	switch {
	case strings.ContainsAny(c.Host, " /"):
		f.wrong(here.field("host"), "%s is not a name: write one as example.org", quote(c.Host))
	case c.Path != "" && (c.Path[0] != '/' || strings.Contains(c.Path, " ")):
		f.wrong(here.field("path"), "%s is not a path: write one as /health", quote(c.Path))
	case c.Verify && c.Host == "":
		f.wrong(here.field("host"), "missing: a certificate is verified for a name, write it")
	}
	for i, s := range c.Status {
		if s.First < 100 || s.Last > 599 || s.First > s.Last {
			f.wrong(here.field("status").item(i), "%s is not within 100 to 599", s)
		}
	}
	if c.Kind == CheckDNS && !has(queryTypes, c.Type) {
		f.wrong(here.field("type"), "%s is not known", c.Type)
	}
	if why := badDomain(c.Name); c.Kind == CheckDNS && why != "" {
		f.wrong(here.field("name"), "%s", why)
	}
	if c.Kind != CheckCommand {
		return
	}
	switch {
	case len(c.Command) == 0:
		f.wrong(here.field("command"), "missing: write the program and its arguments, as [/usr/local/bin/check, --fast]; no shell reads it")
	case !filepath.IsAbs(c.Command[0]):
		f.wrong(here.field("command").item(0), "%s is not an absolute path: the engine that runs it has a folder and a PATH of its own", quote(c.Command[0]))
	}
	for i, word := range c.Command {
		if len(word) > maxText || strings.ContainsRune(word, 0) {
			f.wrong(here.field("command").item(i), "%s is no argument: at most %d bytes, none of them 0", short(quote(word)), maxText)
		}
	}
}

func badDomain(name string) string {
	const longest, label = 253, 63
	if name == "." {
		return ""
	}
	for part := range strings.SplitSeq(strings.TrimSuffix(name, "."), ".") {
		if part == "" || len(part) > label || len(name) > longest || strings.ContainsFunc(part, func(r rune) bool { return r <= ' ' || r > '~' }) {
			return fmt.Sprintf("%s is not a domain: write one as example.org, or as . for the root", quote(name))
		}
	}
	return ""
}

// statusSpan reads 200 or 200-299.
func (r *reader) statusSpan(n *yaml.Node, a *at) (s StatusSpan) {
	scalar(r, &s, func(text string) (StatusSpan, string) {
		first, last, both := strings.Cut(text, "-")
		if !both {
			last = first
		}
		lo, err := strconv.ParseUint(first, 10, 16)
		hi, err2 := strconv.ParseUint(last, 10, 16)
		if err != nil || err2 != nil {
			return s, fmt.Sprintf("%s is no status: write one as 200, or several as 200-299", quote(text))
		}
		return StatusSpan{uint16(lo), uint16(hi)}, ""
	})(n, a)
	return s
}

// String is the span as it is written.
func (s StatusSpan) String() string {
	if s.First == s.Last {
		return strconv.Itoa(int(s.First))
	}
	return fmt.Sprintf("%d-%d", s.First, s.Last)
}

func writeHealth(b *bytes.Buffer, v *VIP) {
	if v.SlowStart != 0 {
		fmt.Fprintf(b, "    slow_start: %s\n", duration(v.SlowStart))
	}
	if len(v.Checks) > 0 {
		b.WriteString("    checks:\n")
	}
	for i := range v.Checks {
		b.WriteString("      - " + v.Checks[i].write() + "\n")
	}
	if h := v.Health; h != nil {
		fmt.Fprintf(b, "    health: {quorum: %d, hysteresis: %d, watermark: %d, warm_up: %s, damping: %s}\n", h.Quorum, h.Hysteresis,
			h.Watermark, duration(h.WarmUp), duration(h.Damping))
	}
}

// write is the check as one value, without the fields that say nothing of its kind.
func (c *Check) write() string {
	text := "{kind: " + c.Kind.String()
	add := func(name, value string) { text += ", " + name + ": " + value }
	if c.Kind != CheckCommand {
		add("to", c.To.String())
	}
	if c.Port != 0 {
		add("port", strconv.Itoa(int(c.Port)))
	}
	add("interval", duration(c.Interval))
	add("timeout", duration(c.Timeout))
	add("rise", strconv.Itoa(int(c.Rise)))
	add("fall", strconv.Itoa(int(c.Fall)))
	for _, t := range c.texts() {
		if t.text != "" {
			add(t.name, strconv.Quote(t.text))
		}
	}
	if c.Verify {
		add("verify", "true")
	}
	if c.Type != 0 {
		add("type", c.Type.String())
	}
	if len(c.Status) > 0 {
		all := make([]string, len(c.Status))
		for i, s := range c.Status {
			all[i] = s.String()
		}
		add("status", "["+strings.Join(all, ", ")+"]")
	}
	if len(c.Command) > 0 {
		all := make([]string, len(c.Command))
		for i, word := range c.Command {
			all[i] = strconv.Quote(word)
		}
		add("command", "["+strings.Join(all, ", ")+"]")
	}
	return text + "}"
}
