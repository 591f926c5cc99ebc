package datapath

import (
	"encoding/binary"
	"errors"
	"fmt"
	"path/filepath"
	"slices"
	"strings"

	"github.com/cilium/ebpf"

	"hairpin/engine/spec"
)

// Metric is one number of a map of an external stage or probe, as it is now.
type Metric struct {
	Stage string
	Probe string
	Watch spec.Watch
	Value float64 // added up over CPUs, and over the hooks at which the stage stands
	Err   error   // why it could not be read
}

// Metrics reads what s watches, from the instances of the active generation, and what stages count of their own.
func (k *Kernel) Metrics(s *spec.Spec) []Metric {
	if s == nil {
		return nil
	}
	for _, w := range k.watching {
		w.used = false
	}
	var all []Metric
	folders, err := k.standing(s)
	for _, n := range s.Stages {
		x, ok := n.Settings.(*spec.ExternalStage)
		if !ok || len(folders[n.Name]) == 0 && err == nil {
			continue // it stands nowhere
		}
		for _, w := range x.Watch {
			all = append(all, k.metric(Metric{Stage: n.Name, Watch: w, Err: err}, folders[n.Name]))
		}
	}
	for i := range s.Probes {
		folders, err := k.probeFolders(&s.Probes[i])
		for _, w := range s.Probes[i].Watch {
			all = append(all, k.metric(Metric{Probe: s.Probes[i].Name, Watch: w, Err: err}, folders))
		}
	}
	k.stopWatching(func(w *watching) bool { return !w.used })
	return append(all, k.ownMetrics(s)...)
}

// standing are the folders of the instances that stand for each stage, by its name.
func (k *Kernel) standing(s *spec.Spec) (map[string][]string, error) {
	all, err := k.instances()
	if err != nil {
		return nil, fmt.Errorf("look for instances: %w", err)
	}
	folders, row := map[string][]string{}, int(k.Control().Active)*Chains
	for _, c := range k.Chains() {
		nic := s.NIC(c.NIC)
		if nic == nil {
			continue
		}
		r := &k.rows.all[row+c.Number]
		for i, p := range spec.Enabled(*nic.At(c.Hook.Spec())) {
			at := slices.IndexFunc(all, func(have instance) bool { return i+1 < Positions && have.number == int(r.Settings[i+1]) })
			if at < 0 || r.Kind[i+1] != stageExternal {
				continue
			}
			if folder := filepath.Join("externals", all[at].folder()); !slices.Contains(folders[p.Name], folder) {
				folders[p.Name] = append(folders[p.Name], folder)
			}
		}
	}
	return folders, nil
}

func (k *Kernel) metric(m Metric, folders []string) Metric {
	for _, folder := range folders {
		if m.Err != nil {
			return m
		}
		var value float64
		value, m.Err = k.look(folder, m.Watch)
		m.Value += value
	}
	return m
}

// look reads one number. What it takes to find it is found out once.
func (k *Kernel) look(folder string, watch spec.Watch) (float64, error) {
	key := strings.Join([]string{folder, watch.Map, watch.Key, watch.Field}, "\x00")
	w := k.watching[key]
	if w == nil {
		m, err := k.pinnedMap(folder, watch.Map)
		if err != nil {
			return 0, err
		}
		if w, err = resolve(m, watch); err != nil {
			_ = m.Close()
			return 0, err
		}
		if k.watching == nil {
			k.watching = map[string]*watching{}
		}
		k.watching[key] = w
	}
	w.used = true
	return w.read()
}

func (k *Kernel) stopWatching(match func(*watching) bool) {
	for key, w := range k.watching {
		if match(w) {
			_ = w.from.Close()
			delete(k.watching, key)
		}
	}
}

// watching is a number of an open map.
type watching struct {
	from   *ebpf.Map
	name   string
	key    []byte
	offset int
	number layout
	used   bool
}

func resolve(m *ebpf.Map, watch spec.Watch) (*watching, error) {
	if !slices.Contains(fillable, m.Type()) {
		return nil, fmt.Errorf("map %s: a %s has no numbers to watch", watch.Map, m.Type())
	}
	key, value, err := layouts(m)
	if err != nil {
		return nil, fmt.Errorf("map %s: %w", watch.Map, err)
	}
	w := &watching{from: m, name: watch.Map, number: value}
	if w.key, err = key.number(watch.Key); err != nil {
		return nil, fmt.Errorf("map %s: key %s: %w", watch.Map, watch.Key, err)
	}
	if watch.Field != "" {
		if w.offset, w.number, err = value.member(watch.Field); err != nil {
			return nil, fmt.Errorf("map %s: %w", watch.Map, err)
		}
	}
	if !slices.Contains([]int{1, 2, 4, 8}, w.number.size) {
		return nil, fmt.Errorf("map %s: %d bytes are no number: name a member, as field: packets", watch.Map, w.number.size)
	}
	return w, nil
}

// canWatch tells what of the maps pinned in folder cannot be watched.
func (k *Kernel) canWatch(folder string, watch []spec.Watch) error {
	for _, w := range watch {
		m, err := k.pinnedMap(folder, w.Map)
		if err != nil {
			return err
		}
		_, err = resolve(m, w)
		_ = m.Close()
		if err != nil {
			return err
		}
	}
	return nil
}

func (k *Kernel) pinnedMap(folder, name string) (*ebpf.Map, error) {
	m, err := ebpf.LoadPinnedMap(k.pin(folder, mapPin(name)), &ebpf.LoadPinOptions{ReadOnly: true})
	if err != nil {
		return nil, fmt.Errorf("map %s: %w", name, err)
	}
	return m, nil
}

func (w *watching) read() (sum float64, err error) {
	var values [][]byte
	if perCPU(w.from) {
		err = w.from.Lookup(w.key, &values)
	} else {
		var value []byte
		value, err = w.from.LookupBytes(w.key)
		values = append(values, value)
	}
	if errors.Is(err, ebpf.ErrKeyNotExist) || err == nil && values[0] == nil {
		return 0, fmt.Errorf("map %s: has no element %s yet", w.name, spell(w.key))
	}
	if err != nil {
		return 0, fmt.Errorf("map %s: %w", w.name, err)
	}
	for _, v := range values {
		sum += w.number.value(v[w.offset : w.offset+w.number.size])
	}
	return sum, nil
}

// value is a number as it lies in memory.
func (l layout) value(raw []byte) float64 {
	var whole [8]byte
	copy(whole[:], raw)
	if l.network() {
		slices.Reverse(whole[:l.size])
	}
	n := binary.LittleEndian.Uint64(whole[:])
	if shift := 64 - 8*l.size; l.signed() {
		return float64(int64(n<<shift) >> shift)
	}
	return float64(n)
}
