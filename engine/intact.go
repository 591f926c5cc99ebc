package engine

import (
	"fmt"
	"strings"
	"time"

	"hairpin/engine/datapath"
)

const (
	troublePins = "pins"
	troubleRows = "rows"
)

// lookAtKernel finds what somebody else took from the data path and brings it back where that harms nobody: pins from this
// engine's descriptors, links unless somebody else's program sits there now, rows by a new generation of the same spec.
func (o *owner) lookAtKernel(now time.Time) {
	p := o.options.Paths
	err := datapath.CheckBPFFS(p.BPFFS)
	if err == nil {
		var mended []string
		if mended, err = o.kernel.MendPins(); len(mended) > 0 {
			o.journal.add(now, "warn", "engine", fmt.Sprintf("%d pins had been removed or replaced by somebody else, and are made again", len(mended)),
				strings.Join(mended, ", "))
			o.restoreProbes()
		}
	}
	o.trouble(troublePins, "crit", "packets are handled only for as long as this engine runs", err, "mount -t bpf bpf "+p.BPFFS+
		"; the pins are made again by themselves")
	if !o.kernel.LinksAlive() {
		o.reattach()
	}
	if err = nil; o.active != 0 && !o.kernel.RowsWhole(o.active) {
		err = o.refillRows()
	}
	o.trouble(troubleRows, "crit", "programs were taken out of the rows that packets go through", err, "hairpin apply -f FILE")
}

// refillRows replaces a generation in whose rows somebody else wrote.
func (o *owner) refillRows() error {
	if o.lost() || o.kernel.Control().Pending != 0 {
		return fmt.Errorf("generation %d cannot be made anew before it is known and confirmed", o.active)
	}
	_, err := o.change(ApplyRequest{Spec: o.spec, Who: engineItself, Why: "somebody else wrote into the rows", Force: true})
	return err
}
