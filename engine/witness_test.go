package engine

import (
	"path/filepath"
	"sync"
	"testing"
	"time"

	"github.com/cilium/ebpf"

	"hairpin/engine/datapath"
)

// Witness asks a node's gate which epochs it accepts, and changes nothing.
type Witness struct {
	kernel *datapath.Kernel
	gate   *ebpf.Program
}

// NewWitness is one for the node of p.
func NewWitness(t *testing.T, p Paths) *Witness {
	t.Helper()
	dir := datapath.Dir(p.BPFFS, p.Node)
	gates, err := filepath.Glob(filepath.Join(dir, "programs", "*", "gate"))
	if err != nil || len(gates) == 0 {
		t.Fatalf("no gate is pinned below %s: %v", dir, err)
	}
	gate, err := ebpf.LoadPinnedProgram(gates[0], nil)
	if err != nil {
		t.Fatal(err)
	}
	k, err := datapath.Open(dir, false)
	if err != nil {
		t.Fatal(err)
	}
	return &Witness{k, gate}
}

// Close lets go of the gate.
func (w *Witness) Close() {
	w.kernel.Close()
	_ = w.gate.Close()
}

// epoch is the one that the gate names.
func (w *Witness) epoch() uint64 { return w.kernel.Control().Epoch }

// accepts asks the gate for something that it never does, in the name of an epoch: it looks at that first.
func (w *Witness) accepts(t *testing.T, epoch uint64) bool {
	t.Helper()
	const busy, refused, invalid, noSuchOp = 1, 2, 6, 99
	args := struct {
		epoch, deadline  uint64
		op, from, to, no uint32
	}{epoch: epoch, op: noSuchOp}
	for {
		answer, err := w.gate.Run(&ebpf.RunOptions{Context: args})
		switch {
		case err == nil && answer == busy:
			continue
		case err != nil || answer != refused && answer != invalid:
			t.Errorf("the gate answers %d, %v", answer, err)
		}
		return answer == invalid
	}
}

// Watch asks again and again, until the returned function is called, whether the gate accepts the epoch that it names, and
// those before and after it. It tells how many epochs there were, and how many questions.
func (w *Witness) Watch(t *testing.T) (stop func() (epochs, questions int)) {
	t.Helper()
	ended, over := make(chan struct{}), make(chan struct{})
	epochs, questions := 1, 0
	go func() {
		defer close(over)
		for last := w.epoch(); ; questions++ {
			select {
			case <-ended:
				return
			case <-time.After(time.Millisecond):
			}
			now := w.epoch()
			before, it, after := w.accepts(t, now-1), w.accepts(t, now), w.accepts(t, now+1)
			if w.epoch() != now {
				continue // it was taken meanwhile, so the answers are of two times
			}
			if before || !it || after {
				t.Errorf("of the epochs %d, %d and %d the gate accepts %v, %v and %v", now-1, now, now+1, before, it, after)
				return
			}
			if now != last {
				epochs++
			}
			last = now
		}
	}()
	stop = sync.OnceValues(func() (int, int) {
		close(ended)
		<-over
		return epochs, questions
	})
	t.Cleanup(func() { stop() })
	return stop
}
