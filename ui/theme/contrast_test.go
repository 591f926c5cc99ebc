package theme

import (
	"fmt"
	"math"
	"strings"
	"testing"
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

// TestContrast: every word can be read on the backgrounds that a theme is made for, black and dark grey, or white and
// light grey. Reversed, the ratio is the same.
func TestContrast(t *testing.T) {
	for _, name := range builtin(t) {
		th, _ := Load(name)
		backgrounds := map[string]rgb{"black": hex("#000000"), "dark grey": hex("#1e1e1e")}
		if strings.HasSuffix(name, "-light") {
			backgrounds = map[string]rgb{"white": hex("#ffffff"), "light grey": hex("#f0f0f0")}
		}
		for _, k := range Tokens() {
			c, coloured := th.palette[th.looks[k].fg]
			if !coloured {
				continue
			}
			for as, fg := range shown(c) {
				for on, bg := range backgrounds {
					least := 4.5
					switch {
					case strings.HasPrefix(as, "ansi16") || name == "ansi16":
						least = 3 // its owner has chosen those colours
					case name == "high-contrast":
						least = 7
					}
					if got := contrast(fg, bg); got < least {
						t.Errorf("%s: %s (%s, %s) has a contrast of %.1f on %s, least %.1f", name, k, th.looks[k].fg, as, got, on, least)
					}
				}
			}
		}
	}
}

// blind is how a colour looks without one kind of cone (Viénot, Brettel, Mollon 1999), and to nobody special.
var blind = map[string][3][3]float64{
	"full sight":   {{1, 0, 0}, {0, 1, 0}, {0, 0, 1}},
	"protanopia":   {{0.11238, 0.88762, 0}, {0.11238, 0.88762, 0}, {0.00401, -0.00401, 1}},
	"deuteranopia": {{0.29275, 0.70725, 0}, {0.29275, 0.70725, 0}, {-0.02234, 0.02234, 1}},
}

// lab is a colour in CIE L*a*b*, where the distance is how different colours look.
func lab(c rgb, sight [3][3]float64) [3]float64 {
	var lin [3]float64
	for i, row := range sight {
		for j := range row {
			lin[i] += row[j] * linear(c[j])
		}
		lin[i] = min(max(lin[i], 0), 1)
	}
	x := (0.4124*lin[0] + 0.3576*lin[1] + 0.1805*lin[2]) / 0.9505
	y := 0.2126*lin[0] + 0.7152*lin[1] + 0.0722*lin[2]
	z := (0.0193*lin[0] + 0.1192*lin[1] + 0.9505*lin[2]) / 1.089
	f := func(v float64) float64 {
		if v > 0.008856 {
			return math.Cbrt(v)
		}
		return 7.787*v + 16.0/116
	}
	return [3]float64{116*f(y) - 16, 500 * (f(x) - f(y)), 200 * (f(y) - f(z))}
}

// TestColourBlind: fine, attention and broken look different to everybody, in the themes that promise it.
func TestColourBlind(t *testing.T) {
	const least = 20 // a difference of 2 can just be seen
	for _, name := range []string{"default-dark", "default-light", "cb-dark", "cb-light", "high-contrast"} {
		th, _ := Load(name)
		for _, pair := range [][2]Token{{OK, Warn}, {OK, Crit}, {Warn, Crit}, {Up, Down}, {Up, Draining}, {Draining, Down}} {
			a, b := shown(th.palette[th.looks[pair[0]].fg]), shown(th.palette[th.looks[pair[1]].fg])
			for _, as := range []string{"true", "ansi256"} {
				for sight, m := range blind {
					p, q := lab(a[as], m), lab(b[as], m)
					if d := math.Hypot(math.Hypot(p[0]-q[0], p[1]-q[1]), p[2]-q[2]); d < least {
						t.Errorf("%s: with %s, %s and %s (%s) differ by %.0f, least %d", name, sight, pair[0], pair[1], as, d, least)
					}
				}
			}
		}
	}
}

// TestStateIsNeverColourAlone: what is broken, selected, paused or changed has an attribute in every theme, and in mono
// there is no colour at all.
func TestStateIsNeverColourAlone(t *testing.T) {
	for _, name := range builtin(t) {
		th, _ := Load(name)
		for _, k := range []Token{Crit, Selection, Paused, Staged, Armed, Marked, Down, BarOver} {
			if len(th.looks[k].attrs) == 0 {
				t.Errorf("%s: %s is told by colour alone", name, k)
			}
		}
		if ok, crit := th.looks[OK].attrs, th.looks[Crit].attrs; strings.Join(ok, " ") == strings.Join(crit, " ") {
			t.Errorf("%s: ok and crit have the same attributes", name)
		}
	}
	mono, _ := Load("mono")
	for _, k := range Tokens() {
		if l := mono.looks[k]; l.fg != "" || l.bg != "" {
			t.Errorf("mono: %s has a colour: %+v", k, l)
		}
	}
	seen := map[string]Token{}
	for _, k := range []Token{OK, Warn, Crit} {
		look := strings.Join(mono.looks[k].attrs, " ")
		if other, twice := seen[look]; twice {
			t.Errorf("mono: %s and %s look the same", k, other)
		}
		seen[look] = k
	}
}

// TestAnsi16UsesSixteen: that theme names the same colour in every profile.
func TestAnsi16UsesSixteen(t *testing.T) {
	th, _ := Load("ansi16")
	for name, c := range th.palette {
		if c.ANSI256 != c.ANSI16 || hex(c.True) != xterm(c.ANSI16) {
			t.Errorf("%s is %+v", name, c)
		}
	}
}
