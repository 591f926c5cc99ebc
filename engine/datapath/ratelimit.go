package datapath

import (
	"cmp"
	"encoding/binary"
	"errors"
	"fmt"
	"hash/fnv"
	"net/netip"
	"slices"

	"golang.org/x/sys/unix"

	"hairpin/engine/spec"
)

const kindRateLimit = 5 // enum stage

// standRateLimit writes the settings of a ratelimit stage, and finds the windows that it counts with.
func (k *Kernel) standRateLimit(p spot, s *standing) error {
	rates, ok := p.stage.Settings.(*spec.Rates)
	if !ok {
		return errors.New("has no settings")
	}
	lag, err := coarseLag()
	if err != nil {
		return err
	}
	r := rateLimit{Lag: lag}
	if rates.Count == spec.Offered {
		r.Flags |= rateLimitOffered
	}
	if rates.Action == spec.LimitReset {
		r.Flags |= rateLimitReset
	}
	if len(rates.Limits) > 1 {
		r.Flags |= rateLimitSeveral
	}
	b := rateBuilder{k: k, spot: p, rates: rates, to: &r}
	if err := b.build(); err != nil {
		return err
	}
	s.settings, err = putSettings(k.ratelimits.all, k.usedSettings(kindRateLimit), r)
	return err
}

// coarseLag is how many ns the coarse clock may be behind: it moves once a tick, and is read once a tick.
func coarseLag() (uint32, error) {
	var tick unix.Timespec
	if err := unix.ClockGetres(unix.CLOCK_MONOTONIC_COARSE, &tick); err != nil {
		return 0, fmt.Errorf("resolution of the coarse clock: %w", err)
	}
	return uint32(2 * tick.Nano()), nil
}

// rateBuilder puts the limits of one stage at one spot into the form that the kernel reads.
type rateBuilder struct {
	k     *Kernel
	spot  spot
	rates *spec.Rates
	to    *rateLimit
	used  map[uint32]bool // windows
	next  int             // rate
}

func (b *rateBuilder) build() error {
	b.used = b.k.usedWindows()
	for _, l := range b.rates.Limits {
		b.rate(l.Rate) // in one order, so that equal settings look equal
	}
	if nic := b.limit(spec.PerNIC, "", prefixes{}); nic != 0 {
		n, err := b.window(identity(b.spot.stage.Name), 0)
		if err != nil {
			return err
		}
		b.to.NICWindow, b.to.NICRate = n, b.rate(nic)
	}
	scopes := b.scopes()
	b.to.Scopes = uint32(len(scopes))
	for i, scope := range scopes {
		to := b.scope(scope)
		n, err := b.window(to.Identity, 0)
		if err != nil {
			return err
		}
		to.Window = n
		b.to.Scope[i] = to
	}
	b.vip(0, "", scopes)
	for name, num := range b.spot.nums {
		limit := b.limit(spec.PerVIP, name, prefixes{})
		v := b.vip(num, name, scopes)
		if limit == 0 {
			continue
		}
		n, err := b.window(identity(b.spot.stage.Name), num)
		if err != nil {
			return err
		}
		v.Window, v.Rate = uint16(n), uint8(b.rate(limit))
	}
	return b.tenants()
}

// tenants writes the limits of tenants, each as if it were a VIP.
func (b *rateBuilder) tenants() error {
	for name, num := range b.spot.tenants {
		limit := b.limit(spec.PerTenant, name, prefixes{})
		if limit == 0 {
			continue
		}
		n, err := b.window(identity(b.spot.stage.Name), num)
		if err != nil {
			return err
		}
		b.to.Flags |= rateLimitTenants
		b.to.VIP[num].Window, b.to.VIP[num].Rate = uint16(n), uint8(b.rate(limit))
	}
	return nil
}

// prefixes are the lengths of the prefixes that tell sources apart.
type prefixes struct{ four, six uint8 }

// limit is the least rate of a scope for a VIP, or a tenant; 0 = none.
func (b *rateBuilder) limit(per spec.Scope, whose string, of prefixes) (least uint32) {
	for _, l := range b.rates.Limits {
		if l.Per == per && of == (prefixes{l.Prefix4, l.Prefix6}) && (l.VIP+l.Tenant == "" || l.VIP+l.Tenant == whose) && (least == 0 || l.Rate < least) {
			least = l.Rate
		}
	}
	return least
}

// rate is the element that holds a rate.
func (b *rateBuilder) rate(r uint32) uint32 {
	for i := 1; i <= b.next; i++ {
		if b.to.Rate[i] == r {
			return uint32(i)
		}
	}
	b.next++
	b.to.Rate[b.next] = r
	return uint32(b.next)
}

type scopeOf struct {
	per spec.Scope
	of  prefixes
}

// scopes are those of sources, the narrowest first: what it refuses does not count for the wider ones.
func (b *rateBuilder) scopes() []scopeOf {
	var all []scopeOf
	for _, l := range b.rates.Limits {
		s := scopeOf{l.Per, prefixes{l.Prefix4, l.Prefix6}}
		if (l.Per == spec.PerSource || l.Per == spec.PerSourceVIP) && !slices.Contains(all, s) {
			all = append(all, s)
		}
	}
	slices.SortFunc(all, func(x, y scopeOf) int {
		return cmp.Or(cmp.Compare(y.of.four, x.of.four), cmp.Compare(y.of.six, x.of.six), cmp.Compare(y.per, x.per))
	})
	return all
}

func (b *rateBuilder) scope(s scopeOf) sourceScope {
	to := sourceScope{Identity: identity(b.spot.stage.Name, b.spot.chain, int(s.per), int(s.of.four), int(s.of.six))}
	ones := netip.MustParseAddr("ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff")
	six, _ := ones.Prefix(int(s.of.six)) // lengths were checked with the spec
	to.Mask6 = six.Addr().As16()
	binary.BigEndian.PutUint32(to.Mask4[:], ^uint32(0)<<(32-s.of.four))
	return to
}

// identity is a number that stands for a stage and what it distinguishes, the same in every generation.
func identity(stage string, what ...int) uint64 {
	h := fnv.New64a()
	fmt.Fprintf(h, "%s %v", stage, what)
	return h.Sum64() | 1
}

// vip writes the sources' rates of a VIP.
func (b *rateBuilder) vip(num uint16, name string, scopes []scopeOf) *vipRates {
	v := &b.to.VIP[num]
	for i, s := range scopes {
		if s.per == spec.PerSourceVIP {
			v.VIPs |= 1 << i
			if name == "" {
				continue
			}
		}
		if limit := b.limit(s.per, name, s.of); limit != 0 {
			v.Source[i] = uint8(b.rate(limit))
		}
	}
	return v
}

// window is the one that a stage, or one of its scopes, counts a VIP with on this chain, or the whole chain; a free one if
// there is none.
func (b *rateBuilder) window(stage uint64, vip uint16) (uint32, error) {
	free := uint32(0)
	for i := Windows - 1; i > 0; i-- {
		w := &b.k.windows.all[i]
		if w.Stage == stage && int(w.Chain) == b.spot.chain && w.VIP == vip {
			b.used[uint32(i)] = true
			return uint32(i), nil
		}
		if !b.used[uint32(i)] && (free == 0 || w.Stage == 0 || b.k.windows.all[free].Stage != 0) {
			free = uint32(i)
		}
	}
	if free == 0 {
		return 0, fmt.Errorf("all %d windows are in use: limit fewer VIPs, or on fewer NICs", Windows-1)
	}
	b.k.clearWindow(free)
	w := &b.k.windows.all[free]
	w.Chain, w.VIP, w.Stage = uint16(b.spot.chain), vip, stage
	b.used[free] = true
	return free, nil
}

func (k *Kernel) clearWindow(n uint32) {
	k.windows.all[n] = window{}
	for _, c := range k.counted {
		if k.aside == nil {
			c.Window[n] = Judged{}
		}
	}
}

// forgetWindows frees those of a VIP's number or chain that now stands for another.
func (k *Kernel) forgetWindows(match func(w *window) bool) {
	for i := range k.windows.all {
		if w := &k.windows.all[i]; w.Stage != 0 && match(w) {
			k.clearWindow(uint32(i))
		}
	}
}

// usedWindows are those that the settings of a live generation name.
func (k *Kernel) usedWindows() map[uint32]bool {
	used := map[uint32]bool{}
	for element := range k.usedSettings(kindRateLimit) {
		r := &k.ratelimits.all[element]
		used[r.NICWindow] = true
		for i := range r.Scope {
			used[r.Scope[i].Window] = true
		}
		for i := range r.VIP {
			used[uint32(r.VIP[i].Window)] = true
		}
	}
	return used
}
