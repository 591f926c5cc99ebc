package fleet

import (
	"fmt"
	"os"
	"path/filepath"
	"testing"
	"time"
)

// TestRecall: a node that boots without the store goes through the revisions that it had, so that its rings of then are those of others;
// when the store comes back it lacks only what is newer.
func TestRecall(t *testing.T) {
	t.Parallel()
	c := agreed(t, "a", "b")
	for n := 2; n < 4; n++ {
		c.apply("a", weighed(n))
		c.reaches(n, Done, "a", "b")
	}
	c.stops["b"]()
	c.members["b"].Wait()
	d := c.world.desk("b")
	d.cut(true)
	b := &fakeNode{running: c.nodes["b"].running, fresh: true}
	c.startOn("b", d, b)
	took := func(want string) {
		t.Helper()
		await(t, func() string {
			b.mu.Lock()
			defer b.mu.Unlock()
			if got := fmt.Sprint(b.took); got != want {
				return got + ", not " + want
			}
			return ""
		})
	}
	took("[1g 2 3]")
	if v := c.members["b"].View(); v.Caught || v.Reached {
		t.Errorf("%+v", v)
	}
	await(t, func() string { // else b is asked before it is gone
		nodes, err := c.members["a"].Nodes(t.Context())
		if err != nil || len(nodes) != 2 || nodes[1].Status != nil {
			return fmt.Sprintf("%+v %v", nodes, err)
		}
		return ""
	})
	c.apply("a", weighed(9))
	c.reaches(4, Done, "a")
	d.cut(false)
	took("[1g 2 3 4w]")
	await(t, func() string {
		if v := c.members["b"].View(); !v.Caught {
			return fmt.Sprintf("%+v", v)
		}
		return ""
	})
}

// TestHad: what all have settled is not kept, and what cannot be read is named and passed over.
func TestHad(t *testing.T) {
	h := had(filepath.Join(t.TempDir(), "had"))
	if all, err := h.all(); err != nil || len(all) != 0 {
		t.Errorf("%v %v", all, err)
	}
	for n := range 5 {
		r := Revision{Number: n + 1, Time: noon.Add(time.Duration(n) * time.Minute), Text: []byte(plainDocument)}
		if err := h.add(r, noon.Add(90*time.Second)); err != nil {
			t.Fatal(err)
		}
	}
	numbers := func() (list []int, err error) {
		all, err := h.all()
		for _, r := range all {
			list = append(list, r.Number)
		}
		return list, err
	}
	if list, err := numbers(); err != nil || fmt.Sprint(list) != "[2 3 4 5]" {
		t.Errorf("kept are %v, %v", list, err)
	}
	if err := os.WriteFile(h.file(4), []byte("x"), 0o600); err != nil {
		t.Fatal(err)
	}
	if list, err := numbers(); err == nil || fmt.Sprint(list) != "[2 3 5]" {
		t.Errorf("kept are %v, %v", list, err)
	}
}
