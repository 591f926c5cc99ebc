package datapath

import (
	"fmt"
	"slices"
	"testing"

	"hairpin/engine/spec"
)

// positions are stages by name.
func positions(names ...string) []spec.Position {
	list := make([]spec.Position, len(names))
	for i, n := range names {
		list[i] = spec.Position{Name: n}
	}
	return list
}

// TestAccounts: a stage is counted under one number wherever it stands, and while it does not stand, until others need it.
func TestAccounts(t *testing.T) {
	t.Parallel()
	n := newNode(t, balancerSpec)
	chain := n.chain(t, "eth0", XDP)
	for _, row := range []struct {
		names []string
		want  []int
	}{
		{[]string{"balancer"}, []int{1}},
		{[]string{"fw", "balancer"}, []int{2, 1}},
		{[]string{"limit", "fw", "balancer"}, []int{3, 2, 1}},
		{[]string{"balancer"}, []int{1}},
		{[]string{"fw", "limit", "balancer"}, []int{2, 3, 1}},
	} {
		if got := n.accounts(chain, positions(row.names...)); !slices.Equal(got, row.want) {
			t.Errorf("%v are counted under %v, want %v", row.names, got, row.want)
		}
	}
	var many []string
	for i := range 14 {
		many = append(many, fmt.Sprint("s", i))
	}
	got := n.accounts(chain, positions(many...))
	if slices.Sort(got); slices.Contains(got, 0) || slices.Contains(got, 1) || len(slices.Compact(got)) != 14 {
		t.Errorf("14 stages are counted under %v; 1 is the balancer's, which runs", got)
	}
	if got := n.accounts(chain, positions("balancer")); got[0] != 1 {
		t.Errorf("the balancer is counted under %v", got)
	}
	if got := n.accounts(chain, positions(append(many[:13:13], "balancer")...)); got[13] != 1 {
		t.Errorf("the balancer is counted under %v", got)
	}
}
