// Package app is the console: the one bubbletea program, which routes keys to pages and overlays, draws the lines around
// them, and asks the engine for changes without ever waiting for it.
package app

import (
	"fmt"
	"os"
	"slices"
	"strings"
	"time"

	"hairpin/ui/keymap"
	"hairpin/ui/settings"
	"hairpin/ui/theme"
)

// Options say how the console opens. The zero value is a console on standard input and output, read-only, with the
// looks and keys of the node's and the person's own files.
type Options struct {
	Armed bool   // the first thing that the console does is to arm
	Node  string // the name shown and typed to confirm; empty = the one in the snapshots
	Who   string // for the audit trail
	Why   string // the reason for which it is Armed

	Config      string              // the node's folder of settings; empty = /etc/hairpin
	Theme       string              // name or file; empty = HAIRPIN_THEME, else the default
	Glyphs      string              // block, braille or ascii; empty = HAIRPIN_GLYPHS, else block where the terminal knows UTF-8
	Keymap      string              // preset or file; empty = HAIRPIN_KEYMAP, else what the files say
	Mouse       bool                // the wheel moves and clicks select from the start; also HAIRPIN_MOUSE=1
	In, Out     *os.File            // the terminal; nil = standard input and output
	Getenv      func(string) string // nil = os.Getenv
	Now         func() time.Time    // nil = time.Now
	KnowsGlyphs bool                // the terminal knows UTF-8: draw with it from the first frame on

	light bool // the terminal has said that its background is
}

func (o Options) withDefaults() Options {
	if o.Getenv == nil {
		o.Getenv = os.Getenv
	}
	if o.Now == nil {
		o.Now = time.Now
	}
	if o.Config == "" {
		o.Config = "/etc/hairpin"
	}
	or := func(value *string, names ...string) {
		for _, name := range names {
			if *value == "" {
				*value = o.Getenv(name)
			}
		}
	}
	or(&o.Theme, "HAIRPIN_THEME")
	or(&o.Glyphs, "HAIRPIN_GLYPHS")
	or(&o.Keymap, "HAIRPIN_KEYMAP")
	if o.Why == "" {
		o.Why = "opened with --armed"
	}
	o.Mouse = o.Mouse || o.Getenv("HAIRPIN_MOUSE") == "1"
	or(&o.Who, "SUDO_USER", "USER", "LOGNAME")
	return o
}

// settings are the folders of keys and looks.
func (o Options) settings() settings.Settings { return settings.Of(o.Config, o.Getenv) }

// looks are keys and looks as the files say, and what was wrong in them.
type looks struct {
	keys     *keymap.Keymap
	theme    *theme.Theme
	glyphs   theme.Glyphs
	themes   []string // that can be asked for
	problems []string
}

// onLight tells whether the terminal's background is light, as far as it has said so: by its answer, or as some do by a
// variable that ends in the number of the colour.
func (o Options) onLight() bool {
	_, background, _ := strings.Cut(o.Getenv("COLORFGBG"), ";")
	if i := strings.LastIndex(background, ";"); i >= 0 {
		background = background[i+1:]
	}
	return o.light || background == "7" || background == "15"
}

// looks reads them for this terminal.
func (o Options) looks() looks {
	s := o.settings()
	profile, colour := theme.Detect(o.Getenv)
	name := o.Theme
	switch {
	case !colour:
		name = "mono" // NO_COLOR keeps bold and reverse
	case name == "" && theme.Monochrome(o.Getenv):
		name = "mono"
	case name == "" && o.onLight():
		name = theme.Light
	case name == "":
		name = theme.Fallback
	}
	t, wrong := s.Theme(name)
	l := looks{keys: s.Keymap(o.Keymap), theme: t.WithProfile(profile), themes: theme.Names(s.Themes()...)}
	for _, p := range slices.Concat(s.Closed(), wrong, l.keys.Problems) {
		l.problems = append(l.problems, p.String())
	}
	known := false
	if l.glyphs, known = theme.GlyphSet(o.Glyphs); !known {
		l.glyphs = theme.Block()
		if o.Glyphs != "" {
			l.problems = append(l.problems, fmt.Sprintf("glyphs: no set is called %q (there are: %s); block is used", o.Glyphs, strings.Join(theme.GlyphNames(), ", ")))
		}
	}
	return l
}
