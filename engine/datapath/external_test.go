package datapath

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"hairpin/engine/packet"
	"hairpin/engine/plan"
	"hairpin/engine/spec"
)

// objectFile is the absolute path of an example object.
func objectFile(t testing.TB, name string) string {
	t.Helper()
	path, err := filepath.Abs(filepath.Join("..", "..", "testdata", "external", name))
	if err != nil {
		t.Fatal(err)
	}
	return path
}

// stages are what the specs of these tests choose from. guard drops UDP to port 53, late to 54.
const externalStages = `
version: 1
stages:
  guard: {kind: external, object: GUARD, maps: {config: {0: {port: 53}}}, watch: [
    {map: hits, field: seen, name: seen}, {map: hits, field: dropped, name: dropped, as: max_rate}]}
  tested: {kind: external, object: GUARD, maps: {config: {0: {port: 53}}}, dry_safe: true}
  late: {kind: external, object: GUARD, program: guard, maps: {config: {0: "00:36:00:00"}}, watch: [{map: hits, field: seen}]}
  rewrite: {kind: external, object: ODD, program: rewrite, next: onward, index: 2}
  safe: {kind: external, object: ODD, program: rewrite, next: onward, index: 2, dry_safe: true}
  back: {kind: external, object: ODD, program: all_back, next: onward, index: 3}
  frags: {kind: external, object: ODD, program: frags, next: onward, index: 2}
  mark: {kind: external, object: MARK, maps: {config: {0: 0x10}}, watch: [{map: marked}]}
  a: &pass {kind: external, object: ODD, program: frags, next: onward, index: 2}
  b: *pass
  c: *pass
  d: *pass
  e: *pass
  through: {kind: external, object: ODD, program: through, next: onward, index: 2}
nics: {eth0: {CHAINS}}
VIPS`

const externalVIPs = `
vips:
  - {name: web, addresses: [10.99.0.1], port: 80, protocol: tcp, backends: [{address: 10.1.1.11}]}
  - {name: dns, addresses: [10.99.0.1], port: 53, protocol: udp, flow: none, backends: [{address: 10.1.1.11}]}
`

func externalSpec(t testing.TB, chains string) string {
	t.Helper()
	vips := ""
	if strings.Contains(chains, "balancer") {
		vips = externalVIPs
	}
	return strings.NewReplacer("VIPS", vips, "GUARD", objectFile(t, "guard.o"), "ODD", objectFile(t, "odd.o"), "MARK", objectFile(t, "mark.o"),
		"CHAINS", chains).Replace(externalStages)
}

func metricsOf(t testing.TB, k *Kernel, s *spec.Spec) string {
	t.Helper()
	var all []string
	for _, m := range k.Metrics(s) {
		if m.Err != nil {
			all = append(all, fmt.Sprintf("%s%s.%s: %v", m.Stage, m.Probe, m.Watch.Name, m.Err))
			continue
		}
		all = append(all, fmt.Sprintf("%s%s.%s %g", m.Stage, m.Probe, m.Watch.Name, m.Value))
	}
	return strings.Join(all, ", ")
}

var (
	toWeb   = frame(ip4{}, tcp{Flags: "S"})
	toWeb81 = frame(ip4{}, tcp{Flags: "S", Dst: 81})
	toDNS   = frame(ip4{}, udp{Dst: packet.Is(53)}, fill(20))
	toHost  = frame(ip4{}, udp{Dst: packet.Is(54)}, fill(20))
)

// TestExternalRows: what becomes of a packet in a chain with external stages, and who counted it.
func TestExternalRows(t *testing.T) {
	for _, r := range []struct {
		sentence string
		chains   string
		hook     Hook
		in       []byte
		verdict  uint32
		counted  string
		metrics  string
	}{
		{"in front of the balancer, it lets a packet go on", "xdp: [guard, balancer]", XDP, toWeb, xdpTX,
			"backend web 10.1.1.11, forwarded, vip web", "guard.seen 1, guard.dropped 0"},
		{"it drops one", "xdp: [guard, balancer]", XDP, toDNS, xdpDrop, "external", "guard.seen 1, guard.dropped 1"},
		{"in the middle", "xdp: [rewrite, guard, balancer]", XDP, toDNS, xdpDrop, "external", "guard.seen 1, guard.dropped 1"},
		{"behind one that passes", "xdp: [late, guard, balancer]", XDP, toDNS, xdpDrop, "external",
			"guard.seen 1, guard.dropped 1, late.hits 1"},
		{"what is behind one that drops sees nothing", "xdp: [late, guard, balancer]", XDP, toHost, xdpDrop, "external",
			"guard.seen 0, guard.dropped 0, late.hits 1"},
		{"alone and last", "xdp: [guard, rewrite, late]", XDP, toWeb, xdpPass, "chain_end",
			"guard.seen 1, guard.dropped 0, late.hits 1"},
		{"what it rewrites is parsed again", "xdp: [rewrite, balancer]", XDP, toWeb81, xdpTX, "backend web 10.1.1.11, forwarded, vip web", ""},
		{"it ends every packet", "xdp: [back, balancer]", XDP, toWeb, xdpTX, "external", ""},
		{"one written for packets in parts runs on whole ones", "xdp: [frags, balancer]", XDP, toWeb, xdpTX,
			"backend web 10.1.1.11, forwarded, vip web", ""},
		{"what is not IP goes on", "xdp: [guard, balancer]", XDP, frame(packet.ARP{}), xdpPass, "not_ip", "guard.seen 0, guard.dropped 0"},
		{"at tc", "tcx_ingress: [mark, through]", TCXIngress, toWeb, tcUnspec, "chain_end", "mark.marked 1"},
		{"at tc on the way out", "tcx_egress: [through, mark]", TCXEgress, toWeb, tcUnspec, "chain_end", "mark.marked 1"},
		{"ten in a row are within the kernel's tail calls", "xdp: [guard, late, rewrite, frags, a, b, c, d, e, safe, balancer]", XDP, toWeb, xdpTX,
			"backend web 10.1.1.11, forwarded, vip web", "guard.seen 1, guard.dropped 0, late.hits 1"},
	} {
		t.Run(r.sentence, func(t *testing.T) {
			t.Parallel()
			n := newNode(t, externalSpec(t, r.chains))
			chain := n.chain(t, "eth0", r.hook)
			verdict, _ := n.run(t, chain, r.in, 0)
			var counted []string
			for name, c := range n.ledger(t) {
				counted = append(counted, strings.TrimPrefix(name, fmt.Sprintf("chain %d ", chain)))
				if c != (Count{1, uint64(len(r.in))}) {
					t.Errorf("%s counted %v of one packet of %d bytes", name, c, len(r.in))
				}
			}
			slices.Sort(counted)
			if got := strings.Join(counted, ", "); got != r.counted || verdict != r.verdict {
				t.Errorf("verdict %d, want %d; counted %s, want %s", int32(verdict), int32(r.verdict), got, r.counted)
			}
			var s Snapshot
			if err := n.Snapshot(&s); err != nil {
				t.Fatal(err)
			}
			var sum Count
			for _, c := range s.Exits[chain] {
				sum = Count{sum.Packets + c.Packets, sum.Bytes + c.Bytes}
			}
			if sum != (Count{1, uint64(len(r.in))}) {
				t.Errorf("the reasons add up to %v, one packet of %d bytes came in", sum, len(r.in))
			}
			if got := metricsOf(t, n.Kernel, n.spec); got != r.metrics {
				t.Errorf("metrics %q, want %q", got, r.metrics)
			}
		})
	}
}

// tryStage stages s and returns why it cannot be.
func (n *node) tryStage(t testing.TB, s *spec.Spec) error {
	t.Helper()
	if _, err := n.Attach(s); err != nil {
		t.Fatal(err)
	}
	world, err := n.World(n.spec)
	if err != nil {
		t.Fatal(err)
	}
	p, err := plan.Compute(world, s)
	if err != nil {
		t.Fatal(err)
	}
	for {
		_, err := n.Stage(p)
		if !errors.Is(err, ErrNoGeneration) {
			return err
		}
		time.Sleep(10 * time.Millisecond) // numbers come free a second after they were left
	}
}

// TestBadObjects: what cannot be a stage is refused with the file, the reason and a way out, and nothing of it is left.
func TestBadObjects(t *testing.T) {
	t.Parallel()
	n := newNode(t, externalSpec(t, "xdp: [guard, balancer]"))
	text := filepath.Join(t.TempDir(), "text.o")
	cut := filepath.Join(t.TempDir(), "cut.o")
	whole, err := os.ReadFile(objectFile(t, "guard.o"))
	if err != nil {
		t.Fatal(err)
	}
	for name, data := range map[string][]byte{text: []byte("version: 1\n"), cut: whole[:len(whole)/2]} {
		if err := os.WriteFile(name, data, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	pipe := filepath.Join(filepath.Dir(text), "pipe")
	if err := unix.Mkfifo(pipe, 0o600); err != nil {
		t.Fatal(err)
	}
	guard, odd, states := objectFile(t, "guard.o"), objectFile(t, "odd.o"), objectFile(t, "states.o")
	for _, r := range []struct{ hook, settings, want string }{
		{"xdp", "object: /nowhere.o", "object open /nowhere.o: no such file or directory"},
		{"xdp", "object: " + pipe, pipe + ": not a file"},
		{"xdp", "object: " + text, text + ": not an ELF file: compile it with clang -O2 -g -target bpf -c"},
		{"xdp", "object: " + cut, cut + ": not an object for BPF: "},
		{"xdp", "object: " + guard + ", program: gard", "has no program gard; it has guard (xdp)"},
		{"tcx_ingress", "object: " + guard, guard + `: has no program that can be a stage at tc: write it in SEC("tc"); it has guard (xdp)`},
		{"tcx_egress", "object: " + guard + ", program: guard", `program guard is in section xdp and cannot be a stage at tc: write it in SEC("tc")`},
		{"xdp", "object: " + states + ", program: raw", `program raw is in section raw_tp/inet_sock_set_state and cannot be a stage at xdp`},
		{"xdp", "object: " + odd, "has several programs for this: name one, as program: all_back; it has all_back (xdp)"},
		{"xdp", "object: " + odd + ", program: rewrite", "has no PROG_ARRAY next by which it could go on to the next stage; it has calls (Hash), onward (ProgramArray), waiting (Queue)"},
		{"xdp", "object: " + odd + ", program: rewrite, next: calls", "has no PROG_ARRAY calls"},
		{"xdp", "object: " + odd + ", program: rewrite, next: onward, index: 4", "index 4: the PROG_ARRAY onward has 4 elements"},
		{"xdp", "object: " + odd + ", program: careless, next: onward", "program careless: the verifier refuses it: permission denied: "},
		{"xdp", "object: " + odd + ", program: careless, next: onward", "invalid access to packet"},
		{"xdp", "object: " + guard + ", maps: {confg: {0: 1}}", "has no map confg; it has config (Array), hits (PerCPUArray), next (ProgramArray)"},
		{"xdp", "object: " + guard + ", watch: [{map: hit}]", "has no map hit; it has config (Array)"},
		{"xdp", "object: " + guard + `, maps: {config: {"00:00": 1}}`, "map config: key 00:00: 00:00 is 2 bytes, and 4 belong here"},
		{"xdp", "object: " + guard + `, maps: {config: {0: "00:35"}}`, "map config: element 0: 00:35 is 2 bytes, and 4 belong here"},
		{"xdp", "object: " + guard + ", maps: {config: {4294967296: 1}}", "map config: key 4294967296: 4294967296 does not fit 4 bytes"},
		{"xdp", "object: " + guard + ", maps: {config: {1: 1}}", "map config: element 1: it has room for 1"},
		{"xdp", "object: " + guard + ", maps: {config: {0: {port: 65536}}}", "map config: element 0: port: 65536 does not fit 2 bytes"},
		{"xdp", "object: " + guard + ", maps: {config: {0: {prt: 1}}}", "map config: element 0: has no prt: struct config has port, pad"},
		{"xdp", "object: " + guard + ", maps: {hits: {0: 1}}", "map hits: element 0: 1 cannot stand for 16 bytes: write them out, as 00:00"},
		{"xdp", "object: " + guard + ", watch: [{map: hits}]", "map hits: 16 bytes are no number: name a member, as field: packets"},
		{"xdp", "object: " + guard + ", watch: [{map: next}]", "map next: a ProgramArray has no numbers to watch"},
		{"xdp", "object: " + odd + ", program: queued, next: onward, maps: {waiting: {0: 1}}", "map waiting: a Queue cannot be filled"},
	} {
		s := parse(t, "version: 1\nstages: {bad: {kind: external, "+r.settings+"}}\nnics: {eth0: {xdp: [balancer]}, eth1: {"+r.hook+": [bad]}}\n")
		err := n.tryStage(t, s)
		if err == nil || !strings.Contains(err.Error(), r.want) || !strings.HasPrefix(err.Error(), "nic eth1: stage bad: object ") {
			t.Errorf("%s: %s:\n     %v\nwant %s", r.hook, r.settings, err, r.want)
		}
	}
	if err := n.RetireExternals(); err != nil {
		t.Fatal(err)
	}
	if got, err := n.instances(); err != nil || len(got) != 1 {
		t.Errorf("instances %v, %v; want the one that runs", got, err)
	}
	if left, _ := filepath.Glob(n.pin("externals", "*_new_*")); len(left) > 0 {
		t.Errorf("left behind: %v", left)
	}
	if verdict, _ := n.run(t, n.chain(t, "eth0", XDP), toDNS, 0); verdict != xdpDrop {
		t.Errorf("the running chain ends a packet with %d now", verdict)
	}
}
