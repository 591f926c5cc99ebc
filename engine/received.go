package engine

import (
	"encoding/json"
	"maps"
	"os"
	"path/filepath"
	"time"

	"hairpin/engine/datapath"
	"hairpin/engine/disk"
	"hairpin/engine/nicstats"
)

// received compares what NICs say that they received with what their chains saw: the difference is what no stage can
// explain. A NIC counts from when it was made and a chain from when it was attached, so their readings at a moment at
// which they are taken to agree are kept, also for the next engine.
type received struct {
	file    string // where the accounts are kept; empty = nowhere
	keeps   bool   // writes them, as only an owner does
	reader  *nicstats.Reader
	err     error  // why there is no reader
	maps    string // the counters that the accounts are about
	open    map[string]account
	drivers map[string]driverReading
}

// kept are accounts as they are stored.
type kept struct {
	Maps     string
	Accounts map[string]account
}

// account is the readings of one NIC at which it and its chain were taken to agree.
type account struct {
	Index  int
	In     uint64 // packets that the chain had seen
	Link   nicstats.Link
	Losses map[string]uint64
	Slack  uint64 // packets that may have come between the readings
}

// driverReading is the last answer of a driver. Asking may be slow, so a slow one is asked less often.
type driverReading struct {
	driver nicstats.Driver
	err    error
	due    time.Time
}

// gap is what a NIC received, and what of it no stage saw or can know.
type gap struct {
	Received  uint64
	Bytes     uint64
	Losses    []nicstats.Loss // since the chain was attached
	Unknown   uint64          // received, and neither seen by the chain nor named by a counter
	Uncounted uint64          // seen by the chain, and not counted by the NIC
	Err       error           // why all this is not known
}

// newReceived goes on with the accounts that are stored of these maps. Where they cannot be read, or are others', it
// counts anew from here: less is explained, nothing is wrong.
func newReceived(state string, k *datapath.Kernel, keeps bool) *received {
	r := &received{file: filepath.Join(state, "received.json"), keeps: keeps, open: map[string]account{}, drivers: map[string]driverReading{}}
	if r.maps, r.err = k.Name(); r.err != nil {
		return r
	}
	if r.reader, r.err = nicstats.Open(); r.err != nil {
		return r
	}
	var stored kept
	data, err := os.ReadFile(r.file)
	if err == nil && json.Unmarshal(data, &stored) == nil && stored.Maps == r.maps && stored.Accounts != nil {
		r.open = stored.Accounts
	}
	return r
}

func (r *received) close() {
	if r != nil && r.reader != nil {
		r.reader.Close()
	}
}

// fronts are the chains that are the first to see what their NIC receives, by number.
func fronts(chains []datapath.Chain) map[int]datapath.Chain {
	first := map[string]datapath.Chain{}
	for _, c := range chains {
		if c.Hook.Egress() || c.Ifindex == 0 {
			continue
		}
		if old, ok := first[c.NIC]; !ok || old.Hook != datapath.XDP {
			first[c.NIC] = c
		}
	}
	list := map[int]datapath.Chain{}
	for _, c := range first {
		list[c.Number] = c
	}
	return list
}

// links reads the statistics of the NICs of these chains; of a NIC that cannot be read there are none.
func (r *received) links(chains map[int]datapath.Chain) map[int]nicstats.Link {
	all := map[int]nicstats.Link{}
	if r == nil || r.reader == nil {
		return all
	}
	for n, c := range chains {
		if l, err := r.reader.Link(c.Ifindex); err == nil {
			all[n] = l
		}
	}
	return all
}

// begin opens the accounts of chains that have none yet, before they have seen much.
func (r *received) begin(now time.Time, k *datapath.Kernel, chains map[int]datapath.Chain) error {
	if r == nil || r.reader == nil {
		return nil
	}
	fresh := maps.Clone(chains)
	maps.DeleteFunc(fresh, func(_ int, c datapath.Chain) bool {
		a, known := r.open[c.NIC+" "+c.Hook.String()]
		return known && a.Index == c.Ifindex
	})
	if len(fresh) == 0 {
		return nil
	}
	before := r.links(fresh)
	var snap datapath.Snapshot
	if err := k.Snapshot(&snap); err != nil {
		return err
	}
	for n, after := range r.links(fresh) {
		if b, read := before[n]; read && snap.Exits[n] != nil {
			var in datapath.Count
			for _, exit := range snap.Exits[n] {
				add(&in, exit)
			}
			r.gap(now, fresh[n], in.Packets, b, after)
		}
	}
	return nil
}

// gap compares a chain, which had seen in packets at a moment between two readings of its NIC.
func (r *received) gap(now time.Time, c datapath.Chain, in uint64, before, after nicstats.Link) gap {
	driver, err := r.driver(now, c.NIC)
	if err != nil {
		return gap{Err: err}
	}
	losses := nicstats.Losses(after, driver)
	key := c.NIC + " " + c.Hook.String()
	a, known := r.open[key]
	if !known || !a.goesOn(c, in, before, losses) {
		a = account{Index: c.Ifindex, In: in, Link: before, Losses: map[string]uint64{}, Slack: after.RxPackets - before.RxPackets}
		for _, l := range losses {
			a.Losses[l.Name] = l.Packets
		}
		r.open[key] = a
		r.keep()
	}
	return a.gap(in, before, after, losses)
}

// goesOn tells whether the readings are later ones of the same NIC and chain: nobody made one anew meanwhile.
func (a account) goesOn(c datapath.Chain, in uint64, now nicstats.Link, losses []nicstats.Loss) bool {
	if a.Index != c.Ifindex || in < a.In || now.RxPackets < a.Link.RxPackets || now.RxBytes < a.Link.RxBytes {
		return false
	}
	for _, l := range losses {
		if was, known := a.Losses[l.Name]; !known || l.Packets < was {
			return false
		}
	}
	return true
}

// gap is what the readings say. A difference that may have come between them is none.
func (a account) gap(in uint64, before, after nicstats.Link, losses []nicstats.Loss) gap {
	g := gap{Bytes: after.RxBytes - a.Link.RxBytes}
	explained := in - a.In
	var outside uint64
	for _, l := range losses {
		l.Packets -= a.Losses[l.Name]
		switch l.Place {
		case nicstats.Outside:
			outside += l.Packets
		case nicstats.Before:
			explained += l.Packets
		}
		g.Losses = append(g.Losses, l)
	}
	least, most := before.RxPackets-a.Link.RxPackets, after.RxPackets-a.Link.RxPackets
	switch {
	case explained+a.Slack < least:
		g.Unknown = least - explained
	case explained > most+a.Slack:
		g.Uncounted = explained - most
	}
	g.Received = a.In + explained + g.Unknown - g.Uncounted + outside
	return g
}

// driver is what the NIC's driver counts, asked for at most a thousandth of the time.
func (r *received) driver(now time.Time, nic string) (nicstats.Driver, error) {
	if d, ok := r.drivers[nic]; ok && now.Before(d.due) {
		return d.driver, d.err
	}
	start := time.Now()
	d, err := r.reader.Driver(nic)
	r.drivers[nic] = driverReading{d, err, now.Add(1000 * time.Since(start))}
	return d, err
}

// keep stores the accounts. That they cannot be stored only means that the next engine counts anew.
func (r *received) keep() {
	if !r.keeps {
		return
	}
	if data, err := json.MarshalIndent(kept{r.maps, r.open}, "", "  "); err == nil {
		_ = disk.Write(r.file, append(data, '\n'))
	}
}

// forget drops the accounts of NICs that have no chain any more.
func (r *received) forget(chains map[int]datapath.Chain) {
	keys := map[string]bool{}
	for _, c := range chains {
		keys[c.NIC+" "+c.Hook.String()] = true
	}
	n := len(r.open)
	maps.DeleteFunc(r.open, func(k string, _ account) bool { return !keys[k] })
	maps.DeleteFunc(r.drivers, func(nic string, _ driverReading) bool {
		return !keys[nic+" xdp"] && !keys[nic+" tcx_ingress"] && !keys[nic+" clsact_ingress"]
	})
	if len(r.open) != n {
		r.keep()
	}
}
