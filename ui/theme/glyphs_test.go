package theme

import (
	"reflect"
	"testing"

	"github.com/charmbracelet/x/ansi"
)

func TestGlyphsTakeOneCell(t *testing.T) {
	for _, name := range []string{"block", "braille", "ascii"} {
		g, ok := GlyphSet(name)
		if !ok || g.Name != name {
			t.Fatalf("%s: %v, %q", name, ok, g.Name)
		}
		glyphs := map[string]string{}
		v := reflect.ValueOf(g)
		for i := range v.NumField() {
			if v.Field(i).Kind() == reflect.String && v.Type().Field(i).Name != "Name" {
				glyphs[v.Type().Field(i).Name] = v.Field(i).String()
			}
		}
		for i, level := range g.Spark {
			glyphs["Spark"+string(rune('0'+i))] = level
		}
		for field, glyph := range glyphs {
			if ansi.StringWidth(glyph) != 1 {
				t.Errorf("%s: %s is %q, %d cells", name, field, glyph, ansi.StringWidth(glyph))
			}
			if name == "ascii" && (len(glyph) != 1 || glyph[0] < 0x20 || glyph[0] > 0x7e) {
				t.Errorf("ascii: %s is %q", field, glyph)
			}
		}
		if g.Braille == (len(g.Spark) > 0) {
			t.Errorf("%s has %d levels, braille %v", name, len(g.Spark), g.Braille)
		}
	}
	if _, ok := GlyphSet("runes"); ok {
		t.Error("there is a set of any name")
	}
}

func TestStylesFollowTheProfile(t *testing.T) {
	th, _ := Load("default-dark")
	for p, want := range map[Profile]string{
		ANSI16: "\x1b[96mx\x1b[0m", ANSI256: "\x1b[38;5;75mx\x1b[0m", TrueColor: "\x1b[38;2;95;175;255mx\x1b[0m",
	} {
		if got := th.WithProfile(p).Style(OK).Render("x"); got != want {
			t.Errorf("%s: %q, want %q", p, got, want)
		}
	}
	if got := th.Style(Crit).Render("x"); got != "\x1b[1;7;38;5;203mx\x1b[0m" {
		t.Errorf("crit: %q", got)
	}
}
