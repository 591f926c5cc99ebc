package theme

// Glyphs are the characters that draw what text cannot say. Every glyph is one cell wide.
type Glyphs struct {
	Name string

	// Spark holds the levels of a sparkline from empty to full. With two samples a cell (Braille) it is empty.
	Spark   []string
	Braille bool

	BarFull, BarRest string
	Ellipsis         string // ends a text that was cut
	Cursor           string // in front of the selected row
	Mark             string // in front of a marked row
	Up, Down         string // sort order, scroll hints
	Separator        string

	Horizontal, Vertical                       string
	TopLeft, TopRight, BottomLeft, BottomRight string
}

// Block is the default set, for terminals that are known to show UTF-8.
func Block() Glyphs {
	return Glyphs{
		Name: "block", Spark: []string{"▁", "▂", "▃", "▄", "▅", "▆", "▇", "█"},
		BarFull: "█", BarRest: "░", Ellipsis: "…", Cursor: ">", Mark: "*", Up: "↑", Down: "↓", Separator: "·",
		Horizontal: "─", Vertical: "│", TopLeft: "┌", TopRight: "┐", BottomLeft: "└", BottomRight: "┘",
	}
}

// Braille draws sparklines with two samples a cell, and the rest as Block.
func Braille() Glyphs {
	g := Block()
	g.Name, g.Spark, g.Braille = "braille", nil, true
	return g
}

// ASCII is for everything else: the set to begin with until the terminal has shown that it knows UTF-8.
func ASCII() Glyphs {
	return Glyphs{
		Name: "ascii", Spark: []string{"_", ".", ":", "-", "=", "+", "*", "#"},
		BarFull: "#", BarRest: "-", Ellipsis: "~", Cursor: ">", Mark: "*", Up: "^", Down: "v", Separator: "|",
		Horizontal: "-", Vertical: "|", TopLeft: "+", TopRight: "+", BottomLeft: "+", BottomRight: "+",
	}
}

// GlyphNames are the names of the sets.
func GlyphNames() []string { return []string{Block().Name, Braille().Name, ASCII().Name} }

// GlyphSet is the set of that name; false when there is none.
func GlyphSet(name string) (Glyphs, bool) {
	for _, g := range []Glyphs{Block(), Braille(), ASCII()} {
		if g.Name == name {
			return g, true
		}
	}
	return Glyphs{}, false
}
