package datapath

import (
	"errors"
	"fmt"
	"hash/fnv"
	"os"
	"time"
	"unsafe"

	"github.com/cilium/ebpf"
	"github.com/cilium/ebpf/ringbuf"

	"hairpin/bpf"
	"hairpin/engine/spec"
)

const mirrorID = 10 // enum stage

// MirrorID names a mirror in what it copies.
func MirrorID(stage string) uint64 {
	h := fnv.New64a()
	_, _ = h.Write([]byte(stage)) // never fails
	return h.Sum64()
}

// copiesOf is the rule that a mirror's filter is, none without one.
func copiesOf(x *spec.Copies) []spec.Rule {
	if x.Match == "" {
		return nil
	}
	return []spec.Rule{{Name: "match", Match: x.Match, Action: spec.RuleDrop}}
}

// standMirror writes the settings of a mirror, and makes the programs that have its filter.
func (k *Kernel) standMirror(p spot, s *standing) (err error) {
	x, ok := p.stage.Settings.(*spec.Copies)
	if !ok {
		return errors.New("has no settings")
	}
	m := mirror{ID: MirrorID(p.stage.Name), OneIn: x.OneIn, Snap: x.Snap, Rate: x.Rate}
	if rules := copiesOf(x); rules != nil {
		set, err := k.compileRules(rules, p.nums)
		if err != nil {
			return err
		}
		m.Rules = set.digest
		live := program{spec.Mirror, "_mirror", bpf.LoadMirror, "mirror_some", "rows_xdp", false}
		if k.chains.all[p.chain].Hook != XDP {
			live = program{spec.Mirror, "_mirror_tc", bpf.LoadMirror, "mirror_some_tc", "rows_tc", false}
		}
		if s.program, err = k.ruleProgram(set, live); err != nil {
			return err
		}
		if s.dry, err = k.ruleProgram(set, program{spec.Mirror, "_mirror_dry", bpf.LoadMirror, "mirror_some", "rows_dry", true}); err != nil {
			return err
		}
	}
	s.settings, err = putSettings(k.mirrors.all, k.usedSettings(mirrorID), m)
	return err
}

// Copier reads the copies that mirrors make. There is one at a time. Its Read is for one goroutine, its Close for any.
type Copier struct {
	from    *ebpf.Map
	records *ringbuf.Reader
	record  ringbuf.Record
}

// Copy is one copy of a packet; Frame is the reader's until it reads the next.
type Copy struct {
	ID    uint64 // of the mirror, by MirrorID
	Bytes int    // of the whole frame
	L2Len int    // where its IP packet begins; 0 = it has none
	Frame []byte
}

// Copies opens the reader of copies; nil where no spec has ever named a mirror.
func (k *Kernel) Copies() (*Copier, error) {
	if k.maps["mirror_records"] == nil {
		return nil, nil
	}
	m, err := k.maps["mirror_records"].Clone()
	if err != nil {
		return nil, fmt.Errorf("read copies: %w", err)
	}
	r, err := ringbuf.NewReader(m)
	if err != nil {
		_ = m.Close()
		return nil, fmt.Errorf("read copies: %w", explain(err))
	}
	return &Copier{from: m, records: r}, nil
}

// Read is the next copy. It is os.ErrDeadlineExceeded when there is none within the time, and os.ErrClosed when there will be
// none.
func (c *Copier) Read(within time.Duration) (Copy, error) {
	const head = int(unsafe.Sizeof(mirrored{}))
	c.records.SetDeadline(time.Now().Add(within))
	for {
		err := c.records.ReadInto(&c.record)
		if errors.Is(err, ringbuf.ErrClosed) {
			err = os.ErrClosed
		}
		if err != nil {
			return Copy{}, err
		}
		if len(c.record.RawSample) <= head {
			continue
		}
		h := (*mirrored)(unsafe.Pointer(&c.record.RawSample[0]))
		frame := c.record.RawSample[head:]
		return Copy{h.ID, int(h.Bytes), min(int(h.L2Len), len(frame)), frame}, nil
	}
}

// Close ends the reader.
func (c *Copier) Close() error { return errors.Join(c.records.Close(), c.from.Close()) }
