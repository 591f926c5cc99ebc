package engine

import (
	"bufio"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"os/user"
	"strings"
	"testing"
)

// TestWhoMay: root, the engine's own user and the members of the group; nobody else, and no member of a group that there is not.
func TestWhoMay(t *testing.T) {
	const gid = 4711
	for _, row := range []struct {
		name   string
		peer   peer
		exists bool
		may    bool
	}{
		{"root", peer{uid: 0}, false, true},
		{"the engine's own user", peer{uid: uint32(os.Geteuid())}, false, true},
		{"a member by his primary group", peer{uid: stranger, groups: []uint32{gid}}, true, true},
		{"a member by another of his groups", peer{uid: stranger, groups: []uint32{100, 7, gid}}, true, true},
		{"no member", peer{uid: stranger, groups: []uint32{0, 100}}, true, false},
		{"one in a group of that number, which has no name", peer{uid: stranger, groups: []uint32{gid}}, false, false},
	} {
		p := groupOf(gid, row.exists).party(row.peer, 3)
		if (p.Barred == "") != row.may || p.ID != 3 || p.UID != row.peer.uid {
			t.Errorf("%s: %+v", row.name, p)
		}
	}
}

// TestGroupComesLater: a group that is made while the engine runs is found, and not looked for again.
func TestGroupComesLater(t *testing.T) {
	asked := 0
	g := &group{lookup: func(name string) (*user.Group, error) {
		if asked++; asked < 3 {
			return nil, user.UnknownGroupError(name)
		}
		return &user.Group{Name: name, Gid: "4711"}, nil
	}}
	member := peer{uid: stranger, groups: []uint32{4711}}
	for i, may := range []bool{false, false, true, true} {
		if g.permits(member) != may {
			t.Errorf("at the %d. time: %v", i+1, !may)
		}
	}
	if asked != 3 {
		t.Errorf("looked for %d times", asked)
	}
}

// TestPlaces: where somebody works is read from his processes, also behind a sudo that hides it, and never more than an
// address is believed.
func TestPlaces(t *testing.T) {
	for _, row := range []struct {
		name   string
		outer  string // SSH_CONNECTION of the process above; "-" = none
		inner  string // and of the process itself
		place  string
		people string
	}{
		{"over SSH", "-", "198.51.100.60 5000 10.0.0.1 22", "198.51.100.60", "198.51.100.60"},
		{"behind sudo", "2001:db8::7 5000 2001:db8::1 22", "-", "2001:db8::7", "2001:db8::7"},
		{"the nearest session counts", "198.51.100.60 1 10.0.0.1 22", "::ffff:198.51.100.61 1 10.0.0.1 22", "198.51.100.61", "198.51.100.61"},
		{"no address", "-", "\x1b[2J 1 2 3", "", "this machine"},
		{"on the machine", "-", "-", "", "this machine"},
	} {
		pid := below(t, row.outer, row.inner)
		if place, from := placeOf(pid); place != row.place || from != row.people {
			t.Errorf("%s: %q, for people %q", row.name, place, from)
		}
	}
	if place, from := placeOf(1 << 30); place != "pid 1073741824" || from != "this machine" {
		t.Errorf("of a process that cannot be read: %q, for people %q", place, from)
	}
}

// below starts a process in a process, each with an environment that has nothing but SSH_CONNECTION, and no terminal.
func below(t *testing.T, outer, inner string) (pid int) {
	t.Helper()
	set := func(v string) string {
		if v == "-" {
			return "env -i PATH=/usr/bin:/bin"
		}
		return fmt.Sprintf("env -i PATH=/usr/bin:/bin 'SSH_CONNECTION=%s'", v)
	}
	// The processes above the test may have come over SSH themselves: init adopts the outer one before it is asked for.
	c := exec.Command("setsid", "sh", "-c", fmt.Sprintf(`(%s sh -c "$0" </dev/null & )`, set(outer)),
		fmt.Sprintf(`%s sleep 600 & echo $$ $!; wait`, set(inner)))
	c.Env = []string{"PATH=/usr/bin:/bin"}
	out, err := c.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := c.Start(); err != nil {
		t.Fatal(err)
	}
	var shell int
	line, err := bufio.NewReader(out).ReadString('\n')
	if _, scanned := fmt.Sscan(line, &shell, &pid); errors.Join(err, scanned) != nil {
		t.Fatalf("%q: %v %v", line, err, scanned)
	}
	t.Cleanup(func() {
		for _, p := range []int{pid, shell} {
			if proc, err := os.FindProcess(p); err == nil {
				_ = proc.Kill()
			}
		}
		_ = c.Wait()
	})
	await(t, "it runs under its own name, and without us above it", func() bool {
		name, _ := os.ReadFile(fmt.Sprintf("/proc/%d/comm", pid))
		above, _ := statOf(shell)
		env, _ := environOf(pid)
		return strings.TrimSpace(string(name)) == "sleep" && len(env) > 0 && above != c.Process.Pid
	})
	return pid
}

// TestPersonBehindRoot: root's name is that of whoever became root, where a process of root's says so.
func TestPersonBehindRoot(t *testing.T) {
	c := exec.Command("sleep", "600")
	c.Env = []string{"SUDO_USER=ops-3"}
	if err := c.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = c.Process.Kill(); _ = c.Wait() })
	login, err := os.ReadFile(fmt.Sprintf("/proc/%d/loginuid", c.Process.Pid))
	want := "ops-3"
	if u, e := user.LookupId(strings.TrimSpace(string(login))); err == nil && e == nil {
		want = u.Username // this machine notes who logged in
	}
	await(t, "it runs", func() bool { return userOf(peer{pid: c.Process.Pid}) == want })
	if who := userOf(peer{pid: c.Process.Pid, uid: stranger}); who != fmt.Sprint("uid ", stranger) {
		t.Errorf("another user's process may say who he is: %s", who)
	}
}
