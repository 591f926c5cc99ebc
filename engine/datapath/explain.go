package datapath

import (
	"errors"
	"fmt"
	"os"

	"github.com/cilium/ebpf/features"
	"golang.org/x/sys/unix"
)

// oldest is the first kernel whose features the data path stands on: bpf_timer came last of them.
const oldest = 5<<16 | 15<<8

// explain adds what an operator can do to the errors that say too little. It is asked only after a failure: a kernel that
// has everything under another version number is not turned away.
func explain(err error) error {
	if err == nil {
		return nil
	}
	version, unknown := features.LinuxVersionCode()
	return explainOn(version, unknown == nil, err)
}

func explainOn(version uint32, known bool, err error) error {
	switch {
	case known && version < oldest:
		return fmt.Errorf("hairpin needs Linux 5.15 or newer, this is %d.%d: %w", version>>16, version>>8&0xff, err)
	case errors.Is(err, unix.EPERM), errors.Is(err, os.ErrPermission):
		return fmt.Errorf("%w; run as root, or with CAP_BPF, CAP_NET_ADMIN and CAP_PERFMON", err)
	case errors.Is(err, unix.ENOMEM):
		return fmt.Errorf("%w; the node has too little memory, or the locked-memory limit (ulimit -l) is too low", err)
	}
	return err
}
