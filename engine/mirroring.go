package engine

import (
	"cmp"
	"errors"
	"os"
	"slices"
	"sync"
	"time"

	"hairpin/engine/datapath"
	"hairpin/engine/mirror"
	"hairpin/engine/spec"
)

// copyReadEvery is how long a copy waits at most before it is sent.
const copyReadEvery = 100 * time.Millisecond

// mirroring sends the copies that mirrors make. The loop says to whom; one goroutine reads and sends.
type mirroring struct {
	of      *spec.Spec // whose mirrors they are
	copier  *datapath.Copier
	ended   chan struct{} // closed when the goroutine is
	trouble string        // why copies cannot be read; empty = they are

	mu sync.Mutex
	to map[uint64]*copying
}

// copying is one mirror.
type copying struct {
	stage   string
	of      *spec.Copies
	sender  *mirror.Sender // nil: there can be none
	trouble string         // why
}

// followMirrors makes collectors what the running spec says.
func (o *owner) followMirrors() {
	m := &o.mirroring
	switch {
	case o.lost() && !o.detached: // it goes on as it was
	case o.detached || o.spec == nil:
		m.close()
	case o.spec != m.of:
		m.follow(o.spec)
		m.read(o.kernel)
	}
}

func (m *mirroring) follow(s *spec.Spec) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.of = s
	before := m.to
	m.to = map[uint64]*copying{}
	for _, n := range s.Stages {
		x, ok := n.Settings.(*spec.Copies)
		if !ok {
			continue
		}
		id := datapath.MirrorID(n.Name)
		if was := before[id]; was != nil && was.sender != nil && *was.of == *x {
			m.to[id] = was
			delete(before, id)
			continue
		}
		c := &copying{stage: n.Name, of: x}
		var err error
		if x.Encap == spec.CopyGUE {
			c.sender, err = mirror.GUE(x.To, datapath.MirrorMark)
		} else {
			c.sender, err = mirror.VXLAN(x.To, x.VNI, datapath.MirrorMark)
		}
		if err != nil {
			c.sender, c.trouble = nil, err.Error()
		}
		m.to[id] = c
	}
	for _, old := range before {
		old.close()
	}
}

func (c *copying) close() {
	if c.sender != nil {
		_ = c.sender.Close() // of a datagram socket
	}
}

// read begins to read copies, once there are mirrors.
func (m *mirroring) read(k *datapath.Kernel) {
	if m.copier != nil || len(m.to) == 0 {
		return
	}
	var err error
	m.trouble = ""
	if m.copier, err = k.Copies(); err != nil || m.copier == nil {
		if m.copier = nil; err != nil {
			m.trouble = err.Error()
		}
		return
	}
	m.ended = make(chan struct{})
	go m.send(m.copier, m.ended)
}

func (m *mirroring) send(from *datapath.Copier, ended chan struct{}) {
	defer close(ended)
	for {
		c, err := from.Read(copyReadEvery)
		switch {
		case errors.Is(err, os.ErrDeadlineExceeded):
			continue
		case err != nil:
			return
		}
		m.mu.Lock()
		if to := m.to[c.ID]; to != nil && to.sender != nil {
			to.sender.Send(c.Frame, c.L2Len)
		}
		m.mu.Unlock()
	}
}

func (m *mirroring) close() {
	if m.copier != nil {
		_ = m.copier.Close() // of a map that the kernel keeps
		<-m.ended
		m.copier = nil
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	for _, c := range m.to {
		c.close()
	}
	m.of, m.to, m.trouble = nil, nil, ""
}

// metrics are what became of the copies, beside what the kernel counts of them.
func (m *mirroring) metrics() (all []Metric) {
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.of == nil {
		return nil
	}
	for _, n := range m.of.Stages {
		c := m.to[datapath.MirrorID(n.Name)]
		if n.Kind != spec.Mirror || c == nil || c.sender == nil {
			continue
		}
		sent, unsent := c.sender.Counts()
		for _, count := range []struct {
			name  string
			value uint64
		}{{"sent", sent}, {"unsent", unsent}} {
			all = append(all, Metric{Stage: n.Name, Map: string(spec.Mirror), Name: count.name, Kind: spec.WatchScalar.String(), Value: float64(count.value)})
		}
	}
	return all
}

// problems are why collectors get no copies.
func (m *mirroring) problems(now time.Time) (warn []Problem) {
	m.mu.Lock()
	defer m.mu.Unlock()
	add := func(whose, why string) {
		if why != "" {
			warn = append(warn, Problem{Key: "mirror " + whose, Severity: "warn", What: "copies do not get to the collector of " + whose + ": " + why})
		}
	}
	add("any mirror", m.trouble)
	for _, c := range m.to {
		if c.sender != nil {
			c.trouble = c.sender.Trouble(now)
		}
		add(c.stage, c.trouble)
	}
	slices.SortFunc(warn, func(a, b Problem) int { return cmp.Compare(a.Key, b.Key) })
	return warn
}
