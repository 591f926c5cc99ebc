// Package page holds the screens: each draws a snapshot on a canvas and keeps a cursor; none reads keys, waits, or
// changes anything but its own view.
package page

import (
	"net/netip"
	"time"

	"hairpin/engine"
	"hairpin/engine/spec"
	"hairpin/ui/action"
)

// View is everything that a page draws from.
type View struct {
	Traced  *Traced       // on the Trace screen; nil = nothing was
	State   *engine.State // never nil
	Now     time.Time
	Running *spec.Spec // what Next was laid over
	Next    *spec.Spec // the running spec with what is staged; nil when nothing runs
	Staged  []string   // the edits in between, in words

	Talk    *engine.Connections // who talks; nil = it is not known
	TalkWhy string              // why not
	Capture *Capturing          // of this console; nil = there was none

	Fleet    []engine.FleetNode // as the store has them
	FleetWhy string             // why that is not known
}

// Place is where a person is: a screen, and what is open on it.
type Place struct {
	Screen action.ID
	VIP    string // opened on the VIPs screen
	Stage  string // opened on the Chain screen, as its rows are named
	Event  uint64 // selected on the Events screen; 0 = the newest
	Packet string // traced on the Trace screen, as engine.TraceRequest names it
	NIC    string // by which it comes; empty = the one that it would come by
	Change int    // of the history, by which it is traced too; 0 = by what is staged or would come back
}

// Traced is what a trace has come to.
type Traced struct {
	Place  Place // of the Trace screen, that it belongs to
	Asked  bool  // and no answer has come yet
	Result *engine.Trace
	Why    string // there is none
}

// Target is what an action is meant for, taken when its key is pressed.
type Target struct {
	VIP     string
	Backend netip.Addr

	NIC   string
	Hook  spec.Hook
	Stage string
	Limit *Limit // of Stage

	Packet string    // of the row, for a trace; see PacketOf
	Change int       // of the history, that an event is about
	Time   time.Time // of an event
}

// Limit names one limit of a stage by what its row shows.
type Limit struct {
	Scope string
	Whose string // the VIP's or the tenant's
	Max   uint64
}

// Move is what a page asks for in return for an action.
type Move struct {
	Go *Place // open this
	Up bool   // there is nothing above: the way out
}

// Page is one screen.
type Page interface {
	// Scope is where keys are looked up first; it depends on what is open.
	Scope() action.Scope
	// Crumb is the way to what is open, for the second line; empty at the top.
	Crumb(v View) string
	// Hints are the actions worth a place in the footer, most useful first.
	Hints() []action.ID
	// Enter opens a place of this screen.
	Enter(p Place)
	// Sync brings cursors in line with a new snapshot.
	Sync(v View)
	// Act moves within the page. Actions that change the node never come here.
	Act(id action.ID, v View) Move
	// SetFilter shows only what matches.
	SetFilter(f Filter)
	// Filter is the one in force.
	Filter() Filter
	// Target is what the cursor is on.
	Target() Target
	// Copy is the row under the cursor as text; empty when there is none.
	Copy(v View) string
	// Draw is the page in exactly h lines of w cells.
	Draw(k Kit, v View, w, h int) []string
}

// New is a page for each screen of this version.
func New() map[action.ID]Page {
	return map[action.ID]Page{
		action.GoOverview:    NewOverview(),
		action.GoChain:       NewChain(),
		action.GoVIPs:        NewVIPs(),
		action.GoLimits:      NewLimits(),
		action.GoConnections: NewConnections(),
		action.GoTrace:       NewTrace(),
		action.GoCapture:     NewCapture(),
		action.GoHandoff:     NewHandoff(),
		action.GoEvents:      NewEvents(),
		action.GoDoctor:      NewDoctor(),
		action.GoRouting:     NewRouting(),
		action.GoBGP:         NewBGP(),
		action.GoFleet:       NewFleet(),
		action.GoAgent:       NewAgent(),
		action.GoTenants:     NewTenants(),
	}
}

// wide tells whether there is room for two columns: a screen of 140x40 without the lines around the page.
func wide(w, h int) bool { return w >= 140 && h >= 35 }
