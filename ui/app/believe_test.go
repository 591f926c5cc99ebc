package app

import (
	"testing"
	"time"

	"hairpin/ui/action"
	"hairpin/ui/uitest/fake"
)

// TestBelieve: B asks for the VIP's name before what its source says is believed, and says why where there is nothing to.
func TestBelieve(t *testing.T) {
	d := open80(t, fake.Found(), isArmed)
	d.run(d.m.act(call{ID: action.GoVIPs, Arg: "api"}))
	d.has("to believe it: :accept found api")
	d.press("B")
	d.has("ACCEPT WHAT WAS FOUND FOR api")
	d.has("kubernetes shop/api names 1 backend to take new flows, 1 fewer than before")
	d.has("If that is true, 1 backend goes out at once")
	d.press("tab", "enter")
	if f := d.node.State().VIPs[1].Found; f.Held.IsZero() {
		t.Error("accepted without the name of the VIP")
	}
	d.text("api")
	d.press("enter")
	d.pass(time.Second)
	d.has("what was found for api is believed")
	if f := d.node.State().VIPs[1].Found; !f.Held.IsZero() {
		t.Errorf("%+v", f)
	}
}

// TestBelieveRefused: what is refused says why, wherever it is asked for.
func TestBelieveRefused(t *testing.T) {
	emptied := fake.Found()
	emptied.VIPs[1].Found.Says, emptied.VIPs[1].Found.Missing = 0, 2
	d := open80(t, emptied)
	d.run(d.m.act(call{ID: action.Believe, Arg: "api"}))
	d.has("accept found: read-only: ! arms")
	d = open80(t, emptied, isArmed)
	for _, row := range []struct{ vip, want string }{
		{"web", "accept found: no backends of web are found anywhere"},
		{"echo", "accept found: dns echo.example.com does not answer: look up: timeout"},
		{"", "accept found: there is no VIP under the cursor"},
		{"api", "Nobody would be left to take new flows: their packets are dropped as"},
	} {
		d.run(d.m.act(call{ID: action.Believe, Arg: row.vip}))
		d.has(row.want)
	}
}
