package widget

import (
	"math"
	"math/rand/v2"
	"strings"
	"testing"
	"time"
)

func TestNumber(t *testing.T) {
	for v, want := range map[float64]string{
		0: "0", 0.2: "<1", 0.5: "<1", 0.7: "1", 7: "7", 310: "310", 999: "999", 999.4: "999", 999.5: "1.00k", 1000: "1.00k",
		9994: "9.99k", 9995: "10.0k", 9996: "10.0k", 12400: "12.4k", 99940: "99.9k", 99960: "100k", 412000: "412k", 999400: "999k",
		999600: "1.00M", 4.12e6: "4.12M", 8.09e9: "8.09G", 1e12: "1.00T", 1e15: "1.00P", 1e18: "1.00E", 9e20: "900E", 1e22: ">999E",
		-12400: "-12.4k", -0.1: "-<1", math.NaN(): "-", math.Inf(1): "-", math.Inf(-1): "-",
	} {
		if got := Number(v); got != want && v == v {
			t.Errorf("%v: %q, want %q", v, got, want)
		}
	}
	if got := Number(math.NaN()); got != "-" {
		t.Errorf("not a number is %q", got)
	}
}

// TestNumberIsNarrow: five cells, more than nothing is never "0", and what is read back is within half of the last digit.
func TestNumberIsNarrow(t *testing.T) {
	r := rand.New(rand.NewPCG(1, 1))
	for range 100_000 {
		v := math.Pow(10, r.Float64()*21-2)
		got := Number(v)
		if len(got) > 5 || got == "0" {
			t.Fatalf("%v is %q", v, got)
		}
		if back := parse(got); back > 0 && math.Abs(back-v) > max(v*0.00501, 0.5) {
			t.Fatalf("%v is %q, which is %v", v, got, back)
		}
	}
}

// parse reads a number back; -1 when it only says less than or more than.
func parse(s string) float64 {
	if strings.ContainsAny(s, "<>") {
		return -1
	}
	unit := 1.0
	if i := strings.IndexByte(prefixes, s[len(s)-1]); i > 0 {
		unit, s = math.Pow(1000, float64(i)), s[:len(s)-1]
	}
	whole, frac, _ := strings.Cut(s, ".")
	v := 0.0
	for _, d := range whole + frac {
		v = v*10 + float64(d-'0')
	}
	return v / math.Pow(10, float64(len(frac))) * unit
}

// TestUnitsHoldStill: around a border the unit changes once and then stays.
func TestUnitsHoldStill(t *testing.T) {
	r := rand.New(rand.NewPCG(2, 2))
	for _, border := range []float64{1e3, 1e6, 1e9} {
		var u Units
		changes, last := 0, byte(0)
		for range 1000 {
			got := u.Number("x", border*(0.92+0.16*r.Float64()))
			if len(got) > 5 {
				t.Fatalf("%q is too wide", got)
			}
			unit := got[len(got)-1]
			if unit >= '0' && unit <= '9' {
				unit = 0
			}
			if unit != last {
				changes, last = changes+1, unit
			}
		}
		if changes > 2 { // from nothing to the lower unit, and up
			t.Errorf("around %v the unit changed %d times", border, changes)
		}
	}
}

func TestUnits(t *testing.T) {
	var u Units
	for i, step := range []struct {
		name string
		v    float64
		want string
	}{
		{"a", 990, "990"}, {"a", 1010, "1.01k"}, {"a", 990, "0.99k"}, {"b", 990, "990"}, {"a", 900, "0.90k"}, {"a", 899, "899"},
		{"a", 990, "990"}, {"a", math.NaN(), "-"}, {"a", 2e6, "2.00M"}, {"a", 10, "10"}, {"a", 0, "0"}, {"a", 950e6, "950M"},
	} {
		if got := u.Number(step.name, step.v); got != step.want {
			t.Errorf("step %d, %v: %q, want %q", i, step.v, got, step.want)
		}
	}
	for n := range 3 * maxUnits {
		u.Number(string(rune(n)), 1)
	}
	if len(u.last) > maxUnits {
		t.Errorf("%d values are remembered", len(u.last))
	}
}

func TestPercent(t *testing.T) {
	for share, want := range map[float64]string{
		0: "0%", 0.0001: "<0.1%", 0.0005: "0.1%", 0.007: "0.7%", 0.05: "5%", 0.0833: "8.3%", 0.0994: "9.9%", 0.0996: "10%", 0.38: "38%",
		0.994: "99%", 0.9999: ">99%", 1: "100%", 1.5: "150%", 98: "9800%", 1000: ">9999%", -1: "-",
	} {
		if got := Percent(share); got != want {
			t.Errorf("%v: %q, want %q", share, got, want)
		}
	}
	if got := Percent(math.NaN()); got != "-" {
		t.Errorf("not a number is %q", got)
	}
}

func TestFactor(t *testing.T) {
	for _, c := range []struct {
		v, usual float64
		want     string
	}{{310, 310, "x1.0"}, {9, 10, "x0.9"}, {41000, 100, "x410"}, {5e6, 1, "x5.00M"}, {5, 0, "-"}, {0, 0, "-"}, {0, 5, "x0.0"}} {
		if got := Factor(c.v, c.usual); got != c.want {
			t.Errorf("%v of %v: %q, want %q", c.v, c.usual, got, c.want)
		}
	}
}

func TestAge(t *testing.T) {
	for d, want := range map[time.Duration]string{
		-time.Second: "0s", 0: "0s", 999 * time.Millisecond: "0s", 12 * time.Second: "12s", 312 * time.Second: "5m12s",
		3*time.Hour + 4*time.Minute + 59*time.Second: "3h04m", 51 * time.Hour: "2d03h", 99 * 24 * time.Hour: "99d00h",
		400 * 24 * time.Hour: "400d",
	} {
		if got := Age(d); got != want {
			t.Errorf("%v: %q, want %q", d, got, want)
		}
	}
}
