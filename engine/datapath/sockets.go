package datapath

import (
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"runtime"
	"sync/atomic"

	"github.com/cilium/ebpf"
	"github.com/cilium/ebpf/link"
	"golang.org/x/sys/unix"

	"hairpin/bpf"
)

// SocketCount is how the host's sockets are counted, and what could not be.
type SocketCount struct {
	By         string // tp_btf, raw_tp, tracepoint, kprobe
	Open       uint32
	Unrecorded uint64 // sockets not counted, for want of a record, ever
	Unplaced   uint64 // sockets not counted for their source, ever
}

// SocketCount reads it, and says whether sockets are counted.
func (k *Kernel) SocketCount() (SocketCount, bool) {
	if len(k.census.all) == 0 {
		return SocketCount{}, false // no spec ever had a limit of connections
	}
	p := &k.census.all[0]
	return SocketCount{p.Kind.String(), k.seats.all[0].Open, p.Unrecorded, p.Unplaced}, p.Kind != 0
}

// way is one in which the kernel tells of sockets, the best one first.
type way struct {
	kind     censusKind
	function string
	attach   func(*ebpf.Program) (link.Link, error)
}

var ways = []way{
	{censusTPBTF, "sockets_tp_btf", func(p *ebpf.Program) (link.Link, error) { return link.AttachTracing(link.TracingOptions{Program: p}) }},
	{censusRawTP, "sockets_raw_tp", func(p *ebpf.Program) (link.Link, error) {
		return link.AttachRawTracepoint(link.RawTracepointOptions{Name: "inet_sock_set_state", Program: p})
	}},
	{censusTP, "sockets_tp", func(p *ebpf.Program) (link.Link, error) {
		return link.Tracepoint("sock", "inet_sock_set_state", p, nil)
	}},
	{censusKprobe, "sockets_kprobe", func(p *ebpf.Program) (link.Link, error) { return link.Kprobe("tcp_set_state", p, nil) }},
}

// arguments is where the first two arguments of a function lie in the registers that a kprobe sees, in bytes.
var arguments = map[string][2]uint32{"amd64": {112, 104}, "arm64": {0, 8}}

// startCensus has the sockets of this network namespace counted, by the best way that there is. One that counts already
// stays.
func (k *Kernel) startCensus() error { return k.startCensusBy(ways) }

func (k *Kernel) startCensusBy(ways []way) error {
	netns, err := namespaceInode()
	if err != nil {
		return fmt.Errorf("count sockets: %w", err)
	}
	k.census.all[0].Netns = netns
	build := bpf.Build()
	pin := k.pin("census", hex.EncodeToString(build[:8]))
	if there, err := link.LoadPinnedLink(pin, nil); err == nil {
		return there.Close()
	}
	if err := os.MkdirAll(filepath.Dir(pin), 0o700); err != nil {
		return fmt.Errorf("count sockets: %w", err)
	}
	var errs []error
	for _, w := range ways {
		err := k.attachCensus(w, pin)
		if err == nil {
			return k.removeOtherCensuses(filepath.Base(pin))
		}
		errs = append(errs, fmt.Errorf("%s: %w", w.kind, err))
	}
	return explainCensus(errs)
}

func (k *Kernel) attachCensus(w way, pin string) error {
	p, err := k.loadSockets(w.function)
	if err != nil {
		return err
	}
	defer p.Close()
	l, err := w.attach(p)
	if err != nil {
		return err
	}
	defer l.Close() // the pin keeps it
	if err := l.Pin(pin); err != nil {
		return fmt.Errorf("it would end with this process: %w", err)
	}
	k.census.all[0].Kind = w.kind
	return nil
}

// removeOtherCensuses ends those of other builds. While two count, each change counts once.
func (k *Kernel) removeOtherCensuses(keep string) error {
	all, err := os.ReadDir(k.pin("census", ""))
	if err != nil {
		return fmt.Errorf("count sockets: %w", err)
	}
	for _, other := range all {
		if other.Name() == keep {
			continue
		}
		if err := os.Remove(k.pin("census", other.Name())); err != nil {
			return fmt.Errorf("count sockets: remove the census of another build: %w", err)
		}
	}
	return nil
}

func (k *Kernel) loadSockets(function string) (*ebpf.Program, error) {
	c, err := k.collection(program{load: bpf.LoadSockets, function: function})
	if err != nil {
		return nil, err
	}
	if v := c.spec.Variables["argument"]; v != nil {
		if err := v.Set(arguments[runtime.GOARCH]); err != nil {
			return nil, fmt.Errorf("constant argument: %w", err)
		}
	}
	loaded, err := ebpf.NewCollectionWithOptions(c.spec, ebpf.CollectionOptions{MapReplacements: c.maps})
	if err != nil {
		return nil, verifierTail(err)
	}
	defer loaded.Close()
	return loaded.DetachProgram(function), nil
}

// namespaceInode names the network namespace of the calling thread.
func namespaceInode() (uint32, error) {
	var s unix.Stat_t
	if err := unix.Stat("/proc/thread-self/ns/net", &s); err != nil {
		return 0, fmt.Errorf("network namespace: %w", err)
	}
	return uint32(s.Ino), nil
}

// countsSockets tells whether a live generation has a limit that counts sockets, or an agent that reports them.
func (k *Kernel) countsSockets() bool {
	for g := range k.generations.all {
		if k.generations.all[g].Flags&(GenerationLive|GenerationReports) == GenerationLive|GenerationReports {
			return true
		}
	}
	for e := range k.usedSettings(connlimitID) {
		if k.connlimits.all[e].Idle == 0 && k.connlimits.all[e].Base == 0 {
			return true
		}
	}
	return false
}

// CountSockets makes the count of sockets true, whatever happened while no census was there: it looks at all sockets and
// counts those that are missing, where they belong by what is live now, and takes off what is no socket any more. Where no
// spec counts sockets, it ends the count. It may run while sockets come and go.
func (k *Kernel) CountSockets() error {
	if !k.countsSockets() {
		return k.endCensus()
	}
	if err := k.startCensus(); err != nil {
		return err
	}
	if err := k.lookAtSockets(); err != nil {
		return err
	}
	stale, err := k.staleSockets()
	if err != nil || len(stale) == 0 {
		return err
	}
	if err := k.lookAtSockets(); err != nil { // what two looks have missed is not there
		return err
	}
	return k.dropStale(stale)
}

// RetireCensus ends the count of sockets where no generation that a packet can meet has it.
func (k *Kernel) RetireCensus() error {
	if k.countsSockets() {
		return nil
	}
	return k.endCensus()
}

// endCensus has sockets counted no more. What was counted is made true when they are again.
func (k *Kernel) endCensus() error {
	if len(k.census.all) == 0 || k.census.all[0].Kind == 0 {
		return nil
	}
	if err := os.RemoveAll(k.pin("census", "")); err != nil {
		return fmt.Errorf("end the count of sockets: %w", err)
	}
	k.census.all[0].Kind = 0
	return nil
}

// lookAtSockets visits every TCP socket of the network namespace of the calling thread.
func (k *Kernel) lookAtSockets() error {
	p, err := k.loadSockets("sockets_look")
	if err != nil {
		return fmt.Errorf("look at all sockets: %w", err)
	}
	defer p.Close()
	iter, err := link.AttachIter(link.IterOptions{Program: p})
	if err != nil {
		return fmt.Errorf("look at all sockets: %w", err)
	}
	defer iter.Close()
	clear(k.census.all[0].Listens[:])
	k.census.all[0].Pass++
	run, err := iter.Open()
	if err != nil {
		return fmt.Errorf("look at all sockets: %w", err)
	}
	defer run.Close()
	if _, err := io.Copy(io.Discard, run); err != nil {
		return fmt.Errorf("look at all sockets: %w", err)
	}
	return nil
}

// staleSockets are the records that the last look did not touch.
func (k *Kernel) staleSockets() ([]uint64, error) {
	var key uint64
	var value socket
	var stale []uint64
	pass, all := k.census.all[0].Pass, k.maps["sockets"].Iterate()
	for all.Next(&key, &value) {
		if value.Pass != pass {
			stale = append(stale, key)
		}
	}
	// One that was interrupted by a deletion has begun anew: what it missed is found the next time.
	if err := all.Err(); err != nil && !errors.Is(err, ebpf.ErrIterationAborted) {
		return nil, fmt.Errorf("read records of sockets: %w", err)
	}
	return stale, nil
}

// dropStale takes off the records that the last look did not touch either.
func (k *Kernel) dropStale(keys []uint64) error {
	pass := k.census.all[0].Pass
	for _, key := range keys {
		var value socket
		err := k.maps["sockets"].Lookup(key, &value)
		if err == nil && value.Pass != pass {
			err = k.maps["sockets"].LookupAndDelete(key, &value) // who deletes it takes it off
		} else if err == nil {
			continue
		}
		if errors.Is(err, ebpf.ErrKeyNotExist) {
			continue
		}
		if err != nil {
			return fmt.Errorf("take off a socket that is gone: %w", err)
		}
		k.uncount(0)
		if value.VIP != 0 {
			k.uncount(value.VIP)
		}
		if value.Tenant != 0 {
			k.uncount(value.Tenant)
		}
		for _, seat := range value.Seat {
			if seat != 0 {
				k.uncount(seat)
			}
		}
		if value.Service != 0 {
			k.uncount(value.Service)
		}
	}
	return nil
}

func (k *Kernel) uncount(seat uint32) { atomic.AddUint32(&k.seats.all[seat%Seats].Open, ^uint32(0)) }
