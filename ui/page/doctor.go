package page

import (
	"fmt"
	"strings"

	"hairpin/engine"
	"hairpin/ui/theme"
	"hairpin/ui/widget"
)

// Doctor is what of the machine stands in the way of packets, the worst first, with the cure of one.
type Doctor struct {
	plain
	all map[string]engine.Finding
}

// NewDoctor begins at the worst.
func NewDoctor() *Doctor { return &Doctor{plain: plain{list{cursor: Cursor{first: true}}}} }

// Crumb says how many things were looked at, and when.
func (p *Doctor) Crumb(v View) string {
	d := v.State.Doctor
	if d == nil {
		return "Doctor"
	}
	wrong := 0
	for _, f := range d.Findings {
		if f.Level == engine.FindingCrit || f.Level == engine.FindingWarn {
			wrong++
		}
	}
	return fmt.Sprintf("Doctor > %d of %d looked at %s ago", wrong, len(d.Findings), widget.Age(max(0, v.Now.Sub(d.Time))))
}

// Sync follows the last look.
func (p *Doctor) Sync(v View) {
	p.all = map[string]engine.Finding{}
	var entries []entry
	if v.State.Doctor != nil {
		for _, f := range v.State.Doctor.Findings {
			name := f.Check + " " + f.On + " " + f.What
			p.all[name] = f
			entries = append(entries, entry{name: name, fields: []Field{
				{"level", string(f.Level)}, {"check", f.Check}, {"on", f.On}, {"what", f.What}, {"means", f.Means}, {"cure", f.Cure},
			}})
		}
	}
	p.list.sync(entries)
}

// Copy is the cure of the finding under the cursor, or else the finding.
func (p *Doctor) Copy(View) string {
	name, _ := p.list.cursor.Row()
	if f := p.all[name]; f.Cure != "" {
		return f.Cure
	}
	return p.all[name].What
}

// Draw is the list and the finding under the cursor.
func (p *Doctor) Draw(k Kit, v View, w, h int) []string {
	return split(k, w, h, func(w, h int) []string { return p.table(k, v, w, h) }, func(w, h int) []string { return p.detail(k, w) })
}

func (p *Doctor) table(k Kit, v View, w, h int) []string {
	var checks, on []string
	if v.State.Doctor != nil {
		for _, f := range v.State.Doctor.Findings {
			checks, on = append(checks, f.Check), append(on, f.On)
		}
	}
	t := k.table(
		widget.Column{Title: "LEVEL", Width: 7},
		widget.Column{Title: "ON", Width: widest(4, 18, on), Drop: 2},
		widget.Column{Title: "CHECK", Width: widest(6, 16, checks), Drop: 1},
		widget.Column{Title: "WHAT", Width: 20, Grow: true},
	)
	empty := "the machine was not looked at yet"
	if v.State.PID == 0 {
		empty = "no engine runs here: hairpin doctor"
	}
	return p.list.draw(k, t, w, h, true, empty, func(name string) widget.Row {
		f := p.all[name]
		return widget.Row{Cells: []widget.Cell{k.cell(levelToken(f), strings.ToUpper(string(f.Level))), k.cell(theme.Text, f.On),
			k.cell(theme.Dim, f.Check), k.cell(theme.Text, f.What)}}
	})
}

// levelToken is the style of a finding's level.
func levelToken(f engine.Finding) theme.Token {
	switch f.Level {
	case engine.FindingCrit:
		return theme.Crit
	case engine.FindingWarn:
		return theme.Warn
	case engine.FindingOK:
		return theme.OK
	}
	return theme.Info
}

// detail is everything about the finding under the cursor.
func (p *Doctor) detail(k Kit, w int) (out []string) {
	name, _ := p.list.cursor.Row()
	f := p.all[name]
	for _, x := range [...]struct {
		token theme.Token
		text  string
	}{{theme.Title, f.What}, {theme.Text, f.Means}, {theme.Key, f.Cure}} {
		if x.text == "" {
			continue
		}
		for _, line := range widget.Wrap(widget.Clean(x.text), w-3) {
			out = append(out, "   "+k.Say(x.token, line))
		}
	}
	return out
}
