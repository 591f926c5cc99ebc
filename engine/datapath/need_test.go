package datapath

import (
	"os"
	"strings"
	"testing"
)

// pinned tells whether a map or program of a stage has a pin.
func (n *node) pinned(t *testing.T, folder, stage string) bool {
	t.Helper()
	entries, err := os.ReadDir(n.pin(folder, ""))
	if err != nil {
		t.Fatal(err)
	}
	for _, e := range entries {
		if strings.HasPrefix(e.Name(), stage) {
			return true
		}
	}
	return false
}

// TestNeed: what a kernel function goes by is made when it first stands in a chain, and stays for the next process also
// when some of it is missing.
func TestNeed(t *testing.T) {
	t.Parallel()
	n := newNode(t, balancerSpec)
	if n.pinned(t, "maps", "ratelimit") || n.pinned(t, n.folder, "ratelimit") || n.maps["windows"] != nil {
		t.Fatal("a node without a ratelimit has maps for one")
	}
	limited := parse(t, strings.Replace(balancerSpec, "\nnics: {eth0: {xdp: [balancer]}", "\nstages: {ratelimit: {rate: 5}}\nnics: {eth0: {xdp: [ratelimit, balancer]}", 1))
	n.apply(t, limited, 0)
	if !n.pinned(t, "maps", "ratelimit") || !n.pinned(t, n.folder, "ratelimit") || len(n.windows.all) == 0 {
		t.Fatal("a ratelimit has no maps")
	}
	for _, missing := range []string{n.pin("maps", "offenders"), n.pin(n.folder, "ratelimit_dry")} { // as a kill in the middle leaves it
		if err := os.Remove(missing); err != nil {
			t.Fatal(err)
		}
	}
	k, err := Open(n.dir, true)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(k.Close)
	if err := k.LoadPrograms(); err != nil {
		t.Fatal(err)
	}
	if k.maps["windows"] == nil || k.maps["offenders"] != nil || k.programs["ratelimit"] == nil {
		t.Error("what is pinned was not adopted as it is")
	}
	if err := k.Take(); err != nil {
		t.Fatal(err)
	}
	apply(t, k, limited, limited, 0)
	if k.maps["offenders"] == nil || k.programs["ratelimit_dry"] == nil {
		t.Error("what was missing was not made again")
	}
}
