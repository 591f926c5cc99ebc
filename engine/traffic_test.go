package engine

import (
	"math/rand/v2"
	"strings"
	"testing"

	"hairpin/engine/datapath"
)

// often is as much traffic of the same kind.
func often(n uint64, t traffic) traffic {
	t.In, t.Forward, t.Drop, t.Own = t.In*float64(n), t.Forward*float64(n), t.Drop*float64(n), t.Own*float64(n)
	t.Clients = datapath.Clients{Packets: n * t.Clients.Packets, SYNs: n * t.Clients.SYNs, Repeats: n * t.Clients.Repeats, Resets: n * t.Clients.Resets}
	return t
}

func TestJudge(t *testing.T) {
	const much = 100_000 // chance is below a hundredth of a percent
	quiet, few := traffic{Attached: 1}, traffic{In: 1000, Forward: 900, Drop: 20, Attached: 1}
	with := func(t traffic, c datapath.Clients) traffic { t.Clients, t.Over = c, clientsLeast; return t }
	brief := func(t traffic) traffic { t.Over--; return t }
	calm := with(few, datapath.Clients{Packets: 1000, SYNs: 100, Repeats: 1, Resets: 6})
	busy, manyCalm := often(much, few), often(much, calm)
	clients := func(c datapath.Clients) traffic { return often(much, with(few, c)) }
	someone := with(few, datapath.Clients{Packets: 40, SYNs: 20})
	for _, row := range []struct {
		what        string
		before, now traffic
		fault       string // part of it; empty = none
	}{
		{"as before", busy, traffic{In: 5000, Forward: 4500, Drop: 100, Attached: 1}, ""},
		{"less comes", busy, traffic{In: 250, Forward: 225, Drop: 5, Attached: 1}, ""},
		{"much more comes", busy, traffic{In: 1e10, Forward: 9e9, Drop: 2e8, Attached: 1}, ""},
		{"nothing comes", busy, traffic{Attached: 1}, ""},
		{"too few to say", busy, traffic{In: 199, Drop: 199, Attached: 1}, ""},
		{"a little more is dropped", busy, often(much, traffic{In: 1000, Forward: 900, Drop: 33, Attached: 1}), ""},
		{"more is dropped", busy, often(much, traffic{In: 1000, Forward: 900, Drop: 35, Attached: 1}), "3.50 % of the packets are dropped, the limit is 3.41 %"},
		{"more of few are dropped", few, traffic{In: 1000, Forward: 900, Drop: 35, Attached: 1}, ""},
		{"many of few are dropped", few, traffic{In: 1000, Forward: 900, Drop: 80, Attached: 1}, "8.00 % of the packets are dropped, the limit is 7.59 %"},
		{"less is forwarded", busy, often(much, traffic{In: 1000, Forward: 870, Drop: 20, Attached: 1}), "87.00 % of the packets are forwarded, the limit is 87.68 %"},
		{"less of few is forwarded", few, traffic{In: 1000, Forward: 870, Drop: 20, Attached: 1}, ""},
		{"few of few are forwarded", few, traffic{In: 1000, Forward: 800, Drop: 20, Attached: 1}, "80.00 % of the packets are forwarded"},
		{"more are the node's own", busy, often(much, traffic{In: 1040, Forward: 900, Drop: 20, Own: 40, Attached: 1}), ""},
		{"all are taken for the node's own", few, traffic{In: 1000, Own: 1000, Attached: 1}, "forwarded"},
		{"all pass", few, traffic{In: 1000, Attached: 1}, "forwarded"},
		{"nothing came before", quiet, traffic{In: 1000, Drop: 1000, Attached: 1}, ""},
		{"a packet came before", traffic{In: 1, Forward: 1, Attached: 1}, traffic{In: 1000, Drop: 1000, Attached: 1}, ""},
		{"as many are reset", manyCalm, clients(datapath.Clients{Packets: 9000, SYNs: 900, Resets: 55}), ""},
		{"more are reset", manyCalm, clients(datapath.Clients{Packets: 1000, SYNs: 100, Resets: 24}), "2.40 % of the TCP packets of clients are resets, the limit is 2.31 %"},
		{"few are reset", manyCalm, with(busy, datapath.Clients{Packets: 20, SYNs: 20, Resets: 9}), ""},
		{"half are reset, for a moment", manyCalm, brief(clients(datapath.Clients{Packets: 1000, SYNs: 100, Resets: 500, Repeats: 50})), ""},
		{"half are reset, of what was looked at for a moment", brief(manyCalm), clients(datapath.Clients{Packets: 1000, SYNs: 100, Resets: 500, Repeats: 50}), ""},
		{"some are reset, few came before", someone, with(few, datapath.Clients{Packets: 1000, SYNs: 400, Resets: 60}), ""},
		{"clients that always reset, few ends came before", with(few, datapath.Clients{Packets: 69, SYNs: 30, Resets: 2}),
			with(few, datapath.Clients{Packets: 927, SYNs: 300, Resets: 235}), ""},
		{"half are reset, few came before", someone, with(few, datapath.Clients{Packets: 1000, SYNs: 400, Resets: 500}), "50.00 % of the TCP packets of clients are resets"},
		{"as many repeat", manyCalm, clients(datapath.Clients{Packets: 5000, SYNs: 500, Repeats: 5}), ""},
		{"more repeat", manyCalm, clients(datapath.Clients{Packets: 1000, SYNs: 200, Repeats: 11}), "5.50 % of the SYNs of clients are repeated, the limit is 5.04 %"},
		{"few repeat", manyCalm, with(busy, datapath.Clients{Packets: 9, SYNs: 9, Repeats: 9}), ""},
		{"some repeat, few came before", someone, with(few, datapath.Clients{Packets: 1000, SYNs: 400, Repeats: 60}), ""},
		{"none came before", busy, with(busy, datapath.Clients{Packets: 1000, SYNs: 1000, Repeats: 500, Resets: 500}), ""},
		{"a chain is gone", quiet, traffic{}, "0 chains are attached, before it were 1"},
		{"a chain more", busy, traffic{In: 1000, Forward: 900, Drop: 20, Attached: 2}, ""},
	} {
		figures, err := judge(row.before, row.now)
		if (err != nil) != (row.fault != "") || err != nil && !strings.Contains(err.Error(), row.fault) {
			t.Errorf("%s: %v, want %q", row.what, err, row.fault)
		}
		if len(figures) != 4 {
			t.Errorf("%s: %+v", row.what, figures)
		}
		for _, f := range figures {
			if f.Limit < 0 || f.Limit > 1 || f.Now < 0 || f.Now > 1 {
				t.Errorf("%s: no share: %+v", row.what, f)
			}
		}
	}
}

// TestJudgeByChance: a node that goes on as it did is not said to do worse by chance, however few packets there are; and one
// of whose packets a third more is dropped, or of whose clients a third more is reset, is found as soon as there are some.
func TestJudgeByChance(t *testing.T) {
	seed := rand.Uint64()
	t.Logf("seed %d", seed)
	dice := rand.New(rand.NewPCG(seed, 0))
	some := func(of int, likely float64) (n uint64) {
		for range of {
			if dice.Float64() < likely {
				n++
			}
		}
		return n
	}
	node := func(packets int, drops, resets, repeats float64) traffic {
		syns := packets/4 + 1
		drop := float64(some(packets, drops))
		return traffic{In: float64(packets), Drop: drop, Forward: float64(packets) - drop, Attached: 1, Over: clientsLeast,
			Clients: datapath.Clients{Packets: uint64(packets), SYNs: uint64(syns), Resets: some(packets, resets), Repeats: some(syns, repeats)}}
	}
	const rounds = 20_000
	wrong, missed := 0, 0
	for range rounds {
		before, now := 1+dice.IntN(60), enoughPackets+dice.IntN(400)
		drops, resets, repeats := dice.Float64()/10, dice.Float64()/10, dice.Float64()/10
		if _, err := judge(node(before, drops, resets, repeats), node(now, drops, resets, repeats)); err != nil {
			wrong++
		}
		if _, err := judge(node(500, drops, resets/10, 0), node(500, drops+1.0/3, resets/10+1.0/3, 0)); err == nil {
			missed++
		}
	}
	if wrong > rounds/1000 || missed > rounds/1000 {
		t.Errorf("of %d nodes, %d were sent back for what is chance, and %d that do worse stayed", rounds, wrong, missed)
	}
}
