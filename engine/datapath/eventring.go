package datapath

import (
	"fmt"

	"github.com/cilium/ebpf/ringbuf"
)

// Events is a reader of the ring buffer, for the owner alone: what one reader takes no other sees.
func (k *Kernel) Events() (*ringbuf.Reader, error) {
	r, err := ringbuf.NewReader(k.maps["events"])
	if err != nil {
		return nil, fmt.Errorf("open events: %w", explain(err))
	}
	return r, nil
}
