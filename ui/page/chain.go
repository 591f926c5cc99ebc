package page

import (
	"strings"

	"hairpin/engine"
	"hairpin/engine/spec"
	"hairpin/ui/action"
	"hairpin/ui/cause"
	"hairpin/ui/staged"
	"hairpin/ui/theme"
	"hairpin/ui/widget"
)

// Chain is the screen of the stages of every NIC and hook, in the order in which packets meet them; one of them opened is
// all that is known of it.
type Chain struct {
	list list
	rows map[string]chainRow
	open string // the row that is open; empty = the list is

	moved bool // by a person: else the cursor is where most is dropped
}

// NewChain has nothing open.
func NewChain() *Chain { return &Chain{} }

// chainRow is one stage of a chain as it runs and as it is staged.
type chainRow struct {
	nic   string
	hook  spec.Hook
	place int // among those that packets meet, as it is staged; 0 = none do
	link  staged.Link
	on    engine.NIC   // zero when the chain does not run
	runs  engine.Stage // zero when the stage does not run
}

func (r chainRow) name() string { return r.nic + " " + string(r.hook) + " " + r.link.Name }

// HookOf is the hook as specs name it: where the kernel has no tcx, its clsact takes the place.
func HookOf(hook string) spec.Hook {
	switch hook {
	case "clsact_ingress":
		return spec.TCXIngress
	case "clsact_egress":
		return spec.TCXEgress
	}
	return spec.Hook(hook)
}

// chainRows are the stages of every chain: those that run and those that are staged.
func chainRows(v View) []chainRow {
	var out []chainRow
	for _, c := range chainsOf(v) {
		place := 0
		for _, l := range linksOf(v, c) {
			r := chainRow{nic: c.Name, hook: HookOf(c.Hook), link: l, on: c}
			if !l.Disabled && !l.Gone {
				place++
				r.place = place
			}
			for _, s := range c.Stages {
				if s.Name == l.Name {
					r.runs = s
				}
			}
			out = append(out, r)
		}
	}
	return out
}

// linksOf are the stages of a chain; where the spec is not known, as the kernel has them.
func linksOf(v View, c engine.NIC) []staged.Link {
	if v.Next != nil {
		return staged.Links(v.Running, v.Next, c.Name, HookOf(c.Hook))
	}
	var list []staged.Link
	for _, s := range c.Stages {
		list = append(list, staged.Link{Position: spec.Position{Name: s.Name, Disabled: s.Disabled, Shadow: s.Shadow}})
	}
	return list
}

// chainsOf are the chains that run, then those that are only staged.
func chainsOf(v View) []engine.NIC {
	out := append([]engine.NIC(nil), v.State.NICs...)
	if v.Next == nil {
		return out
	}
	for _, n := range v.Next.NICs {
		for _, c := range n.Chains() {
			known := false
			for _, o := range out {
				known = known || o.Name == n.Name && HookOf(o.Hook) == c.Hook
			}
			if !known {
				out = append(out, engine.NIC{Name: n.Name, Hook: string(c.Hook)})
			}
		}
	}
	return out
}

// Scope is the chain's own.
func (p *Chain) Scope() action.Scope { return action.Chain }

// Crumb is the way to what is open, and what is staged.
func (p *Chain) Crumb(View) string {
	if p.open == "" {
		return "Chain"
	}
	return "Chain > " + strings.ReplaceAll(p.open, " ", " > ")
}

// Hints for the footer.
func (p *Chain) Hints() []action.ID {
	return []action.ID{action.StageToggle, action.StageLater, action.StageSooner, action.StageInsert, action.StageRemove, action.StageShadow,
		action.Apply, action.Undo, action.Open, action.Help, action.Back}
}

// Enter opens a stage, or the list when the place names none.
func (p *Chain) Enter(at Place) {
	if p.open = at.Stage; at.Stage != "" {
		p.moved = true
		p.list.cursor.Select(at.Stage)
	}
}

// Sync follows the chains. Their order is what the list is about, so a cursor never holds it.
func (p *Chain) Sync(v View) {
	p.rows = map[string]chainRow{}
	var entries []entry
	for _, r := range chainRows(v) {
		p.rows[r.name()] = r
		entries = append(entries, entry{name: r.name(), fields: []Field{
			{"nic", r.nic}, {"hook", string(r.hook)}, {"stage", r.link.Name}, {"kind", kindOf(v, r)}, {"on", onWord(r)},
		}})
	}
	p.list.cursor.Release()
	if worst := p.worst(entries); worst != "" && !p.moved {
		p.list.cursor.Select(worst)
	}
	p.list.sync(entries)
}

// worst is the stage that drops most; empty when none drops enough to be worth a word.
func (p *Chain) worst(entries []entry) (name string) {
	most := cause.DropFloor
	for _, e := range entries {
		r := p.rows[e.name]
		if drop := r.runs.Drop.PPS; drop >= most && drop >= r.on.In.PPS*cause.DropWarn {
			name, most = e.name, drop
		}
	}
	return name
}

// Act moves in the list and opens a stage.
func (p *Chain) Act(id action.ID, _ View) Move {
	switch id {
	case action.Open:
		if name, ok := p.list.cursor.Row(); ok && p.open == "" {
			return Move{Go: &Place{Screen: action.GoChain, Stage: name}}
		}
	case action.Back, action.NextPane:
		if p.open != "" {
			return Move{Go: &Place{Screen: action.GoChain}}
		}
		return Move{Up: id == action.Back}
	case action.Cancel:
		if !p.list.cancel() && p.open != "" {
			return Move{Go: &Place{Screen: action.GoChain}}
		}
	case action.Sort, action.Reverse: // the order is what is shown
	default:
		if p.open == "" {
			p.moved = true
			p.list.act(id)
		}
	}
	return Move{}
}

// SetFilter leaves stages out.
func (p *Chain) SetFilter(f Filter) { p.list.filter = f }

// Filter is the one in force.
func (p *Chain) Filter() Filter { return p.list.filter }

// Target is the stage under the cursor, or the one that is open.
func (p *Chain) Target() Target {
	r, ok := p.focus()
	if !ok {
		return Target{}
	}
	return Target{NIC: r.nic, Hook: r.hook, Stage: r.link.Name}
}

func (p *Chain) focus() (chainRow, bool) {
	name, points := p.list.cursor.Row()
	if p.open != "" {
		name, points = p.open, true
	}
	r, ok := p.rows[name]
	return r, ok && points
}

// Copy is the stage under the cursor.
func (p *Chain) Copy(View) string {
	r, ok := p.focus()
	if !ok {
		return ""
	}
	return r.name()
}

// chainLeft is the width of the list where the stage under the cursor is told of beside it.
const chainLeft = 84

// Draw is the list with what the stage under the cursor dropped, or one stage alone.
func (p *Chain) Draw(k Kit, v View, w, h int) []string {
	r, ok := p.focus()
	if p.open != "" {
		if !ok {
			return widget.Fill([]string{k.Say(theme.Dim, " "+p.open+" is not in any chain any more")}, w, h, k.Glyphs)
		}
		return stack(k, w, h, append(stageParts(k, v, r, w, 40), stagedPart(k, v)...))
	}
	if wide(w, h) {
		right := w - chainLeft - 2
		parts := append(p.parts(k, v, chainLeft), part{rank: 3, need: 2, want: h, draw: func(h int) []string {
			return ledgerTable(k, v.State, v.State.Drops, "DROP LEDGER", true, chainLeft, h)
		}})
		return widget.Beside(stack(k, chainLeft, h, parts), chainLeft, 2, stack(k, right, h, stageParts(k, v, r, right, 12)), right, k.Glyphs)
	}
	parts := p.parts(k, v, w)
	if ok {
		for _, d := range stageParts(k, v, r, w, 5) {
			d.rank += 3
			parts = append(parts, d)
		}
	}
	return stack(k, w, h, parts)
}

// parts are the table of all chains and what is staged.
func (p *Chain) parts(k Kit, v View, w int) []part {
	n := max(1, p.list.total)
	parts := []part{{rank: 0, need: 1 + min(4, n), want: 1 + n, draw: func(h int) []string { return p.table(k, v, w, h) }}}
	return append(parts, stagedPart(k, v)...)
}

// stagedPart is every edit that waits; none when none does.
func stagedPart(k Kit, v View) []part {
	if len(v.Staged) == 0 {
		return nil
	}
	return []part{{rank: 2, need: 2, want: 1 + len(v.Staged), draw: func(int) []string { return stagedLines(k, v) }}}
}
