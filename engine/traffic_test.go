package engine

import (
	"strings"
	"testing"

	"hairpin/engine/datapath"
)

func TestJudge(t *testing.T) {
	quiet, busy := traffic{Attached: 1}, traffic{In: 1000, Forward: 900, Drop: 20, Attached: 1}
	with := func(t traffic, c datapath.Clients) traffic { t.Clients = c; return t }
	calm := with(busy, datapath.Clients{Packets: 1000, SYNs: 100, Repeats: 1, Resets: 6})
	for _, row := range []struct {
		what        string
		before, now traffic
		fault       string // part of it; empty = none
	}{
		{"as before", busy, traffic{In: 5000, Forward: 4500, Drop: 100, Attached: 1}, ""},
		{"less comes", busy, traffic{In: 250, Forward: 225, Drop: 5, Attached: 1}, ""},
		{"much more comes", busy, traffic{In: 1e7, Forward: 9e6, Drop: 2e5, Attached: 1}, ""},
		{"nothing comes", busy, traffic{Attached: 1}, ""},
		{"too few to say", busy, traffic{In: 199, Drop: 199, Attached: 1}, ""},
		{"a little more is dropped", busy, traffic{In: 1000, Forward: 900, Drop: 33, Attached: 1}, ""},
		{"more is dropped", busy, traffic{In: 1000, Forward: 900, Drop: 35, Attached: 1}, "3.50 % of the packets are dropped, the limit is 3.40 %"},
		{"less is forwarded", busy, traffic{In: 1000, Forward: 870, Drop: 20, Attached: 1}, "87.00 % of the packets are forwarded"},
		{"more are the node's own", busy, traffic{In: 1040, Forward: 900, Drop: 20, Own: 40, Attached: 1}, ""},
		{"all are taken for the node's own", busy, traffic{In: 1000, Own: 1000, Attached: 1}, "forwarded"},
		{"all pass", busy, traffic{In: 1000, Attached: 1}, "forwarded"},
		{"nothing came before", quiet, traffic{In: 1000, Drop: 1000, Attached: 1}, ""},
		{"as many are reset", calm, with(calm, datapath.Clients{Packets: 9000, SYNs: 900, Resets: 55}), ""},
		{"more are reset", calm, with(calm, datapath.Clients{Packets: 1000, SYNs: 100, Resets: 24}), "2.40 % of the TCP packets of clients are resets, the limit is 2.30 %"},
		{"few are reset", calm, with(calm, datapath.Clients{Packets: 20, SYNs: 20, Resets: 9}), ""},
		{"as many repeat", calm, with(calm, datapath.Clients{Packets: 5000, SYNs: 500, Repeats: 5}), ""},
		{"more repeat", calm, with(calm, datapath.Clients{Packets: 1000, SYNs: 200, Repeats: 11}), "5.50 % of the SYNs of clients are repeated, the limit is 5.00 %"},
		{"few repeat", calm, with(calm, datapath.Clients{Packets: 9, SYNs: 9, Repeats: 9}), ""},
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
	}
}
