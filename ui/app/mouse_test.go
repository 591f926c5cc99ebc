package app

import (
	"testing"

	tea "github.com/charmbracelet/bubbletea"

	"hairpin/ui/action"
	"hairpin/ui/uitest/fake"
)

func (d *driver) mouse(button tea.MouseButton, x, y int) {
	d.send(tea.MouseMsg{X: x, Y: y, Button: button, Action: tea.MouseActionPress})
}

// clickOn clicks where a row shows words.
func (d *driver) clickOn(x int, words ...string) {
	d.t.Helper()
	d.mouse(tea.MouseButtonLeft, x, d.screen().Has(d.t, words...))
}

func withMouse(o *Options) { o.Mouse = true }

func TestMouse(t *testing.T) {
	d := open80(t, fake.Busy(), withMouse)
	d.mouse(tea.MouseButtonLeft, 21, 2)
	d.has("3 VIPs")
	d.has("PROTO")
	d.clickOn(5, "echo", "10.99.0.1:7")
	d.has(">echo")
	d.mouse(tea.MouseButtonLeft, 5, 20) // there is no row
	d.has(">echo")
	d.mouse(tea.MouseButtonWheelUp, 1, 1)
	d.has(">web")
	d.clickOn(5, "api")
	d.has(">api")
	d.clickOn(5, ">api")
	d.has("VIPs > api")
	d.mouse(tea.MouseButtonWheelDown, 1, 1)
	d.has(">10.1.2.13")
	d.do(action.Help)
	before := d.screen().Text()
	d.mouse(tea.MouseButtonWheelDown, 1, 1)
	if d.screen().Text() == before {
		t.Error("the wheel does not scroll help")
	}
	d.mouse(tea.MouseButtonLeft, 21, 2)
	d.has("HELP")
	d.press("esc")
	for _, button := range []tea.MouseButton{tea.MouseButtonRight, tea.MouseButtonMiddle, tea.MouseButtonNone} {
		d.mouse(button, 5, 6)
	}
	d.mouse(tea.MouseButtonLeft, 500, 500)
	d.has("VIPs > api")
}

// TestMouseInTwoColumns: a click in either column goes where it points.
func TestMouseInTwoColumns(t *testing.T) {
	d := open80(t, fake.Incident(), withMouse)
	d.size(140, 40)
	const right = 100
	d.press("3")
	d.clickOn(right, "10.1.1.13")
	d.has("VIPs > web")
	d.has(">10.1.1.13")
	d.clickOn(right, ">10.1.1.13") // it opens nothing
	d.has("open: there is nothing to open")
	d.clickOn(5, " echo ")
	d.hasNot("VIPs > web")
	d.has(">echo")
	d.clickOn(5, ">echo")
	d.has("VIPs > echo")
	for _, c := range []struct{ title, screen string }{
		{"DROP REASON", "Chain"}, {"CLOSEST TO A LIMIT", "Limits"}, {"WOULD/s", "Chain"}, {"PROBLEMS", "Events"},
	} {
		d.press("1")
		d.mouse(tea.MouseButtonLeft, right, d.screen().Has(t, c.title)+1)
		d.has(" " + c.screen)
		if d.m.place.Screen == action.GoOverview {
			t.Errorf("a click below %s opens nothing", c.title)
		}
	}
	d.press("2", "g", "j")
	d.mouse(tea.MouseButtonLeft, right, 6)
	d.has("Chain > eth0 > xdp > burst")
	d.mouse(tea.MouseButtonLeft, right, 20)
	d.has("Chain > eth0 > xdp > burst")
	d.press("9")
	before := d.screen().Text()
	d.mouse(tea.MouseButtonLeft, 130, 6)
	if d.screen().Text() != before {
		t.Error("a click on the text of an event does something")
	}
}

// TestMouseChangesNothing: wherever one clicks on a page, armed: nothing is staged and no dialog opens.
func TestMouseChangesNothing(t *testing.T) {
	d := open80(t, fake.Busy(), withMouse, isArmed)
	for _, name := range []string{"overview", "chain", "stage", "vips", "backends", "limits", "events", "staged"} {
		views(d)[name]()
		staged := d.m.staged.Len()
		for _, size := range [][2]int{{140, 40}, {80, 24}} {
			d.size(size[0], size[1])
			for y := range size[1] {
				d.mouse(tea.MouseButtonLeft, 5+size[0]/4*(y%4), y)
			}
		}
		if len(d.m.stack) > 0 || d.m.staged.Len() != staged || d.quit {
			t.Fatalf("%s: a click opened %v, staged %d", name, d.m.stack, d.m.staged.Len()-staged)
		}
	}
}

func TestMouseIsOffUntilAsked(t *testing.T) {
	d := open80(t, fake.Busy())
	d.mouse(tea.MouseButtonLeft, 21, 2)
	d.has("NIC", "CHAIN")
	d.byName("mouse")
	d.has("a click selects")
	d.mouse(tea.MouseButtonLeft, 21, 2)
	d.has("PROTO")
	d.byName("mouse")
	d.has("the mouse selects text again")
	d.mouse(tea.MouseButtonLeft, 5, 2)
	d.has("PROTO")
	if d = open80(t, fake.Busy(), withEnv("HAIRPIN_MOUSE=1")); !d.m.mouse {
		t.Error("HAIRPIN_MOUSE is not heard")
	}
}
