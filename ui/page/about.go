package page

import (
	"fmt"
	"strings"

	"hairpin/engine"
	"hairpin/ui/theme"
	"hairpin/ui/widget"
)

// about is what is true of the whole VIP: its addresses and rates, whether older flows still go elsewhere, whose it is,
// and who finds its backends.
func about(k Kit, v View, vip engine.VIP, w int) []string {
	addresses := make([]string, len(vip.Addresses))
	for i, a := range vip.Addresses {
		addresses[i] = endpoint(a, vip.Port)
	}
	left := " " + k.Say(theme.Title, vip.Name) + " " + k.Say(theme.Text, strings.Join(addresses, " ")) +
		k.Say(theme.Dim, fmt.Sprintf("  %s %s  ring %d", vip.Protocol, vip.Encap, vip.Ring))
	drop := k.drop("vip drop "+vip.Name, vip.Drop.PPS, vip.PPS)
	right := k.Units.Number("vip "+vip.Name, vip.PPS) + " pps  drop " + drop.Style.Render(strings.TrimSpace(drop.Text)) + " "
	out := []string{widget.Line(w, left, right, k.Glyphs), settlingLine(k, v, vip)}
	if vip.Tenant != "" {
		out = append(out, " "+k.Say(theme.Dim, "of tenant "+vip.Tenant))
	}
	return append(out, sourceLines(k, v, vip, w)...)
}

func settlingLine(k Kit, v View, vip engine.VIP) string {
	s := vip.Settling
	switch {
	case vip.Empty:
		return " " + k.Say(theme.Crit, "no backend takes new flows")
	case s == nil:
		return " " + k.Say(theme.Dim, "quiet: every flow follows the ring")
	}
	text := fmt.Sprintf("settling %s: %s of slots marked, %s stray/s", widget.Age(v.Now.Sub(s.Since)), widget.Percent(s.Marked),
		widget.Number(s.Stray))
	if !s.Ends.IsZero() {
		text += ", ends in " + widget.Age(s.Ends.Sub(v.Now))
	}
	if s.Unheld > 0 {
		text += fmt.Sprintf(", %s not remembered", widget.Number(float64(s.Unheld)))
	}
	return " " + k.Say(theme.Draining, text)
}
