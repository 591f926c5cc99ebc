package engine

import (
	"fmt"
	"net"
	"net/netip"
	"slices"
	"time"

	"hairpin/engine/agents"
	"hairpin/engine/spec"
)

// reporting is a backend's side: it tells load balancers how many connections this host has.
type reporting struct {
	of      *spec.Report // nil: nobody is told
	key     agents.Key
	sender  *agents.Sender // nil: it cannot be
	ticker  *time.Ticker
	session time.Time
	seq     uint64
	trouble string // why nothing is sent, or why not for long; empty = it is
}

// due is when the next report is.
func (r *reporting) due() <-chan time.Time {
	if r.sender == nil {
		return nil
	}
	return r.ticker.C
}

func (r *reporting) close() {
	if r.sender != nil {
		r.sender.Close()
		r.ticker.Stop()
	}
	*r = reporting{}
}

// follow makes it what the spec says. A key is read anew, since its file may hold another; one that cannot be read leaves the
// one before in use.
func (r *reporting) follow(want *spec.Report, now time.Time) {
	if want == nil {
		r.close()
		return
	}
	key, err := agents.ReadKey(want.Key)
	if err == nil && r.sender != nil && want.Equal(r.of) && key.Equal(r.key) {
		r.trouble = ""
		return
	}
	if err != nil && want.Equal(r.of) {
		r.trouble = err.Error()
		return
	}
	r.close()
	r.of = want
	if err != nil {
		r.trouble = err.Error()
		return
	}
	r.key, r.sender, r.session = key, agents.NewSender(key, want.To), now
	r.ticker = time.NewTicker(want.Every)
}

// report tells all load balancers what is open now.
func (o *owner) report(now time.Time) {
	r := &o.reporting
	if o.detached || o.spec == nil || o.spec.Agent == nil {
		return
	}
	r.seq++
	counted, _ := o.kernel.SocketCount()
	report := agents.Report{Node: o.options.Paths.Node, Session: uint64(r.session.UnixNano()), Seq: r.seq, Time: now, Every: r.of.Every,
		Uncounted: uint32(counted.Unrecorded + counted.Unplaced), Addresses: hostAddresses(o.spec.Agent.VIPs)}
	for _, s := range o.kernel.Services() {
		if slices.Contains(o.spec.Agent.VIPs, s.Address) {
			report.Counts = append(report.Counts, agents.Count{Service: agents.Service{Address: s.Address, Port: s.Port}, Open: s.Open, Opened: s.Opened})
		}
	}
	if err := r.sender.Send(report, now); err != nil {
		r.trouble = err.Error()
	}
}

// hostAddresses are this host's, by which load balancers may know it as a backend.
func hostAddresses(vips []netip.Addr) (list []netip.Addr) {
	all, err := net.InterfaceAddrs()
	if err != nil {
		return nil // it is known by where its reports come from
	}
	for _, a := range all {
		ip, ok := a.(*net.IPNet)
		if !ok || !ip.IP.IsGlobalUnicast() {
			continue
		}
		if addr, _ := netip.AddrFromSlice(ip.IP); !slices.Contains(vips, addr.Unmap()) {
			list = append(list, addr.Unmap())
		}
	}
	return list
}

func (r *reporting) show() (list []ReportTarget) {
	if r.sender == nil {
		return nil
	}
	for _, t := range r.sender.Targets() {
		list = append(list, ReportTarget{To: t.To, Sent: t.Sent, Last: t.Last, Why: t.Why})
	}
	return list
}

func (r *reporting) problems() (list []Problem) {
	if r.trouble != "" {
		list = append(list, Problem{Key: "reporting", Severity: "crit", What: "load balancers are not told of connections: " + r.trouble})
		if r.sender != nil {
			list[0] = Problem{Key: "reporting", Severity: "warn", What: "reports of connections go on as they were: " + r.trouble}
		}
	}
	for _, t := range r.show() {
		if t.Why != "" && r.seq > 0 {
			list = append(list, Problem{Key: "report to " + t.To.String(), Severity: "warn",
				What: fmt.Sprintf("a load balancer does not hear of connections here: %s", t.Why),
				Cure: "look whether hairpin runs there with source: agents and listens on that address"})
		}
	}
	return list
}
