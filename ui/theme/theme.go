// Package theme is how the console looks: a style for every token, in as many colours as the terminal shows, and the
// glyphs that draw bars and lines.
package theme

import (
	"io"
	"maps"

	"github.com/charmbracelet/lipgloss"
)

// Fallback is the theme that is used when the one asked for cannot be.
const Fallback = "default-dark"

// Light is the theme where none is asked for and the terminal's background is light.
const Light = "default-light"

// Theme is a resolved theme for one colour profile. It does not change.
type Theme struct {
	Name    string
	Profile Profile

	palette map[string]colour
	looks   map[Token]look
	styles  map[Token]lipgloss.Style
}

// Style is how a token is drawn. Every token of Tokens has one, in every theme.
func (t *Theme) Style(k Token) lipgloss.Style { return t.styles[k] }

// Look is how a token is drawn, in the words of theme files: "red bold".
func (t *Theme) Look(k Token) string { return t.looks[k].String() }

// Colours are the foreground and the background of a token as the profile has them: #rrggbb, or a number. Those that are
// the terminal's own are empty.
func (t *Theme) Colours(k Token) (fg, bg string) {
	in := func(name string) string {
		if c, ok := t.palette[name]; ok {
			return c.in(t.Profile)
		}
		return ""
	}
	return in(t.looks[k].fg), in(t.looks[k].bg)
}

// WithProfile is the same theme for another terminal.
func (t *Theme) WithProfile(p Profile) *Theme {
	return build(t.Name, p, t.palette, t.looks)
}

// build renders the looks with a renderer of its own: lipgloss's default one would ask the terminal for its colours.
func build(name string, p Profile, palette map[string]colour, looks map[Token]look) *Theme {
	r := lipgloss.NewRenderer(io.Discard)
	r.SetColorProfile(p.termenv())
	r.SetHasDarkBackground(true)
	t := &Theme{
		Name: name, Profile: p, palette: maps.Clone(palette), looks: maps.Clone(looks),
		styles: make(map[Token]lipgloss.Style, len(looks)),
	}
	for _, k := range Tokens() {
		t.styles[k] = looks[k].style(r, palette, p)
	}
	return t
}
