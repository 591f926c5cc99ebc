package engine

import (
	"errors"
	"fmt"

	"hairpin/engine/datapath"
	"hairpin/engine/handoff"
	"hairpin/engine/nexthop"
)

// Remove takes everything of hairpin's off a node on which no engine runs, also what no engine could adopt: pins that are
// damaged, or not hairpin's under hairpin's names. Where there is nothing it does nothing. ErrRefused when an engine runs.
func Remove(p Paths) (err error) {
	lock, err := handoff.Acquire(p.Lock())
	if err != nil {
		return fmt.Errorf("detach: %w", ownership(err))
	}
	defer func() { err = errors.Join(err, lock.Close()) }()
	if err = removeDataPath(p); err == nil { // what goes on needs them
		err = releaseNeighbours()
	}
	if err != nil {
		return fmt.Errorf("detach: %w", err)
	}
	return nil
}

func removeDataPath(p Paths) error {
	dir := datapath.Dir(p.BPFFS, p.Node)
	if err := datapath.RemoveOlder(dir); err != nil {
		return byABI(err)
	}
	k, err := datapath.Open(dir, true)
	if err != nil {
		return datapath.RemovePins(dir)
	}
	return k.Remove()
}

// byABI makes pins of a newer ABI a refusal: nothing that is tried again would help.
func byABI(err error) error {
	if errors.Is(err, datapath.ErrNewer) {
		return fmt.Errorf("%w: %w", ErrRefused, err)
	}
	return err
}

func releaseNeighbours() error {
	hops, err := nexthop.New()
	if err != nil {
		return err
	}
	return errors.Join(hops.Release(), hops.Close())
}
