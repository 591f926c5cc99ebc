package engine

import (
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"hairpin/engine/spec"
)

// smallState puts the state folder on a disk of its own, and returns a way to fill it, and one to make it read-only.
func smallState(t *testing.T, p Paths) (fill, lock func()) {
	t.Helper()
	if err := unix.Mount("tmpfs", p.State, "tmpfs", 0, "size=4m"); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = unix.Unmount(p.State, unix.MNT_DETACH) })
	fill = func() {
		t.Helper()
		err := os.WriteFile(filepath.Join(p.State, "filler"), make([]byte, 8<<20), 0o600)
		if !errors.Is(err, unix.ENOSPC) {
			t.Fatalf("the disk is not full: %v", err)
		}
	}
	return fill, func() { // as it is seen by name: what is open for writing stays so
		t.Helper()
		if err := errors.Join(unix.Mount(p.State, p.State, "", unix.MS_BIND, ""),
			unix.Mount("", p.State, "", unix.MS_REMOUNT|unix.MS_BIND|unix.MS_RDONLY, "")); err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { _ = unix.Unmount(p.State, unix.MNT_DETACH) })
	}
}

// sweep has the engine do now what it does every few seconds.
func sweep(t *testing.T, o *owner) *State {
	t.Helper()
	inside(t, o, func() { o.swept = time.Time{}; o.upkeep(time.Now()) })
	return o.State()
}

// TestDiskFails: on a disk that is full or read-only nothing is applied, and nothing that runs suffers; a change that waits
// can be confirmed all the same. It is said, and what is owed to the disk is written as soon as it takes it.
func TestDiskFails(t *testing.T) {
	t.Parallel()
	for _, row := range []struct {
		what, word string
		fail       func(fill, lock func())
		mend       func(p Paths) error
	}{
		{"full", "no space left", func(fill, _ func()) { fill() },
			func(p Paths) error { return os.Remove(filepath.Join(p.State, "filler")) }},
		{"read-only", "read-only file system", func(_, lock func()) { lock() },
			func(p Paths) error { return unix.Unmount(p.State, unix.MNT_DETACH) }},
	} {
		t.Run(row.what, func(t *testing.T) {
			p := privateNode(t)
			fill, lock := smallState(t, p)
			w := newWire(t, "eth0")
			o := running(t, p)
			s := parse(t, lbSpec)
			mustApply(t, o, s, 0)
			s = setWeight(t, s, "10.1.0.11", 7)
			a := mustApply(t, o, s, time.Hour)

			row.fail(fill, lock)
			_, err := o.Apply(t.Context(), ApplyRequest{Spec: setWeight(t, s, "10.1.0.12", 9), Who: "test"})
			says(t, err, nil, "store generation", row.word)
			forwards(t, p, w)
			if st := sweep(t, o); st.Revision != a.Revision || !hasProblem(st, "crit", "nothing can be applied: "+p.State) {
				t.Errorf("%s runs; %+v", st.Revision, st.Problems)
			}
			says(t, o.Confirm(t.Context(), "test"), nil, "it is live")
			st := sweep(t, o)
			if st.Generation.Confirmed != a.Generation || onDisk(t, p) == a.Generation || !hasProblem(st, "crit", "an older spec would come back") {
				t.Errorf("%+v, on disk %d; %+v", st.Generation, onDisk(t, p), st.Problems)
			}
			forwards(t, p, w)

			if err := row.mend(p); err != nil {
				t.Fatal(err)
			}
			sweep(t, o)
			until(t, o, "no problem", func(st *State) bool { return len(ownProblems(st)) == 0 }) // the record is written beside the loop
			if onDisk(t, p) != a.Generation {
				t.Errorf("on disk %d", onDisk(t, p))
			}
			if told := told(t, o); len(told) != 2 || !strings.HasSuffix(told[1], string(ChangeConfirmed)) {
				t.Errorf("%q", told)
			}
			consistent(t, p, o)
			o.Close()
			consistent(t, p, running(t, p))
		})
	}
}

// TestDamagedRecords: what a file on disk has lost is taken from where it stands a second time, while the node runs and
// after a reboot. Records that nobody needs are left alone.
func TestDamagedRecords(t *testing.T) {
	t.Parallel()
	flip := func(name string) error {
		data, err := os.ReadFile(name)
		if err != nil {
			return err
		}
		at := strings.Index(string(data), "weight: 7")
		data[at+len("weight: ")] = '8' // which parses
		return os.WriteFile(name, data, 0o600)
	}
	torn := func(name string) error { return os.Truncate(name, 40) }
	for _, row := range []struct {
		what   string
		damage func(st store, generation int) error
		reboot bool
	}{
		{"a number changed", func(st store, g int) error { return flip(st.file(g)) }, false},
		{"torn", func(st store, g int) error { return torn(st.file(g)) }, false},
		{"empty, and restarted", func(st store, g int) error { return os.Truncate(st.file(g), 0) }, true},
		{"a number changed, and restarted", func(st store, g int) error { return flip(st.file(g)) }, true},
		{"which is confirmed is empty", func(st store, _ int) error { return os.Truncate(st.confirmedFile(), 0) }, false},
		{"which is confirmed is no number, and restarted", func(st store, _ int) error {
			return os.WriteFile(st.confirmedFile(), []byte("\x00\x00"), 0o600)
		}, true},
		{"another's", func(st store, g int) error { return torn(st.file(g%15 + 1)) }, false},
	} {
		t.Run(row.what, func(t *testing.T) {
			p := privateNode(t)
			o := running(t, p)
			mustApply(t, o, parse(t, lbSpec), 0)
			a := mustApply(t, o, setWeight(t, parse(t, lbSpec), "10.1.0.11", 7), 0)
			st := storeOf(p.State)
			if err := os.WriteFile(st.file(a.Generation%15+1), []byte("# {}\nversion: 1\nnics: {}\n"), 0o600); err != nil {
				t.Fatal(err)
			}
			o.Close()
			if row.reboot {
				if err := Remove(p); err != nil {
					t.Fatal(err)
				}
			}
			if err := row.damage(st, a.Generation); err != nil {
				t.Fatal(err)
			}
			o = running(t, p)
			now := o.State()
			if now.Revision != a.Revision || len(ownProblems(now)) != 0 {
				t.Errorf("%s runs, %s was applied; %+v", now.Revision, a.Revision, now.Problems)
			}
			for _, unneeded := range []int{a.Generation, a.Generation%15 + 1} {
				if unneeded != now.Generation.Active {
					_ = os.Remove(st.file(unneeded))
				}
			}
			consistent(t, p, o)
			mustApply(t, o, setState(t, o.State().Spec, "10.1.0.11", spec.Drain), 0)
		})
	}
}
