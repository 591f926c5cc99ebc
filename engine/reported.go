package engine

import (
	"errors"
	"fmt"
	"net/netip"
	"time"

	"hairpin/engine/agents"
	"hairpin/engine/datapath"
	"hairpin/engine/spec"
)

// How often what was heard is counted, and at least.
const (
	countEvery  = 100 * time.Millisecond
	countLatest = time.Second
)

// reported is a load balancer's side: it hears agents, and has limits count what they say.
type reported struct {
	of       *spec.Reported // nil: nobody is heard
	key      agents.Key
	listener *agents.Listener // nil: it cannot be
	book     *agents.Book
	ticker   *time.Ticker
	since    time.Time         // when it began to listen
	floor    map[uint16]uint32 // what counted for each VIP by then, until all agents were heard; by number
	counted  time.Time
	dirty    bool
	trouble  string // why nothing is heard, or why not for long; empty = it is
	refusals refusals
}

// refusals are parts of reports that did not count.
type refusals struct {
	count  uint64
	forged uint64 // and what else the listener refused
	at     time.Time
	why    string
}

func (r *reported) parts() <-chan agents.Heard {
	if r.listener == nil {
		return nil
	}
	return r.listener.Parts()
}

// deaf tells whether agents should be heard and cannot.
func (r *reported) deaf() bool { return r.of != nil && r.listener == nil }

func (r *reported) due() <-chan time.Time {
	if r.listener == nil {
		return nil
	}
	return r.ticker.C
}

func (r *reported) close() {
	if r.listener != nil {
		r.listener.Close()
		r.ticker.Stop()
	}
	*r = reported{}
}

// follow makes it what the spec says. A key is read anew, since its file may hold another; one that cannot be read leaves the
// one before in use. The book outlives another key, so that no count is lost.
func (r *reported) follow(want *spec.Reported, now time.Time) {
	if want == nil {
		r.close()
		return
	}
	key, err := agents.ReadKey(want.Key)
	if err == nil && r.listener != nil && *want == *r.of && key.Equal(r.key) {
		r.trouble = ""
		return
	}
	if err != nil && r.listener != nil && *want == *r.of {
		r.trouble = err.Error()
		return
	}
	book, since := r.book, r.since
	r.close()
	if book == nil {
		book, since = agents.NewBook(want.Hold), now
	}
	book.SetHold(want.Hold)
	r.of, r.book, r.since, r.key = want, book, since, key
	if err == nil {
		r.listener, err = agents.Listen(want.Listen, key)
	}
	if err != nil {
		r.trouble = err.Error()
		return
	}
	r.ticker = time.NewTicker(countEvery)
}

// followAgents makes what is told to load balancers, or heard of agents, what the running spec says.
func (o *owner) followAgents(now time.Time) {
	var told *spec.Report
	heard := o.spec.Reported()
	if o.spec != nil && o.spec.Agent != nil {
		told = o.spec.Agent.Report
	}
	if o.detached {
		told, heard = nil, nil
	}
	if o.lost() && !o.detached {
		return // it goes on as it was
	}
	o.heardBy = o.spec
	o.reporting.follow(told, now)
	began := o.reported.book == nil
	o.reported.follow(heard, now)
	switch {
	case o.detached:
	case heard == nil && !began:
		o.kernel.CountReported(nil)
	case heard != nil && began:
		o.reported.floor = map[uint16]uint32{}
		for num := range o.names() {
			o.reported.floor[num] = o.kernel.ReportedOpen(num)
		}
	}
}

// checkAgents says why agents could not be heard, or load balancers not told, by what a spec says, before anything changes.
func (o *owner) checkAgents(s *spec.Spec) error {
	if s.Agent != nil && s.Agent.Report != nil {
		if _, err := agents.ReadKey(s.Agent.Report.Key); err != nil {
			return fmt.Errorf("%w: agent.report.%w", ErrInvalid, err)
		}
	}
	want := s.Reported()
	if want == nil {
		return nil
	}
	key, err := agents.ReadKey(want.Key)
	if err != nil {
		return fmt.Errorf("%w: %w", ErrInvalid, err)
	}
	if o.reported.listener != nil && want.Listen.Port() == o.reported.of.Listen.Port() {
		return nil // it stands in the way of itself
	}
	l, err := agents.Listen(want.Listen, key)
	if err != nil {
		return fmt.Errorf("%w: %w", ErrInvalid, err)
	}
	l.Close()
	return nil
}

// hear takes what an agent said.
func (o *owner) hear(h agents.Heard, ok bool, now time.Time) {
	r := &o.reported
	if !ok {
		r.listener.Close()
		r.ticker.Stop()
		r.listener, r.trouble = nil, "the socket was closed"
		return
	}
	err := r.book.Take(h.Part, h.From, now)
	switch {
	case err == nil:
		r.dirty = true
	case !errors.Is(err, agents.ErrOld): // those come by themselves, when datagrams overtake each other
		r.refusals.note(err.Error(), 1, now)
	}
}

func (r *refusals) note(why string, n uint64, now time.Time) {
	r.why, r.at = why, now
	r.count += n
}

// countAgents has limits count what was heard. As long as some agent has not been heard since this process began, no VIP
// counts less than it did by then.
func (o *owner) countAgents(now time.Time) {
	r := &o.reported
	if o.detached || !r.dirty && now.Sub(r.counted) < countLatest {
		return
	}
	forged, malformed, lost := r.listener.Refused()
	if sum := forged + malformed + lost; sum != r.refusals.forged {
		why := fmt.Sprintf("%d not signed by the key in %s, %d not understood, %d came too quickly", forged, r.of.Key, malformed, lost)
		r.refusals.note(why, sum-r.refusals.forged, now)
		r.refusals.forged = sum
	}
	r.counted, r.dirty = now, false
	if r.floor != nil && (now.Sub(r.since) > r.of.Hold || len(o.unheard(now)) == 0) {
		r.floor = nil
	}
	of := map[uint16]datapath.Reported{}
	nums := o.services()
	for service, total := range r.book.Totals(now) {
		num, known := nums.of(service)
		if !known {
			continue
		}
		sum := of[num]
		of[num] = datapath.Reported{Open: sum.Open + total.Open, Opened: sum.Opened + total.Opened}
	}
	for num, open := range r.floor {
		sum := of[num]
		of[num] = datapath.Reported{Open: max(sum.Open, open), Opened: sum.Opened}
	}
	o.kernel.CountReported(of)
}

// services are the VIPs' numbers by what agents call them. Port 0 is every port that is no other VIP's.
type services map[agents.Service]uint16

func (o *owner) services() services {
	nums := services{}
	for num, name := range o.names() {
		v := o.spec.VIP(name)
		if v == nil || v.Protocol != spec.TCP {
			continue
		}
		for _, a := range v.Addresses {
			nums[agents.Service{Address: a, Port: v.Port}] = num
		}
	}
	return nums
}

func (s services) of(service agents.Service) (num uint16, known bool) {
	if num, known = s[service]; !known {
		service.Port = 0
		num, known = s[service]
	}
	return num, known
}

// unheard are the backends that should have an agent, and from which nothing counts.
func (o *owner) unheard(now time.Time) (list []netip.Addr) {
	heard := map[netip.Addr]bool{}
	for _, e := range o.reported.book.Entries(now) {
		if e.Silent {
			continue
		}
		heard[e.From.Addr()] = true
		for _, a := range e.Addresses {
			heard[a] = true
		}
	}
	for a := range o.tcpBackends() {
		if !heard[a] {
			list = append(list, a)
		}
	}
	return list
}

// tcpBackends are those of the spec that may have connections.
func (o *owner) tcpBackends() map[netip.Addr]bool {
	all := map[netip.Addr]bool{}
	for _, v := range o.spec.VIPs {
		for _, b := range v.Backends {
			if v.Protocol == spec.TCP && (b.State == spec.Up || b.State == spec.Drain) {
				all[b.Address] = true
			}
		}
	}
	return all
}
