package datapath

import (
	"errors"
	"fmt"
	"os"
	"sync"
	"sync/atomic"
	"time"
	"unsafe"

	"github.com/cilium/ebpf"
	"github.com/cilium/ebpf/asm"
	"github.com/cilium/ebpf/ringbuf"

	"hairpin/bpf"
	"hairpin/engine/filter"
	"hairpin/engine/reason"
)

// Capture is what is to be captured.
type Capture struct {
	Filter    *filter.Expr // nil = every packet
	Chains    []int        // numbers; none = all
	Points    uint8
	After     map[int]int // by chain, the account of the stage of PointBetween
	Snap      int         // bytes of a frame; 0 = its headers
	OneIn     int         // of so many packets one is looked at
	Most      uint64      // records
	MostBytes uint64      // of records
	Until     uint64      // ns of CLOCK_MONOTONIC; see Captor.Extend
}

// Captor is the captures that go on. It is made by the first, and ends with the last. Its own methods may be called from any
// goroutine.
type Captor struct {
	maps    map[string]*ebpf.Map
	running [Captures]*Capture
	bodies  [Captures][2]asm.Instructions
	loaded  []*ebpf.Program

	mu       sync.Mutex
	settings memory[captureSettings]
	records  *ringbuf.Reader
	record   ringbuf.Record // the reader's
	closed   bool
}

// captorMaps are the maps that no program but the captor reads. They are not pinned: nobody could go on with them.
var captorMaps = []string{"captures", "capture_tally", "looked", "captured_records"}

// captorPrograms stand in the arrays by which parse and the stages call them.
var captorPrograms = []struct {
	program
	at uint32
}{
	{program{"", "", bpf.LoadCapture, "around_chain", "rows_xdp", false}, captorAround},
	{program{"", "", bpf.LoadCapture, "after_stage", "rows_xdp", false}, captorAfter},
	{program{"", "", bpf.LoadCapture, "around_chain_tc", "rows_tc", false}, captorAround},
	{program{"", "", bpf.LoadCapture, "after_stage_tc", "rows_tc", false}, captorAfter},
}

// StartCapture begins a capture in a place that is free. nums are the VIPs that its filter may name. What goes on already
// does so. The first one opens the Captor, from which all are read.
func (k *Kernel) StartCapture(place int, c Capture, nums map[string]uint16) (*Captor, error) {
	captor := k.captor
	if captor == nil {
		var err error
		if captor, err = openCaptor(); err != nil {
			return nil, fmt.Errorf("start capture: %w", explain(err))
		}
	}
	if err := k.start(captor, place, c, nums); err != nil {
		if k.captor == nil {
			captor.close()
		}
		return nil, fmt.Errorf("start capture: %w", err)
	}
	k.captor = captor
	return captor, nil
}

func (k *Kernel) start(captor *Captor, place int, c Capture, nums map[string]uint16) error {
	layout, err := k.captureLayout(nums)
	if err != nil {
		return err
	}
	before := captor.bodies[place]
	if captor.bodies[place][0], captor.bodies[place][1], err = filter.Captured(c.Filter, layout); err != nil {
		captor.bodies[place] = before
		return err
	}
	captor.set(place, c)
	if err := k.standCaptor(captor); err != nil {
		captor.bodies[place] = before
		captor.set(place, Capture{})
		return err
	}
	captor.running[place] = &c
	captor.Extend(place, c.Until)
	k.flag(GenerationCaptured, true)
	return nil
}

// EndCapture ends a capture; the last one leaves nothing behind. What was not read is gone.
func (k *Kernel) EndCapture(place int) {
	c := k.captor
	if c == nil || c.running[place] == nil {
		return
	}
	c.running[place] = nil
	c.set(place, Capture{})
	for _, r := range c.running {
		if r != nil {
			return // its programs ask one filter too many, until the next one begins
		}
	}
	k.EndCaptures()
}

// EndCaptures ends all captures, also those of an engine that is gone.
func (k *Kernel) EndCaptures() {
	k.flag(GenerationCaptured, false)
	for _, name := range []string{"captors_xdp", "captors_tc"} {
		for at := range uint32(captors) {
			_ = k.maps[name].Delete(at) // it may be empty
		}
	}
	if k.captor != nil {
		k.captor.close()
		k.captor = nil
	}
}

// captureLayout is what filters of captures may ask for.
func (k *Kernel) captureLayout(nums map[string]uint16) (filter.Layout, error) {
	objects, err := bpf.LoadCapture()
	if err != nil {
		return filter.Layout{}, err
	}
	l, err := filter.LayoutOf(objects.Types)
	l.VIPs, l.Reasons, l.Stages = nums, map[string]uint16{}, map[string][]uint16{}
	for _, r := range reason.All() {
		l.Reasons[r.Name] = uint16(r.ID)
	}
	for _, c := range k.Chains() {
		for account, name := range c.Names {
			if name != "" {
				l.Stages[name] = append(l.Stages[name], uint16(c.Number*Positions+account))
			}
		}
	}
	return l, err
}

func openCaptor() (*Captor, error) {
	objects, err := bpf.LoadCapture()
	if err != nil {
		return nil, err
	}
	c := &Captor{maps: map[string]*ebpf.Map{}}
	for _, name := range captorMaps {
		if c.maps[name], err = ebpf.NewMap(objects.Maps[name]); err != nil {
			c.close()
			return nil, fmt.Errorf("map %s: %w", name, err)
		}
	}
	if c.settings, err = mapMemory[captureSettings](c.maps["captures"], true); err == nil {
		c.records, err = ringbuf.NewReader(c.maps["captured_records"])
	}
	if err != nil {
		c.close()
		return nil, err
	}
	return c, nil
}

// standCaptor loads the programs with the filters of all captures, and has them called in place of those before.
func (k *Kernel) standCaptor(c *Captor) error {
	var loaded []*ebpf.Program
	closeAll := func(list []*ebpf.Program) {
		for _, p := range list {
			_ = p.Close()
		}
	}
	for _, p := range captorPrograms {
		if p.rows == "rows_tc" && !k.hasTC() || p.at == captorAfter && !c.between() {
			continue
		}
		one, err := k.loadCaptor(c, p.program, p.at == captorAround)
		if err != nil {
			closeAll(loaded)
			return fmt.Errorf("load program %s: %w", p.function, explain(err))
		}
		loaded = append(loaded, one)
		array := map[string]string{"rows_xdp": "captors_xdp", "rows_tc": "captors_tc"}[p.rows]
		if err := k.maps[array].Put(p.at, one); err != nil {
			closeAll(loaded)
			return fmt.Errorf("program %s: %w", p.function, explain(err))
		}
	}
	closeAll(c.loaded)
	c.loaded = loaded
	return nil
}

// between tells whether some capture copies packets after a stage.
func (c *Captor) between() bool {
	for i := range c.settings.all {
		if c.settings.all[i].Points&PointBetween != 0 {
			return true
		}
	}
	return false
}

func (k *Kernel) hasTC() bool {
	for _, c := range k.Chains() {
		if c.Hook != XDP {
			return true
		}
	}
	return false
}

func (k *Kernel) loadCaptor(c *Captor, p program, filters bool) (*ebpf.Program, error) {
	collection, err := k.collection(p)
	if err != nil {
		return nil, err
	}
	for name, m := range c.maps {
		collection.maps[name] = m
	}
	program := collection.spec.Programs[p.function]
	for i, bodies := range c.bodies {
		for j, name := range []string{"may_want%d", "wants%d"} {
			if bodies[j] == nil || !filters {
				continue
			}
			if program.Instructions, err = filter.Splice(program.Instructions, fmt.Sprintf(name, i), bodies[j]); err != nil {
				return nil, err
			}
		}
	}
	loaded, err := ebpf.NewCollectionWithOptions(collection.spec, ebpf.CollectionOptions{MapReplacements: collection.maps})
	if err != nil {
		return nil, verifierTail(err)
	}
	defer loaded.Close()
	return loaded.DetachProgram(p.function), nil
}

// set writes what the programs go by; nothing is taken before Extend.
func (c *Captor) set(place int, s Capture) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.closed {
		return
	}
	at := &c.settings.all[place]
	atomic.StoreUint64(&at.Until, 0)
	next := captureSettings{Most: s.Most, MostBytes: s.MostBytes, OneIn: uint32(s.OneIn), Snap: uint16(s.Snap), Points: s.Points}
	for n := range Chains {
		if len(s.Chains) == 0 {
			next.Chains[n/64] |= 1 << (n % 64)
		}
		next.After[n] = uint8(s.After[n])
	}
	for _, n := range s.Chains {
		next.Chains[n/64] |= 1 << (n % 64)
	}
	*at = next
}

// Extend has a capture go on until then, in ns of CLOCK_MONOTONIC, unless it ends by its other bounds before. The kernel ends
// it by itself when nobody says so again.
func (c *Captor) Extend(place int, until uint64) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if !c.closed {
		atomic.StoreUint64(&c.settings.all[place].Until, until)
	}
}

// Sample changes of how many packets a capture looks at one.
func (c *Captor) Sample(place, oneIn int) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if !c.closed {
		atomic.StoreUint32(&c.settings.all[place].OneIn, uint32(oneIn))
	}
}

// Allow lets a capture go on to so many records.
func (c *Captor) Allow(place int, most uint64) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if !c.closed {
		atomic.StoreUint64(&c.settings.all[place].Most, most)
	}
}

// CaptureCount is what the kernel counts of a capture: records that were taken and their bytes, and those among them for which
// there was no room in the ring buffer.
type CaptureCount struct{ Taken, Bytes, Lost uint64 }

// Count is that of one capture.
func (c *Captor) Count(place int) CaptureCount {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.closed {
		return CaptureCount{}
	}
	at := &c.settings.all[place]
	return CaptureCount{min(at.Taken, at.Most), at.TakenBytes, at.Lost}
}

// LookCost is what looking costs: it is the same for all captures, because they look together.
type LookCost struct {
	Seen    uint64 // packets that came by, ever
	Matched uint64 // of these, packets that were copied for a closer look
	Torn    uint64 // packets during which another came by on the same CPU, and which are in no capture
	NS      float64
	// NS is the mean cost of a packet that came by; 0 = not known yet.
}

// Cost is what looking has cost since the Captor was opened.
func (c *Captor) Cost() (LookCost, error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.closed {
		return LookCost{}, os.ErrClosed
	}
	var all []captureTally
	if err := c.maps["capture_tally"].Lookup(uint32(0), &all); err != nil {
		return LookCost{}, fmt.Errorf("cost of captures: %w", err)
	}
	var sum captureTally
	for _, t := range all {
		sum.Seen, sum.Matched, sum.Torn = sum.Seen+t.Seen, sum.Matched+t.Matched, sum.Torn+t.Torn
		sum.NS, sum.Measured, sum.Clock = sum.NS+t.NS, sum.Measured+t.Measured, sum.Clock+t.Clock
	}
	cost := LookCost{Seen: sum.Seen, Matched: sum.Matched, Torn: sum.Torn}
	if sum.Measured > 0 {
		cost.NS = max(0, (float64(sum.NS)-float64(sum.Clock))/float64(sum.Measured))
	}
	return cost, nil
}

// Read is the next record: its head, and the bytes of its frames, which are the caller's until the next call. It is
// os.ErrDeadlineExceeded when there is none within the time, and os.ErrClosed when there will be none. One goroutine reads.
func (c *Captor) Read(within time.Duration) (*Captured, []byte, error) {
	r := &c.record
	c.records.SetDeadline(time.Now().Add(within))
	for {
		if err := c.records.ReadInto(r); err != nil {
			if errors.Is(err, ringbuf.ErrClosed) {
				err = os.ErrClosed
			}
			return nil, nil, err
		}
		const head = int(unsafe.Sizeof(Captured{}))
		if len(r.RawSample) < head {
			continue
		}
		h := (*Captured)(unsafe.Pointer(&r.RawSample[0]))
		if frames := r.RawSample[head:]; len(frames) >= int(h.CameSnap)+int(h.LeftSnap) && int(h.Capture) < Captures {
			return h, frames, nil
		}
	}
}

func (c *Captor) close() {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.closed = true
	c.settings.unmap()
	if c.records != nil {
		_ = c.records.Close()
	}
	for _, p := range c.loaded {
		_ = p.Close()
	}
	for _, m := range c.maps {
		if m != nil {
			_ = m.Close()
		}
	}
}
