package engine

import (
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/vishvananda/netlink"

	"hairpin/engine/datapath"
	"hairpin/engine/frozen"
)

// frozenSpec is what nodes run that are frozen: stages with tables of each kind, and a VIP that becomes a settling one.
const frozenSpec = `
version: 1
nics: {eth0: {xdp: [firewall, ratelimit, connlimit, balancer]}}
stages:
  firewall:  {drop: {sources: [203.0.113.0/24, "2001:db8:bad::/48"]}}
  ratelimit: {limits: [{rate: 10000000, per: nic}, {rate: 60000, per: source_vip}]}
  connlimit: {source: flows, limits: [{max: 100000, per: vip}, {max: 50000, per: source}]}
vips:
  - {name: web, addresses: [10.99.0.1, "fd00:99::1"], port: 80, protocol: tcp, ring: 251, backends: [{address: 10.1.0.11}, {address: 10.1.0.12}]}
  - {name: dns, addresses: [10.99.0.1], port: 53, protocol: udp, ring: 251, flow: none, backends: [{address: 10.1.0.13}]}
`

const thirdBackend = "{address: 10.1.0.12}, {address: 10.1.0.13}]"

// frozenNode is a node with the NIC that those have that are frozen.
func frozenNode(t *testing.T) Paths {
	t.Helper()
	p := privateNode(t)
	if err := netlink.LinkDel(nic(t, "eth0")); err != nil {
		t.Fatal(err)
	}
	addVeth(t, netlink.Veth{LinkAttrs: netlink.LinkAttrs{Name: "eth0", Index: 100, HardwareAddr: []byte{2, 0, 0, 0, 1, 0}},
		PeerHardwareAddr: []byte{2, 0, 0, 0, 1, 1}}, "10.1.0.2/24")
	return p
}

// frozenFolder is where the node of an ABI is kept.
func frozenFolder(abi int) string { return filepath.Join("..", "testdata", "abi", fmt.Sprint(abi)) }

// TestFreeze keeps a node of today's ABI, when it is asked to: make freeze.
func TestFreeze(t *testing.T) {
	if os.Getenv("HAIRPIN_FREEZE") == "" {
		return
	}
	p := frozenNode(t)
	n := open(t, p)
	mustApply(t, n, parse(t, frozenSpec), 0)
	mustApply(t, n, parse(t, strings.Replace(frozenSpec, "{address: 10.1.0.12}]", thirdBackend, 1)), 0)
	if err := n.Close(); err != nil {
		t.Fatal(err)
	}
	f, err := frozen.Freeze(datapath.Dir(p.BPFFS, p.Node), objects(t))
	if err != nil {
		t.Fatal(err)
	}
	into := frozenFolder(datapath.ABI)
	if err := f.Write(into); err != nil {
		t.Fatal(err)
	}
	if err := os.CopyFS(filepath.Join(into, "generations"), os.DirFS(filepath.Join(p.State, "generations"))); err != nil {
		t.Fatal(err)
	}
	headers, err := filepath.Glob("../bpf/abi*.h")
	if err != nil {
		t.Fatal(err)
	}
	for _, file := range headers {
		data, err := os.ReadFile(file)
		if err == nil {
			err = os.WriteFile(filepath.Join(into, filepath.Base(file)), data, 0o644)
		}
		if err != nil {
			t.Fatal(err)
		}
	}
}

// objects are those of today's data path.
func objects(t *testing.T) map[string][]byte {
	t.Helper()
	all := map[string][]byte{}
	files, err := filepath.Glob("../bpf/*_bpfel.o")
	if err != nil || len(files) == 0 {
		t.Fatalf("%d objects: %v", len(files), err)
	}
	for _, file := range files {
		if all[strings.TrimSuffix(filepath.Base(file), "_bpfel.o")], err = os.ReadFile(file); err != nil {
			t.Fatal(err)
		}
	}
	return all
}

// restored is a node of an older ABI, brought back as its engine left it: a moment ago, since what settled then settles still.
func restored(t *testing.T, abi int) Paths {
	t.Helper()
	p := frozenNode(t)
	restore(t, p, abi)
	return p
}

func restore(t *testing.T, p Paths, abi int) {
	t.Helper()
	f, err := frozen.Read(frozenFolder(abi))
	if err != nil {
		t.Fatal(err)
	}
	if err := f.Restore(filepath.Join(filepath.Dir(datapath.Dir(p.BPFFS, p.Node)), fmt.Sprintf("v%d", abi))); err != nil {
		t.Fatal(err)
	}
	generations := filepath.Join(p.State, "generations")
	if err := errors.Join(os.RemoveAll(generations), os.CopyFS(generations, os.DirFS(filepath.Join(frozenFolder(abi), "generations")))); err != nil {
		t.Fatal(err)
	}
	files, err := filepath.Glob(filepath.Join(generations, "*.yaml"))
	if err != nil || len(files) == 0 {
		t.Fatalf("%d generations: %v", len(files), err)
	}
	for _, file := range files {
		record, err := os.ReadFile(file)
		if err == nil {
			err = os.WriteFile(file, frozenTime.ReplaceAll(record, []byte(time.Now().UTC().Format(`"`+time.RFC3339Nano+`"`))), 0o644)
		}
		if err != nil {
			t.Fatal(err)
		}
	}
}

var frozenTime = regexp.MustCompile(`"20\d\d-\d\d-\d\dT[^"]*Z"`)

// TestFrozen: what is kept of an ABI comes back as it was.
func TestFrozen(t *testing.T) {
	for abi := olderABI; exists(frozenFolder(abi)); abi++ {
		t.Run(fmt.Sprint(abi), func(t *testing.T) { comesBack(t, abi) })
	}
}

func comesBack(t *testing.T, abi int) {
	t.Helper()
	p := restored(t, abi)
	kept, err := frozen.Read(frozenFolder(abi))
	if err != nil {
		t.Fatal(err)
	}
	again, err := frozen.Freeze(filepath.Join(p.BPFFS, "hairpin", "test", fmt.Sprint("v", abi)), kept.Objects)
	if err != nil {
		t.Fatal(err)
	}
	for i := range kept.Maps {
		if was, is := asJSON(t, kept.Maps[i]), asJSON(t, again.Maps[i]); was != is {
			t.Errorf("kept: %.2000s\nback: %.2000s", was, is)
		}
	}
	if was, is := asJSON(t, kept), asJSON(t, again); was != is && !t.Failed() {
		t.Errorf("programs and links were %s\nand are %s", asJSON(t, kept.Programs, kept.Links), asJSON(t, again.Programs, again.Links))
	}
}

func asJSON(t *testing.T, values ...any) string {
	t.Helper()
	data, err := json.Marshal(values)
	if err != nil {
		t.Fatal(err)
	}
	return string(data)
}
