package theme

import (
	"math"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"hairpin/ui/layer"
)

// TestContrast: every word can be read on the backgrounds that a theme is made for, black and dark grey, or white and
// light grey. Reversed, the ratio is the same.
func TestContrast(t *testing.T) {
	for _, name := range builtin(t) {
		th, _ := Load(name)
		backgrounds := backgrounds(strings.HasSuffix(name, "-light"))
		for _, k := range Tokens() {
			c, coloured := th.palette[th.looks[k].fg]
			if !coloured {
				continue
			}
			for as, fg := range shown(c) {
				for on, bg := range backgrounds {
					least := leastContrast(as)
					switch {
					case name == "ansi16":
						least = leastOf16
					case name == "high-contrast" && least > leastOf16:
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

// TestOwnContrast: of a theme that somebody wrote, what can hardly be read is told with its line; of what it inherits,
// nothing, and of one for light backgrounds, on those.
func TestOwnContrast(t *testing.T) {
	dir := t.TempDir()
	write := func(name, text string) {
		if err := os.WriteFile(filepath.Join(dir, name+".toml"), []byte("schema = 1\n"+text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	const night = "[palette]\nnight = {true = \"#102040\", ansi256 = 17, ansi16 = 4}\nday = {true = \"#e0e0ff\", ansi256 = 189, ansi16 = 15}\n"
	write("mine", night+"[tokens]\nok = \"night\"\ntext = \"day\"\nselection = \"night on day\"\ncrit = \"night\"\n")
	write("mine-light", "inherits = \"default-light\"\n"+night+"[tokens]\nok = \"night\"\nhint = \"day\"\n")
	write("fine", "inherits = \"cb-dark\"\n")
	for name, want := range map[string][]string{
		"fine":       nil,
		"cb-light":   nil,
		"mine":       {"mine.toml:6: tokens.ok: night can hardly be read on dark grey", "mine.toml:9: tokens.crit: night can hardly"},
		"mine-light": {"mine-light.toml:8: tokens.hint: day can hardly be read on light grey: as true its contrast is 1."},
	} {
		var got []string
		for _, p := range Contrast(name, layer.Dir(dir)) {
			got = append(got, p.String())
		}
		if len(got) != len(want) {
			t.Errorf("%s: %q", name, got)
			continue
		}
		for i := range want {
			if !strings.Contains(got[i], want[i]) {
				t.Errorf("%s: %q, want %q", name, got[i], want[i])
			}
		}
	}
}
