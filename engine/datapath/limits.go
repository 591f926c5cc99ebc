package datapath

import (
	"cmp"
	"encoding/binary"
	"math/bits"
	"net/netip"
	"slices"
	"time"

	"hairpin/engine/spec"
)

// Limit is one limit of one stage on one chain, or a source that it refused lately.
type Limit struct {
	Chain    int
	Position int
	Shadow   bool
	Scope    spec.Scope
	VIP      uint16       // its number, of PerTenant that of a tenant; 0 = of no VIP, or of all
	Source   netip.Prefix // zero: the scope as a whole
	Rate     uint32       // 0: the sources' differ by VIP
	Offered  bool         // counts what it refused as well
	Now      int          // counted in the last second; of a source, as far as its log of eight batches goes
	Refused  uint64       // of a source, since it is kept in mind
	Window   uint32       // of Judged; 0 for a source
}

// Judged is what each window that is in use passed and refused.
func (k *Kernel) Judged() map[uint32]Judged {
	all := map[uint32]Judged{}
	for n := range k.windows.all {
		if k.windows.all[n].Stage == 0 {
			continue
		}
		var sum Judged
		for _, c := range k.counted {
			j := &c.Window[n]
			sum.Passed += j.Passed
			sum.Refused += j.Refused
		}
		all[uint32(n)] = sum
	}
	return all
}

// RateLimits are those of the active generation by chain, position, scope and VIP; behind each scope of sources, those that
// were refused most in the last seconds.
func (k *Kernel) RateLimits() []Limit {
	active := int(k.Control().Active)
	if k.generations.all[active].Flags&GenerationLive == 0 {
		return nil
	}
	var list []Limit
	over := k.overRates()
	for c := range k.chains.all {
		row := &k.rows.all[active*Chains+c]
		for p, kind := range row.Kind {
			if kind == kindRateLimit {
				l := Limit{Chain: c, Position: p, Shadow: row.Shadow>>p&1 != 0}
				list = append(list, k.rateLimitsOf(&k.ratelimits.all[row.Settings[p]%RateLimits], l, over)...)
			}
		}
	}
	return list
}

func (k *Kernel) rateLimitsOf(r *rateLimit, l Limit, over []offender) (list []Limit) {
	now := Monotonic()
	l.Offered = r.Flags&rateLimitOffered != 0
	windowed := func(scope spec.Scope, vip uint16, window, rate uint32) {
		l := l
		l.Scope, l.VIP, l.Window, l.Rate = scope, vip, window, r.Rate[rate%Rates]
		l.Now = k.windows.all[window%Windows].count(l.Rate, now)
		list = append(list, l)
	}
	if r.NICWindow != 0 {
		windowed(spec.PerNIC, 0, r.NICWindow, r.NICRate)
	}
	tenants := k.ofTenants()
	for num := range r.VIP {
		if v := &r.VIP[num]; v.Window != 0 {
			scope := spec.PerVIP
			if tenants[uint16(num)] {
				scope = spec.PerTenant
			}
			windowed(scope, uint16(num), uint32(v.Window), uint32(v.Rate))
		}
	}
	for i := range min(r.Scopes, Scopes) {
		list = append(list, k.sourceLimits(r, int(i), l, over)...)
	}
	return list
}

// sourcesShown is how many of those that a scope refused are shown.
const sourcesShown = 5

func (k *Kernel) sourceLimits(r *rateLimit, i int, l Limit, over []offender) []Limit {
	scope := &r.Scope[i]
	l.Scope, l.Window, l.Rate = spec.PerSource, scope.Window, r.Rate[r.VIP[0].Source[i]%Rates]
	if r.VIP[0].VIPs>>i&1 != 0 {
		l.Scope, l.Rate = spec.PerSourceVIP, r.onlyRate(i)
	}
	list := []Limit{l}
	for _, o := range over {
		if o.Identity != scope.Identity || len(list) > sourcesShown {
			continue
		}
		s := l
		s.Window, s.Source, s.Refused = 0, o.prefix(scope), o.Refused
		if s.Scope == spec.PerSourceVIP {
			s.VIP = o.VIP
		}
		s.Rate = r.Rate[r.VIP[o.VIP%VIPs].Source[i]%Rates]
		s.Now = k.countSource(o.Key, s.Rate)
		list = append(list, s)
		list[0].Now = max(list[0].Now, s.Now)
	}
	return list
}

// onlyRate is the rate of a scope's sources for every VIP that has one; 0 when they differ.
func (r *rateLimit) onlyRate(i int) (rate uint32) {
	for n := range r.VIP {
		of := r.Rate[r.VIP[n].Source[i]%Rates]
		if of != 0 && rate != 0 && of != rate {
			return 0
		}
		rate = max(rate, of)
	}
	return rate
}

// count is how many connections a window logged in the last second, to a batch.
func (w *window) count(rate uint32, now uint64) (sum int) {
	at := w.At
	slot := uint32(at>>24) % WindowSlots
	for i := range uint32(WindowSlots) {
		back := (slot - 1 - i) % WindowSlots
		if w.Stamp[back]+uint64(time.Second) <= now {
			break
		}
		if i == 0 {
			sum += int(at & (1<<24 - 1))
		}
		sum += batchSize(rate, back, WindowSlots)
	}
	return sum
}

// batchSize is how many connections the batch of a slot has: bpf/window.h and bpf/source.h compute the same.
func batchSize(rate, slot, slots uint32) int {
	if rate < slots {
		return 1
	}
	return int(uint64(slot+1)*uint64(rate)/uint64(slots) - uint64(slot)*uint64(rate)/uint64(slots))
}

// overRates are the sources that were refused in the last seconds, those of all CPUs, most refused first.
func (k *Kernel) overRates() []offender {
	const lately = uint64(10 * time.Second)
	now, sums := Monotonic(), map[uint64]offender{}
	for i := range k.offenders.all {
		for _, o := range k.offenders.all[i].Of {
			if o.Key == 0 || now-min(o.At, now) > lately {
				continue
			}
			o.Refused += sums[o.Key].Refused
			sums[o.Key] = o
		}
	}
	list := make([]offender, 0, len(sums))
	for _, o := range sums {
		list = append(list, o)
	}
	slices.SortFunc(list, func(a, b offender) int { return cmp.Or(cmp.Compare(b.Refused, a.Refused), cmp.Compare(a.Key, b.Key)) })
	return list
}

// prefix is the source as its scope tells it apart from others.
func (o *offender) prefix(s *sourceScope) netip.Prefix {
	if o.Family == 4 {
		return netip.PrefixFrom(netip.AddrFrom4([4]byte(o.Address[:4])), bits.OnesCount32(binary.BigEndian.Uint32(s.Mask4[:])))
	}
	ones := bits.OnesCount64(binary.BigEndian.Uint64(s.Mask6[:8])) + bits.OnesCount64(binary.BigEndian.Uint64(s.Mask6[8:]))
	return netip.PrefixFrom(netip.AddrFrom16(o.Address), ones)
}

// countSource is how many connections of a source were logged in the last second, to a batch; 0 when it is not known any
// more. Its log is laid out as bpf/source.h says.
func (k *Kernel) countSource(key uint64, rate uint32) (sum int) {
	const unit, rough = 16, 20
	var set sourceSet
	if err := k.maps["sources"].Lookup(uint32(key>>50), &set); err != nil {
		return 0
	}
	way := slices.Index(set.Key[:], key)
	now := Monotonic()
	if way < 0 {
		return 0
	}
	since := func(then uint64) uint64 { return (now>>rough - then + 64) & 0x7fffff << rough }
	state := set.State[way]
	if since(state>>39) > uint64(time.Second)+64<<rough {
		return 0
	}
	sum = int(state & 0x1fff)
	if since(state>>16) > uint64(time.Second)+64<<rough {
		return sum
	}
	for i := range SourceSlots {
		stamp := uint16(set.Stamps[way][i/4] >> (i % 4 * 16))
		if uint64(uint16(now>>unit)-stamp+1024) <= uint64(time.Second)>>unit+1024 {
			sum += int(max(rate, SourceSlots)) / SourceSlots
		}
	}
	return sum
}
