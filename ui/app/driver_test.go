package app

import (
	"strings"
	"testing"
	"time"

	tea "github.com/charmbracelet/bubbletea"

	"hairpin/engine"
	"hairpin/ui/action"
	"hairpin/ui/feed"
	"hairpin/ui/uitest"
	"hairpin/ui/uitest/fake"
)

// driver runs the console without a terminal and without a clock of its own: every command is carried out at once, in
// order, unless the test holds them back.
type driver struct {
	t    testing.TB
	m    *Model
	node *fake.Node
	now  time.Time
	quit bool

	hold bool      // keep commands instead of running them
	held []tea.Cmd // kept
	late []tea.Msg // what the model wants to hear later
}

type setup func(*Options)

func open80(t testing.TB, s *engine.State, changes ...setup) *driver {
	t.Helper()
	d := &driver{t: t, node: fake.New(s), now: fake.Epoch()}
	d.node.Clock(func() time.Time { return d.now })
	d.open(d.node, changes...)
	return d
}

// open opens the console on a node that need not be a fake.
func (d *driver) open(node engine.Node, changes ...setup) {
	t := d.t
	t.Helper()
	o := Options{
		Who: "ops-3", Getenv: func(string) string { return "" }, Config: t.TempDir(), KnowsGlyphs: true,
		Now: func() time.Time { return d.now },
	}
	for _, change := range changes {
		change(&o)
	}
	f := feed.New(t.Context(), node)
	<-f.Ready()
	d.m = New(t.Context(), node, f, o)
	d.m.after = func(_ time.Duration, msg tea.Msg) tea.Cmd {
		d.late = append(d.late, msg)
		return nil
	}
	d.size(80, 24)
	if o.Armed {
		d.run(d.m.armFor(armReason(o.Why)))
		d.m.flash = flash{}
	}
}

func isArmed(o *Options) { o.Armed, o.Why = true, "INC-1" }

func withKeymap(name string) setup { return func(o *Options) { o.Keymap = name } }

func (d *driver) size(w, h int) { d.send(tea.WindowSizeMsg{Width: w, Height: h}) }

// send gives the model a message and carries out what it wants.
func (d *driver) send(msg tea.Msg) {
	_, cmd := d.m.Update(msg)
	d.run(cmd)
}

func (d *driver) run(cmd tea.Cmd) {
	switch {
	case cmd == nil:
		return
	case d.hold:
		d.held = append(d.held, cmd)
		return
	}
	switch msg := cmd().(type) {
	case tea.BatchMsg:
		for _, c := range msg {
			d.run(c)
		}
	case tea.QuitMsg:
		d.quit = true
	case nil:
	default:
		d.send(msg)
	}
}

// pass moves the clock, and lets the console see what the node shows then.
func (d *driver) pass(by time.Duration) {
	d.now = d.now.Add(by)
	d.send(tickMsg{})
}

// show publishes a snapshot and waits until it is in the mailbox.
func (d *driver) show(s *engine.State) {
	d.node.Show(s)
	d.m.feed.Put(d.node.State())
	d.send(tickMsg{})
}

// press types keys by their names.
func (d *driver) press(names ...string) {
	d.t.Helper()
	for _, n := range names {
		d.send(keyMsg(d.t, n))
	}
}

// text types a text, rune by rune.
func (d *driver) text(s string) {
	for _, r := range s {
		d.send(tea.KeyMsg{Type: tea.KeyRunes, Runes: []rune{r}})
	}
}

// do calls an action as its key would, so that a test holds under every keymap.
func (d *driver) do(ids ...action.ID) {
	d.t.Helper()
	for _, id := range ids {
		if len(d.m.stack) > 0 {
			d.t.Fatalf("%s: a dialog is open:\n%s", id, d.screen().Text())
		}
		d.m.now = d.now
		d.run(d.m.act(call{ID: id, Target: d.m.page().Target()}))
	}
}

func (d *driver) screen() *uitest.Screen { return uitest.NewScreen(d.m.View(), d.m.w, d.m.h) }

func (d *driver) has(words ...string) {
	d.t.Helper()
	d.screen().Has(d.t, words...)
}

func (d *driver) hasNot(words ...string) {
	d.t.Helper()
	d.screen().HasNot(d.t, words...)
}

// keyMsg is the message of a key by its name in keymaps.
func keyMsg(t testing.TB, name string) tea.KeyMsg {
	t.Helper()
	alt := strings.HasPrefix(name, "alt+")
	base := strings.TrimPrefix(name, "alt+")
	if base == "space" {
		return tea.KeyMsg{Type: tea.KeySpace, Runes: []rune{' '}, Alt: alt}
	}
	if r := []rune(base); len(r) == 1 {
		return tea.KeyMsg{Type: tea.KeyRunes, Runes: r, Alt: alt}
	}
	for k := tea.KeyType(-120); k < 128; k++ {
		if k != tea.KeyRunes && k.String() == base {
			return tea.KeyMsg{Type: k, Alt: alt}
		}
	}
	t.Fatalf("no terminal sends %q", name)
	return tea.KeyMsg{}
}
