package lab

import (
	"errors"
	"fmt"
	"unsafe"

	"golang.org/x/sys/unix"
)

// offload is one ethtool feature: how to read it, how to set it (linux/ethtool.h).
type offload struct {
	name     string
	get, set uint32
}

// offloads are what a veth pretends to do: with them the stack hands over packets without a checksum or larger than
// the MTU, and encapsulation would wrap them as they are.
var offloads = [...]offload{
	{"tx checksum", unix.ETHTOOL_GTXCSUM, unix.ETHTOOL_STXCSUM},
	{"tso", unix.ETHTOOL_GTSO, unix.ETHTOOL_STSO},
	{"gso", unix.ETHTOOL_GGSO, unix.ETHTOOL_SGSO},
	{"gro", unix.ETHTOOL_GGRO, unix.ETHTOOL_SGRO},
}

// offloadsOff turns them off on an interface of the calling thread's namespace. The kernel refuses to set what the
// interface cannot do (a veth whose peer has an XDP program has no tso), so only what is on is touched.
func offloadsOff(nic string) error {
	for _, o := range offloads {
		on, err := ethtool(nic, o.get, 0)
		if err != nil {
			return fmt.Errorf("read %s: %w", o.name, err)
		}
		if on == 0 {
			continue
		}
		if _, err := ethtool(nic, o.set, 0); err != nil {
			return fmt.Errorf("turn off %s: %w", o.name, err)
		}
	}
	return nil
}

// ethtool runs one command of the kind that carries a number, and returns the number it left.
func ethtool(nic string, cmd, value uint32) (uint32, error) {
	fd, err := unix.Socket(unix.AF_INET, unix.SOCK_DGRAM|unix.SOCK_CLOEXEC, 0)
	if err != nil {
		return 0, err
	}
	defer unix.Close(fd)
	arg := struct{ cmd, data uint32 }{cmd, value}
	req := struct {
		name [unix.IFNAMSIZ]byte
		data unsafe.Pointer
		_    [16]byte // struct ifreq is 40 bytes
	}{data: unsafe.Pointer(&arg)}
	copy(req.name[:unix.IFNAMSIZ-1], nic)
	_, _, errno := unix.Syscall(unix.SYS_IOCTL, uintptr(fd), unix.SIOCETHTOOL, uintptr(unsafe.Pointer(&req)))
	if errno != 0 {
		return 0, errno
	}
	return arg.data, nil
}

// offloadsOn turns them on again, as far as the interface can.
func offloadsOn(nic string) error {
	for _, o := range offloads {
		if _, err := ethtool(nic, o.set, 1); err != nil && !errors.Is(err, unix.EOPNOTSUPP) && !errors.Is(err, unix.EINVAL) {
			return fmt.Errorf("turn on %s: %w", o.name, err)
		}
	}
	return nil
}
