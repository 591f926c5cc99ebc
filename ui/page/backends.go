package page

import (
	"fmt"
	"net/netip"
	"strings"

	"hairpin/engine"
	"hairpin/engine/spec"
	"hairpin/ui/staged"
	"hairpin/ui/theme"
	"hairpin/ui/widget"
)

// backends is the list of those behind one VIP: running, staged, and gone ones whose flows have not ended.
type backends struct {
	vip  string
	list list
}

// backendSorts are the columns by which backends can be sorted, as sync gives them.
var backendSorts = []string{"PPS", "RING%", "WEIGHT"}

// enter turns to a VIP; the cursor keeps its row only within the same one.
func (b *backends) enter(vip string) {
	if b.vip != vip {
		*b = backends{vip: vip, list: list{sorts: backendSorts}}
	}
}

func (b *backends) sync(vip string, v View) {
	b.enter(vip)
	shown, _ := vipOf(v.State, vip)
	var entries []entry
	for _, s := range shown.Backends {
		entries = append(entries, entry{
			name:   s.Address.String(),
			fields: []Field{{"address", s.Address.String()}, {"state", stateWord(s)}, {"weight", fmt.Sprint(s.Weight)}, {"from", fromWord(shown, s)}},
			keys:   []float64{s.PPS, s.Share, float64(s.Weight)},
		})
	}
	for _, s := range staged.Between(v.Running, v.Next, vip).Added {
		if _, shown := backendOf(shown, s.Address.String()); !shown {
			entries = append(entries, entry{
				name:   s.Address.String(),
				fields: []Field{{"address", s.Address.String()}, {"state", "staged"}, {"weight", fmt.Sprint(s.Weight)}},
				keys:   []float64{0, 0, float64(s.Weight)},
			})
		}
	}
	b.list.sync(entries)
}

// target is the backend under the cursor.
func (b *backends) target() Target {
	t := Target{VIP: b.vip}
	if row, ok := b.list.cursor.Row(); ok {
		t.Backend, _ = netip.ParseAddr(row)
	}
	return t
}

func backendOf(v engine.VIP, address string) (engine.Backend, bool) {
	for _, b := range v.Backends {
		if b.Address.String() == address {
			return b, true
		}
	}
	return engine.Backend{}, false
}

// stateWord says how a backend is, so that no colour is needed.
func stateWord(b engine.Backend) string {
	switch word := b.Word(); word {
	case "drain":
		return "draining"
	case "down", "held":
		return strings.ToUpper(word)
	default:
		return word
	}
}

func stateToken(b engine.Backend) theme.Token {
	switch {
	case b.Gone:
		return theme.Dim
	case b.Word() == "starting":
		return theme.Draining
	case b.Word() == "up":
		return theme.Up
	case b.State == "drain":
		return theme.Draining
	}
	return theme.Down
}

// draw is two lines about the VIP and the table; focus tells whether the cursor is in it.
func (b *backends) draw(k Kit, v View, w, h int, focus bool) []string {
	vip, known := vipOf(v.State, b.vip)
	if !known {
		return widget.Fill([]string{k.Say(theme.Dim, " "+b.vip+": this node has no such VIP")}, w, h, k.Glyphs)
	}
	out := append(about(k, v, vip, w), b.why(k, v, vip)...)
	if h < max(8, len(out)+5) {
		out = nil // the rows matter more
	}
	room := h - len(out)
	below := stagedLines(k, v)
	if spare := room - 2 - len(b.list.rows); spare < len(below) {
		below = nil // the rows matter more; the line at the bottom tells how many edits wait
	}
	out = append(out, b.table(k, v, vip, w, room-len(below), focus)...)
	out = widget.Fill(out, w, h-len(below), k.Glyphs)
	return widget.Fill(append(out, below...), w, h, k.Glyphs)
}

// stagedLines is every edit that waits, on all VIPs, since all are applied together.
func stagedLines(k Kit, v View) []string {
	if len(v.Staged) == 0 {
		return nil
	}
	out := []string{k.Say(theme.Title, fmt.Sprintf(" STAGED %d, not live", len(v.Staged)))}
	for _, text := range v.Staged {
		out = append(out, " "+k.Say(theme.Staged, text))
	}
	return out
}

// table is the backends alone.
func (b *backends) table(k Kit, v View, vip engine.VIP, w, h int, focus bool) []string {
	diff := staged.Between(v.Running, v.Next, b.vip)
	t := k.table(
		widget.Column{Title: "BACKEND", Width: widest(13, 39, b.list.rows)},
		widget.Column{Title: "STATE", Width: 11},
		widget.Column{Title: "WEIGHT", Width: 6, Right: true, Drop: 1},
		widget.Column{Title: "RING%", Width: 6, Right: true},
		widget.Column{Title: "PPS", Width: 6, Right: true},
		widget.Column{Title: "B/s", Width: 6, Right: true, Drop: 4},
		widget.Column{Title: "60s", Width: 12, Drop: 2},
		widget.Column{Title: "STAGED", Width: 13, Grow: true},
		widget.Column{Title: "NEXT HOP", Width: 17, Drop: 5},
	)
	if vip.Found != nil { // else all are typed, and nothing is to tell
		t.Columns = append(t.Columns, widget.Column{Title: "FROM", Width: 10, Drop: 1})
	}
	return b.list.draw(k, t, w, h, focus, "no backend: every packet to this VIP is dropped (no_backend)", func(name string) widget.Row {
		s, runs := backendOf(vip, name)
		if !runs {
			return b.addedRow(k, diff, name)
		}
		id := "backend " + b.vip + " " + name
		cells := []widget.Cell{
			k.cell(theme.Text, name), k.cell(stateToken(s), stateWord(s)), k.cell(theme.Text, fmt.Sprint(s.Weight)),
			k.cell(theme.Text, fmt.Sprintf("%.2f", s.Share*100)), k.rate(id, s.PPS, theme.Text),
			k.rate(id+" bytes", s.BPS, theme.Dim), k.spark(s.History, 12), k.cell(theme.Staged, stagedText(diff, s.Address)),
			k.cell(hopToken(s.NextHop), s.NextHop), k.cell(theme.Dim, fromWord(vip, s)),
		}
		if s.Gone {
			cells[2], cells[3] = k.cell(theme.Dim, "-"), k.cell(theme.Dim, "-")
		}
		return widget.Row{Cells: cells}
	})
}

// addedRow is a backend that is staged and does not run yet.
func (b *backends) addedRow(k Kit, diff staged.Diff, name string) widget.Row {
	var added spec.Backend
	for _, s := range diff.Added {
		if s.Address.String() == name {
			added = s
		}
	}
	none := k.cell(theme.Dim, "-")
	return widget.Row{Cells: []widget.Cell{
		k.cell(theme.Staged, name), k.cell(theme.Staged, "not live"), k.cell(theme.Staged, fmt.Sprint(added.Weight)),
		none, none, none, {}, k.cell(theme.Staged, addedText(added)), {}, k.cell(theme.Staged, "typed"),
	}}
}

func addedText(b spec.Backend) string {
	if b.State != spec.Up {
		return "+ add, " + b.State.String()
	}
	return "+ add"
}

func stagedText(d staged.Diff, a netip.Addr) string {
	if c, ok := d.Changes[a]; ok {
		return c.String()
	}
	return ""
}

// hopToken marks a next hop that is a reason and not a MAC.
func hopToken(hop string) theme.Token {
	if strings.Count(hop, ":") == 5 {
		return theme.Dim
	}
	return theme.Warn
}
