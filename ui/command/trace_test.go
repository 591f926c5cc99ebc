package command

import (
	"bytes"
	"encoding/hex"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"hairpin/engine"
)

// traced forwards what runs, and drops by anything else.
func traced(r engine.TraceRequest) *engine.Trace {
	forward := engine.TraceOutcome{NIC: "eth0", Hook: "xdp", Verdict: "forward", Reason: "forwarded", Stage: "balancer", Why: "sent to a backend, encapsulated",
		VIP: "web", Backend: "10.1.1.11", Leaves: "gue 10.1.0.2:50771 > 10.1.1.11:6080 [...]",
		Steps: []engine.TraceStep{
			{Hook: "xdp", Name: "parse", Kind: "parse", Result: "next", NS: 41, Facts: []engine.TraceFact{{Name: "vip", Value: "web"}}},
			{Hook: "xdp", Position: 1, Name: "balancer", Kind: "balancer", Result: "forward", NS: 88, Facts: []engine.TraceFact{
				{Name: "slot", Value: "7 of 4099 (hash 0x00700000): 10.1.1.11"}, {Name: "chosen", Value: "10.1.1.11, by the ring alone"}}}},
		Way: []engine.TraceFact{{Name: "nic", Value: "eth0"}}}
	drop := engine.TraceOutcome{NIC: "eth0", Hook: "xdp", Verdict: "drop", Reason: "no_backend", Stage: "balancer", Why: "no backend of the VIP takes this flow",
		Cure: "bring a backend up, or give one weight"}
	t := &engine.Trace{Time: time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC), On: "generation 3, running"}
	names := []string{r.Packet}
	for range r.Frames {
		names = append(names[:len(names):len(names)], "a captured packet")
	}
	for _, name := range names {
		if name == "" {
			continue
		}
		p := engine.Traced{Packet: name, Now: forward}
		if r.Against != nil {
			t.Against, p.Then, p.Differs = "change 2, as if applied now", &drop, "forward to 10.1.1.11, then drop no_backend"
		}
		t.Packets = append(t.Packets, p)
	}
	return t
}

// TestTraceCapture: the packets of a file reach the engine whole, and many are told by what becomes of them.
func TestTraceCapture(t *testing.T) {
	packet, err := hex.DecodeString("d4c3b2a1020004000000000000000000ffff000001000000" + "00000000000000000e0000000e000000" + "0200000000010200000000fe0806")
	if err != nil {
		t.Fatal(err)
	}
	file := filepath.Join(t.TempDir(), "a.pcap")
	for range 9 {
		packet = append(packet, packet[24:54]...)
	}
	if err := os.WriteFile(file, packet, 0o600); err != nil {
		t.Fatal(err)
	}
	var asked bytes.Buffer
	node, err := fakes("traced", &asked)
	if err != nil {
		t.Fatal(err)
	}
	out := once(t, node, &asked, []string{"trace", "--pcap", file, "--against", "2"}, "")
	const want = `on generation 3, running
against change 2, as if applied now
10 packets, of which something else becomes of 10

PACKETS  VERDICT  REASON     DIFFERS                                     THE FIRST OF THEM
10       forward  forwarded  forward to 10.1.1.11, then drop no_backend  a captured packet
`
	if out != want || len(node.traced) != 1 || len(node.traced[0].Frames) != 10 || len(node.traced[0].Frames[0]) != 14 {
		t.Errorf("asked %+v, printed:\n%s", node.traced, out)
	}
	if err := os.WriteFile(file, packet[:len(packet)-5], 0o600); err != nil {
		t.Fatal(err)
	}
	asked.Reset()
	out = once(t, node, &asked, []string{"trace", "--pcap", file, "--against", "2"}, "")
	if !strings.Contains(out, "packet 10: the file ends in the middle of it: the 9 before it are traced") || len(node.traced) != 2 || len(node.traced[1].Frames) != 9 {
		t.Errorf("of a file that was cut off: asked %d, printed:\n%s", len(node.traced), out)
	}
}
