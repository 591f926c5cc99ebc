package datapath

import (
	"errors"
	"fmt"
	"time"

	"github.com/cilium/ebpf"
)

// What the gate answers when it does not do what was asked.
var (
	ErrEpoch = errors.New("another process owns the data path now")
	ErrMoved = errors.New("another generation became active meanwhile")
	ErrLate  = errors.New("the deadline has passed, the confirmed generation is active again")
)

type gateOp uint32

const (
	gateTake gateOp = iota + 1
	gateActivate
	gateConfirm
	gateRevert
)

type gateArgs struct {
	Epoch      uint64
	DeadlineNS uint64
	Op         gateOp
	From       uint32
	To         uint32
	_          uint32
}

const gateTries = 1000

// gate runs the gate once; a run that finds another inside is repeated.
func (k *Kernel) gate(args gateArgs) error {
	args.Epoch = max(args.Epoch, k.epoch)
	for range gateTries {
		result, err := k.programs["gate"].Run(&ebpf.RunOptions{Context: args})
		if err != nil {
			return fmt.Errorf("gate: %w", explain(err))
		}
		switch result {
		case 0:
			return nil
		case 1: // busy
			continue
		case 2:
			return fmt.Errorf("gate: %w", ErrEpoch)
		case 3:
			return fmt.Errorf("gate: %w", ErrMoved)
		case 4:
			return fmt.Errorf("gate: %w", ErrLate)
		case 5:
			return errors.New("gate: the kernel could not arm the timer; nothing was changed")
		default:
			return fmt.Errorf("gate: answer %d to op %d", result, args.Op)
		}
	}
	return fmt.Errorf("gate: busy %d times in a row", gateTries)
}

// Take makes this process the one whose epoch the gate accepts. The caller holds the ownership lock.
func (k *Kernel) Take() error {
	epoch := k.Control().Epoch + 1
	if err := k.gate(gateArgs{Op: gateTake, Epoch: epoch}); err != nil {
		return err
	}
	k.epoch = epoch
	k.occupied, k.top, k.backendIDs, k.live = [Generations]*occupied{}, 0, nil, nil
	k.store.loose, k.store.known = true, false
	return k.mapStores() // also what the owner before made since this process opened the data path
}

// Owns tells whether nobody else may write. What was looked up is true only as long.
func (k *Kernel) Owns() bool { return k.epoch != 0 && k.control.all[0].Epoch == k.epoch }

// Activate switches every NIC from one generation to another in one step. With a deadline the kernel goes back by itself
// unless Confirm comes first.
func (k *Kernel) Activate(from, to int, deadline time.Duration) error {
	if err := k.toSwitch(to, deadline != 0 || k.Control().Pending != 0); err != nil {
		return err
	}
	if err := k.gate(gateArgs{Op: gateActivate, From: uint32(from), To: uint32(to), DeadlineNS: uint64(deadline)}); err != nil {
		return err
	}
	k.takenOver()
	return nil
}

// Confirm keeps what is active. ErrLate when the kernel went back already, or nothing waits for a word.
func (k *Kernel) Confirm() error { return k.gate(gateArgs{Op: gateConfirm}) }

// Revert goes back to the confirmed generation at once. ErrLate when there is nothing to go back from.
func (k *Kernel) Revert() error { return k.gate(gateArgs{Op: gateRevert}) }
