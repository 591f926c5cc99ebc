package app

import "hairpin/ui/page"

// trail is where the person was: the way back, and the way forth again.
type trail struct {
	back, forth []page.Place
}

// maxTrail bounds the way back.
const maxTrail = 50

// open goes to a place and remembers the one it leaves.
func (m *Model) open(p page.Place) {
	if p == m.place {
		return
	}
	m.trail.back = append(m.trail.back, m.place)
	if n := len(m.trail.back); n > maxTrail {
		m.trail.back = m.trail.back[n-maxTrail:]
	}
	m.trail.forth = nil
	m.enter(p)
}

func (m *Model) enter(p page.Place) {
	m.place = p
	m.page().Enter(p)
	if m.shown != nil {
		m.page().Sync(m.view())
	}
}

// older goes one place back; false when there is none.
func (m *Model) older() bool {
	n := len(m.trail.back)
	if n == 0 {
		return false
	}
	p := m.trail.back[n-1]
	m.trail.back, m.trail.forth = m.trail.back[:n-1], append(m.trail.forth, m.place)
	m.enter(p)
	return true
}

// newer undoes older; false when there is nothing to undo.
func (m *Model) newer() bool {
	n := len(m.trail.forth)
	if n == 0 {
		return false
	}
	p := m.trail.forth[n-1]
	m.trail.forth, m.trail.back = m.trail.forth[:n-1], append(m.trail.back, m.place)
	m.enter(p)
	return true
}

// last goes to the place before this one and, once more, back again.
func (m *Model) last() bool {
	n := len(m.trail.back)
	if n == 0 {
		return false
	}
	m.open(m.trail.back[n-1])
	return true
}
