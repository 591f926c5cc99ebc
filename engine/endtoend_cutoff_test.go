package engine_test

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/netip"
	"os"
	"path/filepath"
	"testing"
	"time"

	"hairpin/engine"
	"hairpin/engine/lab"
	"hairpin/engine/spec"
)

// operator works on lb from the router, by a TCP connection of the node's own stack.
type operator struct {
	net.Conn
	at string // where lb listens
}

func (n *network) logIn(t *testing.T) *operator {
	t.Helper()
	at := netip.AddrPortFrom(n.Addresses(lab.LB)[0], 2022).String()
	if err := n.Do(lab.LB, func() error {
		l, err := net.Listen("tcp", at)
		if err != nil {
			return err
		}
		t.Cleanup(func() { l.Close() })
		go func() {
			for {
				c, err := l.Accept()
				if err != nil {
					return
				}
				go func() { _, _ = io.Copy(c, c); c.Close() }()
			}
		}()
		return nil
	}); err != nil {
		t.Fatal(err)
	}
	c, err := n.DialContext(n.ctx, lab.Router, "tcp", at)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { c.Close() })
	return &operator{c, at}
}

// ask sends a line and waits for its echo until limit.
func (o *operator) ask(line string, limit time.Time) error {
	if err := o.SetDeadline(limit); err != nil {
		return err
	}
	if _, err := io.WriteString(o, line); err != nil {
		return err
	}
	answer := make([]byte, len(line))
	if _, err := io.ReadFull(o, answer); err != nil {
		return err
	}
	if string(answer) != line {
		return fmt.Errorf("%q was answered by %q", line, answer)
	}
	return nil
}

// blocked counts what the firewall of lb dropped.
func blocked(s *engine.State) (sum uint64) {
	for _, r := range s.Reasons {
		if r.Name == "firewall_source" {
			sum += r.Packets
		}
	}
	return sum
}

// TestCutOff: two changes, one upon the other, drop everything that comes in by the NIC, so that whoever made them is cut
// off. Then every process of hairpin's on the node is killed. When the first deadline has passed the node answers again:
// the connection goes on where it was, and a new one comes about.
func TestCutOff(t *testing.T) {
	t.Parallel()
	n := up(t, 1, 1)
	o := n.logIn(t)
	if err := o.ask("before\n", time.Now().Add(time.Minute)); err != nil {
		t.Fatal(err)
	}
	first := n.status(t)
	was := blocked(n.observe(t, lab.LB))
	wall := n.LBSpec()
	wall.Stages[0].Settings = &spec.Policy{Drop: spec.DropLists{Sources: []netip.Prefix{netip.MustParsePrefix("0.0.0.0/0"), netip.MustParsePrefix("::/0")}}}
	more := wall.Clone()
	more.VIPs = more.VIPs[:1]
	for i, change := range []struct {
		spec *spec.Spec
		time string
	}{{wall, "12s"}, {more, "10m"}} {
		file := filepath.Join(n.Dir(), fmt.Sprintf("wall%d.yaml", i))
		if err := os.WriteFile(file, spec.Marshal(change.spec), 0o644); err != nil {
			t.Fatal(err)
		}
		if out, err := n.Command(lab.LB, "hairpin", "apply", "-f", file, "--confirm", change.time).CombinedOutput(); err != nil {
			t.Fatalf("%v: %s", err, out)
		}
	}
	if err := n.KillEngine(n.ctx, lab.LB); err != nil {
		t.Fatal(err)
	}
	answered := make(chan error, 1)
	go func() { answered <- o.ask("after\n", time.Now().Add(2*time.Minute)) }()
	cut := false
	for seen := n.observe(t, lab.LB); seen.Revision != first.Revision; seen = n.observe(t, lab.LB) {
		if seen.PID != 0 {
			t.Fatalf("process %d runs", seen.PID)
		}
		if seen.Revision == spec.Revision(more) && blocked(seen) > was {
			cut = true
		}
		if n.ctx.Err() != nil {
			t.Fatalf("it did not go back: %+v", seen.Generation)
		}
		time.Sleep(10 * time.Millisecond)
	}
	if !cut {
		t.Error("nothing was ever blocked")
	}
	if err := <-answered; err != nil {
		t.Errorf("the operator's connection: %v", err)
	}
	ctx, cancel := context.WithTimeout(n.ctx, time.Minute)
	defer cancel()
	again, err := n.DialContext(ctx, lab.Router, "tcp", o.at)
	if err != nil {
		t.Fatalf("a new connection: %v", err)
	}
	if err := errors.Join((&operator{again, o.at}).ask("again\n", time.Now().Add(time.Minute)), again.Close()); err != nil {
		t.Errorf("a new connection: %v", err)
	}
	if seen := n.observe(t, lab.LB); seen.PID != 0 || seen.Generation.Fallbacks != 1 || !seen.Generation.Deadline.IsZero() {
		t.Errorf("process %d, %+v", seen.PID, seen.Generation)
	}
	if err := n.StartEngine(n.ctx, lab.LB); err != nil {
		t.Fatal(err)
	}
	changes, err := n.dial(t).History(n.ctx)
	if err != nil || len(changes) != 3 || changes[1].Outcome != engine.ChangeWentBack || changes[2].Outcome != engine.ChangeWentBack {
		t.Errorf("%v: %+v", err, changes)
	}
	if now := n.status(t); now.Revision != first.Revision {
		t.Errorf("%+v", now)
	}
}
