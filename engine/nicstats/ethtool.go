package nicstats

import (
	"bytes"
	"errors"
	"fmt"
	"runtime"
	"unsafe"

	"golang.org/x/sys/unix"
)

// nameset are the names of a driver's counters in their order.
type nameset struct {
	driver string
	names  []string
}

const (
	setOfStatistics = 1 // ETH_SS_STATS
	nameLength      = 32
	// spare is room for counters that a driver gains between two calls: it writes as many as it has, not as were asked for.
	spare = 4096
	// most counters of a NIC; mlx5 with 64 channels has some 3,000.
	most = 1 << 16
)

// ifreq is struct ifreq with a pointer in its union.
type ifreq struct {
	name [unix.IFNAMSIZ]byte
	data unsafe.Pointer
	_    [16]byte
}

// call makes one ethtool call about a NIC; data begins with the number of the command.
func (r *Reader) call(nic string, data []byte) error {
	if len(nic) >= unix.IFNAMSIZ {
		return unix.ENODEV
	}
	req := ifreq{data: unsafe.Pointer(&data[0])}
	copy(req.name[:], nic)
	_, _, errno := unix.Syscall(unix.SYS_IOCTL, uintptr(r.control), unix.SIOCETHTOOL, uintptr(unsafe.Pointer(&req)))
	runtime.KeepAlive(data)
	if errno != 0 {
		return errno
	}
	return nil
}

// Driver are the counters of the NIC's driver. A NIC whose driver has none is no error.
func (r *Reader) Driver(nic string) (Driver, error) {
	info, err := unix.IoctlGetEthtoolDrvinfo(r.control, nic)
	if errors.Is(err, unix.EOPNOTSUPP) {
		return Driver{}, nil
	}
	if err != nil {
		return Driver{}, fmt.Errorf("read driver of %s: %w", nic, err)
	}
	set, known := r.names[nic]
	driver := unix.ByteSliceToString(info.Driver[:])
	if !known || set.driver != driver || len(set.names) != int(info.N_stats) {
		if set, err = r.read(nic, driver, int(info.N_stats)); err != nil {
			delete(r.names, nic)
			return Driver{}, fmt.Errorf("read counters of %s: %w", nic, err)
		}
		r.names[nic] = set
	}
	counters, err := r.values(nic, set)
	if err != nil {
		delete(r.names, nic)
		return Driver{}, fmt.Errorf("read counters of %s: %w", nic, err)
	}
	return Driver{Name: driver, Counters: counters}, nil
}

// read asks for the names of n counters: struct ethtool_gstrings.
func (r *Reader) read(nic, driver string, n int) (nameset, error) {
	if n > most {
		return nameset{}, fmt.Errorf("%d counters, at most %d are read", n, most)
	}
	set := nameset{driver: driver}
	if n == 0 {
		return set, nil
	}
	b := make([]byte, 12+nameLength*(n+spare))
	put(b, unix.ETHTOOL_GSTRINGS, setOfStatistics, uint32(n))
	if err := r.call(nic, b); err != nil {
		return nameset{}, err
	}
	if got := word(b[8:]); got != uint32(n) {
		return nameset{}, fmt.Errorf("%d names, %d were announced: their number is changing", got, n)
	}
	for i := range n {
		name, _, _ := bytes.Cut(b[12+nameLength*i:][:nameLength], []byte{0})
		set.names = append(set.names, string(name))
	}
	return set, nil
}

// values asks for the counters: struct ethtool_stats.
func (r *Reader) values(nic string, set nameset) (map[string]uint64, error) {
	if len(set.names) == 0 {
		return nil, nil
	}
	b := make([]byte, 8+8*(len(set.names)+spare))
	put(b, unix.ETHTOOL_GSTATS, uint32(len(set.names)))
	if err := r.call(nic, b); err != nil {
		return nil, err
	}
	if got := word(b[4:]); got != uint32(len(set.names)) {
		return nil, fmt.Errorf("%d counters with %d names: their number is changing", got, len(set.names))
	}
	all := make(map[string]uint64, len(set.names))
	for i, name := range set.names {
		all[name] = *(*uint64)(unsafe.Pointer(&b[8+8*i]))
	}
	return all, nil
}

func put(b []byte, words ...uint32) {
	for i, w := range words {
		*(*uint32)(unsafe.Pointer(&b[4*i])) = w
	}
}

func word(b []byte) uint32 { return *(*uint32)(unsafe.Pointer(&b[0])) }
