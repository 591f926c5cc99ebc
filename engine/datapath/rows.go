package datapath

import (
	"errors"
	"fmt"

	"github.com/cilium/ebpf"

	"hairpin/engine/spec"
)

// stage is a kernel function by its name in specs, and the programs that are it at each hook.
type stage struct {
	name spec.Stage
	id   uint8 // enum stage
	xdp  string
	tc   string // empty: cannot run there
	dry  string
}

// stages is the list of kernel functions; a further one is one more line.
var stages = []stage{
	{spec.Balancer, 2, "balancer", "", "balancer_dry"},
	{spec.Decap, 3, "decap", "decap_tc", "decap_dry"},
}

func stageByName(name spec.Stage) (stage, bool) {
	for _, s := range stages {
		if s.name == name {
			return s, true
		}
	}
	return stage{}, false
}

func stageByID(id uint8) (stage, bool) {
	for _, s := range stages {
		if s.id == id {
			return s, true
		}
	}
	return stage{}, false
}

func rowOf(generation, chain int) uint32 { return uint32((generation*Chains + chain) * Positions) }

// fillRow writes the stages of one chain into a generation that is not active, and empties the positions behind them.
func (k *Kernel) fillRow(generation, chain int, names []spec.Stage) error {
	xdp := k.chains.all[chain].Hook == XDP
	programs, dry := []string{"parse"}, []string{"parse_dry"}
	if !xdp {
		programs[0] = "parse_tc"
	}
	for _, name := range names {
		s, ok := stageByName(name)
		program := s.xdp
		if !xdp {
			program = s.tc
		}
		if !ok || program == "" {
			return fmt.Errorf("stage %s cannot run at this hook", name)
		}
		programs, dry = append(programs, program), append(dry, s.dry)
	}
	rows := k.maps["rows_tc"]
	if xdp {
		rows = k.maps["rows_xdp"]
		if err := k.fillPositions(k.maps["rows_dry"], generation, chain, dry); err != nil {
			return err
		}
	}
	return k.fillPositions(rows, generation, chain, programs)
}

func (k *Kernel) fillPositions(rows *ebpf.Map, generation, chain int, programs []string) error {
	if len(programs) > Positions {
		return fmt.Errorf("chain of %d stages, at most %d", len(programs)-1, Positions-1)
	}
	for i := range Positions {
		at := rowOf(generation, chain) + uint32(i)
		if i >= len(programs) {
			if err := rows.Delete(at); err != nil && !errors.Is(err, ebpf.ErrKeyNotExist) {
				return fmt.Errorf("row %d: %w", at, err)
			}
			continue
		}
		if err := rows.Put(at, k.programs[programs[i]]); err != nil {
			return fmt.Errorf("row %d: stage %s: %w", at, programs[i], explain(err))
		}
	}
	return nil
}

// clearRow empties the row of a chain that a generation does not have.
func (k *Kernel) clearRow(generation, chain int) error {
	for _, name := range []string{"rows_xdp", "rows_tc", "rows_dry"} {
		if err := k.fillPositions(k.maps[name], generation, chain, nil); err != nil {
			return err
		}
	}
	return nil
}

// OwnPrograms tells whether the rows of a generation hold the programs of this build.
func (k *Kernel) OwnPrograms(generation int) bool {
	own, err := k.programs["parse"].Info()
	if err != nil {
		return false
	}
	id, ok := own.ID()
	if !ok {
		return false
	}
	for c := range k.chains.all {
		if k.chains.all[c].Used == 0 || k.chains.all[c].Hook != XDP {
			continue
		}
		var there uint32
		if err := k.maps["rows_xdp"].Lookup(rowOf(generation, c), &there); err == nil && there != uint32(id) {
			return false
		}
	}
	return true
}
