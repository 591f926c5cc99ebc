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

// TestNeedsNoOther: programs are there for the hooks and the stages that specs have named, and for no others; and a build that
// rehearses has what the one before had.
func TestNeedsNoOther(t *testing.T) {
	t.Parallel()
	walled := func(nics string) string {
		return "version: 1\nstages: {firewall: {drop: {sources: [203.0.113.9]}}}\nnics: {eth0: " + nics + "}\n"
	}
	n := newNode(t, walled("{xdp: [firewall]}"))
	missing := func(names ...string) {
		t.Helper()
		for _, name := range names {
			if n.pinned(t, n.folder, name) || n.programs[name] != nil {
				t.Errorf("%s is loaded, and nothing named it", name)
			}
		}
	}
	missing("balancer", "balancer_dry", "parse_tc", "firewall_tc")
	n.apply(t, parse(t, walled("{tcx_ingress: [firewall], xdp: [balancer]}")), 0)
	for _, name := range []string{"balancer", "balancer_dry", "parse_tc", "firewall_tc"} {
		if !n.pinned(t, n.folder, name) {
			t.Errorf("%s is not loaded, and a chain has it", name)
		}
	}
	missing("ratelimit", "ratelimit_tc")
	other := n.pin("programs", "0123456789abcdef")
	if err := os.Rename(n.pin(n.folder, ""), other); err != nil {
		t.Fatal(err)
	}
	k, err := Open(n.dir, false)
	if err != nil {
		t.Fatal(err)
	}
	defer k.Close()
	if err := k.Rehearse(); err != nil {
		t.Fatal(err)
	}
	want, err := os.ReadDir(other)
	if err != nil {
		t.Fatal(err)
	}
	for _, p := range want {
		if !n.pinned(t, k.folder, p.Name()) {
			t.Errorf("%s was not rehearsed", p.Name())
		}
	}
	if n.pinned(t, k.folder, "ratelimit") {
		t.Error("a ratelimit was rehearsed, and none was there")
	}
}
