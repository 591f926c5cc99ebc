package page

import "hairpin/ui/widget"

// part is one block of a page with other blocks above and below.
type part struct {
	rank int // when there is no room, the highest goes first
	want int // lines it could use
	need int // lines below which it is not worth its place
	draw func(h int) []string
}

// stack puts parts under each other in h lines of w cells: first what each needs, then a blank between them, then
// what they want, then the last takes the rest.
func stack(k Kit, w, h int, parts []part) []string {
	parts, room := fitting(parts, h)
	if len(parts) == 0 {
		return widget.Fill(nil, w, h, k.Glyphs)
	}
	heights := make([]int, len(parts))
	for i, p := range parts {
		heights[i] = p.need
	}
	gap := 0
	if room >= len(parts)-1 {
		gap, room = 1, room-(len(parts)-1)
	}
	for grown := true; grown && room > 0; {
		grown = false
		for i, p := range parts {
			if room > 0 && heights[i] < p.want {
				heights[i]++
				room--
				grown = true
			}
		}
	}
	heights[len(parts)-1] += room
	var out []string
	for i, p := range parts {
		if i > 0 && gap > 0 {
			out = append(out, "")
		}
		out = append(out, widget.Fill(p.draw(heights[i]), w, heights[i], k.Glyphs)...)
	}
	return widget.Fill(out, w, h, k.Glyphs)
}

// fitting leaves parts out until the others have what they need, and tells the lines that are left over.
func fitting(parts []part, h int) ([]part, int) {
	parts = append([]part(nil), parts...)
	for {
		room, worst := h, -1
		for i, p := range parts {
			room -= p.need
			if worst < 0 || p.rank > parts[worst].rank {
				worst = i
			}
		}
		if room >= 0 || len(parts) == 0 {
			return parts, room
		}
		if len(parts) == 1 {
			parts[0].need = h
			return parts, 0
		}
		parts = append(parts[:worst], parts[worst+1:]...)
	}
}
