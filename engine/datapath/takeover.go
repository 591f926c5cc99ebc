package datapath

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"

	"github.com/cilium/ebpf"
)

// A takeover gives a data path of an older ABI the pins of today's. The folder of the older ones stays until the switch: until
// then the rows hold their programs, and an engine of theirs could go on. The new folder has hard links to the same pins, but
// for maps that changed and programs; a switch to rows with today's programs ends the takeover, and meta says whether it came.
//
//	v2 alone ─► v3 beside it ─► switched ─► v3 alone
//	                └── killed, failed ──► v2 alone

// besideMark stands in the names of folders whose links and maps another folder has too: nothing ends with them.
const besideMark = "_beside_"

// TakeOver opens the data path of a node to write it, as Open does, after it took over what an older ABI made. What a takeover
// has left that was killed is settled first. step is told each effect; nil = nobody is.
func TakeOver(dir string, step func(string)) (*Kernel, error) {
	older, err := checkLayouts(dir)
	if err == nil {
		err = removeBeside(dir)
	}
	if err != nil {
		return nil, fmt.Errorf("open data path: %w", err)
	}
	if older == 0 {
		k, err := opened(dir, true, step)
		if err == nil {
			err = k.noteMeta(func(m *meta) { m.From = 0 }) // also where the end of a takeover was killed
		}
		return k, err
	}
	t := &takeover{from: layoutDir(dir, older), abi: older, dir: dir, step: step}
	if step == nil {
		t.step = func(string) {}
	}
	if err := t.begin(); err != nil {
		return nil, fmt.Errorf("take over ABI %d: %w", older, err)
	}
	k, err := opened(dir, true, step)
	if err != nil {
		return nil, errors.Join(err, t.giveUp())
	}
	if k.takeover = t; t.done {
		k.takeover = nil
	}
	if k.Control().Active == 0 { // no packet goes by its rows
		k.takenOver()
	}
	return k, nil
}

// takeover is one that is not finished.
type takeover struct {
	from, dir string // folders of the older and of the new pins
	abi       int    // the older one
	step      func(string)
	done      bool // the older pins are gone
}

// begin brings the pins to where an engine may open them: those of today's ABI alone, or beside the older ones.
func (t *takeover) begin() error {
	note, err := noteOf(t.dir)
	switch {
	case errors.Is(err, os.ErrNotExist):
		return t.publish()
	case err != nil:
		return err
	case note.From == 0:
		return t.removeStray()
	}
	c, err := ebpf.LoadPinnedMap(filepath.Join(t.from, "maps", "control"), nil)
	if err != nil {
		return explain(err)
	}
	defer c.Close()
	var control Control
	if err := c.Lookup(uint32(0), &control); err != nil {
		return fmt.Errorf("map control: %w", err)
	}
	// Whoever has owned the node since: what runs is in tables that the older ones may not have.
	if t.runs(control.Active) {
		return errors.Join(t.inheritAll(), t.finish())
	}
	if err := t.giveUp(); err != nil {
		return err
	}
	return t.publish()
}

// runs tells whether rows of a generation hold programs that are pinned beside the older ones: it was switched to.
func (t *takeover) runs(generation uint32) bool {
	pinned := map[ebpf.ProgramID]bool{}
	for _, name := range []string{"parse", "parse_tc"} {
		found, _ := filepath.Glob(filepath.Join(t.dir, "programs", "*", name)) // the pattern is none that could be bad
		for _, pin := range found {
			p, err := ebpf.LoadPinnedProgram(pin, nil)
			if err != nil {
				continue
			}
			if info, err := p.Info(); err == nil {
				id, _ := info.ID()
				pinned[id] = true
			}
			_ = p.Close()
		}
	}
	for _, name := range []string{"rows_xdp", "rows_tc"} {
		rows, err := ebpf.LoadPinnedMap(filepath.Join(t.dir, "maps", name), nil)
		if err != nil {
			continue
		}
		defer rows.Close()
		for chain := range Chains {
			var id uint32
			if rows.Lookup(rowOf(int(generation), chain), &id) == nil && pinned[ebpf.ProgramID(id)] {
				return generation != 0
			}
		}
	}
	return false
}

// noteOf is what stands in the pins of a folder about who made them.
func noteOf(dir string) (note meta, err error) {
	m, err := ebpf.LoadPinnedMap(filepath.Join(dir, "maps", "meta"), nil)
	if err != nil {
		return note, explain(err)
	}
	defer m.Close()
	if err := m.Lookup(uint32(0), &note); err != nil {
		return note, fmt.Errorf("map meta: %w", err)
	}
	return note, nil
}

// removeStray removes pins of an older ABI that today's were not made from: an older hairpin was started beside them. Where it
// has come to hold a NIC, somebody must say which is meant.
func (t *takeover) removeStray() error {
	held, err := os.ReadDir(filepath.Join(t.from, "links"))
	if err == nil && len(held) > 0 {
		return fmt.Errorf("%s holds %d NICs beside %s: end one of them with its own hairpin detach", t.from, len(held), t.dir)
	}
	return t.finish()
}

// publish makes the new pins.
func (t *takeover) publish() error {
	changed, known := changesSince(t.abi)
	if !known {
		return fmt.Errorf("%w: too old for this one; start a version in between first, or end it with its own hairpin detach", ErrOlder)
	}
	temporary := fmt.Sprintf("%s%s%d", t.dir, besideMark, os.Getpid())
	err := t.fill(temporary, changed)
	if err == nil {
		err = os.Rename(temporary, t.dir)
	}
	if err != nil {
		return errors.Join(err, os.RemoveAll(temporary))
	}
	t.step("takeover: published")
	return nil
}

// giveUp removes the new pins. The older ones hold all that is in use, with the links that came since.
func (t *takeover) giveUp() error {
	links, err := filepath.Glob(filepath.Join(t.dir, "links", "*"))
	for _, pin := range links {
		if e := os.Link(pin, filepath.Join(t.from, "links", filepath.Base(pin))); !errors.Is(e, os.ErrExist) {
			err = errors.Join(err, e)
		}
	}
	if err != nil {
		return err
	}
	return t.remove(t.dir)
}

// finish removes the older pins. The new ones hold all that is in use.
func (t *takeover) finish() error {
	err := t.remove(t.from)
	t.done = err == nil
	return err
}

// remove takes a folder out of sight in one step.
func (t *takeover) remove(folder string) error {
	hidden := folder + besideMark + "removed"
	if err := os.Rename(folder, hidden); err != nil && !errors.Is(err, os.ErrNotExist) {
		return err
	}
	t.step("takeover: folder out of sight")
	return removeBeside(t.dir)
}

// removeBeside removes the folders that a takeover was making or removing.
func removeBeside(dir string) error {
	left, err := filepath.Glob(filepath.Join(filepath.Dir(dir), "v*"+besideMark+"*"))
	for _, folder := range left {
		err = errors.Join(err, os.RemoveAll(folder))
	}
	return err
}

// toSwitch notes which switch ends a takeover. One that may go back by itself would leave it open what runs.
func (k *Kernel) toSwitch(to int, mayGoBack bool) error {
	if k.takeover == nil {
		return nil
	}
	if mayGoBack {
		return fmt.Errorf("ABI %d is still being taken over: apply once without a deadline", k.takeover.abi)
	}
	if err := k.takeover.countAgain(k); err != nil {
		return err
	}
	return k.noteMeta(func(m *meta) { m.Epoch, m.Generation = k.epoch, uint32(to) })
}

// takenOver ends a takeover after the switch. What of it fails is done by the next start.
func (k *Kernel) takenOver() {
	if k.takeover == nil {
		return
	}
	k.step("takeover: switched")
	if k.takeover.inheritAll() == nil && k.takeover.finish() == nil && k.noteMeta(func(m *meta) { m.From = 0 }) == nil {
		k.takeover = nil
	}
}

// TakingOver is the ABI whose pins are still beside today's, because nothing was switched since; 0 = none are.
func (k *Kernel) TakingOver() int {
	if k.takeover == nil {
		return 0
	}
	return k.takeover.abi
}

// Sign notes who owns the data path, for whoever knows another ABI.
func (k *Kernel) Sign(version string) error {
	return k.noteMeta(func(m *meta) {
		m.Version = [versionSize]byte{}
		copy(m.Version[:versionSize-1], version)
	})
}

func (k *Kernel) noteMeta(note func(*meta)) error {
	value, err := k.meta()
	if err != nil {
		return err
	}
	note(&value)
	if err := k.maps["meta"].Put(uint32(0), value); err != nil {
		return fmt.Errorf("map meta: %w", err)
	}
	return nil
}
