package command

import (
	"time"

	"hairpin/engine"
)

// viewChecked is what is known of a backend's health.
type viewChecked struct {
	Health   string     `json:"health"`             // what its checks say: up, down, unknown; empty = it is not checked
	Why      string     `json:"why"`                // why it is in its state; empty = it is not known
	Out      bool       `json:"out"`                // its checks took it out of the ring
	Held     bool       `json:"held"`               // it is down, and stays in the ring since too little would be left
	Starting float64    `json:"starting,omitempty"` // part of its weight that it has so far
	Drain    *viewDrain `json:"drain,omitempty"`
	word     string
}

// viewDrain is how far a backend is that drains.
type viewDrain struct {
	Open  *int       `json:"open_connections"` // as its agent says; null = nobody says
	Quiet *time.Time `json:"quiet_since"`      // null = packets go there
	Ends  *time.Time `json:"ends"`             // about; null = it cannot be told
	Safe  bool       `json:"safe_to_stop"`
	Says  string     `json:"says"`
}

// viewHealth is what the checks of a VIP come to.
type viewHealth struct {
	Live   int  `json:"live"`
	Quorum int  `json:"quorum"`
	Lost   bool `json:"quorum_lost"`
	Held   int  `json:"held"`
}

func checkedOf(b engine.Backend) viewChecked {
	v := viewChecked{b.Health, b.Why, b.Out, b.Held, b.Starting, nil, b.Word()}
	if d := b.Drain; d != nil {
		v.Drain = &viewDrain{generation(d.Open), instant(d.Quiet), instant(d.Ends), d.Safe, d.Says}
	}
	return v
}

func healthOf(h *engine.VIPHealth) *viewHealth {
	if h == nil {
		return nil
	}
	return &viewHealth{h.Live, h.Quorum, h.Lost, h.Held}
}
