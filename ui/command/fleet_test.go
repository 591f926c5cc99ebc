package command

import (
	"time"

	"hairpin/engine"
)

// fleeted is a node of a fleet that went back from a revision.
func fleeted() *engine.State {
	s := balanced()
	s.Fleet = &engine.Fleet{Store: "etcd://10.9.0.1:2379/prod", ID: "0123456789abcdef", Since: noon.Add(-time.Minute),
		Why: "the store does not answer: dial tcp 10.9.0.1:2379: connect: connection refused", Leader: "lb2", Number: 12, Phase: "returned",
		Reason: "lb2: 4.00 % of the packets are dropped", Who: "fleet", What: "lb2: 4.00 % of the packets are dropped", From: "lb1",
		At: noon.Add(-90 * time.Second), Base: 10, Own: 12}
	return s
}
