package fleet

import (
	"errors"
	"fmt"
	"testing"
)

// TestCaught: a node whose data path is new has caught up when it came to what all have, was taken out, or cannot come closer.
func TestCaught(t *testing.T) {
	t.Parallel()
	c := agreed(t, "a", "b")
	is := func(want bool, what string) {
		t.Helper()
		await(t, func() string {
			if v := c.members["b"].View(); v.Caught != want {
				return fmt.Sprintf("%s: %+v", what, v)
			}
			return ""
		})
	}
	boot := func(prepare func(*fakeNode)) {
		t.Helper()
		c.stops["b"]()
		c.members["b"].Wait()
		b := &fakeNode{running: c.nodes["b"].running, fresh: true}
		prepare(b)
		c.start("b", b)
	}
	held := make(chan struct{})
	c.apply("a", weighed(5))
	c.reaches(2, Done, "a", "b")
	is(true, "it was there from the start")
	boot(func(b *fakeNode) { b.hold = held })
	await(t, func() string { return stillWithout(c.members["b"].View().Step) })
	is(false, "it has the newest, and has not passed through what others may settle")
	close(held)
	is(true, "it has passed through")
	c.desks["b"].cut(true)
	await(t, func() string {
		if v := c.members["b"].View(); v.Reached || !v.Caught {
			return fmt.Sprintf("without the store, what it came to holds: %+v", v)
		}
		return ""
	})
	c.apply("a", weighed(7))
	c.reaches(3, Done, "a")
	boot(func(b *fakeNode) { b.refuses = errors.New("no room") })
	is(true, "it refused the newest, and comes no closer")
	if v := c.members["b"].View(); v.Own != 2 || v.Failed != 3 {
		t.Errorf("%+v", v)
	}
	boot(func(b *fakeNode) {})
	is(true, "it had refused it before it booted")
	if err := c.members["b"].Leave(Ask{Who: "ann"}); err != nil {
		t.Fatal(err)
	}
	c.desks["b"].cut(true)
	boot(func(b *fakeNode) {})
	is(true, "it is out of the fleet")
}
