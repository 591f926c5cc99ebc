package discover

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"strings"
	"time"

	"hairpin/engine/spec"
)

const (
	dnsTimeout  = 10 * time.Second // for all questions of one look
	mostTargets = 64               // of SRV records, each of which is a question
)

// dns asks for the addresses of a name (A or AAAA), or for those of the targets of its SRV records (RFC 2782).
type dns struct {
	spec.From
	serves   func(port uint16) bool
	resolver *net.Resolver
}

func newDNS(f spec.From, serves func(uint16) bool, dial dial) *dns {
	d := &dns{From: f, serves: serves}
	d.resolver = &net.Resolver{PreferGo: true, Dial: func(ctx context.Context, network, address string) (net.Conn, error) {
		if f.Server.IsValid() {
			address = f.Server.String()
		}
		return dial(ctx, network, address)
	}}
	return d
}

// Follow implements Source.
func (d *dns) Follow(ctx context.Context, tell func(Answer)) { poll(ctx, d.Interval, d.look, tell) }

func (d *dns) look(ctx context.Context) (a Answer) {
	ctx, cancel := context.WithTimeout(ctx, dnsTimeout)
	defer cancel()
	if d.Records == spec.Services {
		a = d.services(ctx)
	} else {
		a.Endpoints, a.Err = d.addresses(ctx, d.DNS, 0)
	}
	if a.Err != nil {
		a = Answer{Err: fmt.Errorf("look up: %w", d.asked(a.Err))}
	}
	return a
}

// addresses of a name; none, when DNS says that there are none.
func (d *dns) addresses(ctx context.Context, name string, weight uint32) (list []spec.Endpoint, err error) {
	network := "ip4"
	if d.Family == spec.IPv6 {
		network = "ip6"
	}
	found, err := d.resolver.LookupNetIP(ctx, network, absolute(name))
	if err != nil && !absent(err) {
		return nil, err
	}
	for _, a := range found {
		list = append(list, spec.Endpoint{Address: a.Unmap(), Weight: weight})
	}
	return list, nil
}

// services are those of the lowest priority, the others being for when these are gone.
func (d *dns) services(ctx context.Context) (a Answer) {
	_, records, err := d.resolver.LookupSRV(ctx, "", "", absolute(d.DNS))
	if err != nil && !absent(err) {
		return Answer{Err: err} // also where some records were sound: a part might pass for all
	}
	var left []string
	weighed := false
	for i, r := range records {
		if r.Priority != records[0].Priority { // they come by priority
			records = records[:i]
			break
		}
		weighed = weighed || r.Weight != 0
	}
	if len(records) > mostTargets {
		return Answer{Err: fmt.Errorf("%s has %d SRV records, at most %d are followed", d.DNS, len(records), mostTargets)}
	}
	for _, r := range records {
		if r.Target == "." { // RFC 2782: decidedly no such service
			continue
		}
		if !d.serves(r.Port) {
			left = append(left, fmt.Sprintf("%s is on port %d, which is not the VIP's", strings.TrimSuffix(r.Target, "."), r.Port))
			continue
		}
		weight := uint32(r.Weight)
		if weighed {
			weight = max(weight, 1) // 0 among others is little, and none alone
		}
		list, err := d.addresses(ctx, r.Target, weight)
		if err != nil {
			return Answer{Err: err}
		}
		if len(list) == 0 {
			left = append(left, fmt.Sprintf("%s has no address of %s", strings.TrimSuffix(r.Target, "."), d.Family))
		}
		a.Endpoints = append(a.Endpoints, list...)
	}
	a.Left = strings.Join(left, "; ")
	return a
}

// asked is err with who was asked: the resolver names the server that it would have asked by itself.
func (d *dns) asked(err error) error {
	var e *net.DNSError
	if d.Server.IsValid() && errors.As(err, &e) && e.Server != "" {
		c := *e
		c.Server = d.Server.String()
		return &c
	}
	return err
}

// absent tells the answer that there is nothing from no answer.
func absent(err error) bool {
	var e *net.DNSError
	return errors.As(err, &e) && e.IsNotFound
}

// absolute is a name to which no search domain is added.
func absolute(name string) string { return strings.TrimSuffix(name, ".") + "." }

// sound tells whether a can be a backend's address of family f.
func sound(a netip.Addr, f spec.Family) bool { return a.IsValid() && a.Zone() == "" && f.Has(a) }
