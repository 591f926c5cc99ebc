package app

import (
	"context"
	"time"

	tea "github.com/charmbracelet/bubbletea"

	"hairpin/engine"
)

// job is the one request to the engine that is under way. A reply that belongs to another number is dropped.
type job struct {
	n      int
	what   string // a verb with -ing; empty = none is under way
	since  time.Time
	cancel context.CancelFunc
}

func (j *job) running() bool { return j.what != "" }

// drop forgets the request; its reply will find nobody.
func (j *job) drop() {
	if j.cancel != nil {
		j.cancel()
	}
	*j = job{n: j.n}
}

// reply is what the engine said to a request.
type reply struct {
	n     int
	then  func(m *Model) tea.Cmd // what the answer means; runs in Update
	state *engine.State          // the newest after it; nil = look at the next tick
}

// start asks the engine in a goroutine of its own. work must hold all it needs by value and never touch the model; what
// it returns is done in Update, if nobody gave the request up meanwhile.
func (m *Model) start(what string, limit time.Duration, work func(ctx context.Context, node engine.Node) func(*Model) tea.Cmd) tea.Cmd {
	m.job.drop()
	m.flash = flash{}
	ctx, cancel := context.WithTimeout(m.ctx, limit)
	m.job = job{n: m.job.n + 1, what: what, since: m.now, cancel: cancel}
	n, node := m.job.n, m.node
	return func() tea.Msg {
		defer cancel()
		then := work(ctx, node)
		return reply{n: n, then: then, state: node.State()}
	}
}

// request starts what the engine does or refuses, in words of its own below the title; after what it did comes done.
func (m *Model) request(what, title string, limit time.Duration, do func(ctx context.Context, node engine.Node) error, done func(*Model)) tea.Cmd {
	return m.start(what, limit, func(ctx context.Context, node engine.Node) func(*Model) tea.Cmd {
		err := do(ctx, node)
		return func(m *Model) tea.Cmd {
			if err != nil {
				m.interrupt(failed(title, err))
			} else {
				done(m)
			}
			return nil
		}
	})
}

// answered takes a reply, unless it is stale.
func (m *Model) answered(r reply) tea.Cmd {
	if r.n != m.job.n || !m.job.running() {
		return nil
	}
	m.job.drop()
	m.feed.Put(r.state)
	cmd := r.then(m)
	m.refresh()
	return cmd
}
