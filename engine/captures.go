package engine

import (
	"errors"
	"fmt"
	"os"
	"sync"
	"time"

	"hairpin/engine/capture"
	"hairpin/engine/datapath"
	"hairpin/engine/reason"
)

// The places of the captor: four captures by people, and the samples of which connections are made.
const (
	peoplesCaptures = 4
	sampledPlace    = 4
	sampledSYNs     = 5
)

// captures are those that go on. The loop begins and ends them; one goroutine reads what the kernel took; whoever began one
// takes that from here without asking the loop.
type captures struct {
	mu     sync.Mutex
	captor *datapath.Captor // nil while there are none
	names  captureNames
	last   int // number of a capture
	at     [datapath.Captures]*capturing
	talk   talking
}

// capturing is one capture.
type capturing struct {
	id      int
	party   uint64 // who may read it
	request CaptureRequest
	status  CaptureStatus
	points  uint8
	read    time.Time
	packed  []byte                           // records that nobody took yet
	seen    uint64                           // packets that had come by when it began
	dropped uint64                           // records for which there was no room in packed
	sink    func(*datapath.Captured, []byte) // nil: they are packed
}

// captureNames is what the numbers of a record mean now.
type captureNames struct {
	chains map[int]datapath.Chain
	vips   map[uint16]string
}

// captureReadEvery is how long a record waits at most before it is read.
const captureReadEvery = 50 * time.Millisecond

// beginCapture is carried out by the loop.
func (o *owner) beginCapture(r CaptureRequest, who string, party uint64) (int, error) {
	if err := o.ready(); err != nil {
		return 0, fmt.Errorf("capture: %w", err)
	}
	r, e, err := r.complete()
	if err != nil {
		return 0, fmt.Errorf("capture: %w: %w", ErrInvalid, err)
	}
	if o.spec == nil {
		return 0, fmt.Errorf("capture: %w: nothing runs on this node: apply a spec", ErrInvalid)
	}
	place, err := o.captures.free()
	if err != nil {
		return 0, fmt.Errorf("capture: %w", err)
	}
	now := time.Now()
	c := &capturing{party: party, request: r, read: now, status: CaptureStatus{Who: who, Filter: r.Filter, Where: r.where(), OneIn: r.OneIn, Snap: r.Snap,
		Began: now, Until: now.Add(r.For), Most: r.Most, MostOf: r.Bytes}}
	k := datapath.Capture{Filter: e, Snap: r.Snap, OneIn: r.OneIn, Most: r.Most, MostBytes: r.Bytes}
	for point, wanted := range map[uint8]bool{datapath.PointCame: r.Came, datapath.PointLeft: r.Left, datapath.PointBetween: r.After != ""} {
		if wanted {
			k.Points |= point
		}
	}
	c.points = k.Points
	if k.Chains, k.After, err = o.chainsOf(r); err != nil {
		return 0, fmt.Errorf("capture: %w: %w", ErrInvalid, err)
	}
	return o.startCapture(place, c, k)
}

func (o *owner) startCapture(place int, c *capturing, k datapath.Capture) (int, error) {
	nums := map[string]uint16{}
	for num, name := range o.names() {
		nums[name] = num
	}
	if c.sink == nil { // samples begin together, when all of them can
		k.Until = leaseOf(c, time.Now())
	}
	o.captures.rename(o.captureNames())
	captor, err := o.kernel.StartCapture(place, k, nums)
	if err != nil {
		return 0, fmt.Errorf("%w: %w", ErrInvalid, err)
	}
	if loading := time.Since(c.read); c.sink == nil { // its time begins with its first packet
		c.status.Began, c.status.Until = c.status.Began.Add(loading), c.status.Until.Add(loading)
	}
	return o.captures.add(place, c, captor), nil
}

// leaseOf is until when the kernel lets a capture go on unless it is read again, in ns of CLOCK_MONOTONIC.
func leaseOf(c *capturing, now time.Time) uint64 {
	left := min(CaptureLease, c.status.Until.Sub(now))
	return datapath.Monotonic() + uint64(max(left, 0))
}

// chainsOf are the chains that a request means, and in each the account of the stage after which it looks.
func (o *owner) chainsOf(r CaptureRequest) (numbers []int, after map[int]int, err error) {
	after = map[int]int{}
	for _, c := range o.kernel.Chains() {
		if r.NIC != "" && c.NIC != r.NIC || r.Hook != "" && c.Hook.String() != r.Hook && string(c.Hook.Spec()) != r.Hook {
			continue
		}
		numbers = append(numbers, c.Number)
		for account, name := range c.Names {
			if name != "" && name == r.After {
				after[c.Number] = account
			}
		}
	}
	switch {
	case numbers == nil:
		return nil, nil, fmt.Errorf("nic %s %s has no chain", r.NIC, r.Hook)
	case r.After != "" && len(after) == 0:
		return nil, nil, fmt.Errorf("no stage %s stands there", r.After)
	}
	return numbers, after, nil
}

func (o *owner) captureNames() captureNames {
	n := captureNames{chains: map[int]datapath.Chain{}, vips: o.names()}
	for _, c := range o.kernel.Chains() {
		n.chains[c.Number] = c
	}
	return n
}

// endCapture is carried out by the loop.
func (o *owner) endCapture(id int) {
	if place, ok := o.captures.remove(id); ok {
		o.kernel.EndCapture(place)
	}
}

// followCaptures ends those that nobody reads any more, and tells those that go on what things are called now.
func (o *owner) followCaptures(now time.Time) {
	if !o.captures.any() {
		return
	}
	o.captures.rename(o.captureNames())
	o.captures.adapt(now)
	for _, id := range o.captures.left(now) {
		o.endCapture(id)
	}
}

// free is a place for one more.
func (c *captures) free() (int, error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	for place := range peoplesCaptures {
		if c.at[place] == nil {
			return place, nil
		}
	}
	first := c.at[0].status
	return 0, fmt.Errorf("%w: %d captures go on already, the first by %s until %s: wait, or have them ended", ErrRefused, peoplesCaptures,
		first.Who, first.Until.Format(time.TimeOnly))
}

func (c *captures) any() bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.captor != nil
}

func (c *captures) rename(n captureNames) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.names = n
}

// add has records of a place go to x, and begins to read when there was none before.
func (c *captures) add(place int, x *capturing, captor *datapath.Captor) int {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.last++
	x.id, x.status.ID = c.last, c.last
	if cost, err := captor.Cost(); err == nil {
		x.seen = cost.Seen
	}
	c.at[place] = x
	if c.captor != captor {
		c.captor = captor
		go c.readAll(captor)
	}
	return x.id
}

func (c *captures) remove(id int) (int, bool) {
	c.mu.Lock()
	defer c.mu.Unlock()
	others := 0
	place := -1
	for i, x := range c.at {
		switch {
		case x == nil:
		case x.id == id:
			place, c.at[i] = i, nil
		default:
			others++
		}
	}
	if others == 0 {
		c.captor = nil
	}
	return place, place >= 0
}

// left are those that nobody has read for longer than the kernel lets them go on.
func (c *captures) left(now time.Time) (ids []int) {
	c.mu.Lock()
	defer c.mu.Unlock()
	for _, x := range c.at {
		if x != nil && now.Sub(x.read) > 2*CaptureLease {
			ids = append(ids, x.id)
		}
	}
	return ids
}

// readAll reads what the kernel takes until its captor is closed.
func (c *captures) readAll(captor *datapath.Captor) {
	for {
		h, frames, err := captor.Read(captureReadEvery)
		switch {
		case err == nil:
			c.put(h, frames)
		case !errors.Is(err, os.ErrDeadlineExceeded):
			return
		}
	}
}

func (c *captures) put(h *datapath.Captured, frames []byte) {
	c.mu.Lock()
	defer c.mu.Unlock()
	x := c.at[h.Capture]
	switch {
	case x == nil:
	case x.sink != nil:
		x.sink(h, frames)
	case len(x.packed) > int(x.request.Bytes)*2: // its frames fit, so what is said of them is too much
		x.dropped++
	default:
		x.pack(h, frames, &c.names)
	}
}

// pack turns a record of the kernel's into one for each point that was asked for.
func (x *capturing) pack(h *datapath.Captured, frames []byte, names *captureNames) {
	came, left := frames[:h.CameSnap], frames[h.CameSnap:][:h.LeftSnap]
	r := recordOf(h, names)
	if h.Point == datapath.PointBetween {
		r.Point, r.Bytes, r.Frame = capture.After, int(h.LeftBytes), x.cut(left, h, int(h.LeftBytes))
		x.packed = capture.Append(x.packed, &r)
		return
	}
	if x.points&datapath.PointCame != 0 {
		r.Point, r.Bytes, r.Frame = capture.Came, int(h.CameBytes), x.cut(came, h, int(h.CameBytes))
		x.packed = capture.Append(x.packed, &r)
	}
	if x.points&datapath.PointLeft != 0 {
		r.Point, r.Bytes, r.Frame = capture.Left, int(h.LeftBytes), x.cut(left, h, int(h.LeftBytes))
		x.packed = capture.Append(x.packed, &r)
	}
}

// cut is as much of a frame as this capture asked for: the kernel copies what is wanted most. size is that of the frame; its
// headers are longer than those that came by as much as it is.
func (x *capturing) cut(frame []byte, h *datapath.Captured, size int) []byte {
	most := x.request.Snap
	if most == 0 {
		most = int(h.Headers) + size - int(h.CameBytes)
	}
	return frame[:min(len(frame), max(most, 0))]
}

// recordOf is a record but for its frame.
func recordOf(h *datapath.Captured, names *captureNames) CaptureRecord {
	chain := names.chains[int(h.Chain)]
	r := CaptureRecord{Time: wall(time.Now(), h.Time), Packet: uint64(h.CPU)<<48 | h.Packet, NIC: chain.NIC, Hook: chain.Hook.String(),
		VIP: names.vips[h.VIP], Verdict: [...]string{"", "drop", "pass", "forward"}[h.Fate&3], Code: h.Verdict, OneIn: int(h.OneIn)}
	if h.Account < datapath.Positions {
		r.Stage = chain.Names[h.Account]
	}
	if why, ok := reason.ByID(int(h.Reason)); ok {
		r.Reason = why.Name
	}
	return r
}

// take is what was captured since the last call, by whoever began it.
func (c *captures) take(id int, party uint64, now time.Time) (*Captured, error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	for place, x := range c.at {
		if x == nil || x.id != id || x.sink != nil {
			continue
		}
		if x.party != party {
			return nil, fmt.Errorf("capture %d: %w: only who began it reads it", id, ErrRefused)
		}
		records, err := capture.All(x.packed)
		if err != nil {
			return nil, fmt.Errorf("capture %d: %w", id, err)
		}
		x.packed, x.read = nil, now
		c.captor.Extend(place, leaseOf(x, now))
		return &Captured{Status: c.status(place, x, now), Records: records}, nil
	}
	return nil, fmt.Errorf("capture %d: %w: there is none of this number any more", id, ErrInvalid)
}

// of is nil where a capture is this party's.
func (c *captures) of(id int, party uint64) error {
	c.mu.Lock()
	defer c.mu.Unlock()
	for _, x := range c.at {
		if x != nil && x.id == id && x.sink == nil && x.party == party {
			return nil
		}
	}
	return fmt.Errorf("capture %d: %w: there is none of this number that you began", id, ErrInvalid)
}

// status is how far a capture has come.
func (c *captures) status(place int, x *capturing, now time.Time) CaptureStatus {
	s := x.status
	n := c.captor.Count(place)
	s.Packets, s.Bytes, s.Lost = n.Taken, n.Bytes, n.Lost+x.dropped
	if cost, err := c.captor.Cost(); err == nil {
		s.Seen, s.Torn, s.NS = cost.Seen-min(x.seen, cost.Seen), cost.Torn, cost.NS
	}
	switch {
	case n.Taken >= x.request.Most:
		s.Over = fmt.Sprintf("it has its %d records", x.request.Most)
	case n.Bytes >= x.request.Bytes:
		s.Over = fmt.Sprintf("it has its %d bytes", x.request.Bytes)
	case !now.Before(s.Until):
		s.Over = "its time is over"
	}
	return s
}

// show is the captures of people, as all see them.
func (c *captures) show(now time.Time) (list []CaptureStatus) {
	c.mu.Lock()
	defer c.mu.Unlock()
	for place, x := range c.at[:peoplesCaptures] {
		if x != nil {
			list = append(list, c.status(place, x, now))
		}
	}
	return list
}
