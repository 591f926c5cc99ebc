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
	// stand writes what the stage goes by at a spot, beside what runs. It may take other programs than those above. Nil: it
	// goes by nothing.
	stand func(k *Kernel, p spot, s *standing) error
}

// stages is the list of kernel functions; a further one is one more line.
var stages = []stage{
	{spec.Balancer, 2, "balancer", "", "balancer_dry", nil},
	{spec.Decap, decapID, "decap", "decap_tc", "decap_dry", (*Kernel).standDecap},
	{spec.Firewall, 4, "firewall", "firewall_tc", "firewall_dry", (*Kernel).standFirewall},
	{spec.External, stageExternal, "enter", "enter_tc", "enter_dry", standExternal},
	{spec.RateLimit, kindRateLimit, "ratelimit", "ratelimit_tc", "ratelimit_dry", (*Kernel).standRateLimit},
	{spec.ConnLimit, connlimitID, "connlimit", "connlimit_tc", "connlimit_dry", (*Kernel).standConnlimit},
	{spec.SNAT, snatID, "", "snat_tc", "snat_dry", (*Kernel).standAgent},
	{spec.TLSWall, tlsWallID, "tlswall", "tlswall_tc", "tlswall_dry", (*Kernel).standWall},
	{spec.Mirror, mirrorID, "mirror", "mirror_tc", "mirror_dry", (*Kernel).standMirror},
	{spec.Steer, steerID, "steer", "steer_tc", "steer_dry", (*Kernel).standSteer},
}

// spot is a position of a row that is being staged.
type spot struct {
	generation, chain, position int
	spec                        *spec.Spec
	stage                       spec.Named        // its settings
	nums                        map[string]uint16 // of the spec's VIPs, by name
	tenants                     map[string]uint16 // and of its tenants that have VIPs
}

// standing is what comes to stand at a spot.
type standing struct {
	program  *ebpf.Program
	dry      *ebpf.Program
	settings uint16 // element of the kind's settings; 0 = none
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
func (k *Kernel) fillRow(w wanted, p spot) error {
	xdp := k.chains.all[p.chain].Hook == XDP
	programs, dry := []*ebpf.Program{k.programs["parse"]}, []*ebpf.Program{k.programs["parse_dry"]}
	if !xdp {
		programs[0] = k.programs["parse_tc"]
	}
	r := &k.rows.all[p.generation*Chains+p.chain] // filled in place: what stands in it is in use
	*r = rowSettings{}
	accounts := k.accounts(p.chain, w.positions)
	for i, stands := range w.positions {
		p.position = i + 1
		r.Accounts |= uint64(accounts[i]) << (4 * p.position)
		st, s, err := k.stand(p, stands, xdp)
		if err != nil {
			return fmt.Errorf("stage %s: %w", stands.Name, err)
		}
		r.Settings[p.position], r.Kind[p.position] = s.settings, st.id
		if stands.Shadow {
			r.Shadow |= 1 << p.position
		}
		programs, dry = append(programs, s.program), append(dry, s.dry)
	}
	r.Length = uint32(len(programs))
	rows := k.maps["rows_tc"]
	if xdp {
		rows = k.maps["rows_xdp"]
	}
	if err := k.fillPositions(k.maps["rows_dry"], p.generation, p.chain, dry); err != nil { // at tc too: it is the same code
		return err
	}
	if k.aside != nil {
		return nil
	}
	return k.fillPositions(rows, p.generation, p.chain, programs)
}

// stand is what comes to stand at p.
func (k *Kernel) stand(p spot, stands spec.Position, xdp bool) (stage, standing, error) {
	st, ok := stageByName(p.spec.KindOf(stands.Name))
	program := st.xdp
	if !xdp {
		program = st.tc
	}
	if !ok || program == "" {
		return st, standing{}, errors.New("cannot run at this hook")
	}
	s := standing{program: k.programs[program], dry: k.programs[st.dry]}
	if st.stand == nil {
		return st, s, nil
	}
	if n := p.spec.Stage(stands.Name); n != nil {
		p.stage = *n
	}
	return st, s, st.stand(k, p, &s)
}

func (k *Kernel) fillPositions(rows *ebpf.Map, generation, chain int, programs []*ebpf.Program) error {
	for i := range Positions {
		at := rowOf(generation, chain) + uint32(i)
		if i >= len(programs) {
			if err := rows.Delete(at); err != nil && !errors.Is(err, ebpf.ErrKeyNotExist) {
				return fmt.Errorf("row %d: %w", at, err)
			}
			continue
		}
		if err := rows.Put(at, programs[i]); err != nil {
			return fmt.Errorf("row %d: %w", at, explain(err))
		}
	}
	return nil
}

// clearRow empties the row of a chain that a generation does not have.
func (k *Kernel) clearRow(generation, chain int) error {
	for _, name := range []string{"rows_dry", "rows_xdp", "rows_tc"} {
		if k.aside != nil && name != "rows_dry" {
			break
		}
		if err := k.fillPositions(k.maps[name], generation, chain, nil); err != nil {
			return err
		}
	}
	k.rows.all[generation*Chains+chain] = rowSettings{}
	return nil
}

// OwnPrograms tells whether the rows of a generation hold the programs of this build.
func (k *Kernel) OwnPrograms(generation int) bool {
	for c := range k.chains.all {
		if k.chains.all[c].Used == 0 {
			continue
		}
		rows, parse := "rows_xdp", "parse"
		if k.chains.all[c].Hook != XDP {
			rows, parse = "rows_tc", "parse_tc"
		}
		var there uint32
		if k.maps[rows].Lookup(rowOf(generation, c), &there) != nil {
			continue
		}
		own := k.programs[parse]
		if own == nil {
			return false
		}
		if id, err := programID(own); err != nil || id != there {
			return false
		}
	}
	return true
}
