package engine

import (
	"errors"
	"fmt"
	"strings"
	"time"

	"hairpin/engine/datapath"
)

// Probes follow the running spec, not the generations of packets: what a change names is attached before it goes live, what
// it does not name is detached after. Where the kernel goes back by itself, they follow when an engine sees it.

// attachProbes attaches what a change names. A change of the engine's own takes what is attached as it is, and does not fail
// for a probe: packets come first.
func (o *owner) attachProbes(r ApplyRequest) (datapath.Probes, error) {
	if r.Who != engineItself {
		return o.kernel.AttachProbes(r.Spec, true)
	}
	probes, err := o.kernel.AttachProbes(r.Spec, false)
	o.probeTrouble = err
	return probes, nil
}

// keepProbes detaches what does not belong to the running spec.
func (o *owner) keepProbes() {
	if err := o.kernel.KeepProbes(o.probes); err != nil {
		o.journal.add(time.Now(), "warn", "engine", err.Error())
	}
}

// restoreProbes brings the probes to what the running spec says, with the versions that are attached.
func (o *owner) restoreProbes() {
	if o.spec == nil {
		o.probes, o.probeTrouble = nil, nil
	} else {
		o.probes, o.probeTrouble = o.kernel.AttachProbes(o.spec, false)
	}
	o.keepProbes()
}

func (o *owner) problemsOfProbes() []Problem {
	if o.probeTrouble == nil {
		return nil
	}
	return []Problem{{Key: "probes", Severity: "warn", What: "not attached: " + strings.ReplaceAll(o.probeTrouble.Error(), "\n", "; "),
		Cure: "it is tried again every few seconds"}}
}

// engineItself is who asks for changes that nobody else asked for.
const engineItself = "engine"

// invalidObject says of a change that fails for somebody else's program that nothing was changed.
func invalidObject(err error) error {
	if errors.Is(err, datapath.ErrObject) {
		return fmt.Errorf("%w: %w", ErrInvalid, err)
	}
	return err
}
