package theme

import (
	"fmt"
	"maps"
	"math"
	"slices"
	"strings"

	"hairpin/ui/layer"
)

// rgb is a colour in sRGB, 0..255.
type rgb [3]float64

func hex(s string) rgb {
	var c rgb
	for i := range c {
		var v int
		fmt.Sscanf(s[1+2*i:3+2*i], "%02x", &v)
		c[i] = float64(v)
	}
	return c
}

// xterm is the usual palette of 256 colours, by formula from 16 on.
func xterm(n int) rgb {
	first := strings.Fields("#000000 #cd0000 #00cd00 #cdcd00 #0000ee #cd00cd #00cdcd #e5e5e5 " +
		"#7f7f7f #ff0000 #00ff00 #ffff00 #5c5cff #ff00ff #00ffff #ffffff")
	step := []float64{0, 95, 135, 175, 215, 255}
	switch {
	case n < 16:
		return hex(first[n])
	case n < 232:
		n -= 16
		return rgb{step[n/36], step[n/6%6], step[n%6]}
	}
	grey := float64(8 + 10*(n-232))
	return rgb{grey, grey, grey}
}

// vga is the palette of sixteen colours of consoles and many terminals.
func vga(n int) rgb {
	return hex(strings.Fields("#000000 #aa0000 #00aa00 #aa5500 #0000aa #aa00aa #00aaaa #aaaaaa " +
		"#555555 #ff5555 #55ff55 #ffff55 #5555ff #ff55ff #55ffff #ffffff")[n])
}

func linear(v float64) float64 {
	v /= 255
	if v > 0.04045 {
		return math.Pow((v+0.055)/1.055, 2.4)
	}
	return v / 12.92
}

// contrast is the ratio of WCAG 2: 1 to 21.
func contrast(a, b rgb) float64 {
	light := func(c rgb) float64 { return 0.2126*linear(c[0]) + 0.7152*linear(c[1]) + 0.0722*linear(c[2]) }
	hi, lo := max(light(a), light(b)), min(light(a), light(b))
	return (hi + 0.05) / (lo + 0.05)
}

// shown is a palette entry as each kind of terminal draws it.
func shown(c colour) map[string]rgb {
	return map[string]rgb{
		"true": hex(c.True), "ansi256": xterm(c.ANSI256), "ansi16 of xterm": xterm(c.ANSI16), "ansi16 of vga": vga(c.ANSI16),
	}
}

// backgrounds are those that a theme is made for.
func backgrounds(light bool) map[string]rgb {
	if light {
		return map[string]rgb{"white": hex("#ffffff"), "light grey": hex("#f0f0f0")}
	}
	return map[string]rgb{"black": hex("#000000"), "dark grey": hex("#1e1e1e")}
}

// leastOf16 is the contrast of sixteen colours, which the terminal's owner has chosen.
const leastOf16 = 3

// leastContrast is what words need to be read.
func leastContrast(as string) float64 {
	if strings.HasPrefix(as, "ansi16") {
		return leastOf16
	}
	return 4.5
}

// Contrast tells of which tokens that the files of a theme set, in the layers, the words can hardly be read: on the
// backgrounds of the theme that it inherits from, or on their own. Built-in themes are not judged.
func Contrast(name string, layers ...layer.Dir) (problems []layer.Problem) {
	l := newLoader(layers)
	chain := l.chain(name)
	palette, looks := map[string]colour{}, map[Token]look{}
	for _, f := range slices.Backward(chain) {
		f.over(palette, looks)
	}
	light := slices.ContainsFunc(chain, func(f *file) bool { return f.light() })
	for _, k := range Tokens() {
		for _, f := range chain {
			line := f.line("tokens", string(k))
			if _, sets := f.looks[k]; !sets {
				if _, sets = f.palette[looks[k].fg]; !sets {
					continue
				}
				line = f.line("palette", looks[k].fg)
			}
			if text := unreadable(looks[k], palette, light); f.own && text != "" {
				problems = append(problems, layer.Problem{Place: layer.Place{File: f.path, Line: line}, What: fmt.Sprintf("tokens.%s: %s", k, text)})
			}
			break
		}
	}
	return problems
}

// light tells whether a file is a built-in theme for light backgrounds, or named like one.
func (f *file) light() bool { return strings.HasSuffix(f.path, "-light.toml") }

// unreadable says where words of a look have the least contrast, if that is too little; else nothing.
func unreadable(l look, palette map[string]colour, light bool) (text string) {
	c, coloured := palette[l.fg]
	if !coloured {
		return ""
	}
	lack := 1.0 // of what is needed
	for _, as := range slices.Sorted(maps.Keys(shown(c))) {
		on := backgrounds(light)
		if own, ok := palette[l.bg]; ok {
			on = map[string]rgb{l.bg: shown(own)[as]}
		}
		for _, where := range slices.Sorted(maps.Keys(on)) {
			ratio := contrast(shown(c)[as], on[where])
			if least := leastContrast(as); ratio/least < lack {
				lack = ratio / least
				text = fmt.Sprintf("%s can hardly be read on %s: as %s its contrast is %.1f, words need %.1f", l.fg, where, as, ratio, least)
			}
		}
	}
	return text
}
