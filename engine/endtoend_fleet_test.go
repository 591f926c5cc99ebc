package engine_test

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"os"
	"slices"
	"strings"
	"testing"
	"time"

	"hairpin/engine"
	"hairpin/engine/lab"
	"hairpin/engine/spec"
)

// crowd is a lab whose load balancers and backends are one fleet on a real etcd.
type crowd struct {
	*network
	load   lab.LoadConfig
	weight uint32
}

func upFleet(t *testing.T, nodes, backends int, checked bool) *crowd {
	t.Helper()
	n := newNetwork(t, lab.Config{Backends: backends, Nodes: nodes, Router: lab.Kind(cmp.Or(os.Getenv("HAIRPIN_ROUTER"), string(lab.Builtin))), Store: lab.Etcd})
	var edits []func(*spec.Spec) error
	if checked {
		edits = append(edits, n.CheckBackends)
	}
	if err := errors.Join(n.WriteSpecs(edits...), n.StartEngine(n.ctx, n.Engines()...)); err != nil {
		t.Fatal(err)
	}
	began := time.Now()
	if err := n.Agree(n.ctx, lab.LB); err != nil {
		t.Fatal(err)
	}
	t.Logf("the first revision came to %d nodes in %v", len(n.Engines()), time.Since(began))
	n.hops(t, n.Balancers()...)
	return &crowd{network: n, weight: spec.DefaultWeight}
}

// shows is how a node stands; nil where its engine does not answer.
func (c *crowd) shows(node string) *engine.State {
	n, err := engine.Dial(c.ctx, c.Paths(node))
	if err != nil {
		return nil
	}
	defer n.Close()
	return n.State()
}

// becomes waits until each of the nodes shows its fleet so, and returns how long that took.
func (c *crowd) becomes(t *testing.T, what string, is func(*engine.Fleet) bool, nodes ...string) time.Duration {
	t.Helper()
	began := time.Now()
	for _, node := range nodes {
		for {
			s := c.shows(node)
			if s != nil && s.Fleet != nil && is(s.Fleet) {
				break
			}
			select {
			case <-time.After(20 * time.Millisecond):
			case <-c.ctx.Done():
				t.Fatalf("%s: never %s: %+v", node, what, s.Fleet)
			}
		}
	}
	return time.Since(began)
}

func (c *crowd) have(t *testing.T, number int, nodes ...string) time.Duration {
	t.Helper()
	return c.becomes(t, fmt.Sprintf("has revision %d", number), func(f *engine.Fleet) bool {
		return f.Own == number && f.Number == number && f.Phase == "done" && f.Drift == ""
	}, nodes...)
}

// edit gives a backend of web another weight, at one node.
func (c *crowd) edit(t *testing.T, at string) (int, error) {
	t.Helper()
	n := c.dialAt(t, at)
	c.weight--
	s, err := spec.SetWeight(n.State().Spec, "web", c.address(1), c.weight)
	if err != nil {
		t.Fatal(err)
	}
	arm(t, c.ctx, n)
	a, err := n.Apply(c.ctx, engine.ApplyRequest{Spec: s, Who: "ann", Why: "test"})
	if e := n.Disarm(c.ctx); e != nil { // others want to change the node too
		t.Fatal(e)
	}
	if err != nil {
		return 0, err
	}
	return a.Fleet, nil
}

// revise edits at one node, and waits until all of these have it.
func (c *crowd) revise(t *testing.T, at string, nodes ...string) int {
	t.Helper()
	number, err := c.edit(t, at)
	if err != nil {
		t.Fatal(err)
	}
	t.Logf("revision %d came to %d nodes in %v", number, len(nodes), c.have(t, number, nodes...))
	return number
}

func (c *crowd) step(t *testing.T, what string, change func(), allowed ...string) {
	t.Helper()
	began := time.Now()
	c.during(t, c.load, what, change, allowed...)
	t.Logf("%s: took %v in all", what, time.Since(began).Round(time.Millisecond))
}

// TestFleet: nodes of a lab agree on one spec in an etcd, backends have their VIPs from there, and an edit at one node comes to all. With
// HAIRPIN_SOAK nodes and the store go and come back meanwhile: no connection is lost but with a node that dies.
func TestFleet(t *testing.T) {
	t.Parallel()
	long := os.Getenv("HAIRPIN_SOAK") != ""
	nodes, backends, connections := 2, 1, 50
	if long {
		nodes, backends, connections = 3, 4, 1000
	}
	c := upFleet(t, nodes, backends, long)
	c.load = lab.LoadConfig{For: 30 * time.Minute, New: 50, Datagrams: 50}
	if long {
		c.load = lab.LoadConfig{For: 30 * time.Minute, New: c.lossless(t, 16000) / 2, Datagrams: 500}
	}
	for i := 1; i <= backends; i++ {
		if s := c.shows(lab.Backend(i)).Spec; s.VIPs != nil || fmt.Sprint(s.Agent.VIPs) != fmt.Sprint([]any{lab.VIP4, lab.VIP6}) {
			t.Errorf("%s has %s", lab.Backend(i), spec.Marshal(s))
		}
	}
	kept := c.start(t, lab.LoadConfig{For: time.Hour, Kept: connections, Pace: time.Second})
	c.step(t, "control", func() {})
	c.step(t, "a revision", func() {
		c.revise(t, lab.LB, c.Engines()...)
		for _, node := range c.Balancers() {
			if v := c.shows(node).Spec.VIP("web"); v.Backends[0].Weight != c.weight {
				t.Errorf("%s: %+v", node, v.Backends[0])
			}
		}
	})
	if long {
		c.storms(t, c.Engines(), c.Balancers())
	}
	perfect(t, "connections from begin to end", kept.end(t))
}

// storms are what a fleet must survive.
func (c *crowd) storms(t *testing.T, all, lbs []string) {
	c.step(t, "a node drained, and a revision meanwhile", func() {
		c.happens(t, "node-drained")
		c.hops(t, lbs[1:]...)
		c.revise(t, lbs[1], all...)
		c.verb(t, lbs[0], "undrain", "node")
		c.hops(t, lbs...)
	})
	c.step(t, "a node upgraded", func() { c.upgrade(t, lbs[0]) })
	c.step(t, "spread otherwise, and a revision", func() {
		c.happens(t, "ecmp-reshuffle")
		c.revise(t, lbs[2], all...)
		c.happens(t, "ecmp-reshuffle")
	}, "young")
	c.step(t, "a node killed, and a revision meanwhile", func() {
		c.happens(t, "node-killed")
		c.hops(t, lbs[0], lbs[2])
		c.silent(t, lbs[1])
		c.revise(t, lbs[0], without(all, lbs[1])...)
	}, "datagrams")
	c.step(t, "brought back, behind the fleet", func() { c.back(t, lbs[1]) })
	c.step(t, "a node killed while it takes a revision", func() {
		c.vanishes(t, lbs[1], func() error { return c.PowerOff(c.ctx, lbs[1]) })
	}, "datagrams", "young")
	c.step(t, "brought back, after the fleet went back", func() { c.back(t, lbs[1]) })
	c.step(t, "the store stopped for a minute", func() {
		c.loses(t, "stopped", func() error { return c.StopStore(c.ctx) }, all...)
		c.rest(t, time.Minute)
		c.finds(t, "started", func() error { return c.StartStore(c.ctx) }, all...)
		c.revise(t, lbs[1], all...)
	})
	c.step(t, "one node cut off from the store", func() {
		c.loses(t, "cut off", func() error { return c.CutStore(lbs[2]) }, lbs[2])
		c.silent(t, lbs[2])
		number := c.revise(t, lbs[0], without(all, lbs[2])...)
		c.finds(t, "mended", func() error { return c.MendStore(lbs[2]) }, lbs[2])
		t.Logf("%s caught up in %v", lbs[2], c.have(t, number, lbs[2]))
	})
	c.step(t, "one node cut off while it takes a revision", func() {
		c.vanishes(t, lbs[2], func() error { return c.CutStore(lbs[2]) })
		c.finds(t, "mended", func() error { return c.MendStore(lbs[2]) }, lbs[2])
		c.agrees(t, all)
	})
	c.step(t, "all nodes cut off from the store", func() {
		c.loses(t, "cut off", func() error { return c.CutStore(all...) }, all...)
		c.rest(t, time.Minute)
		c.finds(t, "mended", func() error { return c.MendStore(all...) }, all...)
		c.revise(t, lbs[2], all...)
	})
	c.step(t, "edits while the store is away", func() { c.alone(t, lbs[0]) })
	c.step(t, "a node that boots without the store", func() { c.boots(t, lbs[1]) }, "datagrams")
}

func without(all []string, node string) []string {
	return slices.DeleteFunc(slices.Clone(all), func(n string) bool { return n == node })
}

// rest lets time pass.
func (c *crowd) rest(t *testing.T, d time.Duration) {
	t.Helper()
	ctx, cancel := context.WithTimeout(c.ctx, d)
	defer cancel()
	if <-ctx.Done(); c.ctx.Err() != nil {
		t.Fatal(c.ctx.Err())
	}
}

func (c *crowd) upgrade(t *testing.T, node string) {
	t.Helper()
	c.verb(t, node, "handoff")
	c.becomes(t, "back in the fleet", func(f *engine.Fleet) bool { return f.Reached && f.Drift == "" }, node)
	c.hops(t, c.Balancers()...)
}

// silent waits until the fleet takes a node for gone: nobody asks it any more.
func (c *crowd) silent(t *testing.T, node string) {
	t.Helper()
	n := c.dialAt(t, without(c.Balancers(), node)[0])
	began := time.Now()
	for {
		a, err := n.Fleet(c.ctx, engine.FleetRequest{Do: engine.FleetLook})
		if err == nil && slices.ContainsFunc(a.Nodes, func(x engine.FleetNode) bool { return x.Name == node && x.State == "silent" }) {
			t.Logf("%s is silent after %v", node, time.Since(began))
			return
		}
		c.rest(t, 100*time.Millisecond)
	}
}

// back brings a node back, and sees that it is announced with what the fleet has by then.
func (c *crowd) back(t *testing.T, node string) {
	t.Helper()
	began := time.Now()
	if err := c.PowerOn(c.ctx, node); err != nil {
		t.Fatal(err)
	}
	c.hops(t, c.Balancers()...)
	announced := time.Since(began)
	if f := c.shows(node).Fleet; f.Own != f.Number || f.Holds != "" || !f.Reached {
		t.Errorf("%s is announced with %+v", node, f)
	}
	t.Logf("%s is announced again %v after it was powered on", node, announced)
}

// vanishes has a node go while it takes a revision: then the others go back.
func (c *crowd) vanishes(t *testing.T, node string, how func() error) {
	t.Helper()
	before := c.shows(c.Balancers()[0]).Fleet.Number
	if _, err := c.edit(t, c.Balancers()[0]); err != nil {
		t.Fatal(err)
	}
	c.becomes(t, "takes it", func(f *engine.Fleet) bool { return strings.HasPrefix(f.Step, "takes revision") }, node)
	if err := how(); err != nil {
		t.Fatal(err)
	}
	took := c.becomes(t, "back", func(f *engine.Fleet) bool {
		return f.Phase == "returned" && f.Own == before+2 && f.Base == before
	}, without(c.Engines(), node)...)
	t.Logf("the fleet went back in %v: %s", took, c.shows(c.Balancers()[0]).Fleet.Reason)
}

// loses has nodes lose the store, which they say, and serve on.
func (c *crowd) loses(t *testing.T, what string, how func() error, nodes ...string) {
	t.Helper()
	if err := how(); err != nil {
		t.Fatal(err)
	}
	took := c.becomes(t, "without the store", func(f *engine.Fleet) bool { return !f.Reached }, nodes...)
	t.Logf("%s: %d nodes noticed in %v: %s", what, len(nodes), took, c.shows(nodes[0]).Fleet.Why)
	if _, err := c.edit(t, balancer(nodes)); err == nil || !errors.Is(err, engine.ErrRefused) {
		t.Errorf("an edit without the store: %v", err)
	}
}

// balancer is the last of nodes that has VIPs to edit.
func balancer(nodes []string) string {
	i := slices.IndexFunc(nodes, func(n string) bool { return !strings.HasPrefix(n, lab.LB) })
	if i < 0 {
		i = len(nodes)
	}
	return nodes[i-1]
}

func (c *crowd) finds(t *testing.T, what string, how func() error, nodes ...string) {
	t.Helper()
	if err := how(); err != nil {
		t.Fatal(err)
	}
	t.Logf("%s: %d nodes are back at the store in %v", what, len(nodes), c.becomes(t, "at the store", func(f *engine.Fleet) bool { return f.Reached && f.Leader != "" }, nodes...))
}

// agrees waits until all nodes run what the newest revision says.
func (c *crowd) agrees(t *testing.T, nodes []string) {
	t.Helper()
	number := c.shows(nodes[0]).Fleet.Number
	took := c.becomes(t, "of one mind", func(f *engine.Fleet) bool { return f.Own == number && f.Number == number && f.Drift == "" }, nodes...)
	t.Logf("%d nodes are of one mind after %v", len(nodes), took)
}

// alone edits a node that was taken out while the store is away, and brings it back.
func (c *crowd) alone(t *testing.T, node string) {
	t.Helper()
	c.loses(t, "stopped", func() error { return c.StopStore(c.ctx) }, c.Engines()...)
	c.verb(t, node, "fleet", "leave", "--why", "incident")
	if number, err := c.edit(t, node); err != nil || number != 0 {
		t.Errorf("revision %d, %v", number, err)
	}
	mine := c.weight
	c.finds(t, "started", func() error { return c.StartStore(c.ctx) }, c.Engines()...)
	number := c.revise(t, without(c.Balancers(), node)[0], without(c.Engines(), node)...)
	if s := c.shows(node); s.Fleet.Left == "" || s.Spec.VIP("web").Backends[0].Weight != mine {
		t.Errorf("it was not left alone: %+v %d", s.Fleet, s.Spec.VIP("web").Backends[0].Weight)
	}
	c.verb(t, node, "fleet", "rejoin")
	t.Logf("%s took revision %d again in %v", node, number, c.have(t, number, node))
}

// boots has a node boot while the store is away: it holds its VIPs back, for the time that it says.
func (c *crowd) boots(t *testing.T, node string) {
	t.Helper()
	if err := c.PowerOff(c.ctx, node); err != nil {
		t.Fatal(err)
	}
	c.loses(t, "stopped", func() error { return c.StopStore(c.ctx) }, without(c.Engines(), node)...)
	if err := c.PowerOn(c.ctx, node); err != nil {
		t.Fatal(err)
	}
	began := time.Now()
	c.becomes(t, "holds back", func(f *engine.Fleet) bool { return f.Holds != "" }, node)
	t.Logf("%s holds back: %s", node, c.shows(node).Fleet.Holds)
	c.hops(t, without(c.Balancers(), node)...)
	c.hops(t, c.Balancers()...)
	took := time.Since(began)
	if t.Logf("without the store it is announced %v after it was powered on", took); took < 25*time.Second {
		t.Error("it did not wait for the store")
	}
	c.finds(t, "started", func() error { return c.StartStore(c.ctx) }, c.Engines()...)
}
