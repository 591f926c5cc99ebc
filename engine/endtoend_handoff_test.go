package engine_test

import (
	"encoding/json"
	"fmt"
	"os"
	"slices"
	"testing"
	"time"

	"hairpin/engine"
	"hairpin/engine/lab"
)

// handoff is the part of "hairpin handoff -o json" that is looked at.
type handoff struct {
	Outcome  string
	Fault    string
	From, To struct{ PID int }
	Steps    []struct {
		Name    string
		Done    bool
		Seconds float64
	}
}

func (n *network) handOver(t *testing.T, args ...string) (h handoff) {
	t.Helper()
	out, err := n.Command(lab.LB, append([]string{"hairpin", "handoff", "-o", "json"}, args...)...).Output()
	if err != nil {
		t.Fatalf("handoff: %v: %s", complaint(err), out)
	}
	if err := json.Unmarshal(out, &h); err != nil {
		t.Fatalf("%v: %s", err, out)
	}
	return h
}

// lossless is how many new connections a second this machine makes without losing any while nothing else goes on, of those
// that it is asked for.
func (n *network) lossless(t *testing.T, asked int) int {
	t.Helper()
	for ; asked > 100; asked /= 2 {
		r := n.start(t, lab.LoadConfig{For: 20 * time.Second, New: asked, Count: 5 * asked, Datagrams: 200}).end(t)
		made := int(float64(r.New.Answered) / r.Took.Seconds())
		t.Logf("control: %d a second asked for, %d made, %d failed", asked, made, r.Failed())
		if r.Failed() == 0 && made > 0 {
			return made
		}
	}
	t.Fatal("this machine loses requests at any rate")
	return 0
}

// TestHandoffUnderLoad hands the node over again and again. No request, no connection and no datagram notices, no counter
// goes back, and at any time the gate accepts one epoch.
func TestHandoffUnderLoad(t *testing.T) {
	beside(t)
	handoffs, most := 10, 2000
	if os.Getenv("HAIRPIN_SOAK") != "" {
		handoffs, most = 1000, 24000
	}
	n := up(t, 4, 4)
	rate := n.lossless(t, most) / 2
	received, counted := n.accounts(t)
	requests := n.start(t, lab.LoadConfig{For: time.Duration(handoffs) * time.Minute, New: rate, Kept: 64, Pace: 50 * time.Millisecond, Datagrams: 500})
	node := n.dial(t)
	begun := totals(node.State())["vip web"]
	n.health(t, node, "connections end as others begin", func(s *engine.State) bool { // else the first watch takes their ends for harm
		return totals(s)["vip web"] > begun+uint64(10*rate)
	})
	w := engine.NewWitness(t, n.Paths(lab.LB))
	t.Cleanup(w.Close)
	asked := w.Watch(t)
	var took []time.Duration
	pid := n.EnginePID(lab.LB)
	for round := range handoffs {
		before := totals(node.State())
		h := n.handOver(t, "--watch", "200ms", "--why", fmt.Sprint("round ", round))
		if h.Outcome != string(engine.HandoffConfirmed) || h.From.PID != pid || len(h.Steps) != len(engine.HandoffSteps()) {
			t.Fatalf("round %d: %+v, the owner was %d", round, h, pid)
		}
		pid = h.To.PID
		var sum float64
		for _, s := range h.Steps[2:5] { // from the freeze to the switch
			sum += s.Seconds
		}
		took = append(took, time.Duration(sum*float64(time.Second)))
		now, err := engine.Dial(n.ctx, n.Paths(lab.LB))
		if err != nil {
			t.Fatal(err)
		}
		goOn(t, fmt.Sprint("after handoff ", round), before, totals(now.State()))
		if err := now.Close(); err != nil {
			t.Error(err)
		}
	}
	epochs, questions := asked()
	perfect(t, "requests", requests.end(t), 1, 2, 3, 4)
	slices.Sort(took)
	t.Logf("%d handoffs at %d new connections a second, each without a change for %v, at most %v; %d epochs, %d questions to the gate",
		handoffs, rate, took[len(took)/2], took[len(took)-1], epochs, questions)
	if epochs < handoffs {
		t.Errorf("%d epochs in %d handoffs", epochs, handoffs)
	}
	nowReceived, nowCounted := n.accounts(t)
	if nowReceived-received != nowCounted-counted {
		t.Errorf("eth0 received %d packets, %d left for a reason", nowReceived-received, nowCounted-counted)
	}
}
