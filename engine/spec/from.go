package spec

import (
	"bytes"
	"fmt"
	"net/netip"
	"path/filepath"
	"strings"
	"time"

	"go.yaml.in/yaml/v3"
)

// From is where backends of a VIP are found, besides those that its list has typed. One of DNS, File and Service is set.
type From struct {
	DNS     string         // a domain name
	Records Records        // of DNS: which
	Server  netip.AddrPort // of DNS: who is asked; zero = whom this host asks

	File string // an absolute path

	Service    string // of Kubernetes
	Namespace  string
	Port       string // the name of the service's port; empty = whichever has the VIP's number
	Kubeconfig string // an absolute path; empty = this process runs in a pod of the cluster

	Family   Family        // of the addresses that are taken; 0 = any, of files alone
	Interval time.Duration // at least, from one look or change to the next
	Hold     time.Duration // how long it is not believed that most backends are gone; that all are is for a person to confirm
	Drain    time.Duration // how long a backend that took flows drains when it is not named any more
	Weight   uint32        // of a backend that its source gives none
	Most     uint32        // backends that are taken
}

// Records are those by which DNS names backends.
type Records uint8

// Addresses are A or AAAA, by the family; Services are SRV, whose weights are taken and whose ports must be the VIP's.
const (
	Addresses Records = iota
	Services
)

// Family is IPv4 or IPv6.
type Family uint8

// Families by the numbers of the protocols.
const (
	AnyFamily Family = 0
	IPv4      Family = 4
	IPv6      Family = 6
)

// Has tells whether an address is of the family.
func (f Family) Has(a netip.Addr) bool { return f == AnyFamily || a.Is4() == (f == IPv4) }

// Bounds and defaults of where backends are found.
const (
	DefaultNamespace    = "default"
	DefaultFromHold     = 5 * time.Minute
	DefaultFromDrain    = 5 * time.Minute
	MaxFromDrain        = 24 * time.Hour
	MaxFromHold         = 24 * time.Hour
	DefaultMost         = 256
	DefaultDNSInterval  = 30 * time.Second
	DefaultFromInterval = 5 * time.Second // of files and Kubernetes, which are watched
	MinFromInterval     = time.Second
	MaxFromInterval     = time.Hour
	DNSPort             = 53
	maxDNSName          = 253
	maxLabel            = 63
)

// String says where in one line: "dns web.example.com".
func (f *From) String() string {
	switch {
	case f.DNS != "" && f.Records == Services:
		return "dns srv " + f.DNS
	case f.DNS != "":
		return "dns " + f.DNS
	case f.File != "":
		return "file " + f.File
	}
	return "kubernetes " + f.Namespace + "/" + f.Service
}

// Serves tells whether a server on this port is one for packets to v, which keep their port on the way.
func (v *VIP) Serves(port uint16) bool {
	return v.Port == 0 || port == v.Port || v.LastPort != 0 && port >= v.Port && port <= v.LastPort
}

// from reads one of three fields that say where, and how it is heard.
func (r *reader) from(n *yaml.Node, a *at) *From {
	f := &From{Hold: DefaultFromHold, Drain: DefaultFromDrain, Weight: DefaultWeight, Most: DefaultMost}
	r.fields(n, a,
		field{"dns", "", scalar(r, &f.DNS, name)},
		field{"records", "", choice(r, &f.Records, records)},
		field{"server", "", scalar(r, &f.Server, parseDNSServer)},
		field{"file", "", scalar(r, &f.File, name)},
		field{"kubernetes", "", func(n *yaml.Node, a *at) { r.kubernetes(n, a, f) }},
		field{"family", "", choice(r, &f.Family, families)},
		field{"interval", "", scalar(r, &f.Interval, parseDuration)},
		field{"hold", "", scalar(r, &f.Hold, parseDuration)},
		field{"drain", "", scalar(r, &f.Drain, parseDuration)},
		field{"weight", "", number(r, &f.Weight, 1, MaxWeight)},
		field{"most", "", number(r, &f.Most, 1, MaxBackends)},
	)
	if f.Interval == 0 && !r.unread(a.field("interval")) {
		f.Interval = DefaultFromInterval
		if f.DNS != "" {
			f.Interval = DefaultDNSInterval
		}
	}
	return f
}

func (r *reader) kubernetes(n *yaml.Node, a *at, f *From) {
	f.Namespace = DefaultNamespace
	r.fields(n, a,
		field{"service", "the name of a service", scalar(r, &f.Service, name)},
		field{"namespace", "", scalar(r, &f.Namespace, name)},
		field{"port", "", scalar(r, &f.Port, name)},
		field{"kubeconfig", "", scalar(r, &f.Kubeconfig, name)},
	)
}

func parseDNSServer(s string) (netip.AddrPort, string) {
	if a, err := netip.ParseAddr(s); err == nil {
		return netip.AddrPortFrom(a, DNSPort), ""
	}
	p, err := netip.ParseAddrPort(s)
	if err != nil || p.Port() == 0 {
		return p, fmt.Sprintf("%s is not a DNS server: write its address, as 10.0.0.53, or \"10.0.0.53:5353\"", quote(s))
	}
	return p, ""
}

// completeFrom fills in what follows from the VIP.
func (v *VIP) completeFrom() {
	if v.From == nil || v.From.Family != AnyFamily || v.From.File != "" {
		return
	}
	v.From.Family = IPv4
	if len(v.Addresses) > 0 && v.Addresses[0].Is6() || len(v.Addresses) == 0 && len(v.Prefixes) > 0 && v.Prefixes[0].Addr().Is6() {
		v.From.Family = IPv6
	}
}

func (f *From) check(here *at, x *faults) {
	unread := x.unread(here.field("dns")) || x.unread(here.field("file")) || x.unread(here.field("kubernetes").field("service"))
	if f.given() != 1 && !unread {
		x.wrong(here, "say where backends are found by one of dns, file and kubernetes, as {dns: web.example.com}")
		return
	}
	if f.DNS != "" {
		if why := badDNSName(f.DNS); why != "" {
			x.wrong(here.field("dns"), "%s", why)
		}
	}
	if f.DNS == "" && f.Records != Addresses {
		x.wrong(here.field("records"), "only dns has use for it: remove it")
	}
	if f.DNS == "" && f.Server.IsValid() {
		x.wrong(here.field("server"), "only dns has use for it: remove it")
	}
	if f.File != "" {
		checkPath(here.field("file"), f.File, x)
	}
	if f.Service != "" {
		f.checkKubernetes(here.field("kubernetes"), x)
	}
	within(x, here.field("interval"), f.Interval, MinFromInterval, MaxFromInterval)
	within(x, here.field("hold"), f.Hold, 0, MaxFromHold)
	within(x, here.field("drain"), f.Drain, 0, MaxFromDrain)
	if f.Weight == 0 || f.Weight > MaxWeight {
		x.wrong(here.field("weight"), "%d is not within 1 to %d", f.Weight, MaxWeight)
	}
	if f.Most == 0 || f.Most > MaxBackends {
		x.wrong(here.field("most"), "%d is not within 1 to %d", f.Most, MaxBackends)
	}
	if !has(families, f.Family) && f.Family != AnyFamily {
		x.wrong(here.field("family"), "%d is not known", f.Family)
	}
}

// given is how many places f names.
func (f *From) given() (n int) {
	for _, place := range []string{f.DNS, f.File, f.Service} {
		if place != "" {
			n++
		}
	}
	return n
}

func (f *From) checkKubernetes(here *at, x *faults) {
	for _, part := range []struct{ field, value string }{{"service", f.Service}, {"namespace", f.Namespace}} {
		if why := badLabel(part.value); why != "" {
			x.wrong(here.field(part.field), "%s", why)
		}
	}
	if f.Port != "" && badLabel(f.Port) != "" {
		x.wrong(here.field("port"), "%s is not the name of a port, as http; without it the port with the VIP's number is taken", quote(f.Port))
	}
	if f.Kubeconfig != "" {
		checkPath(here.field("kubeconfig"), f.Kubeconfig, x)
	}
}

func checkPath(here *at, path string, x *faults) {
	if !filepath.IsAbs(path) || filepath.Clean(path) != path {
		x.wrong(here, "%s is not an absolute path without detours: the engine that reads it runs in a folder of its own", quote(path))
	}
}

func badDNSName(name string) string {
	labels := strings.Split(strings.TrimSuffix(name, "."), ".")
	bad := len(name) > maxDNSName
	for _, l := range labels {
		odd := strings.ContainsFunc(l, func(c rune) bool {
			return !(c >= 'a' && c <= 'z' || c >= 'A' && c <= 'Z' || c >= '0' && c <= '9' || c == '-' || c == '_')
		})
		bad = bad || l == "" || len(l) > maxLabel || odd
	}
	if _, err := netip.ParseAddr(name); bad || err == nil {
		return fmt.Sprintf("%s is not a domain name: write one as web.example.com", quote(name))
	}
	return ""
}

// badLabel is why no object of Kubernetes has this name.
func badLabel(name string) string {
	odd := strings.ContainsFunc(name, func(c rune) bool { return !(c >= 'a' && c <= 'z' || c >= '0' && c <= '9' || c == '-') })
	if name == "" || len(name) > maxLabel || odd {
		return fmt.Sprintf("%s is not a name in Kubernetes: 1 to %d of a-z, 0-9 and -", quote(name), maxLabel)
	}
	return ""
}

func (f *From) write(b *bytes.Buffer) {
	var parts []string
	add := func(format string, args ...any) { parts = append(parts, fmt.Sprintf(format, args...)) }
	if f.DNS != "" {
		add("dns: %s, records: %s", plain(f.DNS), f.Records)
	}
	if f.Server.IsValid() {
		add("server: %q", f.Server.String())
	}
	if f.File != "" {
		add("file: %s", plain(f.File))
	}
	if f.Service != "" || f.Namespace != "" || f.Port != "" || f.Kubeconfig != "" {
		add("kubernetes: {service: %s, namespace: %s%s%s}", plain(f.Service), plain(f.Namespace), optional("port", f.Port), optional("kubeconfig", f.Kubeconfig))
	}
	if f.Family != AnyFamily {
		add("family: %s", f.Family)
	}
	add("interval: %s, hold: %s", duration(f.Interval), duration(f.Hold))
	if f.Drain != DefaultFromDrain { // a fleet's older programs name a spec without it as these do
		add("drain: %s", duration(f.Drain))
	}
	add("weight: %d, most: %d", f.Weight, f.Most)
	fmt.Fprintf(b, "    from: {%s}\n", strings.Join(parts, ", "))
}

func optional(name, value string) string {
	if value == "" {
		return ""
	}
	return ", " + name + ": " + plain(value)
}
