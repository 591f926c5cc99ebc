package engine_test

import (
	"errors"
	"fmt"
	"net"
	"sync"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"hairpin/engine"
	"hairpin/engine/lab"
	"hairpin/engine/spec"
)

// counted is a lab whose lb limits the connections of web by what two agents report.
type counted struct {
	*network
	t    *testing.T
	node engine.Node
	open []net.Conn
}

// byAgents limits web to that many connections, and refuses further ones with a reset.
func byAgents(t *testing.T, most uint32) *counted {
	t.Helper()
	n := upAs(t, 2, 2, func(l *lab.Lab, s *spec.Spec) error {
		for _, stage := range s.Stages {
			if x, ok := stage.Settings.(*spec.Connections); ok {
				x.Action, x.Limits = spec.LimitReset, []spec.Connection{{Max: 10_000}, {Max: most, Per: spec.PerVIP, VIP: "web"}}
			}
		}
		return l.CountByAgents(s)
	})
	return &counted{n, t, n.dial(t), nil}
}

// dial opens n connections to web that stay, and says why not when it cannot.
func (c *counted) dials(n int) error {
	for i := range n {
		to := lab.VIP4
		if i%3 == 0 {
			to = lab.VIP6
		}
		conn, err := c.DialContext(c.ctx, lab.Client, "tcp", net.JoinHostPort(to.String(), fmt.Sprint(lab.HTTPPort)))
		if err != nil {
			return err
		}
		c.open = append(c.open, conn)
	}
	return nil
}

// closes closes n of them.
func (c *counted) closes(n int) {
	for _, conn := range c.open[:n] {
		_ = conn.Close()
	}
	c.open = c.open[n:]
}

// truth is how many connections both backends have.
func (c *counted) truth() int {
	return c.connections(c.t, lab.Backend(1)) + c.connections(c.t, lab.Backend(2))
}

// limits are those of the NIC and of web.
func (c *counted) limits() (nic, web engine.Limit) {
	for _, l := range c.node.State().Limits {
		switch {
		case l.Kind == "connlimit" && l.Scope == "vip":
			web = l
		case l.Kind == "connlimit" && l.Scope == "nic":
			nic = l
		}
	}
	return nic, web
}

// await waits until what was said is so.
func (c *counted) await(what string, so func(*engine.State) bool) {
	c.t.Helper()
	for c.ctx.Err() == nil {
		if so(c.node.State()) {
			return
		}
		time.Sleep(20 * time.Millisecond)
	}
	_, web := c.limits()
	c.t.Fatalf("never %s: %d connections, web %.0f and %d pending, agents %+v, problems %+v", what, c.truth(), web.Now, web.Pending,
		c.node.State().Agents, c.node.State().Problems)
}

// rightly waits until the count is n, which is the truth, and handshakes are not counted besides: they are for some seconds
// when it is not known how many connections an agent had seen before.
func (c *counted) rightly(n int, besides bool) {
	c.t.Helper()
	c.await(fmt.Sprintf("%d connections", n), func(*engine.State) bool {
		nic, web := c.limits()
		return c.truth() == n && int(web.Now) == n && int(nic.Now) == n && (besides || web.Pending == 0 && nic.Pending == 0)
	})
}

// bothHeard waits until the next connection is sure to be in a later report than the first.
func (c *counted) bothHeard() {
	c.t.Helper()
	c.await("two agents", func(s *engine.State) bool {
		return len(s.Agents) == 2 && c.agent(lab.Backend(1)).State == "fresh" && c.agent(lab.Backend(2)).State == "fresh"
	})
}

func (c *counted) agent(node string) (a engine.Agent) {
	for _, a := range c.node.State().Agents {
		if a.Node == node {
			return a
		}
	}
	return a
}

// TestAgentsCount: what agents report is the true number of connections, over connections that come and go, an agent that is
// killed and comes back, and an engine of lb that does.
func TestAgentsCount(t *testing.T) {
	t.Parallel()
	c := byAgents(t, 1000)
	c.bothHeard()
	step := func(open, closed int) {
		t.Helper()
		if err := c.dials(open); err != nil {
			t.Fatal(err)
		}
		c.closes(closed)
		c.rightly(len(c.open), false)
	}
	step(40, 0)
	step(25, 30)
	if err := c.KillEngine(c.ctx, lab.Backend(1)); err != nil {
		t.Fatal(err)
	}
	c.await("a stale agent", func(*engine.State) bool { return c.agent(lab.Backend(1)).State == "stale" })
	if err := c.dials(20); err != nil {
		t.Fatal(err)
	}
	c.closes(30)
	if err := c.StartEngine(c.ctx, lab.Backend(1)); err != nil {
		t.Fatal(err)
	}
	c.rightly(len(c.open), true)
	if err := c.KillEngine(c.ctx, lab.LB); err != nil {
		t.Fatal(err)
	}
	if err := c.dials(15); err != nil {
		t.Fatal(err)
	}
	if err := c.StartEngine(c.ctx, lab.LB); err != nil {
		t.Fatal(err)
	}
	c.node = c.network.dial(t)
	c.rightly(len(c.open), true)
	c.closes(len(c.open))
	c.rightly(0, true)
}

// TestAgentsLimit: however quickly connections come, from two threads at a time, there are never more than may be; and as
// many as there may be again when some are closed.
func TestAgentsLimit(t *testing.T) {
	t.Parallel()
	const most = 25
	c := byAgents(t, most)
	c.bothHeard()
	var open sync.Map
	burst := func() (opened, refused int) {
		var all sync.WaitGroup
		var mu sync.Mutex
		for range 2 {
			all.Go(func() {
				for range 40 {
					conn, err := c.DialContext(c.ctx, lab.Client, "tcp", net.JoinHostPort(lab.VIP4.String(), fmt.Sprint(lab.HTTPPort)))
					mu.Lock()
					switch {
					case err == nil:
						opened++
						open.Store(conn, nil)
					case errors.Is(err, unix.ECONNREFUSED):
						refused++
					default:
						t.Error(err)
					}
					mu.Unlock()
				}
			})
		}
		all.Wait()
		return opened, refused
	}
	if opened, refused := burst(); opened != most || refused != 80-most || c.truth() != most {
		t.Errorf("%d opened, %d refused, %d are there; %d may be", opened, refused, c.truth(), most)
	}
	c.rightly(most, false)
	closed := 0
	open.Range(func(conn, _ any) bool {
		_ = conn.(net.Conn).Close()
		open.Delete(conn)
		closed++
		return closed < 10
	})
	c.rightly(most-10, false)
	if opened, _ := burst(); opened != 10 || c.truth() != most {
		t.Errorf("%d opened in the place of 10 closed, %d are there; %d may be", opened, c.truth(), most)
	}
}
