package datapath

import (
	"errors"
	"fmt"
	"maps"
	"net/netip"
	"slices"
	"strings"
	"time"

	"hairpin/engine/spec"
)

// connlimitID is the enum stage of connlimit.
const connlimitID = 6

// standConnlimit writes the limits of a connlimit stage, and sees to it that what they count is counted.
func (k *Kernel) standConnlimit(p spot, s *standing) error {
	x, ok := p.stage.Settings.(*spec.Connections)
	if !ok {
		return errors.New("has no limits")
	}
	if x.Source == spec.Sockets && k.aside == nil {
		if err := k.startCensus(); err != nil {
			return err
		}
	}
	lenses, err := k.takeLenses(x)
	if err != nil {
		return err
	}
	value := connSettings{Count: uint32(len(x.Limits))}
	if x.Source == spec.Agents {
		value.Base = AgentSeats
	}
	if x.Source == spec.Flows {
		if err := k.need(ownFlows); err != nil {
			return err
		}
		value.Idle = uint32(x.Idle>>flowTick) + 1
		if limitsFlowsOfTenants(p.spec) {
			value.Tenants = 1
		}
		s.program, s.dry = k.programs["connlimit_flows"], k.programs["connlimit_flows_dry"]
		if k.chains.all[p.chain].Hook != XDP {
			s.program = k.programs["connlimit_flows_tc"]
		}
	}
	if x.Action == spec.LimitReset {
		value.Reset = 1
	}
	for i, l := range x.Limits {
		limit := connLimit{Max: l.Max, VIP: p.nums[l.VIP], Prefix4: l.Prefix4, Prefix6: l.Prefix6, Lens: lenses[l.Prefixes()]}
		switch l.Per {
		case spec.PerVIP, spec.PerSourceVIP:
			limit.ByVIP = 1
		case spec.PerTenant:
			limit.ByVIP, limit.VIP = byTenant, p.tenants[l.Tenant]
			if l.Tenant != "" && limit.VIP == 0 {
				limit.VIP = nobody
			}
		}
		if limit.Lens != 0 {
			limit.Slot, value.Lens = k.lensSlot(limit, value.Lens)
		}
		value.Limit[i] = limit
	}
	s.settings, err = putSettings(k.connlimits.all, k.usedSettings(connlimitID), value)
	return err
}

// takeLenses gives every way in which x tells sources apart a lens, the one that counts by it already if there is one.
func (k *Kernel) takeLenses(x *spec.Connections) (map[spec.Prefixes]uint32, error) {
	ids, used := map[spec.Prefixes]uint32{}, map[uint32]bool{}
	for e := range k.usedSettings(connlimitID) {
		for _, l := range k.connlimits.all[e].Limit {
			used[l.Lens] = true
		}
	}
	var wanted []spec.Prefixes
	for _, l := range x.Limits {
		if w := l.Prefixes(); w != (spec.Prefixes{VIP: w.VIP}) && !slices.Contains(wanted, w) {
			wanted = append(wanted, w)
		}
	}
	lenses := &k.census.all[0].Lens
	for _, w := range wanted {
		if i := slices.IndexFunc(lenses[:], func(l lens) bool { return l.ID != 0 && l.prefixes() == w }); i >= 0 {
			ids[w], used[lenses[i].ID] = lenses[i].ID, true
		}
	}
	for n, w := range wanted {
		if ids[w] != 0 {
			continue
		}
		if k.aside != nil { // nothing is counted by it yet
			ids[w] = asideLens + uint32(n)
			continue
		}
		i := slices.IndexFunc(lenses[:], func(l lens) bool { return l.ID == 0 || !used[l.ID] })
		if i < 0 {
			return nil, fmt.Errorf("all %d ways to tell sources apart are in use by this spec and the one before it: wait a second, "+
				"or apply one without some of them first", Lenses)
		}
		k.census.all[0].NextLens++
		l := lens{ID: k.census.all[0].NextLens, Prefix4: w.Prefix4, Prefix6: w.Prefix6}
		if w.VIP {
			l.ByVIP = 1
		}
		if lenses[i].ID != 0 {
			k.forgetLens(i)
		}
		lenses[i] = l
		ids[w], used[l.ID] = l.ID, true
	}
	return ids, nil
}

// nobody is the number of a tenant without VIPs.
const nobody = 0xffff

// asideLens is the first id of ways to tell sources apart that nobody counts by.
const asideLens = 0xffff0000

// lensSlot is the slot of a limit's lens among those of its stage, which then has it there.
func (k *Kernel) lensSlot(limit connLimit, all [Lenses]lens) (uint8, [Lenses]lens) {
	has := func(o lens) bool { return o.ID == limit.Lens }
	i := slices.IndexFunc(k.census.all[0].Lens[:], has)
	if i >= 0 {
		all[i] = k.census.all[0].Lens[i]
		return uint8(i), all
	}
	if i = slices.IndexFunc(all[:], has); i < 0 {
		i = max(0, slices.IndexFunc(all[:], func(o lens) bool { return o.ID == 0 }))
	}
	all[i] = lens{ID: limit.Lens, Prefix4: limit.Prefix4, Prefix6: limit.Prefix6, ByVIP: limit.ByVIP}
	return uint8(i), all
}

func (l lens) prefixes() spec.Prefixes {
	return spec.Prefixes{Prefix4: l.Prefix4, Prefix6: l.Prefix6, VIP: l.ByVIP != 0}
}

// ConnLimit is one limit of a connlimit stage of the active generation, and what it counts now. A limit of sources has an
// element for all of them, and one for each of the fullest.
type ConnLimit struct {
	Chain    int
	Position int
	Scope    spec.Scope
	VIP      uint16       // number, of PerTenant that of a tenant; 0 = of no VIP, or of all of them
	Source   netip.Prefix // zero: all sources of the scope
	Max      uint32
	Open     uint32        // connections; of all sources, the fullest one's
	Pending  uint32        // handshakes that hold a place besides
	Sources  int           // of all sources, how many have a connection
	Passed   Count         // SYNs; not counted of sources
	Over     Count         // SYNs refused; of sources without bytes
	Counts   string        // what of, and how
	Late     time.Duration // how long a connection may be counted after its end
}

// fullest is how many sources of one limit are named.
const fullest = 10

// ConnLimits are the limits of connections by chain, position and order in the spec.
func (k *Kernel) ConnLimits() []ConnLimit {
	var all []ConnLimit
	active := int(k.Control().Active)
	if k.generations.all[active].Flags&GenerationLive == 0 {
		return nil
	}
	sources := map[string][]ConnLimit{}
	for _, c := range k.Chains() {
		r := &k.rows.all[active*Chains+c.Number]
		for at, kind := range r.Kind {
			if kind != connlimitID {
				continue
			}
			x := &k.connlimits.all[r.Settings[at]]
			count := connSource(socketSource{k})
			switch {
			case x.Idle != 0:
				count = flowSource{k, x.Clock}
			case x.Base != 0:
				count = agentSource{k}
			}
			for _, l := range x.Limit[:min(x.Count, ConnLimits)] {
				key := fmt.Sprint(l.Lens, x.Idle != 0)
				if _, read := sources[key]; !read && l.Lens != 0 {
					sources[key] = count.sources(l.Lens)
				}
				for _, row := range k.connRows(c.Number, l, sources[key], count) {
					row.Chain, row.Position, row.Max = c.Number, at, l.Max
					row.Counts, row.Late = count.name()
					all = append(all, row)
				}
			}
		}
	}
	return all
}

// connRows are the rows of one limit.
func (k *Kernel) connRows(chain int, l connLimit, sources []ConnLimit, count connSource) []ConnLimit {
	switch {
	case l.Lens != 0:
		return sourceRows(l, sources)
	case l.ByVIP == 0:
		row := count.chain(chain)
		row.Scope = spec.PerNIC
		for _, c := range k.counted {
			row.count(c.ConnChain[chain])
		}
		return []ConnLimit{row}
	}
	var rows []ConnLimit
	scope, nums := spec.PerVIP, maps.Keys(k.activeVIPs())
	if l.ByVIP == byTenant {
		scope, nums = spec.PerTenant, maps.Keys(k.ofTenants())
	}
	for num := range nums {
		if l.VIP != 0 && l.VIP != num {
			continue
		}
		row := count.vip(num)
		row.Scope, row.VIP = scope, num
		for _, c := range k.counted {
			row.count(c.ConnVIP[num])
		}
		rows = append(rows, row)
	}
	slices.SortFunc(rows, func(a, b ConnLimit) int { return int(a.VIP) - int(b.VIP) })
	return rows
}

func (l *ConnLimit) count(p admission) {
	l.Passed = Count{l.Passed.Packets + p.Passed.Packets, l.Passed.Bytes + p.Passed.Bytes}
	l.Over = Count{l.Over.Packets + p.Over.Packets, l.Over.Bytes + p.Over.Bytes}
}

// connSource is what connections are counted by.
type connSource interface {
	chain(n int) ConnLimit
	vip(num uint16) ConnLimit
	sources(lens uint32) []ConnLimit // that have a connection, the fullest first
	name() (string, time.Duration)   // and how late an end is seen
}

type socketSource struct{ *Kernel }

func (k socketSource) chain(int) ConnLimit             { return k.seatRow(0) }
func (k socketSource) vip(num uint16) ConnLimit        { return k.seatRow(uint32(num)) }
func (k socketSource) sources(lens uint32) []ConnLimit { return k.sourcesOf(lens) }
func (k socketSource) name() (string, time.Duration) {
	return "sockets by " + k.census.all[0].Kind.String(), 0
}

func (k *Kernel) seatRow(seat uint32) ConnLimit {
	x := k.seats.all[seat]
	return ConnLimit{Open: x.Open, Pending: pendingNow(x.Pending)}
}

// pendingNow is the sum of the handshakes of the last three ticks.
func pendingNow(word uint64) (sum uint32) {
	word = pendingAt(word, Monotonic()>>tickShift)
	for field := range 3 {
		sum += uint32(word >> (16 * field) & 0xffff)
	}
	return sum
}

// pendingAt is handshakes by tick as they stand at a tick, as bpf/seats.h computes it.
func pendingAt(word, tick uint64) uint64 {
	const all = 1<<48 - 1
	older := (tick - word>>48) & 0xffff
	if older >= 0x8000 { // a CPU was ahead
		return word
	}
	return word&all<<(16*older)&all | tick<<48
}

// sourcesOf are the sources that a lens tells apart and that have a connection, the fullest first.
func (k *Kernel) sourcesOf(id uint32) []ConnLimit {
	var list []ConnLimit
	for i := range k.seatNames.all {
		name := &k.seatNames.all[i]
		if name.Lens != id || k.seatSets.all[i/SetWays][i%SetWays] == 0 {
			continue
		}
		row := k.seatRow(uint32(VIPs + i))
		if row.Open+row.Pending == 0 {
			continue
		}
		row.VIP, row.Over = name.VIP, Count{Packets: k.seats.all[VIPs+i].Over}
		row.Source = k.prefixOf(name)
		list = append(list, row)
	}
	slices.SortFunc(list, func(a, b ConnLimit) int { return int(b.Open+b.Pending) - int(a.Open+a.Pending) })
	return list
}

func (k *Kernel) prefixOf(n *seatName) netip.Prefix {
	for _, l := range k.census.all[0].Lens {
		if l.ID != n.Lens {
			continue
		}
		if n.Family == 4 {
			return netip.PrefixFrom(netip.AddrFrom4([4]byte(n.Address[:4])), int(l.Prefix4))
		}
		return netip.PrefixFrom(netip.AddrFrom16(n.Address), int(l.Prefix6))
	}
	return netip.Prefix{}
}

func sourceRows(l connLimit, sources []ConnLimit) []ConnLimit {
	whole := ConnLimit{Scope: spec.PerSource, VIP: l.VIP}
	if l.ByVIP != 0 {
		whole.Scope = spec.PerSourceVIP
	}
	rows := []ConnLimit{whole}
	for _, s := range sources {
		if l.VIP != 0 && s.VIP != l.VIP {
			continue
		}
		rows[0].Sources++
		rows[0].Open, rows[0].Pending = max(rows[0].Open, s.Open), max(rows[0].Pending, s.Pending)
		rows[0].Over.Packets += s.Over.Packets
		if len(rows) <= fullest {
			s.Scope = whole.Scope
			rows = append(rows, s)
		}
	}
	return rows
}

func (p censusKind) String() string {
	names := []string{"nothing", "tp_btf", "raw_tp", "tracepoint", "kprobe"}
	if int(p) >= len(names) {
		return "nothing"
	}
	return names[p]
}

// explainCensus says in one line why no way to be told of sockets can be had.
func explainCensus(errs []error) error {
	var all []string
	for _, err := range errs {
		all = append(all, err.Error())
	}
	return fmt.Errorf("count sockets: this kernel tells of no change: %s", strings.Join(all, "; "))
}
