package page

import (
	"fmt"
	"strings"

	"hairpin/engine"
	"hairpin/ui/action"
	"hairpin/ui/cause"
	"hairpin/ui/theme"
	"hairpin/ui/widget"
)

// Limits is the screen of every limit: what it counts against its threshold, who is over, and what a lower one would have
// refused.
type Limits struct {
	list list
	rows map[string]engine.Limit
}

// limitSorts are the columns by which limits can be sorted, as Sync gives them.
var limitSorts = []string{"USE", "OVER/s"}

// NewLimits keeps the order of chains until it is sorted.
func NewLimits() *Limits { return &Limits{list: list{sorts: limitSorts}} }

func limitName(l engine.Limit) string {
	source := ""
	if l.Source.IsValid() {
		source = l.Source.String()
	}
	return strings.Join([]string{l.NIC, l.Hook, l.Stage, l.Scope, l.Whose(), source}, " ")
}

// use is how much of a limit is used; what has no threshold of its own uses none.
func use(l engine.Limit) float64 { return share(l.Now, float64(l.Max)) }

// Scope is the limits' own.
func (p *Limits) Scope() action.Scope { return action.Limits }

// Crumb names the screen, and how many refuse something.
func (p *Limits) Crumb(v View) string {
	over := 0
	for _, l := range v.State.Limits {
		if limitWord(l) == "OVER" && !l.Source.IsValid() {
			over++
		}
	}
	if over > 0 {
		return fmt.Sprintf("Limits > %d over", over)
	}
	return "Limits"
}

// Hints for the footer.
func (p *Limits) Hints() []action.ID {
	return []action.ID{action.LimitEdit, action.LimitRaise, action.LimitLower, action.Apply, action.Undo, action.Sort, action.Filter,
		action.Arm, action.Help, action.Back}
}

// Enter leaves everything as it was.
func (p *Limits) Enter(Place) {}

// Sync follows the limits.
func (p *Limits) Sync(v View) {
	p.rows = map[string]engine.Limit{}
	var entries []entry
	for _, l := range v.State.Limits {
		name := limitName(l)
		for n := 2; p.rows[name].NIC != ""; n++ { // two that differ only in their prefixes
			name = fmt.Sprintf("%s #%d", limitName(l), n)
		}
		p.rows[name] = l
		entries = append(entries, entry{name: name, keys: []float64{use(l), l.Over.PPS}, fields: []Field{
			{"nic", l.NIC}, {"stage", l.Stage}, {"kind", l.Kind}, {"scope", l.Scope}, {"vip", l.VIP}, {"tenant", l.Tenant}, {"source", l.Source.String()},
			{"counts", l.Counts}, {"state", limitWord(l)},
		}})
	}
	p.list.sync(entries)
}

// Act moves in the list.
func (p *Limits) Act(id action.ID, _ View) Move {
	switch id {
	case action.Back:
		return Move{Up: true}
	case action.Cancel:
		p.list.cancel()
	case action.NextPane, action.Open:
	default:
		p.list.act(id)
	}
	return Move{}
}

// SetFilter leaves limits out.
func (p *Limits) SetFilter(f Filter) { p.list.filter = f }

// Filter is the one in force.
func (p *Limits) Filter() Filter { return p.list.filter }

func (p *Limits) focus() (engine.Limit, bool) {
	name, points := p.list.cursor.Row()
	l, ok := p.rows[name]
	return l, ok && points
}

// Target is the limit under the cursor; of a source, the limit of all sources.
func (p *Limits) Target() Target {
	l, ok := p.focus()
	if !ok {
		return Target{}
	}
	return Target{NIC: l.NIC, Hook: HookOf(l.Hook), Stage: l.Stage, Limit: &Limit{Scope: l.Scope, Whose: l.Whose(), Max: l.Max}}
}

// Copy is the source under the cursor, else the limit in words.
func (p *Limits) Copy(v View) string {
	l, ok := p.focus()
	switch {
	case !ok:
		return ""
	case l.Source.IsValid():
		return l.Source.String()
	}
	return fmt.Sprintf("%s %s %s: %s of %d", l.NIC, l.Stage, scopeWords(l), widget.Number(l.Now), l.Max)
}

// Draw is the list and, below it, what there is to know of the limit under the cursor.
func (p *Limits) Draw(k Kit, v View, w, h int) []string {
	n := max(1, p.list.total)
	parts := []part{{rank: 0, need: 1 + min(4, n), want: 1 + n, draw: func(h int) []string { return p.table(k, v, w, h) }}}
	if l, ok := p.focus(); ok {
		about := aboutLimit(k, v, l, w)
		parts = append(parts, part{rank: 1, need: 1, want: len(about), draw: func(int) []string { return about }})
	}
	return stack(k, w, h, append(parts, stagedPart(k, v)...))
}

// aboutLimit is what a limit does, where its count comes from, and what a lower one would have refused.
func aboutLimit(k Kit, v View, l engine.Limit, w int) []string {
	what := map[string]string{"ratelimit": "new connections in any second", "connlimit": "connections at a time"}[l.Kind]
	head := fmt.Sprintf(" %s: %s %s, on %s", l.Stage, what, scopeWords(l), where(l.NIC, l.Hook))
	count := " " + countWords(l.Counts)
	if l.Late > 0 {
		count += ", one that has ended may count for " + widget.Age(l.Late) + " more"
	}
	if l.Pending > 0 {
		what := "handshakes"
		if strings.HasPrefix(l.Counts, "agents") {
			what = "that came since"
		}
		count += fmt.Sprintf("; %d %s hold a place besides", l.Pending, what)
	}
	lines := []string{head, count}
	if refused := cause.Refused(v.State, l); refused != "" {
		lines = append(lines, " "+refused)
	}
	if l.Shadow {
		lines = append(lines, " in shadow: it refuses nothing, and counts what it would have refused")
	}
	out := make([]string, 0, len(lines)+2)
	for _, text := range lines {
		for _, line := range widget.Wrap(widget.Clean(text), w-1) {
			out = append(out, k.Say(theme.Text, line))
		}
	}
	for _, line := range widget.Wrap(lowered(v, l), w-2) {
		out = append(out, " "+k.Say(theme.Staged, line))
	}
	if strings.HasPrefix(l.Counts, "agents") {
		out = append(out, agentLines(k, v, w)...)
	}
	return out
}

// agentLines are what each agent said last, those that lack first.
func agentLines(k Kit, v View, w int) (out []string) {
	tokens := map[string]theme.Token{"unheard": theme.Crit, "silent": theme.Crit, "stale": theme.Warn, "fresh": theme.Text}
	for _, state := range []string{"unheard", "silent", "stale", "fresh"} {
		for _, a := range v.State.Agents {
			if a.State != state {
				continue
			}
			text := fmt.Sprintf(" %s: heard %s ago, %s open", a.Node, widget.Age(v.State.Time.Sub(a.Heard)), widget.Number(float64(a.Open)))
			switch state {
			case "unheard":
				text = fmt.Sprintf(" %s: NO AGENT was ever heard, its connections do not count", a.Backends[0])
			case "silent":
				text = fmt.Sprintf(" %s: SILENT for %s, its connections do not count", a.Node, widget.Age(v.State.Time.Sub(a.Heard)))
			case "stale":
				text += ", STALE"
			}
			out = append(out, k.Say(tokens[state], widget.Truncate(widget.Clean(text), w-1, k.Glyphs)))
		}
	}
	return out
}

// countWords say what a limit counts, and where the number comes from.
func countWords(counts string) string {
	from, by, _ := strings.Cut(counts, " ")
	if by != "" {
		by = " (" + by + ")"
	}
	switch from {
	case "accepted":
		return "counts accepted: what it let pass, so that the rest may come in later"
	case "offered":
		return "counts offered: what came, so that nothing passes until less comes"
	case "sockets":
		return "counted from this host's TCP sockets" + by
	case "flows":
		return "counted from the client's packets: SYN to FIN, RST or idle" + by
	case "agents":
		return "counted by the backends' agents" + by + ", with what was let pass since they reported"
	}
	return "counts " + counts
}

// lowered says what the limit would have refused lately, were it as it is staged, or half.
func lowered(v View, l engine.Limit) string {
	if l.Past == nil || l.Past.Over <= 0 || l.Max == 0 {
		if l.Scope == "source" || l.Scope == "source_vip" {
			return "what a lower limit would have refused is not recorded for each source"
		}
		return ""
	}
	n := l.Max / 2
	if staged, ok := stagedMax(v, l); ok {
		if n = staged; n >= l.Max {
			return ""
		}
	}
	refused := l.Past.Lower(l.Max, n)
	how := "by averages of a second; bursts within one are not seen"
	if l.Kind == "connlimit" {
		how = "at most: those that came while as many were open"
	}
	return fmt.Sprintf("in the last %s a limit of %d would have refused about %s of %s that passed (%s)", widget.Age(l.Past.Over), n,
		widget.Number(refused), widget.Number(l.Past.Passed), how)
}

// stagedMax is what a limit is staged to be; false when nothing is.
func stagedMax(v View, l engine.Limit) (uint64, bool) {
	i := v.Running.FindMaximum(l.Stage, l.Scope, l.Whose(), l.Max)
	now, next := v.Running.Maxima(l.Stage), v.Next.Maxima(l.Stage)
	if i < 0 || i >= len(next) || next[i].Max == now[i].Max {
		return 0, false
	}
	return next[i].Max, true
}
