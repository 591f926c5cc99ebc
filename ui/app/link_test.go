package app

import (
	"testing"
	"time"

	"hairpin/ui/action"
	"hairpin/ui/term"
	"hairpin/ui/theme"
	"hairpin/ui/uitest/fake"
)

// TestSlowLinkIsSaid in the first measurement of a session, later when it lasts, and until it is over.
func TestSlowLinkIsSaid(t *testing.T) {
	const quick, slow = 30 * time.Millisecond, 1340 * time.Millisecond
	d := open80(t, fake.Busy())
	took := func(times ...time.Duration) {
		for _, x := range times {
			d.send(term.LinkMsg{Took: x})
		}
	}
	took(slow)
	d.has("slow link: what you see is about 1.3s old")
	d.has("LINK 1.3s LIVE")
	d.press("j")
	took(slow + time.Second)
	d.has("LINK 2.3s LIVE")
	d.hasNot("slow link") // said once
	d.size(40, 12)
	d.hasNot("LINK")
	d.size(80, 24)
	took(quick)
	d.hasNot("LINK")
	took(slow, quick, slow)
	d.hasNot("LINK")
	took(slow)
	d.has("LINK 1.3s LIVE")
	d.has("slow link")
}

// TestLightBackground: the theme follows what the terminal says, unless somebody chose one.
func TestLightBackground(t *testing.T) {
	for _, row := range []struct {
		env, theme, by string
		light          bool
		want           string
	}{
		{"", "", "", true, theme.Light},
		{"", "", "", false, theme.Fallback},
		{"", "cb-dark", "", true, "cb-dark"},
		{"NO_COLOR=1", "", "", true, "mono"},
		{"HAIRPIN_THEME=ansi16", "", "", true, "ansi16"},
		{"", "", "theme cb-dark", true, "cb-dark"},
		{"COLORFGBG=0;15", "", "", false, theme.Light},
		{"COLORFGBG=0;default;15", "", "", false, theme.Light},
		{"COLORFGBG=15;0", "", "", true, theme.Light},
		{"COLORFGBG=nonsense", "", "", false, theme.Fallback},
	} {
		d := open80(t, fake.Busy(), withEnv(row.env), func(o *Options) { o.Theme = row.theme })
		if row.by != "" {
			d.byName(row.by)
		}
		d.do(action.GoVIPs)
		d.send(term.BackgroundMsg{Light: row.light})
		if got := d.m.kit.Theme.Name; got != row.want {
			t.Errorf("%+v: the theme is %s", row, got)
		}
		if row.by == "" && d.m.flash.text != "" {
			t.Errorf("%+v: said %q", row, d.m.flash.text)
		}
	}
}
