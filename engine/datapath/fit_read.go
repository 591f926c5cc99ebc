package datapath

import (
	"runtime"
	"unsafe"

	"github.com/vishvananda/netlink"
	"golang.org/x/sys/unix"
)

// fitOf reads what decides about a NIC. What a driver does not tell stays unknown. both tells whether another NIC has an xdp
// chain.
func fitOf(nic netlink.Link, both func(name string) bool) fit {
	a := nic.Attrs()
	f := fit{Name: a.Name, Kind: nic.Type(), Encap: a.EncapType, MTU: a.MTU, CPUs: runtime.NumCPU()}
	if b, ok := nic.(*netlink.Bond); ok {
		f.Mode = b.Mode.String()
	}
	if a.ParentIndex != 0 && a.NetNsID < 0 {
		if parent, err := netlink.LinkByIndex(a.ParentIndex); err == nil {
			f.Parent = parent.Attrs().Name
		}
	}
	if a.MasterIndex != 0 {
		if master, err := netlink.LinkByIndex(a.MasterIndex); err == nil {
			f.Master, f.Team = master.Attrs().Name, master.Type()
			f.Both = both(f.Master)
		}
	}
	f.askDriver()
	return f
}

const flagLRO = 1 << 15 // ETH_FLAG_LRO

// askDriver adds what ethtool knows.
func (f *fit) askDriver() {
	fd, err := unix.Socket(unix.AF_INET, unix.SOCK_DGRAM|unix.SOCK_CLOEXEC, 0)
	if err != nil {
		return
	}
	defer unix.Close(fd)
	if info, err := unix.IoctlGetEthtoolDrvinfo(fd, f.Name); err == nil {
		f.Driver = unix.ByteSliceToString(info.Driver[:])
	}
	flags := [2]uint32{unix.ETHTOOL_GFLAGS}
	if ethtool(fd, f.Name, unsafe.Pointer(&flags)) {
		f.LRO = flags[1]&flagLRO != 0
	}
	// struct ethtool_channels: command; most of rx, tx, other, combined; in use of rx, tx, other, combined
	channels := [9]uint32{unix.ETHTOOL_GCHANNELS}
	if ethtool(fd, f.Name, unsafe.Pointer(&channels)) {
		f.Most, f.Channels = int(max(channels[1], channels[4])), int(max(channels[5], channels[8]))
	}
}

// ethtool makes one call about a NIC and tells whether its driver answered.
func ethtool(fd int, nic string, data unsafe.Pointer) bool {
	req := struct {
		name [unix.IFNAMSIZ]byte
		data unsafe.Pointer
		_    [16]byte
	}{data: data}
	copy(req.name[:unix.IFNAMSIZ-1], nic)
	_, _, errno := unix.Syscall(unix.SYS_IOCTL, uintptr(fd), unix.SIOCETHTOOL, uintptr(unsafe.Pointer(&req)))
	return errno == 0
}
