package nicstats

import (
	"bytes"
	"errors"
	"fmt"

	"golang.org/x/sys/unix"
)

// Settings are how a NIC is set up. What its driver does not tell is zero.
type Settings struct {
	Driver   string
	Features map[string]Feature // by the kernel's names, such as rx-lro
	RxRing   Bound              // packets
	TxRing   Bound
	Channels Bound // receive queues
}

// Feature is one of the works that a NIC can take off the CPU.
type Feature struct {
	On    bool
	Fixed bool // nobody can change it
}

// Bound is a size and the largest that it can be given.
type Bound struct{ Now, Most int }

const setOfFeatures = 4 // ETH_SS_FEATURES

// Settings asks the NIC's driver. A NIC whose driver tells nothing is no error.
func (r *Reader) Settings(nic string) (Settings, error) {
	info, err := unix.IoctlGetEthtoolDrvinfo(r.control, nic)
	if err != nil && !errors.Is(err, unix.EOPNOTSUPP) {
		return Settings{}, fmt.Errorf("read settings of %s: %w", nic, err)
	}
	s := Settings{}
	if err == nil {
		s.Driver = unix.ByteSliceToString(info.Driver[:])
	}
	if s.Features, err = r.features(nic); err != nil {
		return Settings{}, fmt.Errorf("read features of %s: %w", nic, err)
	}
	// struct ethtool_ringparam: command; most of rx, mini, jumbo, tx; in use of the same
	if ring := r.words(nic, unix.ETHTOOL_GRINGPARAM, 9); ring != nil {
		s.RxRing, s.TxRing = Bound{ring[5], ring[1]}, Bound{ring[8], ring[4]}
	}
	// struct ethtool_channels: command; most of rx, tx, other, combined; in use of the same
	if c := r.words(nic, unix.ETHTOOL_GCHANNELS, 9); c != nil {
		s.Channels = Bound{max(c[5], c[8]), max(c[1], c[4])}
	}
	return s, nil
}

// words makes a call that answers with n words; nil where the driver does not know it.
func (r *Reader) words(nic string, command uint32, n int) []int {
	b := make([]byte, 4*n)
	put(b, command)
	if r.call(nic, b) != nil {
		return nil
	}
	list := make([]int, n)
	for i := range list {
		list[i] = int(word(b[4*i:]))
	}
	return list
}

// features are the kernel's own list, the same for every NIC, and which of them this one has.
func (r *Reader) features(nic string) (map[string]Feature, error) {
	// struct ethtool_sset_info with the length of one set
	b := make([]byte, 24)
	put(b, unix.ETHTOOL_GSSET_INFO, 0, 1<<setOfFeatures)
	if err := r.call(nic, b); err != nil {
		return nil, err
	}
	n := int(word(b[16:]))
	if n > most {
		return nil, fmt.Errorf("%d features, at most %d are read", n, most)
	}
	names := make([]byte, 12+nameLength*(n+spare))
	put(names, unix.ETHTOOL_GSTRINGS, setOfFeatures, uint32(n))
	if err := r.call(nic, names); err != nil {
		return nil, err
	}
	// struct ethtool_gfeatures: for each 32 features the words available, requested, active, never changed
	blocks := (n + 31) / 32
	state := make([]byte, 8+16*blocks)
	put(state, unix.ETHTOOL_GFEATURES, uint32(blocks))
	if err := r.call(nic, state); err != nil {
		return nil, err
	}
	all := make(map[string]Feature, n)
	for i := range n {
		name, _, _ := bytes.Cut(names[12+nameLength*i:][:nameLength], []byte{0})
		block, bit := state[8+16*(i/32):], uint32(1)<<(i%32)
		all[string(name)] = Feature{On: word(block[8:])&bit != 0, Fixed: word(block)&bit == 0 || word(block[12:])&bit != 0}
	}
	return all, nil
}
