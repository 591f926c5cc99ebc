package datapath

import (
	"slices"

	"hairpin/engine/reason"
	"hairpin/engine/spec"
)

func (r *rowSettings) account(position int) int {
	return int(r.Accounts >> (4 * position) & (Positions - 1))
}

// accounts are the numbers under which the stages of a row are counted: those they have, or free ones.
func (k *Kernel) accounts(chain int, row []spec.Position) []int {
	list := make([]int, len(row))
	for i, p := range row {
		list[i] = k.accountOf(chain, p.Name, row)
	}
	return list
}

// accountOf is the number of a stage that comes to stand in row. There is one more of them than a chain has stages. Where
// all are taken, one goes to another stage: of those that row has not, one that does not run now, or else one that may have a
// packet in flight. What was counted under it is forgotten; the sums of the exits still have it.
func (k *Kernel) accountOf(chain int, name string, row []spec.Position) int {
	names := k.names(chain)
	if known := slices.Index(names[:], name); known > 0 {
		return known
	}
	running := map[string]bool{}
	for _, s := range k.Stands(int(k.Control().Active), chain) {
		running[names[s.Account]] = true
	}
	needed := func(name string) bool {
		return slices.ContainsFunc(row, func(p spec.Position) bool { return p.Name == name })
	}
	for _, may := range []func(string) bool{
		func(old string) bool { return old == "" },
		func(old string) bool { return !needed(old) && !running[old] },
		func(old string) bool { return !needed(old) },
	} {
		if number := slices.IndexFunc(names[1:], may) + 1; number > 0 {
			k.openAccount(chain, number, name)
			return number
		}
	}
	return 0 // a row has fewer stages than there are numbers
}

func (k *Kernel) names(chain int) (names [Positions]string) {
	for i := range names {
		names[i] = cString(k.chains.all[chain].Accounts[i].Name[:])
	}
	return names
}

func (k *Kernel) openAccount(chain, number int, name string) {
	a := &k.chains.all[chain].Accounts[number]
	if a.Name[0] != 0 && k.aside == nil {
		k.forgetDrops(func(d Drop) bool { return d.Chain == chain && d.Account == number })
		for _, c := range k.counted {
			c.Cost[chain][number] = Cost{}
			c.closePassage(chain, number)
		}
		k.forgetOwn(chain, number)
	}
	*a = account{}
	copy(a.Name[:], name)
}

// Reached is what came to each stage of a chain that ever stood there, by account.
func (k *Kernel) Reached(s *Snapshot, chain int) (reached [Positions]Count) {
	derived := s.reached(chain, k.Stands(int(k.Control().Active), chain))
	for i := range reached {
		o := k.chains.all[chain].Accounts[i].Offset
		reached[i] = minus(Count{derived[i].Packets + o.Packets, derived[i].Bytes + o.Bytes}, Count{})
	}
	return reached
}

// CarryAccounts has what came to each stage so far stay what it was where another row runs since: it is derived from what
// left before it, and that were other stages. Packets that pass meanwhile may be counted on either side.
func (k *Kernel) CarryAccounts() error {
	active := uint8(k.Control().Active)
	var snap *Snapshot
	for n := range k.chains.all {
		c := &k.chains.all[n]
		if c.Used == 0 || c.Of == active {
			continue
		}
		if snap == nil {
			snap = new(Snapshot)
			if err := k.Snapshot(snap); err != nil {
				return err
			}
		}
		before, after := snap.reached(n, k.Stands(int(c.Of), n)), snap.reached(n, k.Stands(int(active), n))
		for i := range c.Accounts {
			c.Accounts[i].Offset.Packets += before[i].Packets - after[i].Packets
			c.Accounts[i].Offset.Bytes += before[i].Bytes - after[i].Bytes
		}
		c.Of = active
	}
	return nil
}

// reached derives what came to each stage of a row from what came in, less what left before it. Drops are told apart by
// account, since a kernel function may stand in a chain more than once; what passes or is forwarded ends the chain.
func (s *Snapshot) reached(chain int, row []Stands) (reached [Positions]Count) {
	left := map[reason.Stage]Count{}
	var in Count
	for id, n := range s.Exits[chain] {
		in = plus(in, n)
		if r, ok := reason.ByID(id); ok && r.Verdict != reason.Drop && r.Verdict != reason.Own {
			left[r.Stage] = plus(left[r.Stage], n)
		}
	}
	dropped := s.Dropped(chain, false)
	in = minus(minus(minus(in, left[reason.Root]), left[reason.Parse]), dropped[0])
	for _, stage := range row {
		reached[stage.Account] = in
		in = minus(minus(minus(in, dropped[stage.Account]), left[reason.Stage(stage.Kind)]), s.Own[chain][stage.Account])
	}
	return reached
}

// Dropped is what each stage of a chain dropped, or would have dropped in shadow, by account.
func (s *Snapshot) Dropped(chain int, shadow bool) (dropped [Positions]Count) {
	for d, n := range s.Drops {
		if d.Chain == chain && d.Shadow == shadow {
			dropped[d.Account] = plus(dropped[d.Account], n)
		}
	}
	return dropped
}

func plus(a, b Count) Count { return Count{a.Packets + b.Packets, a.Bytes + b.Bytes} }

// minus never goes below zero: a packet may be counted between the reads of two counters.
func minus(a, b Count) Count {
	less := func(a, b uint64) uint64 { return uint64(max(int64(a-b), 0)) }
	return Count{less(a.Packets, b.Packets), less(a.Bytes, b.Bytes)}
}
