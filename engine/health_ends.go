package engine

import (
	"hairpin/engine/datapath"
	"hairpin/engine/health"
)

// checkEnds is what becomes of the packets that ask a backend.
type checkEnds struct {
	id   uint16
	last datapath.CheckEnds
	note string // why they were dropped on this node lately; empty = they are sent, or none was
}

// ask notes who is asked by which id.
func (c *checking) ask(key health.Key, id uint16) {
	if e := c.ends[key]; e == nil || e.id != id {
		if c.ends == nil {
			c.ends = map[health.Key]*checkEnds{}
		}
		c.ends[key] = &checkEnds{id: id}
	}
}

// lostHere says why packets that ask a backend end on this node; empty when they do not.
func (c *checking) lostHere(key health.Key) string {
	e := c.ends[key]
	if e == nil || c.path == nil {
		return ""
	}
	return e.read(c.path.Ends(e.id))
}

// read says why packets are dropped, from one that was until one is sent.
func (e *checkEnds) read(now datapath.CheckEnds) string {
	if why := now.Since(e.last); why != "" || now.Sent != e.last.Sent {
		e.note = why
	}
	e.last = now
	return e.note
}
