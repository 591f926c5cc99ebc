package datapath

// seenSYNs is how many SYNs are remembered to know them when they come again.
const seenSYNs = 16384

// Clients is how the clients of VIPs fare, in TCP packets from them. It is counted only while somebody looks: see Watch.
type Clients struct {
	Packets uint64
	SYNs    uint64
	Repeats uint64 // SYNs that had come between half a second and ten before
	Resets  uint64
	_       [4]uint64 // to a cache line: one element a CPU
}

// Since is what was counted after an earlier time.
func (c Clients) Since(before Clients) Clients {
	return Clients{Packets: c.Packets - before.Packets, SYNs: c.SYNs - before.SYNs, Repeats: c.Repeats - before.Repeats, Resets: c.Resets - before.Resets}
}

// Clients are the sums over CPUs.
func (k *Kernel) Clients() (sum Clients) {
	for i := range k.clients.all {
		c := &k.clients.all[i]
		sum.Packets += c.Packets
		sum.SYNs += c.SYNs
		sum.Repeats += c.Repeats
		sum.Resets += c.Resets
	}
	return sum
}
