package datapath

import (
	"net/netip"
	"sync/atomic"
	"time"

	"hairpin/engine/spec"
)

// reports tells whether a spec has an agent that tells load balancers how many connections it has.
func reports(s *spec.Spec) bool { return s.Agent != nil && s.Agent.Report != nil }

// Service is an address of an agent's and a port, and the connections to it.
type Service struct {
	Address netip.Addr
	Port    uint16
	Open    uint32
	Opened  uint32 // ever, modulo 2^32
}

// Services are those to which a connection was ever opened, while they are counted.
func (k *Kernel) Services() (list []Service) {
	for i := range k.seatNames.all {
		name := &k.seatNames.all[i]
		if name.Lens != lensService || k.seatSets.all[i/SetWays][i%SetWays] == 0 {
			continue
		}
		x := &k.seats.all[VIPs+i]
		s := Service{Address: netip.AddrFrom16(name.Address), Port: name.VIP>>8 | name.VIP<<8}
		if name.Family == 4 {
			s.Address = netip.AddrFrom4([4]byte(name.Address[:4]))
		}
		// In this order: what counts as opened is among the open ones, unless it is closed by now.
		s.Opened = atomic.LoadUint32(&x.Opened)
		s.Open = atomic.LoadUint32(&x.Open)
		list = append(list, s)
	}
	return list
}

// Reported is what agents say of a VIP: how many connections are open, and how many of those that this node let pass were
// opened since the last call.
type Reported struct{ Open, Opened uint32 }

// CountReported makes the reported connections by VIP number, of all agents together, what limits count from now on. A
// connection is added before the place of its handshake is given back, so that it is counted once or twice and never missed.
// It may run while packets come.
func (k *Kernel) CountReported(of map[uint16]Reported) {
	if len(k.seats.all) == 0 {
		return
	}
	var all Reported
	tenants := map[uint16]Reported{}
	for vip, tenant := range k.tenantsOf(int(k.Control().Active)).Of {
		if r := of[uint16(vip)]; tenant != 0 {
			sum := tenants[tenant]
			tenants[tenant] = Reported{sum.Open + r.Open, sum.Opened + r.Opened}
		}
	}
	for num := range uint16(VIPs) {
		if num == 0 {
			continue
		}
		if sum, is := tenants[num]; is {
			k.countReported(num, sum)
			continue
		}
		k.countReported(num, of[num])
		all.Open += of[num].Open
		all.Opened += of[num].Opened
	}
	k.countReported(0, all)
}

func (k *Kernel) countReported(num uint16, r Reported) {
	x := &k.seats.all[AgentSeats+int(num)]
	if atomic.LoadUint32(&x.Open) != r.Open {
		atomic.StoreUint32(&x.Open, r.Open)
	}
	x.giveBack(r.Opened, Monotonic()>>tickShift)
}

// ReportedOpen is what CountReported has last set for a VIP.
func (k *Kernel) ReportedOpen(num uint16) uint32 {
	if len(k.seats.all) == 0 {
		return 0
	}
	return atomic.LoadUint32(&k.seats.all[AgentSeats+int(num)].Open)
}

// giveBack takes off n handshakes, those of the tick before first and the newest last: these are on their way still, and the
// oldest came to nothing more likely than to a connection just now.
func (x *seats) giveBack(n uint32, tick uint64) {
	for n > 0 {
		word := atomic.LoadUint64(&x.Pending)
		next, left := pendingAt(word, tick), n
		for _, field := range []int{1, 2, 0} {
			took := min(left, uint32(next>>(16*field)&0xffff))
			next -= uint64(took) << (16 * field)
			left -= took
		}
		if atomic.CompareAndSwapUint64(&x.Pending, word, next) {
			return
		}
	}
}

func (k *Kernel) forgetReported(num uint16) {
	if len(k.seats.all) > 0 {
		atomic.StoreUint32(&k.seats.all[AgentSeats+int(num)].Open, 0)
		atomic.StoreUint64(&k.seats.all[AgentSeats+int(num)].Pending, 0)
	}
}

// agentSource reads the count that agents report.
type agentSource struct{ *Kernel }

func (k agentSource) chain(int) ConnLimit           { return k.seatRow(AgentSeats) }
func (k agentSource) vip(num uint16) ConnLimit      { return k.seatRow(AgentSeats + uint32(num)) }
func (k agentSource) sources(uint32) []ConnLimit    { return nil }
func (k agentSource) name() (string, time.Duration) { return "agents", 0 } // whoever hears them knows how late they are
