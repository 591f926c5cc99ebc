package action

// The actions by name, for code that asks for one.
const (
	GoOverview ID = "screen.overview"
	GoChain    ID = "screen.chain"
	GoVIPs     ID = "screen.vips"
	GoLimits   ID = "screen.limits"
	GoTrace    ID = "screen.trace"
	GoHandoff  ID = "screen.handoff"
	GoEvents   ID = "screen.events"
	GoDoctor   ID = "screen.doctor"
	GoRouting  ID = "screen.routing"
	GoBGP      ID = "screen.bgp"
	GoFleet    ID = "screen.fleet"
	GoAgent    ID = "screen.agent"
	GoTenants  ID = "screen.tenants"

	GoConnections ID = "screen.connections"
	GoCapture     ID = "screen.capture"

	Down     ID = "list.down"
	Up       ID = "list.up"
	Top      ID = "list.top"
	Bottom   ID = "list.bottom"
	PageDown ID = "list.page_down"
	PageUp   ID = "list.page_up"
	Open     ID = "list.open"
	Filter   ID = "list.filter"
	Sort     ID = "list.sort"
	Reverse  ID = "list.reverse"
	NextPane ID = "pane.next"

	Cancel ID = "nav.cancel"
	Back   ID = "nav.back"
	Older  ID = "nav.older"
	Newer  ID = "nav.newer"
	Last   ID = "nav.last"

	CopyRow  ID = "copy.row"
	CopyView ID = "copy.view"

	Palette ID = "palette.open"
	Help    ID = "help.show"
	Pause   ID = "time.pause"
	Live    ID = "time.live"

	StepBack   ID = "time.step_back"
	StepOn     ID = "time.step_on"
	MinuteBack ID = "time.minute_back"
	MinuteOn   ID = "time.minute_on"
	GoTime     ID = "time.go"
	Speed      ID = "time.speed"
	EventTime  ID = "event.time"

	Arm     ID = "arm.toggle"
	Undo    ID = "stage.undo"
	Redo    ID = "stage.redo"
	Discard ID = "stage.discard"
	Apply   ID = "change.apply"
	Confirm ID = "change.confirm"
	Detach  ID = "node.detach"
	Quit    ID = "app.quit"

	Theme  ID = "look.theme"
	Keymap ID = "look.keymap"
	Glyphs ID = "look.glyphs"
	Mouse  ID = "mouse.toggle"

	Weight      ID = "backend.weight"
	Heavier     ID = "backend.heavier"
	Lighter     ID = "backend.lighter"
	Drain       ID = "backend.drain"
	Toggle      ID = "backend.toggle"
	Maintenance ID = "backend.maintenance"
	Add         ID = "backend.add"
	Remove      ID = "backend.remove"

	StageToggle ID = "chain.toggle"
	StageShadow ID = "chain.shadow"
	StageLater  ID = "chain.later"
	StageSooner ID = "chain.sooner"
	StageInsert ID = "chain.insert"
	StageRemove ID = "chain.remove"

	TakeBack ID = "change.reverse"
	History  ID = "change.history"
	HandOver ID = "node.hand_over"
	GoBack   ID = "node.go_back"

	Believe ID = "found.accept"

	FleetStop   ID = "fleet.stop"
	FleetResume ID = "fleet.resume"
	FleetBack   ID = "fleet.back"
	FleetLeave  ID = "fleet.leave"
	FleetRejoin ID = "fleet.rejoin"

	LimitEdit  ID = "limit.edit"
	LimitRaise ID = "limit.raise"
	LimitLower ID = "limit.lower"

	TraceThis    ID = "trace.this"
	TracePacket  ID = "trace.packet"
	TraceAgain   ID = "trace.again"
	TraceOther   ID = "trace.other"
	TraceAgainst ID = "trace.against"
	TraceShells  ID = "trace.shells"
	TalkersBy    ID = "connections.by"
	FlowGroup    ID = "connections.group"
	CaptureThis  ID = "connections.capture"
	CaptureStart ID = "capture.start"
	CaptureStop  ID = "capture.stop"
	CaptureSave  ID = "capture.save"
)

// The actions of a dialog. They have no place in a keymap file and none in the palette.
const (
	Accept    ID = "dialog.accept"
	Dismiss   ID = "dialog.cancel"
	NextField ID = "dialog.next"
	PrevField ID = "dialog.previous"
	LineDown  ID = "dialog.down"
	LineUp    ID = "dialog.up"
	Erase     ID = "dialog.erase"
	EraseWord ID = "dialog.erase_word"
	EraseLine ID = "dialog.erase_line"
	Quickest  ID = "dialog.quit" // ctrl+c inside a dialog
)

var table = [...]Action{
	{ID: GoOverview, Scope: Global, Title: "overview", Help: "what is wrong, what is forwarded and dropped"},
	{ID: GoChain, Scope: Global, Title: "chain", Help: "the stages of each NIC: what they drop, their order"},
	{ID: GoVIPs, Scope: Global, Title: "VIPs", Help: "virtual addresses and the backends behind them", Arg: "[VIP]", Of: VIPNames},
	{ID: GoLimits, Scope: Global, Title: "limits", Help: "limits against their thresholds, and who is over"},
	{ID: GoTrace, Scope: Global, Title: "trace", Help: "what becomes of a packet, stage by stage", Arg: "[packet]"},
	{ID: GoConnections, Scope: Global, Title: "connections", Help: "who talks most, and over which connections"},
	{ID: GoCapture, Scope: Global, Title: "capture", Help: "packets as they come and as they leave"},
	{ID: GoHandoff, Scope: Global, Title: "handoff", Help: "who owns the node, and handing it over"},
	{ID: GoEvents, Scope: Global, Title: "events", Help: "what happened on this node, newest first"},
	{ID: GoDoctor, Scope: Global, Title: "doctor", Help: "what of this machine is in the way, and its cure"},
	{ID: GoRouting, Scope: Global, Title: "routing", Help: "the route, neighbour and NIC to each backend"},
	{ID: GoBGP, Scope: Global, Title: "bgp", Help: "what routers are told, and the sessions with them"},
	{ID: GoAgent, Scope: Global, Title: "agent", Help: "what this node takes packets for as a backend"},
	{ID: GoTenants, Scope: Global, Title: "tenants", Help: "whose VIPs there are, and what they carry together"},
	{ID: GoFleet, Scope: Global, Title: "fleet", Help: "the nodes of one mind, and which revision each has"},

	{ID: Down, Scope: Global, Title: "down", Help: "next row"},
	{ID: Up, Scope: Global, Title: "up", Help: "row before"},
	{ID: Top, Scope: Global, Title: "top", Help: "first row"},
	{ID: Bottom, Scope: Global, Title: "bottom", Help: "last row"},
	{ID: PageDown, Scope: Global, Title: "page down", Help: "half a page on"},
	{ID: PageUp, Scope: Global, Title: "page up", Help: "half a page back"},
	{ID: Open, Scope: Global, Title: "open", Help: "open the row under the cursor"},
	{ID: TraceThis, Scope: Global, Title: "trace this", Help: "what becomes of the packet of this row"},
	{ID: Filter, Scope: Global, Title: "filter", Help: "show only rows with this text, or key=value", Arg: "text"},
	{ID: Sort, Scope: Global, Title: "sort", Help: "sort by the next column"},
	{ID: Reverse, Scope: Global, Title: "reverse", Help: "turn the sort order round"},
	{ID: NextPane, Scope: Global, Title: "next pane", Help: "move the cursor to the next list"},

	{ID: Cancel, Scope: Global, Title: "cancel", Help: "drop the filter, or go one level up; never quits"},
	{ID: Back, Scope: Global, Title: "back", Help: "one level up; at the top it asks how to quit"},
	{ID: Older, Scope: Global, Title: "older", Help: "the view before this one"},
	{ID: Newer, Scope: Global, Title: "newer", Help: "the view after this one"},
	{ID: Last, Scope: Global, Title: "last", Help: "to and fro between two views"},

	{ID: CopyRow, Scope: Global, Title: "copy row", Help: "put the row under the cursor on the clipboard"},
	{ID: CopyView, Scope: Global, Title: "copy view", Help: "put the whole screen on the clipboard"},

	{ID: Palette, Scope: Global, Title: "command", Help: "every action by name, with its argument"},
	{ID: Help, Scope: Global, Title: "help", Help: "the keys of this screen"},
	{ID: Pause, Scope: Global, Title: "pause", Help: "hold the picture; collecting goes on"},
	{ID: Live, Scope: Global, Title: "live", Help: "show the newest again; a replay goes on"},
	{ID: StepBack, Scope: Global, Title: "step back", Help: "what was shown before this"},
	{ID: StepOn, Scope: Global, Title: "step", Help: "what was shown after this"},
	{ID: MinuteBack, Scope: Global, Title: "minute back", Help: "what was shown a minute before this"},
	{ID: MinuteOn, Scope: Global, Title: "minute on", Help: "what was shown a minute after this"},
	{ID: GoTime, Scope: Global, Title: "go to time", Help: "what was shown at a time of the last day", Arg: "time"},
	{ID: Speed, Scope: Global, Title: "speed", Help: "how many seconds of a replay go by in one", Arg: "number"},
	{ID: EventTime, Scope: Events, Title: "go there", Help: "what was shown when this happened"},

	{ID: Arm, Scope: Global, Title: "arm", Help: "allow changes for ten minutes, or no longer", Arg: "reason"},
	{ID: Undo, Scope: Global, Title: "undo", Help: "take the last staged edit back"},
	{ID: Redo, Scope: Global, Title: "redo", Help: "stage again what was undone"},
	{ID: Discard, Scope: Global, Title: "discard", Help: "drop everything that is staged"},
	{ID: Apply, Scope: Global, Title: "apply", Help: "preview what is staged and make it live", Arms: true},
	{ID: Confirm, Scope: Global, Title: "confirm", Help: "keep the running generation"},
	{ID: Detach, Scope: Global, Title: "detach", Help: "remove everything of hairpin's from this node", Arms: true},
	{ID: Quit, Scope: Global, Title: "quit", Help: "leave the console; asks about the data path"},

	{ID: Theme, Scope: Global, Title: "theme", Help: "draw with another theme from now on", Arg: "theme", Of: Themes},
	{ID: Keymap, Scope: Global, Title: "keymap", Help: "use the keys of a preset from now on", Arg: "preset", Of: Presets},
	{ID: Glyphs, Scope: Global, Title: "glyphs", Help: "draw with other characters from now on", Arg: "set", Of: GlyphSets},
	{ID: Mouse, Scope: Global, Title: "mouse", Help: "wheel moves and clicks select, or no longer"},
	{ID: Believe, Scope: Global, Title: "accept found", Help: "believe what the source of found backends says", Arms: true, Arg: "[VIP]", Of: VIPNames},
	{ID: FleetStop, Scope: Global, Title: "fleet stop", Help: "keep further nodes from taking the newest revision", Arms: true},
	{ID: FleetResume, Scope: Global, Title: "fleet resume", Help: "go on with a revision that was stopped", Arms: true},
	{ID: FleetBack, Scope: Global, Title: "fleet back", Help: "have all nodes go back to the revision before", Arms: true},
	{ID: FleetLeave, Scope: Global, Title: "fleet leave", Help: "take this node out, to change it alone", Arms: true},
	{ID: FleetRejoin, Scope: Global, Title: "fleet rejoin", Help: "have the fleet's revision be this node's again", Arms: true},

	{ID: Weight, Scope: Backends, Title: "weight", Help: "stage a weight for this backend", Arms: true, Arg: "weight"},
	{ID: Heavier, Scope: Backends, Title: "heavier", Help: "stage a step more weight", Arms: true},
	{ID: Lighter, Scope: Backends, Title: "lighter", Help: "stage a step less weight", Arms: true},
	{ID: Drain, Scope: Backends, Title: "drain", Help: "stage: no new flows, established ones stay", Arms: true},
	{ID: Toggle, Scope: Backends, Title: "up/down", Help: "stage: take it out, or back in", Arms: true},
	{ID: Maintenance, Scope: Backends, Title: "maintenance", Help: "stage: out for planned work", Arms: true},
	{ID: Add, Scope: Backends, Title: "add", Help: "stage a new backend for this VIP", Arms: true, Arg: "address [weight]"},
	{ID: Remove, Scope: Backends, Title: "remove", Help: "stage: no longer behind this VIP", Arms: true},

	{ID: StageToggle, Scope: Chain, Title: "on/off", Help: "stage: no packet meets it, or packets do again", Arms: true, Arg: "[stage]", Of: ChainStages},
	{ID: StageShadow, Scope: Chain, Title: "shadow", Help: "stage: it only counts what it would drop, or drops", Arms: true, Arg: "[stage]", Of: ChainStages},
	{ID: StageLater, Scope: Chain, Title: "later", Help: "stage: one place later in its chain", Arms: true, Arg: "[stage]", Of: ChainStages},
	{ID: StageSooner, Scope: Chain, Title: "sooner", Help: "stage: one place sooner in its chain", Arms: true, Arg: "[stage]", Of: ChainStages},
	{ID: StageInsert, Scope: Chain, Title: "insert", Help: "stage a stage in front of this one", Arms: true, Arg: "[stage]", Of: StageNames},
	{ID: StageRemove, Scope: Chain, Title: "remove", Help: "stage: out of this chain, or back if it is staged", Arms: true, Arg: "[stage]", Of: ChainStages},

	{ID: TalkersBy, Scope: Connections, Title: "by", Help: "talkers by source, prefix, VIP or backend"},
	{ID: FlowGroup, Scope: Connections, Title: "group", Help: "connections one by one, or put together"},
	{ID: CaptureThis, Scope: Connections, Title: "capture this", Help: "capture the packets of this connection"},

	{ID: CaptureStart, Scope: Capture, Title: "start", Help: "capture what a filter says, instead of what is", Arg: "[filter]"},
	{ID: CaptureStop, Scope: Capture, Title: "stop", Help: "end the capture; what it took stays"},
	{ID: CaptureSave, Scope: Capture, Title: "save", Help: "write what was taken as pcapng", Arg: "[file]"},

	{ID: TakeBack, Scope: Events, Title: "take back", Help: "stage what ran before this change", Arms: true, Arg: "[change]"},
	{ID: History, Scope: Events, Title: "history", Help: "who changed what, when and why, and what became of it"},
	{ID: HandOver, Scope: Handoff, Title: "hand over", Help: "give the node to the program that is installed now", Arms: true},
	{ID: GoBack, Scope: Handoff, Title: "go back", Help: "give the node back to the process before", Arms: true},

	{ID: LimitEdit, Scope: Limits, Title: "edit", Help: "stage another threshold for this limit", Arms: true, Arg: "number"},
	{ID: LimitRaise, Scope: Limits, Title: "raise", Help: "stage a step more", Arms: true},
	{ID: LimitLower, Scope: Limits, Title: "lower", Help: "stage a step less", Arms: true},

	{ID: TracePacket, Scope: Trace, Title: "packet", Help: "trace another packet, or edit this one", Arg: "[packet]"},
	{ID: TraceAgain, Scope: Trace, Title: "again", Help: "trace the same once more"},
	{ID: TraceOther, Scope: Trace, Title: "what if", Help: "show what runs, or what is staged or confirmed"},
	{ID: TraceAgainst, Scope: Trace, Title: "against", Help: "trace it also by the spec of an earlier change", Arg: "[change]"},
	{ID: TraceShells, Scope: Trace, Title: "my SSH", Help: "trace your own SSH session, and a new one"},
}
