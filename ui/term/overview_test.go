package term

import (
	"fmt"
	"math/rand/v2"
	"strings"
	"time"

	"hairpin/ui/theme"
	"hairpin/ui/widget"
)

// overview draws a screen like the console's first one, in which every number moves with every tick.
type overview struct {
	r      *rand.Rand
	theme  *theme.Theme
	glyphs theme.Glyphs
	units  widget.Units
	values map[string][]float64
	tick   int
}

func newOverview(seed uint64) *overview {
	t, _ := theme.Load("default-dark")
	return &overview{
		r: rand.New(rand.NewPCG(seed, 0)), theme: t, glyphs: theme.Block(), values: map[string][]float64{},
	}
}

// next is the history of a value that jumps around a base by up to half of it.
func (o *overview) next(name string, base float64) []float64 {
	if o.values[name] == nil {
		for range 59 {
			o.values[name] = append(o.values[name], base*(0.5+o.r.Float64()))
		}
	}
	h := append(o.values[name], base*(0.5+o.r.Float64()))
	o.values[name] = h[len(h)-60:]
	return o.values[name]
}

func (o *overview) number(name string, base float64) widget.Cell {
	h := o.next(name, base)
	return widget.Cell{Text: o.units.Number(name, h[len(h)-1])}
}

func (o *overview) frame(w, h int) string {
	o.tick++
	g, st := o.glyphs, o.theme.Style
	clock := fmt.Sprintf("03:%02d:%02d", o.tick/60, o.tick%60)
	lines := []string{
		widget.Line(w, " "+st(theme.Crit).Render("CRIT")+"  lb-fra-07 "+st(theme.Prod).Render("PROD")+"  "+
			st(theme.ReadOnly).Render("read-only")+"  gen 41  pending: none", st(theme.OK).Render("LIVE")+" 1s "+clock, g),
		widget.Line(w, " web-443: 2/12 backends down, ring HELD, dropping 12.4k/s for "+
			widget.Age(time.Duration(310+o.tick)*time.Second), st(theme.Key).Render("enter")+"=why", g),
		" " + st(theme.Hint).Render("1:Over 2:Chain 3:VIPs 4:Limit 5:Conns 6:Trace 7:Capt 8:Handoff 9:Events"),
	}
	if w >= 140 {
		left := append(o.nics(60), "")
		left = append(append(left, o.vips(69, 10)...), "")
		right := append(o.reasons(69, 14, 8), "")
		right = append(right, o.limits(69)...)
		lines = append(lines, widget.Beside(left, 70, 1, right, 69, g)...)
	} else {
		for _, block := range [][]string{o.nics(w), o.reasons(w, 10, 4), o.vips(w, 3)} {
			lines = append(lines, append(block, "")...)
		}
	}
	lines = append(lines, st(theme.Title).Render(" ALERTS 2"),
		" 03:02:29 "+st(theme.Crit).Render("CRIT")+" web-443 be-04,be-09 health FAIL (tcp refused)",
		" 02:58:10 "+st(theme.Warn).Render("WARN")+" eth2 mirror chain detached by ops-3 (audit #8812)")
	lines = widget.Fill(lines, w, h-1, g)
	keys := st(theme.Key).Render("enter") + st(theme.Hint).Render(" open  p pause  / filter  : cmd  ! arm  9 events  ? help")
	return strings.Join(append(lines, widget.Line(w, " "+keys, "q back", g)), "\n")
}

func (o *overview) table(columns []widget.Column, rows []widget.Row, w int) []string {
	t := widget.Table{
		Columns: columns, Rows: rows, Selected: -1, Header: o.theme.Style(theme.Dim), Selection: o.theme.Style(theme.Selection),
		Glyphs: o.glyphs,
	}
	return t.Render(w, len(rows)+1)
}

func (o *overview) nics(w int) []string {
	columns := []widget.Column{
		{Title: "NIC", Width: 5},
		{Title: "CHAIN (enabled stages)", Width: 10, Grow: true},
		{Title: "STATE", Width: 8},
		{Title: "IN pps", Width: 7, Right: true},
		{Title: "FWD pps", Width: 7, Right: true},
		{Title: "DROP", Width: 6, Right: true},
		{Title: "60s", Width: 6, Drop: 1},
	}
	var rows []widget.Row
	for i, nic := range []string{"eth0", "eth1", "eth2"} {
		drop := o.number(nic+"drop", 12400)
		drop.Text += "!"
		drop.Style = o.theme.Style(theme.Warn)
		spark := widget.Spark(o.next(nic+"in", 4.12e6), 6, 0, o.glyphs)
		rows = append(rows, widget.Row{Cells: []widget.Cell{
			{Text: nic}, {Text: "acl>rl>cls>maglev>encap"},
			{Text: "attached", Style: o.theme.Style(theme.OK)},
			o.number(nic+"in2", 4.12e6/float64(i+1)), o.number(nic+"fwd", 4.1e6/float64(i+1)), drop,
			{Text: spark, Style: o.theme.Style(theme.Spark)},
		}})
	}
	return o.table(columns, rows, w)
}

func (o *overview) reasons(w, spark, n int) []string {
	columns := []widget.Column{
		{Title: "DROP REASON", Width: 14},
		{Title: "now/s", Width: 7, Right: true},
		{Title: "1m avg", Width: 7, Right: true},
		{Title: "vs 24h", Width: 7, Right: true},
		{Title: "60s", Width: spark},
	}
	var rows []widget.Row
	for i := range n {
		name := fmt.Sprintf("reason_%d", i)
		base := 12400 / float64(1+i*i*40)
		h := o.next(name, base)
		now := o.number(name+"now", base)
		if i == 0 {
			now.Style = o.theme.Style(theme.Crit)
		}
		rows = append(rows, widget.Row{Cells: []widget.Cell{
			{Text: name}, now, o.number(name+"avg", base), {Text: widget.Factor(h[59], base/float64(1+i))},
			{Text: widget.Spark(h, spark, 0, o.glyphs), Style: o.theme.Style(theme.Spark)},
		}})
	}
	return o.table(columns, rows, w)
}

func (o *overview) vips(w, n int) []string {
	columns := []widget.Column{
		{Title: "TOP VIPs", Width: 26},
		{Title: "pps", Width: 6, Right: true},
		{Title: "conns", Width: 6, Right: true},
		{Title: "backends", Width: 8, Right: true},
		{Title: "drop/s", Width: 6, Right: true},
		{Title: "share", Width: 5, Right: true},
		{Title: "", Width: 10, Drop: 1},
	}
	var rows []widget.Row
	for i := range n {
		vip := fmt.Sprintf("web-%d  203.0.113.%d:443", 440+i, 10+i)
		share := o.next(vip+"share", 0.38/float64(i+1))[59]
		rows = append(rows, widget.Row{Cells: []widget.Cell{
			{Text: vip}, o.number(vip+"pps", 3.1e6/float64(i+1)), o.number(vip+"conns", 412000/float64(i+1)),
			{Text: "24/24", Style: o.theme.Style(theme.Up)}, o.number(vip+"drop", 310), {Text: widget.Percent(share)},
			{Text: widget.Bar(share, 10, o.glyphs), Style: o.theme.Style(theme.Bar)},
		}})
	}
	return o.table(columns, rows, w)
}

func (o *overview) limits(w int) []string {
	columns := []widget.Column{
		{Title: "CLOSEST TO A LIMIT", Width: 18},
		{Title: "now", Width: 6, Right: true},
		{Title: "of", Width: 6, Right: true},
		{Title: "", Width: 20},
		{Title: "use", Width: 5, Right: true},
	}
	var rows []widget.Row
	for i, name := range []string{"web-443 new conns", "global pps", "conn table", "stage acl", "stage maglev", "headroom"} {
		use := o.next(name+"use", 0.9/float64(i+1))[59]
		rows = append(rows, widget.Row{Cells: []widget.Cell{
			{Text: name}, o.number(name, 36100), {Text: "40.0k"},
			{Text: widget.Bar(use, 20, o.glyphs), Style: o.theme.Style(theme.Bar)}, {Text: widget.Percent(use)},
		}})
	}
	return o.table(columns, rows, w)
}
