// Package app is the console: the one bubbletea program, which routes keys to pages and overlays, draws the lines around
// them, and asks the engine for changes without ever waiting for it.
package app

import (
	"os"
	"time"

	"hairpin/ui/page"
	"hairpin/ui/settings"
	"hairpin/ui/theme"
	"hairpin/ui/widget"
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
	In, Out     *os.File            // the terminal; nil = standard input and output
	Getenv      func(string) string // nil = os.Getenv
	Now         func() time.Time    // nil = time.Now
	KnowsGlyphs bool                // the terminal knows UTF-8: draw with it from the first frame on
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
	or(&o.Who, "SUDO_USER", "USER", "LOGNAME")
	return o
}

// settings are the folders of keys and looks.
func (o Options) settings() settings.Settings { return settings.Of(o.Config, o.Getenv) }

// kit loads theme and glyphs for this terminal, and says what was wrong with their files.
func (o Options) kit() (k page.Kit, wanted theme.Glyphs, problems []string) {
	profile, colour := theme.Detect(o.Getenv)
	name := o.Theme
	switch {
	case !colour:
		name = "mono" // NO_COLOR keeps bold and reverse
	case name == "":
		name = theme.Fallback
	}
	t, wrong := o.settings().Theme(name)
	for _, p := range wrong {
		problems = append(problems, p.String())
	}
	wanted, known := theme.GlyphSet(o.Glyphs)
	if !known {
		wanted = theme.Block()
		if o.Glyphs != "" {
			problems = append(problems, "glyphs: there is no set "+o.Glyphs+"; block is used")
		}
	}
	k = page.Kit{Theme: t.WithProfile(profile), Glyphs: theme.ASCII(), Units: &widget.Units{}}
	if o.KnowsGlyphs {
		k.Glyphs = wanted
	}
	return k, wanted, problems
}
