package engine

import (
	"os"
	"testing"
	"time"
)

// TestOwnerRecords: what the owner showed can be had again, also by those who only look, and the next engine goes on with
// the events.
func TestOwnerRecords(t *testing.T) {
	t.Parallel()
	p := privateNode(t)
	o := running(t, p)
	mustApply(t, o, parse(t, lbSpec), 0)
	shown, ctx := o.State(), t.Context()
	at := func(n Node, t time.Time) *State {
		s, err := n.At(ctx, t)
		if err != nil {
			return nil
		}
		return s
	}
	await(t, "the state is recorded", func() bool {
		s := at(o, shown.Time.Add(time.Minute))
		return s != nil && s.Generation == shown.Generation
	})
	first := at(o, shown.Time.Add(time.Minute))
	if first.Spec == nil || !first.Spec.Equal(shown.Spec) || len(first.VIPs) != 1 || len(first.VIPs[0].Backends) != 2 {
		t.Errorf("recorded: %+v", first)
	}
	c := dial(t, p.Socket())
	if s := at(c, first.Time); s == nil || s.Role != Observer {
		t.Errorf("a client reads %+v", s)
	} else if s.Role = Owner; alike(first, s) != "" {
		t.Error(alike(first, s))
	}
	if axis, err := c.Timeline(ctx, shown.Time.Add(-time.Hour), shown.Time.Add(time.Hour)); err != nil || len(axis.Moments) == 0 || len(axis.Events) == 0 {
		t.Errorf("a client's axis: %+v, %v", axis, err)
	}
	if info, err := os.Stat(p.Record()); err != nil || info.Mode().Perm() != 0o700 {
		t.Errorf("%v, %v", info, err)
	}
	before := o.State().Events
	o.Close()
	o = running(t, p)
	after := o.State().Events
	if len(after) < len(before) || after[0].What != before[0].What || after[len(after)-1].Seq <= before[len(before)-1].Seq {
		t.Errorf("events before: %+v\nafter: %+v", before, after)
	}
}
