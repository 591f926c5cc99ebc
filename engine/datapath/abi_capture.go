package datapath

// Sizes of bpf/abi_capture.h.
const (
	Captures    = 6
	CaptureSnap = 2048

	captors      = 2
	captorAround = 0
	captorAfter  = 1
)

// Points at which a capture copies packets.
const (
	PointCame    = 1 // in front of the chain
	PointLeft    = 2 // behind it
	PointBetween = 4 // after one of its stages
)

// captureSettings is one capture as the programs go by it.
type captureSettings struct {
	Until      uint64
	Most       uint64
	MostBytes  uint64
	Chains     [Chains / 64]uint64
	OneIn      uint32
	Snap       uint16
	Points     uint8
	_          uint8
	Taken      uint64
	TakenBytes uint64
	Lost       uint64
	After      [Chains]uint8
}

type captureTally struct{ Seen, Matched, Torn, NS, Measured, Clock uint64 }

// Captured is the head of a record of captures: CameSnap bytes of the frame as it came follow, and LeftSnap as it left.
type Captured struct {
	Time       uint64 // ns of CLOCK_MONOTONIC
	Packet     uint64 // number on its CPU
	CameBytes  uint32
	LeftBytes  uint32
	CameSnap   uint16
	LeftSnap   uint16
	CPU        uint16
	VIP        uint16
	OneIn      uint32
	Verdict    int32
	Chain      uint8
	Capture    uint8
	Point      uint8 // PointBetween, or 0
	Reason     uint8
	Account    uint8
	Fate       uint8 // 1 drop, 2 pass, 3 forward
	Generation uint8
	_          uint8
	Headers    uint16
	_          [3]uint16
}
